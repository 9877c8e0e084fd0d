"""Shards: what several machines draw is, joined, what one would have written; and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.synthesis import test_filter
from tests.synthesis.fakes import Fake, files, make
from tests.synthesis.test_filter import System, real, run  # noqa: F401 - fixtures

from labelmint.errors import InputError
from labelmint.progress import Event
from labelmint.runs.origin import Origin
from labelmint.storage import alone
from labelmint.synthesis.export import Export
from labelmint.synthesis.filter_facts import FilterFacts
from labelmint.synthesis.join import join
from labelmint.synthesis.shard import Shard
from labelmint.synthesis.size_range import GivenSizes


def shards(folder: Path, of: int = 3, **options: Any) -> list[Path]:
    """Every shard of an export of the fake system."""
    return [make(folder / f"s{k}", shard=f"{k}/{of}", **options) for k in range(of)]


def unheard(event: Event) -> None:
    pytest.fail(f"{event.stage} {event.step} is told before the refusal")


@pytest.mark.parametrize(("n", "start"), [(None, 0), (7, 0), (9, 3)])
@pytest.mark.parametrize("format", ["folder", "coco"])
def test_joined_shards_are_what_one_machine_writes(
    tmp_path: Path, n: int | None, start: int, format: str
) -> None:
    parts = shards(tmp_path, start=start)
    before = {part: files(part) for part in parts}
    count = join(parts[::-1], tmp_path / "joined", n=n, format=format)
    assert count == (n or 10)
    assert files(tmp_path / "joined") == files(make(tmp_path / "one", n=count, start=start, format=format))
    assert {part: files(part) for part in parts} == before
    assert not list(tmp_path.glob("*.partial"))


def test_chunks_are_shared_out_and_more_shards_than_chunks_do_no_harm(tmp_path: Path) -> None:
    drawn = []
    for k in range(5):
        system = Fake()
        make(tmp_path / f"s{k}", system, shard=f"{k}/5", start=5)
        drawn.append(system.drawn)
    assert drawn == [[], [1], [2], [3], []]
    join([tmp_path / f"s{k}" for k in range(5)], tmp_path / "joined", image_format="tiff")
    assert files(tmp_path / "joined") == files(make(tmp_path / "one", start=5, image_format="tiff"))


@pytest.mark.parametrize("mode", ["on", "ignore"])
@pytest.mark.parametrize("n", [None, 5])
def test_with_a_filter_the_first_that_were_accepted_are_joined(run: Path, mode: str, n: int | None) -> None:  # noqa: F811
    parts = [test_filter.make(run, f"s{k}", n=22, start=2, shard=f"{k}/3", filter=mode) for k in range(3)]
    count = join(parts, run.parent / "joined", n=n)
    assert count == (n or (13 if mode == "ignore" else 8))
    one = test_filter.make(run, "one", n=count, start=2, filter=mode)
    assert files(run.parent / "joined") == files(one)
    with pytest.raises(
        InputError, match=r"22 candidates .* passed the filter and 21 are wanted; take a smaller"
    ):
        join(parts, run.parent / "more", n=21, report=unheard)
    assert not (run.parent / "more").exists()


def test_a_stopped_shard_goes_on_and_draws_nothing_twice(run: Path) -> None:  # noqa: F811
    with pytest.raises(KeyboardInterrupt):
        test_filter.make(run, "s0", System(run, stop_at=2), n=14, shard="0/2")
    with pytest.raises(InputError, match="not whole; run its command again with --resume"):
        join([run.parent / "s0"], run.parent / "joined")
    system = System(run)
    part = test_filter.make(run, "s0", system, n=14, shard="0/2", resume=True)
    assert system.drawn == [2]
    again = System(run)
    test_filter.make(run, "s0", again, n=14, shard="0/2", resume=True)
    assert again.drawn == []
    other = test_filter.make(run, "s1", n=14, shard="1/2")
    count = join([part, other], run.parent / "joined")
    assert files(run.parent / "joined") == files(test_filter.make(run, "one", n=count))
    with pytest.raises(InputError, match=r"shard '0/2', now it is '1/2'; pass --shard 0/2 to resume"):
        test_filter.make(run, "s0", n=14, shard="1/2", resume=True)


def test_shards_that_are_missing_doubled_or_of_another_export_are_refused(tmp_path: Path) -> None:
    parts, out = shards(tmp_path), tmp_path / "joined"
    others = {
        "seed": make(tmp_path / "seed", shard="1/3", seed=4),
        "weights": make(tmp_path / "weights", Fake(digest="99"), shard="1/3"),
        "n": make(tmp_path / "n", shard="1/3", n=11),
    }
    twice = shutil.copytree(parts[1], tmp_path / "twice")
    whole = make(tmp_path / "whole")
    damaged = shutil.copytree(parts[1], tmp_path / "damaged")
    next(damaged.glob("chunk-*/images/*.png")).write_bytes(b"")
    lacking = shutil.copytree(parts[2], tmp_path / "lacking")
    next(lacking.glob("chunk-*/images/*.png")).unlink()
    spoiled = shutil.copytree(parts[1], tmp_path / "spoiled")
    (spoiled / "shard.json").write_text('{"export": {}}')
    newer = shutil.copytree(parts[1], tmp_path / "newer")
    facts = json.loads((newer / "shard.json").read_text())
    (newer / "shard.json").write_text(json.dumps({**facts, "versions": {"torch": "99"}}))
    quarter = make(tmp_path / "quarter", shard="1/4")
    first, _, last = parts
    cases = [
        ([first, last], "shard 1/3 of its export is missing; give all 3"),
        ([first], "shard 1/3 and 1 more of its export is missing"),
        ([*parts, twice], "is shard 1/3, as"),
        *(([first, part, last], f"of another export than .*: {key} ") for key, part in others.items()),
        ([first, quarter, last], "it is shard 1/4, that one 0/3"),
        ([first, newer, last], "other versions"),
        ([first, parts[1], lacking], "missing or damaged; remove .*lacking and draw shard 2/3 again"),
        ([first, spoiled, last], "shard.json: damaged"),
        ([whole], "no shard; expected a folder that"),
        ([tmp_path / "none"], "no shard; expected"),
    ]
    for given, said in cases:
        with pytest.raises(InputError, match=said):
            join(given, out, report=unheard)
        assert not out.exists()
    told = list[Event]()
    with pytest.raises(InputError, match=r"missing or damaged; remove .*damaged and draw shard 1/3 again"):
        join([first, damaged, last], out, report=told.append)
    assert [event.step for event in told] == [1] and not out.exists()
    for options, said in (
        ({"n": 0}, "-n 0: expected at least 1"),
        ({"n": 11}, "-n 11: these shards hold 10 pairs"),
        ({"format": "voc7"}, "--format voc7: expected one of"),
        ({"image_format": "gif"}, "--image-format gif: expected one of"),
    ):
        with pytest.raises(InputError, match=said):
            join(parts, out, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not an empty folder"):
        join(parts, parts[0])
    with alone(tmp_path / "joined.partial"), pytest.raises(InputError, match="another command works there"):
        join(parts, out)
    (tmp_path / "joined.partial" / "chunk-000000").mkdir(parents=True)
    with pytest.raises(InputError, match="holds samples of another command"):
        join(parts, out)


def test_the_card_names_the_versions_that_drew(tmp_path: Path) -> None:
    parts = shards(tmp_path, of=2)
    for part in parts:
        facts = json.loads((part / "shard.json").read_text())
        (part / "shard.json").write_text(json.dumps({**facts, "versions": {"torch": "99"}}))
    join(parts, tmp_path / "joined")
    assert "- Versions: torch 99\n" in (tmp_path / "joined" / "README.md").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shard": "3/3"}, r"--shard 3/3: expected K/N"),
        ({"shard": "1"}, r"--shard 1: expected K/N"),
        ({"shard": "-1/3"}, r"--shard -1/3: expected K/N"),
        (
            {"shard": "0/3", "format": "coco"},
            "--format: has no meaning with --shard; give it to `labelmint join`",
        ),
        ({"shard": "0/3", "image_format": "jpg"}, "--image-format: has no meaning"),
        ({"shard": "0/3", "most_candidates": 99}, "--most-candidates: has no meaning with --shard"),
        ({"engine": "dask"}, "--engine dask: expected one of here, ray"),
    ],
)
def test_what_has_no_meaning_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make(tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_an_export_comes_back_from_json() -> None:
    system = Fake()
    origin = Origin(
        version="1",
        system="fake",
        weights="01",
        seed=3,
        batch_size=4,
        dials={"temperature": 0.7},
        layouts="given",
        layouts_digest="23",
        per_layout=2,
        device="cpu",
        precision="32-true",
        threads=1,
        keep=("layout:a",),
        reseed={"image": 4},
    )
    export = Export(
        origin=origin,
        classes=system.classes,
        size=(16, 16),
        n=9,
        start=2,
        sources=("a", "b"),
        ranges=("a", "b", "c"),
        filter=FilterFacts(settings={"mode": "on"}, dice=0.3),
        sizes=GivenSizes(2, 3, {}, {0: {}, 1: {}}),
    )
    assert Export.from_json(json.loads(json.dumps(export.to_json()))) == export
    assert len(export.cautions) == 1 and export.range_of(5) != {}
    assert [list(Shard(k, 3).of_these(range(4, 9))) for k in range(3)] == [[6], [4, 7], [5, 8]]
