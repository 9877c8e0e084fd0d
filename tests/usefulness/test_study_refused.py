"""Options, data and folders that no study is made with."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.usefulness.study_fakes import COMMON, Noise, Trainer, data_of, known, pairs, real_data, run_study

import labelmint
from labelmint import study
from labelmint.datasets.splits import split
from labelmint.errors import InputError
from labelmint.storage import alone
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet
from labelmint.usefulness.cells import claim_study
from labelmint.usefulness.plan import StudyOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_train": (10, 5000)}, "training pairs"),
        ({"n_train": (3,)}, "at least 4"),
        ({"n_train": (1,), "validation": "extra"}, "at least 2"),
        ({"validation": "none"}, "--validation none: expected one of within, extra"),
        ({"arms": ("B",)}, "--arms B: expected some of A0, A0n"),
        ({"ratios": (0.0,)}, "--ratio 0"),
        ({"ratios": (-1.0,)}, "--ratio -1"),
        ({"ratios": (float("nan"),)}, "--ratio nan"),
        ({"dials": {"temperature": (0.0,)}}, "--temperature 0"),
        ({"filter": "maybe"}, "--filter maybe"),
        ({"layouts": "mine"}, "--layouts mine: expected one of own, varied, both"),
        ({"seeds": 0}, "--seeds 0"),
        ({"seeds": 10**9}, "--seeds 1000000000: expected 1 to 1000"),
        ({"seed": 1 << 63}, r"--seed 9223372036854775808: expected a number from 0 to 2\^63 - 1"),
        ({"budget": 0.0}, "--budget 0"),
        ({"curve": True, "arms": ("A0", "S")}, "leave out --arms S, or --curve"),
        ({"samples": 0}, "--samples 0"),
        ({"preset": "huge"}, "no preset"),
        ({"system": "gan"}, "gan"),
        ({"settings": ("prior.colour=3",)}, "prior.colour"),
        ({"augment": ("spins",)}, "spins"),
        ({"generator_minutes": -1.0}, "--generator-minutes"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_study(tmp_path / "out", Trainer(known()), **options)
    assert not (tmp_path / "out").exists()


def test_data_without_test_part_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test part"):
        study(data_of(pairs(40)), tmp_path / "out", maker=Noise(), train_arm=Trainer(known()), **COMMON)


def test_one_pair_that_is_all_there_is_cannot_be_cross_fitted(tmp_path: Path) -> None:
    """A larger --n-train, which other cells are told to take, would not help."""
    made = pairs(6)
    few = data_of(made, [pair.name for pair in made[:4]])  # one of the other two validates
    with pytest.raises(InputError, match="has 1 training pair beside its test and validation parts"):
        study(few, tmp_path / "out", maker=Noise(), train_arm=Trainer(known()), **COMMON)


def test_another_folder_another_study_and_changed_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match="is no study"):
        run_study(tmp_path / "other", Trainer(known()))
    run_study(tmp_path / "out", Trainer(known()), n_train=(10,))
    with pytest.raises(InputError, match="samples differs"):
        run_study(tmp_path / "out", Trainer(known()), n_train=(10,), samples=13)
    with pytest.raises(InputError, match="validation differs"):
        run_study(tmp_path / "out", Trainer(known()), n_train=(10,), validation="extra")
    request = tmp_path / "out" / "request.json"
    former = json.loads(request.read_text(encoding="utf-8")) | {"study": 2}
    request.write_text(json.dumps(former), encoding="utf-8")
    with pytest.raises(InputError, match=r"another version of labelmint, which read --n-train otherwise"):
        run_study(tmp_path / "out", Trainer(known()), n_train=(10,))
    request.write_text(json.dumps(former | {"study": 3}), encoding="utf-8")
    changed = real_data()
    brighter = changed.load("p030")
    made = {name: changed.load(name) for name in changed.names} | {
        "p030": replace(brighter, image=brighter.image + np.uint8(1))
    }
    other = replace(changed, load=made.__getitem__)
    with pytest.raises(InputError, match="the data have changed"):
        study(
            other,
            tmp_path / "out",
            maker=Noise(),
            train_arm=Trainer(known()),
            **{**COMMON, "n_train": (10,), "seeds": 2},
        )


def test_objects_that_are_told_apart_otherwise_are_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that a former version began, which did not look at them, goes on."""
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])
    data, out = real_data(), tmp_path / "out"

    def call(first: int) -> None:
        def load(name: str) -> AnnotatedImage:
            pair = data.load(name)
            objects = np.where(pair.layout.label_map > 0, first, 0).astype(np.uint8)
            return pair.with_layout(replace(pair.layout, instances=objects))

        apart = replace(data, load=load)
        options = {**COMMON, "n_train": (10,), "seeds": 1, "arms": ("A", "C")}
        study(apart, out, maker=Noise(), train_arm=Trainer(known()), **options)

    call(1)
    mark = out / "request.json"
    former = json.loads(mark.read_text(encoding="utf-8"))
    assert former.pop("instances_sha256")
    mark.write_text(json.dumps(former), encoding="utf-8")
    call(1)
    with pytest.raises(InputError, match="the data have changed"):
        call(2)


