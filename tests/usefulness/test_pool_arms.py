"""Arms with a pool: what they learn from, what they never see, and what the report says of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.usefulness.study_fakes import (
    COMMON,
    SIDE,
    Noise,
    Trainer,
    data_of,
    known,
    pairs,
    real_data,
    run_study,
)

from labelmint import study
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.evaluation.views import Views
from labelmint.hardware import Hardware, computing_with
from labelmint.pool.stored import EnsembleFolder
from labelmint.reports.results import Results
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import AnnotatedImage, DataSet, Layout
from labelmint.usefulness.arm_training import train_arm
from labelmint.usefulness.arms import Arm, ArmResult
from labelmint.usefulness.figures import interval_of
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.plan import GIVEN, Cell, StudyOptions, Way, way_of
from labelmint.usefulness.real import load_real
from labelmint.usefulness.recipe import STRONG
from labelmint.usefulness.sharing import _views_of_whole, shared
from labelmint.usefulness.teacher import mint_for
from labelmint.usefulness.unlabelled import open_unlabelled

TINY = ArmConfig(channels=(4, 8), residual_units=0, batch_size=2, evaluate_every=1, patience=1, most_steps=2)
PLAIN = Way(filter="off")
GAINS = {"ST": 0.08, "FM": 0.03, "TR": 0.01, "S+ST": 0.1, "S": 0.02, "C": 0.01}


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


def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
    """Seeds differ, and the ways differ from each other a little by seed."""
    usual = known()(replace(arm, name="A"), n, seed)[1]
    if arm.name not in GAINS:
        return known()(arm, n, seed)
    return usual, usual + GAINS[arm.name] + 0.001 * seed


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


def poisoned(data: DataSet, spared: set[str]) -> DataSet:
    """The data set with the labels of all other pairs turned upside down."""

    def load(name: str) -> AnnotatedImage:
        pair = data.load(name)
        if name in spared:
            return pair
        return replace(pair, layout=Layout(label_map=2 - pair.layout.label_map))

    return replace(data, load=load)


@pytest.mark.parametrize("validation", ["within", "extra"])
def test_no_label_beside_the_n_reaches_the_teacher(tmp_path: Path, validation: str) -> None:
    """Labels of validation, of the pool and of the test part are poisoned: what is minted stays the same."""
    options = StudyOptions(n_train=(6,), size=(SIDE, SIDE), validation=validation)
    data, cell, found = real_data(20), Cell(6, 0), []
    spared = set(load_real(data, (SIDE, SIDE), options, lambda event: None).pairs(cell).training)
    for k, source in enumerate((data, poisoned(data, spared))):
        real = load_real(source, (SIDE, SIDE), options, lambda event: None)
        pool = open_unlabelled("rest", real, lambda event: None)
        assert pool is not None
        ground = replace(real.ground(cell), unlabelled=pool.of(cell)[:4])
        found.append(
            mint_for(
                ground,
                real.data,
                tmp_path / str(k),
                recipe=STRONG,
                config=TINY,
                seed=0,
                device="cpu",
                precision="32",
                report=lambda event: None,
            )
        )
    assert found[0]
    for clean, other in zip(*found, strict=True):
        assert clean.name == other.name
        assert np.array_equal(clean.ids, other.ids)
    weights = [sorted(tmp_path.glob(f"{k}/teacher-*/round-*/member-*/weights.safetensors")) for k in range(2)]
    assert len(weights[0]) == 6
    assert [one.read_bytes() for one in weights[0]] == [one.read_bytes() for one in weights[1]]


def test_the_teacher_computes_with_the_threads_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    def begin(folder: EnsembleFolder, *about: Any) -> Hardware:
        found = true_begin(folder, *about)
        told.append((found.threads, torch.get_num_threads()))
        raise Stop

    told: list[tuple[int, int]] = []
    true_begin = EnsembleFolder.begin
    monkeypatch.setattr(EnsembleFolder, "begin", begin)
    real = load_real(real_data(20), (SIDE, SIDE), StudyOptions(size=(SIDE, SIDE)), lambda event: None)
    for threads in (3, 2):  # the folder has three, from a study that had more
        with computing_with(threads), pytest.raises(Stop):
            how: dict[str, Any] = {"recipe": STRONG, "config": TINY, "seed": 0}
            how |= {"device": "cpu", "precision": "32", "report": lambda event: None}
            mint_for(real.ground(Cell(6, 0)), real.data, tmp_path, **how)
    assert told == [(3, 3), (2, 2)]


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


def noisy() -> DataSet:
    """Seventy pairs whose images have nothing in common, ten of them for tests."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (70, 16, 16, 1), np.uint8)
    made = [
        replace(
            one,
            image=image,
            layout=Layout(label_map=np.kron(one.layout.label_map, np.ones((2, 2), np.uint8))),
        )
        for one, image in zip(pairs(70), images, strict=True)
    ]
    return data_of(made, [pair.name for pair in made[:10]])


