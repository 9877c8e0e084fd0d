"""From coarse to fine in one training: which part learns when, at which size, and that it can be stopped anywhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS
from tests.training.test_regimes import SIDE, benches
from torch import Tensor, nn

from labelmint.generators.pix2pixhd import Pix2PixHDConfig, Pix2PixHDGenerator
from labelmint.nn.patch import MultiScaleDiscriminator
from labelmint.objectives.adversarial import LEAST_SQUARES
from labelmint.objectives.likeness import LikenessObjective
from labelmint.progress import Event, Report
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.phases import Phase, free, phase_at, smaller
from labelmint.training.regime import Bench, Learning, Stage
from labelmint.types import Batch, LayoutBatch

PHASES = (
    Phase(0.25, shrink=2, learns=("coarse", "coarse_image")),
    Phase(0.5, learns=("enhancer",)),
    Phase(1.0, learns=("coarse", "enhancer")),
)


class _Watching(Adversarial):
    """Notes the sides of the images, and which parts moved since the step before."""

    def __init__(self, module: nn.Module) -> None:
        against = Against(
            discriminator=lambda: MultiScaleDiscriminator(1, 8, 1, 2, SYMBOLS, 4, edges=True, height=SIDE),
            loss=LEAST_SQUARES,
            rate=1e-3,
            matching=10.0,
        )
        objective = LikenessObjective(None, perceptual=1.0)
        super().__init__(Learning(steps=4, batch_size=2, evaluate_every=1), objective, against, phases=PHASES)
        self.module, self.seen = module, list[tuple[int, set[str]]]()
        self._before = self._weights()

    def _weights(self) -> dict[str, Tensor]:
        return {name: weights.detach().clone() for name, weights in self.module.named_parameters()}

    def _judged(
        self, rival: nn.Module, bare: nn.Module, batch: Batch, made: Tensor, turn: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        now = self._weights()
        moved = {name.partition(".")[0] for name in now if not now[name].equal(self._before[name])}
        self.seen.append((made.shape[-1], moved))
        self._before = now
        return super()._judged(rival, bare, batch, made, turn)


def stage() -> Stage:
    torch.manual_seed(0)
    sizes = Pix2PixHDConfig(channels=8, downsamplings=1, blocks=1, enhancer_blocks=1, layout_channels=4)
    module = Pix2PixHDGenerator(sizes, SYMBOLS, 1, (SIDE, SIDE))
    return Stage(name="generator", module=module, regime=_Watching(module))


def trained(
    bench_of: Callable[[str, Report], Bench], name: str, report: Report = lambda event: None
) -> Stage:
    made, bench = stage(), bench_of(name, report)
    made.regime.begin(made.module, bench.training, made.name)
    made.regime.train(made, bench)
    return made


def test_the_coarse_part_learns_first_then_the_enhancer_then_both_and_stopped_it_goes_on_alike(
    tmp_path: Path,
) -> None:
    bench_of = benches(tmp_path)
    whole = trained(bench_of, "whole")
    assert isinstance(whole.regime, _Watching)
    coarse, enhancer = {"coarse", "coarse_image"}, {"enhancer"}
    both = {"coarse", "enhancer"}
    half = SIDE // 2
    assert whole.regime.seen == [(half, coarse), (SIDE, enhancer), (SIDE, both), (SIDE, both)]

    def interrupt(event: Event) -> None:
        if event.step == 2:  # saved is the end of the first phase
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labelmint.training.loop.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            trained(bench_of, "stopped", interrupt)
    again = trained(bench_of, "stopped")
    assert isinstance(again.regime, _Watching)
    assert [side for side, _ in again.regime.seen] == [SIDE] * 3
    for name, weights in whole.module.state_dict().items():
        assert weights.equal(again.module.state_dict()[name]), name


def test_held_out_figures_wait_until_images_are_whole(tmp_path: Path) -> None:
    told: dict[int, bool] = {}
    trained(
        benches(tmp_path), "run", lambda event: told.update({event.step: "held_out_error" in event.losses})
    )
    assert told == {1: False, 2: True, 3: True, 4: True}


def test_verdicts_of_several_sizes_add_up_where_that_is_asked_for(tmp_path: Path) -> None:
    made, bench = stage(), benches(tmp_path)("run", lambda event: None)
    assert isinstance(made.regime, Adversarial)
    made.regime.begin(made.module, bench.training, made.name)
    networks = {player.name: player.module for player in made.regime.players(made.module)}
    batch, found = bench.training.fixed(0, 2), list[float]()
    for summed in (False, True):
        made.regime.against = replace(made.regime.against, summed=summed)
        found.append(float(made.regime.terms("module", networks, batch)[1]["adversarial"]))
    assert found[1] == pytest.approx(2 * found[0])


def test_a_phase_lasts_until_its_share_and_the_last_one_to_the_end() -> None:
    assert [phase_at(PHASES, p) for p in (0.0, 0.24, 0.25, 0.49, 0.5, 1.0)] == [
        PHASES[k] for k in (0, 0, 1, 1, 2, 2)
    ]
    assert phase_at((), 0.0) == phase_at((), 1.0) == Phase(1.0)
    layer = nn.Linear(2, 2).requires_grad_(False)
    free(layer, phase_at((), 0.5))
    assert not layer.weight.requires_grad


def test_a_smaller_batch_has_averaged_images_first_pixels_and_smaller_boxes() -> None:
    image, ids = torch.arange(16.0).view(1, 1, 4, 4), torch.arange(16).view(1, 4, 4)
    boxes = torch.tensor([[[2.0, 0, 2, 4, 3], [-1.0] * 5]])
    found = smaller(Batch(image, LayoutBatch(ids, ids + 1, boxes), torch.tensor([5])), 2)
    assert found.image.tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert found.layouts.ids.tolist() == [[[0, 2], [8, 10]]]
    assert found.layouts.instances is not None
    assert found.layouts.instances.tolist() == [[[1, 3], [9, 11]]]
    assert found.layouts.boxes is not None
    assert found.layouts.boxes.tolist() == [[[2.0, 0, 1, 2, 1.5], [-1.0] * 5]]
