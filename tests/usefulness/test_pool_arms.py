"""Arms with a pool: what they learn from, what they never see, and what the report says of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.usefulness.study_fakes import (
    COMMON,
    SIDE,
    Noise,
    Trainer,
    data_of,
    pairs,
    real_data,
    rule,
    run_study,
)

from labelmint import study
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.evaluation.views import Views
from labelmint.reports.results import Results
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import AnnotatedImage
from labelmint.usefulness.arm_training import train_arm
from labelmint.usefulness.arms import Arm, ArmResult
from labelmint.usefulness.figures import interval_of
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.plan import GIVEN, Cell, StudyOptions, Way, way_of
from labelmint.usefulness.real import load_real

TINY = ArmConfig(channels=(4, 8), residual_units=0, batch_size=2, evaluate_every=1, patience=1, most_steps=2)
PLAIN = Way(filter="off")


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])


@pytest.fixture
def minted(monkeypatch: pytest.MonkeyPatch) -> list[Ground]:
    """The grounds that labels were minted for; nothing is trained for it, and arm TR has noise."""
    grounds: list[Ground] = []

    def mint(ground: Ground, *about: object, **more: object) -> list[Pair]:
        grounds.append(ground)
        return list(ground.unlabelled[:3])

    monkeypatch.setattr("labelmint.usefulness.pool_images.mint_for", mint)
    monkeypatch.setattr(
        "labelmint.usefulness.pool_images.PoolImages.moved",
        lambda images, cell, count, tell: Noise().make(cell, PLAIN, count, Path(), tell)[0],
    )
    return grounds


def pooled(out: Path, trainer: Trainer, **more: Any) -> Results:
    return run_study(out, trainer, **{"n_train": (10,), "unlabelled": "rest", "ratios": (1.0,), **more})


def test_the_arms_that_are_named_are_trained_and_no_others(tmp_path: Path, minted: list[Ground]) -> None:
    trainer = Trainer(rule)
    results = pooled(tmp_path / "out", trainer, arms=("A", "ST", "FM", "TR"), seeds=3)
    assert {key for key, n, _ in trainer.calls if n == 10} == {"A", "ST", "FM", "TR-1"}
    ground = trainer.grounds["ST", 10, 0]
    assert len(ground.unlabelled) == 48  # the training part beyond the ten
    assert not {one.name for one in ground.unlabelled} & {one.name for one in ground.training}
    assert all((one.ids == -1).all() for one in ground.unlabelled)
    assert len(ground.minted) == 3 and not trainer.grounds["FM", 10, 0].minted
    assert trainer.grounds["A", 10, 0].unlabelled == ()
    # the best way, with an interval that allows for the choice among the three
    assert results.verdict.level == "good"
    assert "the best way is ST (labels minted for the pool): +8.10 points" in results.verdict.text
    assert "times)" in results.verdict.text
    gains = [8.0, 8.1, 8.2]
    figure = results.figures["gain_st.n10"]
    assert (figure.value, figure.low) == pytest.approx((8.1, interval_of(gains, 3).low))
    low, plain = interval_of(gains, 3).low, interval_of(gains).low
    assert low is not None and plain is not None and low < plain
    (table,) = results.sections[0].tables
    assert [row[1] for row in table.rows] == ["A", "ST", "FM", "TR"]
    # a narrower call goes on: nothing is trained again, and what is there is reported
    again = Trainer(rule)
    results = pooled(tmp_path / "out", again, arms=("A", "ST"), seeds=3)
    assert again.calls == []
    assert results.figures["gain_fm.n10"].value == pytest.approx(3.1)


def test_a_study_without_a_pool_is_gone_on_with_where_there_is_one(
    tmp_path: Path, minted: list[Ground]
) -> None:
    out, other = tmp_path / "out", data_of([replace(one, image=255 - one.image) for one in pairs(4, 90)])
    run_study(out, Trainer(rule), n_train=(10,), ratios=(1.0,), arms=("A", "C"))
    more = Trainer(rule)
    results = pooled(out, more, arms=("A", "C", "ST"))
    assert {key for key, _, _ in more.calls} == {"ST"}
    assert {"gain_st.n10", "gain_c.n10"} <= set(results.figures)
    again = Trainer(rule)
    assert "gain_st.n10" in run_study(out, again, n_train=(10,), ratios=(1.0,), arms=("A",)).figures
    assert again.calls == []  # and the pool is not forgotten meanwhile
    with pytest.raises(InputError, match=r"another study \(unlabelled differs\)"):
        pooled(out, Trainer(rule), arms=("A", "ST"), unlabelled=other)


def test_arms_with_a_pool_stand_beside_the_usual_ones(tmp_path: Path, minted: list[Ground]) -> None:
    trainer = Trainer(rule)
    results = pooled(tmp_path / "out", trainer, arms=("ST", "S+ST"), seeds=2)
    called = {key for key, n, _ in trainer.calls if n == 10}
    assert called == {"R", "A", "C", "S-1", "Y", "accuracy-1", "diversity", "ST", "S+ST-1"}
    assert len(trainer.grounds["S+ST-1", 10, 0].minted) == 3
    assert results.figures["gain_over_st.n10"].value == pytest.approx(2.0)
    assert "the best way is S+ST" in results.verdict.text
    assert "synthetic pairs with 10 real pairs" in results.verdict.text
    usual = trainer.usual["ST", 10, 0]
    assert usual is not None and usual.phases == (100, 10)  # the steps of A


def test_a_narrower_call_reports_all_arms_that_are_there(tmp_path: Path, minted: list[Ground]) -> None:
    """Also those with synthetic pairs, in ratio and way of the earlier call; so none of the intervals shrinks."""
    wide = {"arms": ("A", "C", "S", "Y", "ST", "S+ST", "accuracy"), "ratios": (0.5,), "filter": "off"}
    before = pooled(tmp_path / "out", Trainer(rule), seeds=2, **wide)
    trainer = Trainer(rule)
    for arms in (("A", "ST"), ("A",), ("A", "FM")):
        more = {"unlabelled": None} if arms == ("A",) else {}
        after = pooled(tmp_path / "out", trainer, seeds=2, arms=arms, **more)
        for name in ("gain_s", "gain_s_st", "gain_st", "gain_c", "dice", "gain", "gain_over_st", "closed"):
            of_y = ".Y" if name == "dice" else ""
            if arms != ("A", "FM"):  # a way more
                assert after.figures[f"{name}.n10{of_y}"] == before.figures[f"{name}.n10{of_y}"]
            assert after.figures[f"{name}.n10{of_y}"].value == before.figures[f"{name}.n10{of_y}"].value
        summaries = {section.name: section.summary for section in after.sections}
        assert "0.5 synthetic pairs" in summaries["choice"] and "papers" in summaries
    assert {key for key, _, _ in trainer.calls} == {"FM"}


@pytest.mark.parametrize(
    ("key", "way"),
    [
        ("on", Way({}, "on")),
        ("t0.85-g2-on-varied", Way({"temperature": 0.85, "guidance": 2.0}, "on", True)),
        ("layout_temperature-1e-05-off", Way({"layout_temperature": -1e-5})),
        ("given", GIVEN),
        ("on-500", None),
    ],
)
def test_the_key_of_a_way_tells_it(key: str, way: Way | None) -> None:
    assert way_of(key) == way and (way is None or way.key == key)


def test_intervals_allow_for_all_ways_at_all_numbers_of_pairs(tmp_path: Path, minted: list[Ground]) -> None:
    results = pooled(tmp_path / "out", Trainer(rule), arms=("A", "ST", "FM"), seeds=3, n_train=(10, 20))
    figure = results.figures["gain_st.n10"]
    assert figure.low == pytest.approx(interval_of([8.0, 8.1, 8.2], 4).low)  # two ways, two numbers
    assert "among 4: the ways at all numbers of pairs" in figure.how


def test_transfer_is_trained_as_usual_whatever_is_asked_of_the_generators(
    tmp_path: Path, minted: list[Ground]
) -> None:
    """`transfer` alone refuses what the others heed."""
    trainer = Trainer(rule)
    more = {"system": "flow", "rebalance": "classes", "augment": ("zoom",)}
    pooled(tmp_path / "out", trainer, arms=("A", "TR"), seeds=1, **more)
    assert ("TR-1", 10, 0) in trainer.calls


def test_where_no_way_is_better_that_is_said(tmp_path: Path, minted: list[Ground]) -> None:
    worse = Trainer(lambda arm, n, seed: (0.5, 0.5 - 0.1 * (arm.name != "A") + 0.1 * (n > 10)))
    results = pooled(tmp_path / "out", worse, arms=("A", "ST"))
    assert "no way is better than strong augmentation alone" in results.verdict.text
    assert results.verdict.level == "mixed"


def test_one_seed_is_no_measurement(tmp_path: Path, minted: list[Ground]) -> None:
    results = pooled(tmp_path / "out", Trainer(rule), arms=("A", "ST"), seeds=1)
    assert "take more --seeds" in results.verdict.text
    assert results.verdict.level == "mixed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": ("ST",)}, "--arms ST: learns from images without labels"),
        ({"unlabelled": "rest"}, "no arm has a use for it"),
        ({"system": "flow", "settings": ("generator.unlabelled=0.3",)}, "there are no images without labels"),
        ({"unlabelled": data_of(pairs(2))}, "^--unlabelled memory: no arm has a use for it"),
        ({"unlabelled": "rest", "arms": ("ST",), "curve": True}, "--curve trains arms R and A alone"),
        ({"share": True, "curve": True}, "leave out --share"),
        ({"share": True, "system": "transfer"}, "--share: the pairs of transfer are training"),
        ({"unlabelled": "nowhere", "arms": ("ST",)}, "nowhere"),
        ({"unlabelled": "rest", "arms": ("ST",), "n_train": (None,)}, "leaves no image"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_study(tmp_path / "out", Trainer(rule), **options)
    assert not (tmp_path / "out").exists()


def test_a_pool_that_is_not_there_is_refused_before_any_pair_is_loaded(tmp_path: Path) -> None:
    def load(name: str) -> AnnotatedImage:
        pytest.fail(f"{name} is loaded")

    with pytest.raises(InputError, match="--unlabelled nowhere: no such file or folder"):
        options = {**COMMON, "unlabelled": "nowhere", "arms": ("A", "ST")}
        study(replace(real_data(), load=load), tmp_path / "out", maker=Noise(), **options)
    assert not (tmp_path / "out").exists()


def test_images_of_the_test_part_are_refused(tmp_path: Path) -> None:
    data = real_data()
    own = data.load(data.test[0]) if data.test else pairs(1)[0]
    fresh = [replace(one, name=f"q{k}", image=255 - one.image) for k, one in enumerate(pairs(3))]
    named = replace(fresh[0], name=own.name)
    for source, made in (("memory/images", named), ("pool", replace(own, name="other"))):
        pool = data_of([made, *fresh[1:]], source=source)
        with pytest.raises(
            InputError, match=f"--unlabelled {source}: 1 of its images are of the test part.*{own.name}"
        ):
            run_study(tmp_path / "out", Trainer(rule), unlabelled=pool, arms=("A", "ST"))
    assert not (tmp_path / "out").exists()
    # another image of the same name in another folder is another image
    pool = data_of([named, *fresh[1:]], source="pool")
    trainer = Trainer(rule)
    run_study(tmp_path / "out", trainer, unlabelled=pool, arms=("A", "FM"), n_train=(10,), seeds=1)
    assert own.name in {one.name for one in trainer.grounds["FM", 10, 0].unlabelled}


def test_labelled_images_are_left_out_of_a_cells_pool(tmp_path: Path, minted: list[Ground]) -> None:
    """Two images of the pool equal training images: each is left out where that one is among the n."""
    data, trainer = real_data(), Trainer(rule)
    twins = [replace(data.load(name), name=f"twin-{name}") for name in ("p020", "p030")]
    fresh = [replace(one, name=f"q{k}", image=255 - one.image) for k, one in enumerate(pairs(3))]
    run_study(
        tmp_path / "out",
        trainer,
        unlabelled=data_of([*twins, *fresh]),
        arms=("A", "FM"),
        n_train=(30,),
        seeds=4,
    )
    for (name, n, _), ground in trainer.grounds.items():
        if name == "FM" and n == 30:
            chosen = {one.name for one in ground.training}
            expected = {f"twin-{twin}" for twin in ("p020", "p030") if twin not in chosen}
            assert {one.name for one in ground.unlabelled} == {"q0", "q1", "q2"} | expected


def test_minted_labels_do_not_cross_folds() -> None:
    images = [
        Pair(name=str(k), group=str(k), image=np.zeros((8, 8, 1), np.uint8), ids=np.eye(8, dtype=np.int16))
        for k in range(4)
    ]
    empty = Views(
        names=(),
        groups=(),
        images=np.zeros((0, 8, 8, 1), np.uint8),
        labels=np.zeros((0, 8, 8)),
        instances=None,
    )
    real = load_real(real_data(20), (SIDE, SIDE), StudyOptions(size=(SIDE, SIDE)), lambda event: None)
    ground = replace(real.ground(Cell(8, 0)), test=empty, minted=images, unlabelled=images)
    assert ground.fold(0).minted == () and len(ground.fold(0).unlabelled) == 4


def test_every_arm_with_a_pool_trains_and_goes_on(tmp_path: Path) -> None:
    """Real segmenters, a real teacher and real transfer, for two steps each."""

    def trained(arm: Arm, *about: Any, **more: Any) -> ArmResult:
        return train_arm(replace(arm, alternatives=()), *about, **more)

    options: dict[str, Any] = {
        **COMMON,
        "n_train": (6,),
        "seeds": 1,
        "unlabelled": "rest",
        "arms": ("A", "ST", "FM", "TR", "S", "S+ST"),
        "segmenter": TINY,
        "filter": "off",
    }
    data, out = real_data(20), tmp_path / "out"
    begun = study(data, out, maker=Noise(), train_arm=trained, **options)
    cell = out / "cells" / "n-6" / "seed-0"
    made = {path.name for path in cell.glob("*.json")}
    assert {"A.json", "ST.json", "FM.json", "TR-1.json"} < made
    split = json.loads((cell / "transfer" / "run" / "split.json").read_text(encoding="utf-8"))
    told = json.loads((cell / "pairs.json").read_text(encoding="utf-8"))
    assert split["training"] == told["training"]  # transfer moves all six, and takes the looks of the others
    assert not set(split["unlabelled"]) & set(split["training"])
    assert {f"gain_{name}.n6" for name in ("st", "fm", "tr", "s", "s_st")} < set(begun.figures)
    steps = {int(str(row[4])) for row in begun.sections[-1].tables[0].rows if row[0] == "6"}
    assert len(steps) == 1  # of all arms
    (cell / "FM.json").unlink()
    again: list[str] = []

    def noted(arm: Arm, *about: Any, **more: Any) -> ArmResult:
        again.append(arm.name)
        return trained(arm, *about, **more)

    assert (
        study(data, out, maker=Noise(), train_arm=noted, **options).figures["gain_fm.n6"]
        == begun.figures["gain_fm.n6"]
    )
    assert again == ["FM"]
    with pytest.raises(InputError, match="unlabelled differs"):
        study(data, out, maker=Noise(), train_arm=noted, **options | {"unlabelled": data_of(pairs(4, 90))})


def test_pool_and_system_are_decided_by_the_first_arm_that_uses_them(
    tmp_path: Path, minted: list[Ground]
) -> None:
    def call(out: str, *arms: str, **more: Any) -> Results:
        usual: dict[str, Any] = {"unlabelled": None, "seeds": 1, **more}
        return pooled(tmp_path / out, Trainer(rule), arms=arms, **usual)

    # arms with a pool, a call without, and again: the pool stands, and another is refused all the time
    call("one", "A", "FM", unlabelled="rest")
    assert "gain_fm.n10" in call("one", "A", "C").figures
    other = data_of([replace(one, image=255 - one.image) for one in pairs(4, 90)])
    with pytest.raises(InputError, match="unlabelled differs"):
        call("one", "A", "FM", unlabelled=other)
    call("one", "A", "FM", unlabelled="rest")
    # A alone, a pool later; then synthetic pairs of a system and a number that nobody had asked for
    call("two", "A")
    call("two", "A", "FM", unlabelled="rest")
    call("two", "A", "S", system="transfer", filter="off", samples=20)
    call("two", "A", "FM", unlabelled="rest")
    for changed in ({"system": "flow"}, {"system": "transfer", "samples": 30}):
        with pytest.raises(InputError, match="another study"):
            call("two", "A", "S", **{"filter": "off", "samples": 20, **changed})
    # what decides every arm is refused though the pool, which is not decided yet, differs, too
    call("three", "A")
    with pytest.raises(InputError, match="augment differs"):
        call("three", "A", "FM", unlabelled="rest", augment=("flips",))
    # the synthetic pairs of a generator that learns from pools have the pool that there was
    call("four", "A", "S", system="flow", filter="off")
    pool = {"system": "flow", "filter": "off", "unlabelled": "rest"}
    with pytest.raises(InputError, match="its generators learned from another pool, or from none"):
        call("four", "A", "S", "FM", **pool)
    # so have those of former versions, which had one pool for all
    call("five", "A", "S", "FM", **pool)
    mark = tmp_path / "five" / "request.json"
    former = {key: value for key, value in json.loads(mark.read_text()).items() if "generators_" not in key}
    mark.write_text(json.dumps(former))
    call("five", "A", "S", "FM", **pool)
    with pytest.raises(InputError, match="its generators learned from another pool, or from none"):
        call("five", "A", "S", **pool | {"unlabelled": None})
