"""Drawing pairs: the sampling law, labels that fit, given layouts, and both systems end to end."""

import copy
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from tests.helpers import digits, tiny_settings
from torch import Tensor

from labelmint.contracts import check_generator
from labelmint.errors import InputError
from labelmint.generators.two_stage import TwoStage
from labelmint.nn.peak_memory import peak_bytes
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.systems.catalogue import SYSTEMS, catalogue
from labelmint.types import AnnotatedImage, LayoutBatch


def equal(a: AnnotatedImage, b: AnnotatedImage) -> bool:
    return (
        a.name == b.name
        and np.array_equal(a.image, b.image)
        and np.array_equal(a.layout.label_map, b.layout.label_map)
    )


def test_sample_i_is_the_same_for_every_count_and_start(system: TrainedSystem) -> None:
    whole = list(system.synthesize(11, batch_size=4))
    assert [pair.name for pair in whole] == [f"synthetic_{i:06d}" for i in range(11)]
    for start, n in ((0, 3), (3, 5), (10, 1)):
        part = list(system.synthesize(n, start=start, batch_size=4))
        assert all(equal(a, b) for a, b in zip(part, whole[start : start + n], strict=True))
    assert not any(
        equal(a, b) for a, b in zip(whole, system.synthesize(4, batch_size=4, seed=1), strict=False)
    )


def test_across_batch_sizes_nearly_all_images_are_equal(minted: TrainedSystem) -> None:
    pairs = zip(minted.synthesize(40, batch_size=8), minted.synthesize(40, batch_size=20), strict=True)
    assert sum(equal(a, b) for a, b in pairs) >= 39


def test_labels_have_full_size_known_ids_and_instances(system: TrainedSystem) -> None:
    for pair in system.synthesize(8, batch_size=8):
        assert pair.image.shape == (32, 32, 1)
        assert pair.layout.size == (32, 32)
        assert not system.classes.unknown(pair.layout.label_map)
        assert pair.layout.instances is not None
        assert np.array_equal(pair.layout.instances > 0, pair.layout.label_map > 0)
        for instance in np.unique(pair.layout.instances)[1:]:
            assert len(np.unique(pair.layout.label_map[pair.layout.instances == instance])) == 1


def test_pairs_say_that_they_are_synthetic_and_where_they_came_from(trained: TrainedSystem) -> None:
    (pair,) = trained.synthesize(1, start=3, seed=5, batch_size=4)
    marks = {
        "synthetic": "true",
        "generator": "labelmint",
        "weights": trained.digest,
        "seed": "5",
        "index": "3",
    }
    assert marks.items() <= pair.provenance.items()


