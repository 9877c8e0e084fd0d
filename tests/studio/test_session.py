"""The session: what it draws are samples of `synthesize`, what is kept is exported, and nothing else is held."""

from __future__ import annotations

import copy
import errno
import gc
import json
import re
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers import digits, untrained

import labelmint
from labelmint.errors import InputError
from labelmint.runs.draw import Draw
from labelmint.runs.from_arrays import class_ids_of, given_arrays, takes_no_arrays
from labelmint.runs.layouts_alone import drawn_layout
from labelmint.runs.trained import TrainedSystem
from labelmint.studio import mint, paint
from labelmint.studio.nearest import no_neighbors
from labelmint.studio.session import Sample, Session
from labelmint.types import AnnotatedImage, Layout


def all_of(session: Session, draw: Draw, indices: range, view: str = "mint", **more: Any) -> list[Sample]:
    return [one for some in session.draw(view, draw, indices, **more) for one in some]


def told(pair: AnnotatedImage) -> tuple[bytes, bytes, dict[str, str]]:
    return pair.image.tobytes(), pair.layout.label_map.tobytes(), dict(pair.provenance)


def maps_of(system: TrainedSystem, n: int = 1) -> list[np.ndarray]:
    """Maps of a box on the ground, of whole cells of 4 pixels, which is what msgnet sees."""
    ids = class_ids_of(system)
    assert ids[:2] == (0, 1)
    found = [np.zeros(system.size, np.uint8) for _ in range(n)]
    for place, one in enumerate(found):
        one[4 : 12 + 4 * place, 8:16] = ids[1 + place % (len(ids) - 1)]
    return found


def test_what_is_drawn_is_what_synthesize_draws(minted: TrainedSystem) -> None:
    session = Session(minted, batch_size=4)
    draw = Draw(seed=3, batch_size=4, dials={"temperature": 0.7})
    drawn = all_of(session, draw, range(2, 7))
    wanted = minted.synthesize(5, seed=3, start=2, batch_size=4, temperature=0.7)
    assert [told(one.pair) for one in drawn] == [told(pair) for pair in wanted]
    assert [one.index for one in drawn] == [2, 3, 4, 5, 6]


def test_a_layout_alone_is_that_of_the_sample(minted: TrainedSystem) -> None:
    wanted = [pair.layout for pair in minted.chunk(0, Draw(seed=5, batch_size=4))]
    for index in (0, 3):
        found = drawn_layout(minted, Draw(seed=5, batch_size=4), index)
        assert np.array_equal(found.label_map, wanted[index].label_map)


def test_a_painted_map_is_the_label(system: TrainedSystem) -> None:
    maps = maps_of(system, 2)
    given = given_arrays(system, maps, names=["a", "b"])
    pairs = system.chunk(0, Draw(batch_size=4, layouts=given))
    for place, pair in enumerate(pairs):
        assert np.array_equal(pair.layout.label_map, maps[place % 2])
    assert given.names == ("a", "b")


def test_a_layout_of_which_objects_alone_were_changed_is_painted() -> None:
    ids = np.array([[0, 1], [1, 0]], np.uint16)
    objects = np.array([[0, 1], [2, 0]], np.uint16)
    plain, told = (paint._Base("a", Layout(label_map=ids, instances=one)) for one in (None, objects))
    assert told.holds(ids, objects)
    assert plain.holds(ids, None) and plain.holds(ids, np.zeros_like(ids))
    assert not told.holds(ids, np.minimum(objects, 1))
    assert not told.holds(ids, None)
    assert not told.holds(1 - ids, objects)


def test_maps_of_another_size_or_class_are_refused(trained: TrainedSystem) -> None:
    (one,) = maps_of(trained)
    with pytest.raises(InputError, match=r"expected maps of \(\d+, \d+\) pixels"):
        given_arrays(trained, [one[1:]])
    with pytest.raises(InputError, match="not trained on class id 99; it knows 0"):
        given_arrays(trained, [np.full_like(one, 99)])
    with pytest.raises(InputError, match="1 label maps and 2 instance maps"):
        given_arrays(trained, [one], [one, one])


def test_a_run_without_layouts_says_why_nothing_can_be_painted(trained: TrainedSystem) -> None:
    without = untrained(trained, "biggan")
    reason = takes_no_arrays(without)
    assert reason is not None
    assert "nothing of where it is" in reason
    with pytest.raises(InputError, match=reason):
        given_arrays(without, maps_of(trained))


