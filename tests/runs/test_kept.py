"""What tokens keep of the layouts of a data set, before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.inspection import inspect
from labelmint.errors import InputError
from labelmint.runs import kept
from labelmint.runs.kept import kept_by
from labelmint.systems.catalogue import settings_of
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

CLASSES = ClassSet(
    tuple(ClassInfo(id=i, name=name) for i, name in ((0, "background"), (7, "box"), (9, "dot")))
)


def pair(index: int) -> AnnotatedImage:
    """A box that moves, and beside it a dot of one pixel."""
    labels = np.zeros((32, 32), np.uint8)
    labels[4 : 14 + index % 3, 4:15] = 7
    labels[20 + index % 4, 20 + index // 4 % 4] = 9
    return AnnotatedImage(
        name=f"{index:02d}", image=np.zeros((32, 32, 1), np.uint8), layout=Layout(label_map=labels)
    )


def data() -> DataSet:
    names = tuple(f"{i:02d}" for i in range(24))
    return DataSet(
        source="dots",
        format="memory",
        classes=CLASSES,
        names=names,
        load=lambda name: pair(int(name)),
        train=names[:16],
        test=names[16:],
    )


WHOLE = Geometry(size=(32, 32))


def few_patterns(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    settings = settings_of("mint", "tiny")
    tokenizer = settings.each()["tokenizer"].model_copy(update={"semantic_codebook_size": entries})
    fewer = settings.model_copy(update={"tokenizer": tokenizer})
    monkeypatch.setattr(kept, "settings_of", lambda system, preset: fewer)


@pytest.mark.parametrize(("entries", "dots"), [(512, 24), (4, 0)])
def test_objects_that_patterns_hold_are_kept_and_others_are_counted_as_lost(
    monkeypatch: pytest.MonkeyPatch, entries: int, dots: int
) -> None:
    few_patterns(monkeypatch, entries)
    found = inspect(data(), geometry=WHOLE, **kept_by("tiny", WHOLE, data())._asdict())
    counts = {one.id: (one.objects_kept, one.objects_at_size) for one in found.classes}
    assert counts == {0: (0, 0), 7: (24, 24), 9: (dots, 24)}
    assert f"by {entries} patterns of 4x4 pixels, as mint has them" in str(found)


def test_patterns_are_counted_at_the_scale_that_crops_are_cut_from() -> None:
    crops = Geometry(size=(16, 16), crop=True)
    found = inspect(data(), geometry=crops, **kept_by("tiny", crops, data())._asdict())
    assert {one.id: one.objects_kept for one in found.classes} == {0: 0, 7: 24, 9: 24}
    assert "at 1 of their size by" in str(found)


def test_label_maps_come_back_in_the_ids_of_the_data() -> None:
    written = kept_by("tiny", WHOLE, data()).written
    assert written is not None
    labels = pair(3).layout.label_map
    assert np.array_equal(written(labels), labels)
    strange = labels.copy()
    strange[0, 0] = 200  # an unknown id, which `inspect` tells by itself
    assert set(np.unique(written(strange))) <= {0, 7, 9}


def test_patterns_are_counted_outside_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    one = data()

    def load(name: str) -> AnnotatedImage:
        seen.append(name)
        return pair(int(name))

    kept_by(
        "tiny",
        WHOLE,
        DataSet(source="dots", format="memory", classes=CLASSES, names=one.names, load=load, test=one.test),
    )
    assert seen == list(one.names[:16])


def test_data_that_can_not_be_read_keep_nothing_and_lose_nothing() -> None:
    def refuse(name: str) -> AnnotatedImage:
        raise InputError(f"{name}: broken")

    broken = DataSet(source="dots", format="memory", classes=CLASSES, names=("a", "b"), load=refuse)
    found = inspect(broken, geometry=WHOLE, **kept_by("tiny", WHOLE, broken)._asdict())
    assert (found.pairs, found.readable) == (2, 0)


def test_more_classes_than_patterns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    few_patterns(monkeypatch, 3)  # and a fourth for pixels that are ignored
    with pytest.raises(InputError, match="each needs a pattern"):
        kept_by("tiny", WHOLE, data())


def test_a_system_is_named_by_itself_and_takes_layouts_as_it_does() -> None:
    for system, grid in (("flow", (32, 32)), ("msgnet", (16, 16)), ("msgnet-vq2", (16, 16))):
        found = kept_by("tiny", WHOLE, data(), system=system)
        assert (found.grid, found.written) == (grid, None)
        assert system in found.tokens
    with pytest.raises(InputError, match="pix2pix-256: has no sizes for mint"):
        kept_by("pix2pix-256", WHOLE, data(), system="mint")