@pytest.mark.parametrize("mark", [None, {"comparison": 1}])
def test_nothing_of_a_folder_of_something_else_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: dict[str, Any] | None
) -> None:
    """Also where memory does not hold the pairs, which then lie in cache/ of the study's folder."""
    monkeypatch.setattr("labelmint.evaluation.loading.room", lambda: 100)
    data = real_data(8)
    path = labelmint.write(data, tmp_path / "data", format="folder", classes=data.classes)
    out, others = tmp_path / "out", tmp_path / "out" / "cache" / "thesis.txt"
    others.parent.mkdir(parents=True)
    others.write_text("precious", encoding="utf-8")
    (out / ("request.json" if mark else "notes.txt")).write_text(json.dumps(mark), encoding="utf-8")
    with pytest.raises(InputError, match=r"is no study|something else than a study"):
        study(path, out, maker=Noise(), train_arm=Trainer(known()), **COMMON, n_train=(4,))
    assert others.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("of", ["data", "unlabelled", "synthetic"])
def test_a_study_inside_of_images_that_it_reads_is_refused(tmp_path: Path, of: str) -> None:
    """Its pictures would be images of them when it is gone on with; one that is there already goes on."""
    inside = tmp_path / of
    inside.mkdir()
    more: dict[str, Any] = {} if of == "data" else {of: inside}
    more |= {"arms": ("A", "FM")} if of == "unlabelled" else {}
    data = replace(real_data(), source=str(inside if of == "data" else tmp_path / "elsewhere"))

    def call() -> None:
        study(data, inside / "out", maker=Noise(), train_arm=Trainer(known()), **COMMON, **more)

    with pytest.raises(InputError, match="lies inside of"):
        call()
    assert not (inside / "out").exists()
    claim_study(inside / "out", {})
    with pytest.raises(InputError) if of != "data" else nullcontext() as refused:
        call()
    assert refused is None or "lies inside of" not in str(refused.value)


def test_two_commands_do_not_work_on_one_study_at_once(tmp_path: Path) -> None:
    trainer = Trainer(known())
    with alone(tmp_path / "out"), pytest.raises(InputError, match="another command works there"):
        run_study(tmp_path / "out", trainer, n_train=(10,))
    assert trainer.calls == []


def test_given_pairs_that_memory_does_not_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelmint.usefulness.samples.room", lambda: 8 * 8 * 7 * 2 * 20 - 1)
    data = real_data()
    given = labelmint.write(
        data_of(pairs(20, 100)), tmp_path / "given", format="folder", classes=data.classes
    )
    with pytest.raises(InputError, match=r"20 pairs need about .* of memory"):
        study(data, tmp_path / "out", train_arm=Trainer(known()), **COMMON, synthetic=given)
    assert not (tmp_path / "out").exists()


def test_given_pairs_are_checked(tmp_path: Path) -> None:
    def given(name: str, made: list[Any], classes: ClassSet | None = None) -> Path:
        data = real_data()
        return labelmint.write(
            data_of(made, classes=classes or data.classes),
            tmp_path / name,
            format="folder",
            classes=classes or data.classes,
        )

    small = [
        replace(p, image=p.image[:4, :4], layout=replace(p.layout, label_map=p.layout.label_map[:4, :4]))
        for p in pairs(20, 100)
    ]
    real = real_data()
    chosen = set(split(real.names, None, real.test).validation)
    validating = [p for p in pairs(70) if p.name in chosen] + pairs(20, 100)
    others = ClassSet(
        classes=(
            ClassInfo(id=0, name="background"),
            ClassInfo(id=1, name="bar"),
            ClassInfo(id=2, name="square"),
        )
    )
    cases = {
        "small": (small, None, "--size as the synthetic"),
        "others": (pairs(20, 100), others, "same class list"),
        "few": (pairs(5, 100), None, "at least 20"),
        "tested": (pairs(20), None, "images of the test part"),
        "validated": (validating, None, "images of the validation part"),
    }
    for name, (made, classes, message) in cases.items():
        with pytest.raises(InputError, match=message):
            study(
                real_data(),
                tmp_path / "out",
                train_arm=Trainer(known()),
                **COMMON,
                validation="extra",
                synthetic=given(name, made, classes),
            )
    with pytest.raises(InputError, match="only --n-train all"):
        StudyOptions(synthetic=tmp_path / "few", n_train=(10,))
    with pytest.raises(InputError, match="leave out --system"):
        StudyOptions(synthetic=tmp_path / "few", system="msgnet")