def test_layouts_of_a_data_set_are_followed_in_order(system: TrainedSystem) -> None:
    data = digits(6, seed=3)
    pairs = list(system.synthesize(6, layouts=data, per_layout=2, batch_size=4))
    for i, pair in enumerate(pairs):
        agree = (pair.layout.label_map == data[i // 2].layout.label_map).mean()
        assert agree > 0.9
    assert not np.array_equal(pairs[0].image, pairs[1].image)


def test_varied_layouts_are_new_and_follow_the_sampling_law(system: TrainedSystem) -> None:
    data = digits(3, seed=3)
    whole = list(system.synthesize(9, layouts=data, vary=True, batch_size=4))
    given = {pair.layout.label_map.tobytes() for pair in data}
    assert len({pair.layout.label_map.tobytes() for pair in whole} - given) >= 8
    assert all(
        equal(a, b)
        for a, b in zip(
            system.synthesize(4, start=5, layouts=data, vary=True, batch_size=4), whole[5:], strict=True
        )
    )
    shown = {class_id for pair in whole for class_id in np.unique(pair.layout.label_map)}
    assert shown <= {class_id for pair in data for class_id in np.unique(pair.layout.label_map)}
    own = next(system.synthesize(1, vary=True))  # the run's training layouts, though it could draw its own
    assert not system.classes.unknown(own.layout.label_map)


def test_in_bfloat16_a_run_draws_its_own_samples_and_gives_single_precision_logits(
    system: TrainedSystem,
) -> None:
    half = load(system.path, threads=1, precision="bf16")
    assert (system.precision, half.precision) == ("32-true", "bf16-true")
    assert half.digest == system.digest
    whole, part = list(half.synthesize(6, batch_size=4)), list(half.synthesize(2, start=3, batch_size=4))
    assert all(equal(a, b) for a, b in zip(part, whole[3:5], strict=True))
    assert not all(equal(a, b) for a, b in zip(whole, system.synthesize(6, batch_size=4), strict=True))
    layouts = LayoutBatch(system.training_layouts()[:2])
    tokens = torch.zeros(2, *system.part("tokenizer").streams[0].grid, dtype=torch.long)
    with torch.no_grad():
        logits = half.part("prior")(tokens, layouts)
        assert logits.dtype == torch.float32
        assert (logits - system.part("prior")(tokens, layouts)).abs().max() < 0.05 * logits.abs().max()
    with pytest.raises(InputError, match="--precision 16: expected 32 or bf16"):
        load(system.path, precision="16")


def test_the_images_keep_the_laws_of_a_generator(system: TrainedSystem) -> None:
    a, b = torch.zeros(1, 32, 32, dtype=torch.int16), torch.full((1, 32, 32), 5, dtype=torch.int16)
    check_generator(system.images, LayoutBatch(torch.cat([a, b, a])), image_channels=1)


@pytest.mark.parametrize("options", [{"n": -1}, {"seed": -1}, {"start": -1}, {"batch_size": 0}])
def test_numbers_out_of_range_are_refused(trained: TrainedSystem, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected at least"):
        list(trained.synthesize(**({"n": 1} | options)))


@pytest.mark.usefixtures("rehearsed")
def test_a_batch_that_memory_can_not_hold_is_refused_with_one_that_it_can(
    trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.check_batch(64)
    with pytest.raises(InputError, match=r"GiB of memory, and .* are free; take --batch-size 1024"):
        trained.check_batch(1_000_000)
    with pytest.raises(InputError, match="batch-size 1000000"):
        next(trained.synthesize(1, batch_size=1_000_000))
    with_memory(monkeypatch, 1000)
    for ask in (
        lambda: trained.check_batch(1),
        lambda: trained.usual_batch(pytest.fail),
        lambda: next(trained.synthesize(1)),
    ):
        with pytest.raises(InputError, match="one sample does not fit either"):
            ask()


def with_memory(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr("labelmint.runs.batch_size.available_memory", lambda device: available)


@pytest.mark.slow
@pytest.mark.usefixtures("rehearsed")
def test_the_usual_batch_is_the_largest_power_of_two_that_memory_holds(
    trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained.usual_batch(pytest.fail) == 32
    for fits in (1, 16):
        with_memory(monkeypatch, trained.drawing_bytes(fits) + 1)
        said: list[str] = []
        assert trained.usual_batch(said.append) == fits
        assert len(said) == 1
        trained.check_batch(fits)
        with pytest.raises(InputError, match=f"take --batch-size {fits}$"):
            trained.check_batch(2 * fits)
    with pytest.warns(UserWarning, match="memory holds 16 pairs"):
        few = list(trained.synthesize(2, start=14))
    assert all(equal(a, b) for a, b in zip(few, trained.synthesize(2, start=14, batch_size=16), strict=True))
    on_gpu = copy.copy(trained)
    on_gpu.device = torch.device("cuda")
    for fits, warned in ((256, 0), (64, 1)):
        with_memory(monkeypatch, trained.drawing_bytes(fits) + 1)
        said = []
        assert on_gpu.usual_batch(said.append) == fits
        assert len(said) == warned


def test_bytes_are_counted_while_they_are_held() -> None:
    kilobyte, weights = torch.zeros(256), torch.zeros(1 << 16)

    def work() -> Tensor:
        x = kilobyte + 1
        x.mul_(2)  # in place: nothing new
        y = torch.stack([x, x]).sum(0)  # at most four at a time: x, the two, their sum
        view = weights[:256]  # that of what was there before
        del x
        return (view + y)[:10]

    assert peak_bytes(work) == 4 * 1024
    # each keeps its last kilobyte, as long as its view lives
    assert peak_bytes(lambda: [work() for _ in range(5)]) == 8 * 1024


@pytest.mark.usefixtures("rehearsed")
def test_what_a_batch_takes_grows_with_it_and_is_about_what_it_is(system: TrainedSystem) -> None:
    sizes = [system.drawing_bytes(batch) for batch in (1, 2, 8, 32, 128)]
    assert sizes == sorted(sizes)
    rehearsed = peak_bytes(lambda: cast(TwoStage, system.images)._rehearse(32))
    assert rehearsed < system.drawing_bytes(32) < 20 * rehearsed


def test_pre_msgnet_has_no_layout_prior_and_draws_from_the_training_layouts(tmp_path: Path) -> None:
    data = digits()
    few = tiny_settings("pre-msgnet") | {"tokenizer.steps": "10", "prior.epochs": "1"}
    system = train(
        data, tmp_path / "run", system="pre-msgnet", preset="tiny", settings=few, precision="32", threads=1
    )
    assert not system.has_layout_prior
    real = {pair.layout.label_map.tobytes() for pair in data}
    assert all(pair.layout.label_map.tobytes() in real for pair in system.synthesize(4, batch_size=4))


def test_the_catalogue_names_every_system_with_source_and_parts() -> None:
    rows = {row["name"]: row for row in catalogue()}
    assert rows.keys() == SYSTEMS.keys()
    assert all(
        row[key] for row in rows.values() for key in ("source", "layout_source", "image_generator", "presets")
    )