@pytest.mark.parametrize(
    ("name", "sources", "painted", "still"),
    [
        ("flow", ["own", "varied"], None, None),
        ("spade", ["own", "varied"], None, None),
        ("crn", ["own", "varied"], None, "one image of a layout"),
        ("msgnet", ["own", "varied"], None, "token by token"),
        ("biggan", ["own"], "nothing of where it is", None),
    ],
)
def test_the_views_say_what_a_run_can_do(
    trained: TrainedSystem, name: str, sources: list[str], painted: str | None, still: str | None
) -> None:
    system = trained if name == "msgnet" else untrained(trained, name)
    session = Session(system)
    assert [*mint._sources(session)] == sources
    facts = paint._facts(session)
    assert (painted or "") in (facts["refused"] or "")
    assert (facts["refused"] is None) == (painted is None)
    if painted is None:
        assert (facts["still"] is None) == (still is None)
        assert (still or "") in (facts["still"] or "")
        assert facts["random"] == system.images.random
        assert facts["eraser"] == 0
        assert [one["id"] for one in facts["classes"]] == list(class_ids_of(system))
        assert ("drawn" in facts["sources"]) == (name == "msgnet")
    assert len(all_of(session, Draw(batch_size=2), range(2))) == 2  # of all kinds of runs


def test_any_number_of_draws_hold_the_pairs_of_the_last(trained: TrainedSystem) -> None:
    session = Session(trained)
    draw = Draw(batch_size=4)
    first = all_of(session, draw, range(4))
    kept, gone = first[1].key, weakref.ref(first[0].pair.image)
    session.mark(kept, "keep")
    del first
    for number in range(1, 4):
        all_of(session, draw, range(number, number + 2))
    gc.collect()
    assert gone() is None
    assert [len(sheet.samples) for sheet in session.sheets.values()] == [2]
    assert session.sample(kept).index == 1
    with pytest.raises(InputError, match="draw it again"):
        session.sample(kept.replace("-1-1", "-1-0"))


def test_the_next_draw_of_a_view_ends_the_one_before(trained: TrainedSystem) -> None:
    session = Session(trained)
    before = session.draw("mint", Draw(batch_size=4), range(12))
    assert len(next(before)) == 4
    assert len(all_of(session, Draw(batch_size=4), range(4), "paint")) == 4  # of another view
    after = session.draw("mint", Draw(batch_size=4), range(4))
    assert list(before) == []
    assert len(list(after)) == 1


def test_a_pair_is_kept_dropped_or_neither(trained: TrainedSystem) -> None:
    session = Session(trained)
    a, b = (one.key for one in all_of(session, Draw(batch_size=4), range(2)))
    session.mark(a, "keep")
    session.mark(b, "drop")
    assert [session.mark_of(a), session.mark_of(b), session.unexported] == ["keep", "drop", 1]
    session.mark(a, "drop")
    session.mark(b, "")
    assert [session.mark_of(a), session.mark_of(b), session.unexported] == ["drop", "", 0]
    with pytest.raises(InputError, match="expected keep, drop or nothing"):
        session.mark(a, "love")


def test_what_was_kept_is_a_set_that_is_read_again(minted: TrainedSystem, tmp_path: Path) -> None:
    out = tmp_path / "kept"
    session = Session(minted, out=out)
    drawn = all_of(session, Draw(seed=1, batch_size=4), range(3))
    (painted,) = maps_of(minted)
    given = given_arrays(minted, [painted], names=["painted on a blank layout"])
    by_hand = Draw(seed=2, batch_size=4, layouts=given)
    facts = {"painted": True}
    own = all_of(session, by_hand, range(1), "paint", sources=given.names, facts=facts)
    for one in (drawn[2], own[0]):
        session.mark(one.key, "keep")
    assert session.export("folder") == []
    assert session.unexported == 0
    data = labelmint.read(out)
    assert data.names == ("kept_0001", "kept_0002")
    for pair, one in zip(data, (drawn[2], own[0]), strict=True):
        assert np.array_equal(pair.image, one.pair.image)
        assert np.array_equal(pair.layout.label_map, one.pair.layout.label_map)
        assert pair.provenance.items() >= {"synthetic": "true", "weights": minted.digest}.items()
    assert np.array_equal(data[1].layout.label_map, painted)
    assert [pair.provenance.get("painted") for pair in data] == [None, "true"]
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [(row["seed"], row["index"], row.get("painted", False)) for row in rows] == [
        (1, 2, False),
        (2, 0, True),
    ]
    assert rows[1]["layout"] == "painted on a blank layout"
    assert rows[1]["layouts_digest"] == given.digest
    assert len(json.loads((out / "settings.json").read_text())["draws"]) == 2
    assert "1 painted by hand, 1 drawn" in (out / "README.md").read_text()


