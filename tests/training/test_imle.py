"""Conditional IMLE: the laws of a regime, its search against the plain definition, and codes that stay."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS
from tests.training.test_regimes import SIDE, benches, pairs
from torch import nn

from labelmint.generators.crn import CRNConfig, CRNGenerator, NoiseConfig
from labelmint.objectives.layered import LayeredObjective, layers_of
from labelmint.objectives.structure import structure_maps
from labelmint.progress import Report
from labelmint.training.contract import check_regime
from labelmint.training.imle import IMLE, Found, IMLELearning, Round, search
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Bench, Learning, Stage
from labelmint.types import Batch

FEW = IMLELearning(
    steps=5, batch_size=3, evaluate_every=2, round_steps=3, round_layouts=5, codes=4, learning_rate=0.01
)
LAYERS = layers_of("", (SIDE, SIDE))


def network(outputs: int = 1, noisy: bool = True) -> CRNGenerator:
    torch.manual_seed(0)
    config, noise = (
        CRNConfig(channels=8, doublings=2, outputs=outputs),
        NoiseConfig(noise_channels=2, noise_hidden=4),
    )
    return CRNGenerator(config, SYMBOLS, 1, (SIDE, SIDE), LAYERS, noise if noisy else None)


def test_it_keeps_the_laws_of_a_regime_and_is_gone_on_with_within_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rare looks shown more often, whose pixels weigh more; a round is searched at its begin and its end alone,
    stopped or not.
    """
    searched = []

    def noted(network: nn.Module, objective: LayeredObjective, one: Round, *given: Any) -> Found:
        searched.append(one.number)
        return search(network, objective, one, *given)

    monkeypatch.setattr("labelmint.training.imle.search", noted)

    def make() -> Stage:
        made = network()
        return Stage(name="generator", module=made, regime=IMLE(FEW, LayeredObjective(made.noise), 0.5))

    def bench_of(name: str, report: Report) -> Bench:
        bench = benches(tmp_path)(name, report)
        bench.training.class_of = {0: 0, 1: 1, 2: 2}
        return replace(bench, training=bench.training.rebalanced("appearance"))

    def first(one: Stage, bench: Bench) -> Batch:
        regime = cast(IMLE, one.regime)
        begun = regime.round(bench.training, 0)
        found = search(one.module.eval(), regime.objective, begun, range(FEW.round_layouts), nullcontext)
        return begun.some(begun.order(0, FEW.batch_size), found.chosen.tolist())

    check_regime(make, bench_of, first)
    assert searched == [0, 0, 1] * 2


def test_it_tells_how_many_choices_of_a_round_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share is that of the first views of the round, by the weights at its end."""
    found = []

    def noted(*given: Any) -> Found:
        found.append(search(*given))
        return found[-1]

    monkeypatch.setattr("labelmint.training.imle.search", noted)
    monkeypatch.setattr("labelmint.training.imle._SEEN_AGAIN", 4)
    made, bench = network(), benches(tmp_path)("one", lambda _: None)
    regime = IMLE(FEW.model_copy(update={"learning_rate": 0.1}), LayeredObjective(made.noise))
    regime.begin(made, bench.training, "generator")
    figures = regime.train(Stage(name="generator", module=made, regime=regime), bench)
    first, again, second = (one.chosen for one in found)
    assert FEW.codes * sum(map(len, (first, again, second))) == regime.drawn(12)
    assert len(first) == len(second) == FEW.round_layouts and len(again) == 4
    assert figures["revised"] == float((again != first[:4]).float().mean()) > 0


def test_several_outputs_learn_by_the_best_of_them(tmp_path: Path) -> None:
    def make() -> Stage:
        made = network(outputs=3, noisy=False)
        few = Learning(steps=3, batch_size=3, evaluate_every=2)
        return Stage(name="generator", module=made, regime=Minimize(few, LayeredObjective(made.noise)))

    check_regime(make, benches(tmp_path))


def test_the_search_is_the_plain_definition() -> None:
    made, training = network().eval(), pairs(12, 0)
    objective = LayeredObjective(made.noise)
    objective.begin(made, training)
    one = Round(training, 7, 5, 4, objective.noise)  # type: ignore[arg-type]
    found = search(made, objective, one, [3, 0], nullcontext)
    for row, j in enumerate([3, 0]):
        view = training.batch(7, 5)[j : j + 1]
        apart = []
        for k in range(4):
            with torch.no_grad():
                image = made(view.layouts, one.codes_of([j], [k]), {})
            layers = zip(structure_maps(image), structure_maps(view.image), strict=True)
            each = torch.stack([(a - b).abs().mean() for a, b in layers])
            apart.append(float((each * made.balance).sum()))
        assert int(found.chosen[row]) == int(np.argmin(apart))
        assert float(found.nearest[row]) == pytest.approx(min(apart), rel=1e-5)
        assert float(found.mean[row]) == pytest.approx(np.mean(apart), rel=1e-5)


def test_views_and_codes_of_a_round_are_the_same_whoever_asks() -> None:
    one = Round(pairs(12, 0), 2, 5, 4, network().noise)  # type: ignore[arg-type]
    chosen = [3, 1, 0, 2, 1]
    whole, some = one.some(range(5), chosen), one.some([4, 1], chosen)
    rows = torch.tensor([4, 1])
    assert whole.codes is not None and some.codes is not None
    assert some.codes.equal(whole.codes[rows]) and some.image.equal(whole.image[rows])
    others = [one._replace(number=3).codes_of([4], [1]), one.codes_of([4], [2]), one.codes_of([3], [1])]
    assert not any(code.equal(some.codes[:1]) for code in others)
    assert sorted(one.order(0, 5)) == [0, 1, 2, 3, 4] == sorted(one.order(1, 5))
    assert one.order(0, 10) == one.order(0, 5) + one.order(1, 5) != one.order(0, 5) * 2
