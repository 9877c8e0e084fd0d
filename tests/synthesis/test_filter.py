"""The filter and the gate: what is false or copied is dropped, the rest keeps its number, and nothing depends
on the test part.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.synthesis.filter_fakes import (
    CLASSES,
    SIDE,
    TRAINING,
    VALIDATION,
    Reader,
    System,
    candidate,
    pair,
    standard_of,
)

from labelmint import formats
from labelmint.datasets.fitting import fitted
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.segmenters.agreement import agreement_scores
from labelmint.segmenters.standard import digest_of_images
from labelmint.synthesis import filter as module
from labelmint.synthesis import gate, mint
from labelmint.synthesis.join import join
from labelmint.types import AnnotatedImage, DataSet


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pairs on disk; the test part is there, and nobody may look at it."""
    folder = tmp_path_factory.mktemp("real") / "data"
    pairs = [pair(name, seed) for seed, name in enumerate([*TRAINING, *VALIDATION, "secret"])]
    formats.write(iter(pairs), folder, format="folder", classes=CLASSES)
    (folder / "test.txt").write_text("secret\n")
    return folder


@pytest.fixture
def run(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a judge."""
    folder = tmp_path / "run"
    (folder / "judge").mkdir(parents=True)
    (folder / "judge" / "part.json").write_text("{}")
    (folder / "split.json").write_text(json.dumps({"training": TRAINING, "validation": VALIDATION}))
    judge = Reader(standard_of(read(real), str(real)))
    monkeypatch.setattr(module, "load_judge", lambda path, device: judge)
    return folder


def make(run: Path, out: str, system: System | None = None, **options: Any) -> Path:
    return mint(
        system or System(run), run.parent / out, **{"n": 9, "batch_size": 4, "filter_share": 0.0, **options}
    )  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_good_candidates_are_kept_with_their_numbers_and_the_others_named_with_their_reasons(
    run: Path,
) -> None:
    out = make(run, "out")
    kept = [index for index in range(40) if index % 5 in (0, 4)][:9]
    assert [row["index"] for row in rows(out / "manifest.jsonl")] == kept
    data = read(out)
    assert data.names == tuple(f"synthetic_{index:06d}" for index in kept)
    for index, found in zip(kept, data, strict=True):
        assert np.array_equal(found.image, candidate(index).image)
        assert np.array_equal(found.layout.label_map, candidate(index).layout.label_map)
    threshold = json.loads((out / "settings.json").read_text())["filter"]["threshold"]
    assert all(
        row["agreement"] >= threshold and row["nearest_training"] in TRAINING
        for row in rows(out / "manifest.jsonl")
    )
    rejected = {row["index"]: row for row in rows(out / "rejected.jsonl")}
    assert sorted(rejected) == [index for index in range(kept[-1]) if index not in kept]
    for index, row in rejected.items():
        assert row["reason"] == ("near-copy" if index % 5 == 1 else "disagrees")
    assert {row["nearest_training"] for index, row in rejected.items() if index % 5 == 1} == {"t1", "t6"}
    with Image.open(out / "rejected.png") as picture:
        assert picture.width > 3 * SIDE
    outcome = json.loads((out / "settings.json").read_text())["outcome"]
    assert outcome["drawn"] == kept[-1] + 1 == outcome["accepted"] + sum(outcome["dropped"].values())
    card = (out / "README.md").read_text()
    assert f"{outcome['drawn']} candidates were drawn for 9 pairs" in card
    assert f"- {outcome['dropped']['near-copy']} withheld" in card
    assert "zoomed by much are not found" in card
    assert "which at most 0 of 6 real validation views fall below" in card
    assert "--filter on" in card


def test_a_verdict_depends_on_the_candidate_alone(run: Path) -> None:
    whole = {row["index"]: row for row in rows(make(run, "whole", n=14) / "manifest.jsonl")}
    part = rows(make(run, "part", n=3, start=11) / "manifest.jsonl")
    assert [row["index"] for row in part] == [14, 15, 19]
    assert all(row == whole[row["index"]] for row in part)
    images = files(run.parent / "whole")
    assert all(
        images[name] == data
        for name, data in files(run.parent / "part").items()
        if name.startswith("images/")
    )


@pytest.mark.parametrize("stop_at", [0, 2, 4])
def test_a_stopped_export_resumes_to_the_same_bytes_and_draws_nothing_twice(run: Path, stop_at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(run, "out", System(run, stop_at))
    assert not (run.parent / "out").exists()
    system = System(run)
    make(run, "out", system, resume=True)
    assert system.drawn[0] == stop_at
    assert files(run.parent / "out") == files(make(run, "never_stopped"))
    assert not list(run.parent.glob("*.partial"))
    system = System(run)
    make(run, "out", system, resume=True)  # complete: nothing is left to do
    assert system.drawn == []


def test_a_chunk_that_was_judged_and_damaged_since_is_drawn_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("labelmint.pictures.contact_sheet", fail)
        make(run, "out")
    assert list((run.parent / "out.partial").glob("verdicts-*"))
    file = run.parent / "out.partial" / "chunk-000001" / "images" / "synthetic_000005.png"
    file.write_bytes(file.read_bytes()[:-20])
    system = System(run)
    make(run, "out", system, resume=True)
    assert system.drawn == [1]
    assert files(run.parent / "out") == files(make(run, "never_stopped"))


def test_a_limit_ends_it_with_the_counts_and_more_candidates_go_on(run: Path) -> None:
    with pytest.raises(InputError) as refusal:
        make(run, "out", most_candidates=12)
    for words in (
        "of 12 candidates 5 passed",
        "9 are wanted",
        "4 dropped",
        "3 withheld",
        "--most-candidates",
        "--filter off",
    ):
        assert words in str(refusal.value)
    assert not (run.parent / "out").exists()
    make(run, "out", most_candidates=40, resume=True)
    assert files(run.parent / "out") == files(make(run, "at_once"))


def test_ignore_changes_doubtful_pixels_only_and_they_read_back_as_ignored(run: Path) -> None:
    out = make(run, "out", filter="ignore", n=8)
    data = {int(name[-6:]): data for name, data in zip(read(out).names, read(out), strict=True)}
    # a false corner is mended; another's label and copies are not
    assert {index % 5 for index in data} == {0, 3, 4}
    for row in rows(out / "manifest.jsonl"):
        found, made = data[row["index"]].layout.label_map, candidate(row["index"]).layout.label_map
        assert (found == 255).sum() == row.get("ignored_pixels", 0)
        assert np.array_equal(found[found != 255], made[found != 255])
        instances = data[row["index"]].layout.instances
        assert instances is not None
        assert not instances[found == 255].any()
        if row["index"] % 5 == 3:
            assert (found[:4, :4] == 255).mean() > 0.8
            assert (found == 255).sum() <= 16 + 0.03 * SIDE**2
    reasons = {row["index"] % 5: row["reason"] for row in rows(out / "rejected.jsonl")}
    assert reasons == {1: "near-copy", 2: "mostly doubtful"}
    assert "are written as ignored" in (out / "README.md").read_text()


def test_without_a_judge_it_is_off_and_says_so_and_asking_for_it_is_refused(tmp_path: Path) -> None:
    system = System(tmp_path)
    out = mint(system, tmp_path / "out", n=5, batch_size=4)  # type: ignore[arg-type]
    assert len(read(out)) == 5
    assert "Filter: off" in (out / "README.md").read_text()
    assert "filter" not in json.loads((out / "settings.json").read_text())
    assert files(mint(system, tmp_path / "off", n=5, batch_size=4, filter="off")) == files(out)  # type: ignore[arg-type]
    for mode in ("on", "ignore"):
        with pytest.raises(
            InputError, match=r"no judge.*labelmint evaluate RUN DATA --out REPORT.*--filter off"
        ):
            mint(system, tmp_path / "no", n=5, filter=mode)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="--data: only has a meaning"):
        mint(system, tmp_path / "no", n=5, data=tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / "no").exists()


def test_the_test_part_is_never_looked_at(run: Path, real: Path) -> None:
    looked: list[str] = []
    data = read(real)

    def load(name: str) -> AnnotatedImage:
        looked.append(name)
        return data.load(name)

    seen = DataSet(
        source="memory", format="folder", classes=data.classes, names=data.names, load=load, test=data.test
    )
    out = make(run, "out", data=seen)
    assert sorted(looked) == sorted([*TRAINING, *VALIDATION])
    (run / "judge" / "copy_rule.json").unlink()
    assert files(make(run, "again")) == files(out)


def test_copies_of_images_without_labels_are_withheld_where_they_are_given_and_else_it_is_said(
    run: Path,
) -> None:
    images = {name: pair(name, index, stem=2) for name, index in (("u0", 4), ("u1", 9))}
    pool = DataSet(
        source="pool", format="memory", classes=CLASSES, names=tuple(images), load=images.__getitem__
    )
    split = json.loads((run / "split.json").read_text())
    (run / "split.json").write_text(json.dumps({**split, "unlabelled": list(images)}))
    loaded = fitted(without_labels(pool), list(images), System.geometry)
    digest = Pairs.of(list(loaded), System.geometry, 0, labelled=False).digest()
    system = System(run)
    system.config = SimpleNamespace(**{**vars(System.config), "pool_digest": digest, "pool_images": 2})

    out = make(run, "given", system, unlabelled=pool)
    rejected = {row["index"]: row for row in rows(out / "rejected.jsonl")}
    assert {rejected[index]["nearest_training"] for index in (4, 9)} == {"u0", "u1"}
    assert "copies of training images and of the images without labels" in (out / "README.md").read_text()
    assert "warnings" not in json.loads((out / "settings.json").read_text())

    with pytest.warns(UserWarning, match="copies of the 2 images without labels .* were not looked for"):
        out = make(run, "left-out", system)
    assert {4, 9} <= {row["index"] for row in rows(out / "manifest.jsonl")}
    for file in ("README.md", "settings.json"):
        assert "copies of the 2 images without labels" in (out / file).read_text()

    images["u1"] = pair("u1", 14, stem=2)
    with pytest.raises(InputError, match="--unlabelled pool: holds other images than the 2"):
        make(run, "other", system, unlabelled=pool)
    with pytest.raises(InputError, match="--unlabelled: only has a meaning with a filter"):
        make(run, "off", system, unlabelled=pool, filter="off")


def test_the_share_of_a_filter_that_is_off_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="--filter-share: only has a meaning with a filter"):
        make(run, "off", filter="off", filter_share=0.1)
    assert len(rows(make(run, "on", filter="off", filter_share=0.05) / "manifest.jsonl")) == 9


def test_a_search_of_a_share_of_the_training_positions_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(run, "whole")
    assert "searched" not in json.loads((whole / "settings.json").read_text())["outcome"]
    monkeypatch.setattr(gate, "_WORK", 3e5)  # of five of the ten training images
    said: list[str] = []
    out = make(run, "out", warn=said.append)
    settings = json.loads((out / "settings.json").read_text())
    assert settings["outcome"]["searched"] == 0.5
    (line,) = said
    assert "only 50 % of the positions in the training images" in line
    assert f"- {line}" in (out / "README.md").read_text()
    found = json.loads((whole / "settings.json").read_text())["outcome"]["dropped"]
    assert settings["outcome"]["dropped"]["near-copy"] < found["near-copy"]
    make(run, "out", warn=said.append, resume=True)  # complete
    n = settings["outcome"]["drawn"]
    parts = [make(run, f"s{k}", n=n, shard=f"{k}/2", warn=said.append) for k in range(2)]
    join(parts, run.parent / "joined", n=9)
    assert files(run.parent / "joined") == files(out)


def test_the_rule_is_set_once(run: Path) -> None:
    events: list[str] = []
    make(run, "one", report=lambda event: events.append(event.stage))
    assert "held-out views in training images" in events
    events.clear()
    make(run, "two", report=lambda event: events.append(event.stage))
    assert "held-out views in training images" not in events
    assert files(run.parent / "one") == files(run.parent / "two")


def test_what_is_missing_or_has_changed_is_refused_naming_what_mends_it(
    run: Path, real: Path, tmp_path: Path
) -> None:
    def refused(words: str, **options: Any) -> None:
        with pytest.raises(InputError, match=words):
            make(run, "no", **options)
        assert not (run.parent / "no").exists()
        assert not (run.parent / "no.partial").exists()

    data = read(real)
    refused(
        "lacks 1 pairs.*--data.*--filter off", data=data.subset([name for name in data.names if name != "t4"])
    )

    def brighter(name: str) -> AnnotatedImage:
        found = data.load(name)
        return AnnotatedImage(name=name, image=found.image // 2, layout=found.layout)

    changed = DataSet(source="memory", format="folder", classes=data.classes, names=data.names, load=brighter)
    refused("differ from those.*--data.*--filter off", data=changed)
    refused("--filter maybe: expected one of", filter="maybe")
    refused("--filter-share 120", filter_share=1.2)
    refused("--most-candidates 8", most_candidates=8)
    (run / "split.json").write_text(json.dumps({"training": [*TRAINING, "v0"]}))
    refused("trained on other pairs")


def test_gone_data_and_few_validation_images_and_other_classes(
    run: Path, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = standard_of(read(real), str(tmp_path / "gone"))
    few = whole.data.model_copy(
        update={
            "source": str(real),
            "validation": ("v0",),
            "digest": digest_of_images(
                [*TRAINING, "v0"], [pair(name, seed).image for seed, name in enumerate([*TRAINING, "v0"])]
            ),
        }
    )
    other = whole.data.model_copy(update={"class_ids": (3, 8)})
    for data, words in (
        (whole.data, "no longer there.*--data"),
        (few, "2 validation images"),
        (other, "does not know the class 'blob'"),
    ):
        judge = Reader(whole.model_copy(update={"data": data}))
        monkeypatch.setattr(module, "load_judge", lambda path, device, judge=judge: judge)
        with pytest.raises(InputError, match=words + ".*--filter off"):
            make(run, "no")
    judge = Reader(whole)
    monkeypatch.setattr(module, "load_judge", lambda path, device: judge)
    assert make(run, "moved", data=real).is_dir()


def test_a_judge_that_reads_badly_is_told(run: Path, real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Reader(standard_of(read(real), str(real)), dice=0.2)
    monkeypatch.setattr(module, "load_judge", lambda path, device: judge)
    said: list[str] = []
    out = make(run, "out", warn=said.append)
    assert len(said) == 1
    assert "a Dice of only 0.20" in said[0]
    assert said[0] in (out / "README.md").read_text()


def test_shuffled_labels_agree_less_than_their_own() -> None:
    made = [pair(f"n{i}", i, stem=5) for i in range(12)]
    images = np.stack([one.image for one in made])
    labels = np.stack([np.where(one.layout.label_map == 7, 1, 0) for one in made])
    own, others = (agreement_scores(Reader(), images, kind) for kind in (labels, np.roll(labels, 1, axis=0)))  # type: ignore[arg-type]
    assert own.min() > others.max()