def views_of(chosen: list[Pair]) -> Views:
    names = tuple(map(str, range(len(chosen))))
    images, labels = np.stack([one.image for one in chosen]), np.stack([one.ids for one in chosen])
    return Views(names=names, groups=names, images=images, labels=labels, instances=None)


def test_images_of_the_pool_that_a_generator_learned_from_are_members(tmp_path: Path) -> None:
    """Its samples are images of the pool: they are copies, and the pool is told, the ten labelled images are not."""
    real = load_real(noisy(), (16, 16), StudyOptions(size=(16, 16), share=True), lambda event: None)
    cell, pool = Cell(10, 0), open_unlabelled("rest", real, lambda event: None)
    assert pool is not None
    images = pool.of(cell)
    found = shared(cell, real, views_of(images), lambda event: None, pool=images)
    assert (found.auc_pool, found.pool) == (1, len(images))
    assert (found.copies or 0) > 0.5 * found.samples
    assert 0 < found.auc < 1  # where the others were of the pool it was 0
    # a generator that learned from pairs alone has not seen them
    assert shared(cell, real, views_of(images), lambda event: None).auc_pool is None
    # a study asks for that where its generators learn from the pool
    maker = Noise(refuses=("on",))  # what is shared is then what no filter has seen
    maker.from_pool = True
    options: dict[str, Any] = {**COMMON, "size": (16, 16), "n_train": (10,), "seeds": 1, "share": True}
    told = study(
        noisy(),
        tmp_path / "out",
        maker=maker,
        train_arm=Trainer(rule),
        **options | {"arms": ("A", "Y", "FM"), "unlabelled": "rest"},
    )
    assert "share_membership_pool.n10" in told.figures
    assert "of the pool 0." in told.verdict.reasons[0]  # though no arm S was asked for


def test_images_cut_into_tiles_are_attacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that have nothing to do with members of many tiles, or with the test images that stand beside these,
    tell neither; the others are whole images of the test part, and the same count of tiles is taken from each.
    """
    options = StudyOptions(size=(4, 4), crop=True, share=True)
    real, cell = load_real(noisy(), (4, 4), options, lambda event: None), Cell(52, 0)
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 255, (12, 4, 4, 1), np.uint8), np.zeros((12, 4, 4), np.int16)
    names = tuple(map(str, range(12)))
    noise = Views(names=names, groups=names, images=images, labels=labels, instances=None)
    found = shared(cell, real, noise, lambda event: None)
    assert (found.members, found.others) == (52, 10)  # not a hundred tiles
    assert 0.1 < found.auc < 0.9  # with tiles for others it was 1
    # of more tiles than can be looked at, whole images are left out
    monkeypatch.setattr("labelmint.usefulness.sharing._VIEWS", 40)
    seen = _views_of_whole(real.apart, (4, 4))
    assert {seen.names.count(name) for name in seen.names} == {16} and len(seen) == 32


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


def test_what_shared_pairs_give_away(tmp_path: Path) -> None:
    """Copies of the ten images are told; noise is not, and an arm Y that learns too little is no replacement."""
    data = noisy()
    real = load_real(data, (16, 16), StudyOptions(size=(16, 16)), lambda event: None)

    class Copier(Noise):
        def make(self, cell: Cell, *about: Any, **more: Any) -> Any:
            chosen = [real.fitted[name] for name in real.pairs(cell).training]
            views, drawn = super().make(cell, *about, **more)
            assert views is not None
            taken = [chosen[k % len(chosen)] for k in range(len(views))]
            return replace(
                views,
                images=np.stack([one.image for one in taken]),
                labels=np.stack([one.ids for one in taken]),
            ), drawn

    options: dict[str, Any] = {
        **COMMON,
        "size": (16, 16),
        "n_train": (10,),
        "seeds": 2,
        "share": True,
        "samples": 20,
    }
    found = study(
        data, tmp_path / "out", maker=Copier(), train_arm=Trainer(known(0.05, alone=0.6)), **options
    )
    assert found.figures["share_membership.n10"].value == 1
    assert (found.figures["share_copies.n10"].value or 0) > 500
    assert "DO NOT SHARE" in found.verdict.reasons[0]
    assert found.figures["share.n10"].value == pytest.approx(9.5)