def test_an_export_replaces_that_of_the_same_session_alone(trained: TrainedSystem, tmp_path: Path) -> None:
    session, other = (Session(trained, out=tmp_path / "kept") for _ in range(2))
    for one in (session, other):
        with pytest.raises(InputError, match="nothing is kept yet"):
            one.export("folder")
        for sample in all_of(one, Draw(batch_size=4), range(2)):
            one.mark(sample.key, "keep")
    session.export("yolo")
    session.mark(next(iter(session.kept)), "")
    session.export("coco")
    assert len(labelmint.read(tmp_path / "kept")) == 1
    with pytest.raises(InputError, match="exists already"):
        other.export("folder")
    with pytest.raises(InputError, match="format 'nonsense' is unknown"):
        session.export("nonsense")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_full_disk_leaves_what_was_there(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(trained, out=tmp_path / "kept")
    first, second = all_of(session, Draw(batch_size=4), range(2))
    session.mark(first.key, "keep")
    session.export("folder")
    session.mark(second.key, "keep")

    def full(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "croissant.json")

    monkeypatch.setattr("labelmint.synthesis.chosen.write_metadata", full)
    with pytest.raises(OSError, match="No space left"):
        session.export("folder")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert len(labelmint.read(tmp_path / "kept")) == 1
    assert session.unexported == 1


def test_a_film_goes_from_the_sample_of_one_seed_to_that_of_another(
    trained: TrainedSystem, tmp_path: Path
) -> None:
    flow = untrained(trained, "flow")
    session = Session(flow)
    given = given_arrays(flow, maps_of(flow), names=["box"])
    draws = [Draw(seed=seed, batch_size=4, layouts=given, dials={"evaluations": 2}) for seed in (3, 8)]
    frames = [some[0] for some in session.film("paint", draws[0], 8, 4)]
    ends = [flow.chunk(0, draw)[0] for draw in draws]
    assert len({frame.pair.image.tobytes() for frame in frames}) == 4
    assert np.array_equal(frames[0].pair.image, ends[0].image)
    last = frames[3].pair.image.astype(int) - ends[1].image  # drawn in another row of the batch
    assert abs(last).max() <= 1
    assert [frame.facts["place"] for frame in frames] == [0, 0.333333, 0.666667, 1]
    session.out = tmp_path / "kept"
    session.mark(frames[1].key, "keep")
    session.export("folder")
    (line,) = (session.out / "manifest.jsonl").read_text().splitlines()
    assert {"seed": 3, "index": 0, "to_seed": 8, "frame": 1, "place": 0.333333}.items() <= json.loads(
        line
    ).items()
    said = labelmint.read(session.out)[0].provenance
    assert {
        "seed": "3",
        "index": "0",
        "to_seed": "8",
        "frame": "1",
        "place": "0.333333",
    }.items() <= said.items()
    assert "and the line has no `to_seed`" in (session.out / "README.md").read_text()
    with pytest.raises(InputError, match="it would stay"):
        session.film("paint", draws[0], 3, 4)
    with pytest.raises(InputError, match="token by token"):
        Session(trained).film("paint", draws[0], 4, 4)


def test_what_cannot_be_drawn_is_refused_before_anything_is(trained: TrainedSystem, tmp_path: Path) -> None:
    session = Session(trained)
    for n in (0, 65):
        with pytest.raises(InputError, match="1 to 64 pairs"):
            session.draw("mint", Draw(batch_size=4), range(n))
    with pytest.raises(InputError, match="truncation"):
        session.draw("mint", Draw(batch_size=4, dials={"truncation": 1}), range(4))
    moved = copy.copy(trained)
    moved.path = tmp_path / "gone"
    with pytest.raises(InputError, match="no longer there"):
        Session(moved).draw("mint", Draw(batch_size=4), range(4))
    assert session.sheets == {}


def test_the_nearest_training_image_is_found(trained: TrainedSystem) -> None:
    data = digits()
    session = Session(trained, data)
    (sample,) = all_of(session, Draw(batch_size=4), range(1))
    assert data.train is not None
    training = data.load(data.train[5])
    held = Sample(key="held", pair=training, origin=sample.origin, index=0)
    session.kept["held"] = held
    found = session.nearest("held")
    assert (found.name, found.distance) == (training.name, 0)
    assert np.array_equal(found.picture, training.image)
    assert session.nearest("held") is found
    without = Session(trained)
    without.kept["held"] = held
    with pytest.raises(InputError, match="Start the studio with --data"):
        without.nearest("held")
    other = replace(data, names=("elsewhere",))
    assert "holds none of the pairs" in (no_neighbors(trained, other) or "")


def test_the_python_of_the_page_runs(mint_run: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "studio.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    told: dict[str, Any] = {}
    exec(code.replace("my-run", str(mint_run)), told)
    assert len(told["pairs"]) == 4
    assert all(np.array_equal(pair.layout.label_map, told["label_map"]) for pair in told["pairs"])


def test_another_folder_in_place_of_an_export_is_left_alone(trained: TrainedSystem, tmp_path: Path) -> None:
    session = Session(trained, out=tmp_path / "kept")
    for samples in session.draw("mint", Draw(seed=0, batch_size=1), range(1)):
        session.mark(samples[0].key, "keep")
    session.export("folder")
    for file in [
        *(tmp_path / "kept").rglob("*.*")
    ]:  # the folder and its number stay, as a new one may have it
        file.unlink()
    (tmp_path / "kept" / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        session.export("folder")
    assert (tmp_path / "kept" / "mine").read_text(encoding="utf-8") == "mine"


def test_a_run_that_draws_nothing_of_its_own_is_refused(
    trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(trained), "system", "rdn")
    with pytest.raises(InputError, match="rdn enlarges the images of another run"):
        Session(trained)
