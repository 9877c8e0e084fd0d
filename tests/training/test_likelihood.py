"""When a prior stops, and which of its weights are kept."""

import copy
from pathlib import Path

import pytest
import torch
from tests.training.test_regimes import benches, levels, pixelsnail

from labelmint.progress import Event
from labelmint.training.likelihood import Likelihood, PriorTraining
from labelmint.training.regime import Stage

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
