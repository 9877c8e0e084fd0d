"""When a prior stops, and which of its weights are kept."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.test_regimes import SIDE, benches, levels, pixelsnail

from labelmint.datasets.beside import with_unlabelled
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.progress import Event, Report
from labelmint.training.contract import check_regime
from labelmint.training.likelihood import Likelihood, PriorTraining, steps_of
from labelmint.training.regime import Bench, Stage
from labelmint.types import Batch

Overfit = tuple[Stage, dict[str, float], dict[int, float]]


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> Overfit:
    """One that stops. To be read only."""
    return overfit(tmp_path_factory.mktemp("best"), "best")


def overfit(folder: Path, keep: str) -> Overfit:
    """A prior that learns 12 pairs by heart within some steps; its figures, and the held-out nats by step."""
    torch.manual_seed(0)
    settings = PriorTraining(
        steps=80, batch_size=6, evaluate_every=4, patience=3, learning_rate=0.05, average=0, token_noise=0
    ).model_copy(update={"keep": keep})
    stage = Stage(name="prior", module=pixelsnail(), regime=Likelihood(settings, levels))
    events: list[Event] = []
    bench = benches(folder)(keep, events.append)
    stage.regime.begin(stage.module, bench.training, stage.name)
    figures = stage.regime.train(stage, bench)
    held_out = {
        event.step: event.losses["held_out_nats"]
        for event in events[:-1]  # the last one tells what is kept
        if "held_out_nats" in event.losses
    }
    return stage, figures, held_out


def test_a_prior_that_no_longer_improves_stops_and_keeps_its_best(best: Overfit, tmp_path: Path) -> None:
    stage, figures, held_out = best
    assert figures["steps"] < 80
    assert figures["steps"] - figures["best_step"] >= 12
    assert figures["held_out_nats"] == pytest.approx(min(held_out.values()))
    assert held_out[int(figures["best_step"])] == pytest.approx(figures["held_out_nats"])
    bench = benches(tmp_path)("best", lambda event: None)
    judged = stage.regime.held_out(copy.deepcopy(stage.module), bench.validation, torch.device("cpu"))
    assert judged["held_out_nats"] == pytest.approx(figures["held_out_nats"], rel=1e-5)


def test_a_prior_whose_last_weights_are_kept_goes_on_to_the_end(best: Overfit, tmp_path: Path) -> None:
    _, last, held_out = overfit(tmp_path, "last")
    assert last["best_step"] == last["steps"] == 80
    assert last["steps"] > best[1]["steps"]
    assert last["held_out_nats"] == pytest.approx(held_out[80])


def with_pool(folder: Path, bright: int = 20) -> Callable[[str, Report], Bench]:
    """Benches with a pool of bright images, which no pair is."""
    images = [torch.full((SIDE, SIDE, 1), 250, dtype=torch.uint8).numpy()] * bright
    make = benches(folder)

    def bench(name: str, report: Report) -> Bench:
        found = make(name, report)
        return replace(found, pool=Pairs(images, None, found.training.geometry, 0))

    return bench


def beside(share: float, **settings: float) -> Stage:
    """A prior that learns with this share of a pool."""
    torch.manual_seed(0)
    usual = {"steps": 3, "batch_size": 4, "evaluate_every": 2, "token_noise": 0.2}
    learning = PriorTraining.model_validate(usual | settings)
    regime = Likelihood(learning, levels, unlabelled=share, pool=20)
    return Stage(name="prior", module=pixelsnail(), regime=regime)


def test_the_laws_of_a_regime_hold_with_images_without_labels(tmp_path: Path) -> None:
    def first(stage: Stage, bench: Bench) -> Batch:
        return with_unlabelled(bench.training, bench.pool, 0.5, 0, 4)

    check_regime(lambda: beside(0.5), with_pool(tmp_path), first)


def test_a_look_that_no_label_shows_is_learned_from_the_pool_and_layouts_are_heeded_all_the_same(
    tmp_path: Path,
) -> None:
    """0.04 nats a token of such an image in place of 2.3; what stops a prior is of pairs alone."""
    bright, unseen, held_out = torch.full((4, 4, 4), 3), [], []
    for name, make in (("none", benches), ("pool", with_pool)):
        stage = beside(0.5, steps=20, batch_size=8, learning_rate=0.04, average=0, evaluate_every=20)
        figures = stage.regime.train(stage, make(tmp_path)(name, lambda event: None))
        held_out.append(figures["held_out_nats"])
        with torch.no_grad():
            unseen.append(float(negative_log_likelihood(stage.module, bright, None)))
    assert unseen[1] < 0.3 * unseen[0]
    assert held_out[1] < 1.2 * held_out[0]


def test_without_a_share_of_the_pool_the_weights_are_those_without_a_pool(tmp_path: Path) -> None:
    weights = []
    for name, share, make in (("none", 0.5, benches), ("unused", 0.0, with_pool), ("pool", 0.5, with_pool)):
        stage = beside(share)
        stage.regime.train(stage, make(tmp_path)(name, lambda event: None))
        weights.append(torch.cat([each.flatten() for each in stage.module.state_dict().values()]))
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_the_plan_counts_the_passes_over_pairs_and_the_tokens_of_the_pool() -> None:
    alone, both = beside(0.0, epochs=2, steps=100), beside(0.5, epochs=2, steps=100)
    assert (alone.regime.steps(12), both.regime.steps(12)) == (6, 12)
    assert steps_of(PriorTraining(batch_size=1), 3, 0.9) == steps_of(PriorTraining(batch_size=1), 3)
    kept = [stage.regime.kept_bytes(stage.module, 12, (SIDE, SIDE)) for stage in (alone, both)]
    assert kept[1] * 12 == kept[0] * (12 + 20)
