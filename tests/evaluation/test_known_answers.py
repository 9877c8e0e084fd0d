"""What an evaluation must say of pairs whose nature is known: real ones, shuffled, copied, collapsed, noise,
a class missing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.conftest import SIZE, Make, all_kept, material_of, real
from tests.helpers import canvases

from labelmint.datasets.digits import make_digits
from labelmint.errors import InputError
from labelmint.evaluation.coherent import Incoherent, coherent
from labelmint.evaluation.copied import copied, scored
from labelmint.evaluation.fidelity import fidelity
from labelmint.evaluation.material import Material
from labelmint.evaluation.obedience import agreement, obedience
from labelmint.evaluation.rejects import rejects
from labelmint.evaluation.verdict import verdict
from labelmint.evaluation.views import tiles
from labelmint.metrics.copy_rule import halves
from labelmint.reports.results import Figure, Section
from labelmint.segmenters.judge import Judge
from labelmint.types import AnnotatedImage, Layout


def figures(*sections: Section) -> dict[str, Figure]:
    return {figure.name: figure for section in sections for figure in section.figures}


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.refused
    return figure.value


def renamed(pairs: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    return [replace(pair, name=f"sample_{i:04d}") for i, pair in enumerate(pairs)]


def with_images(pairs: Sequence[AnnotatedImage], images: Sequence[np.ndarray]) -> list[AnnotatedImage]:
    return renamed(
        [replace(pair, image=image.astype(np.uint8)) for pair, image in zip(pairs, images, strict=True)]
    )


def with_labels_of(pairs: Sequence[AnnotatedImage], others: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    return renamed([replace(pair, layout=other.layout) for pair, other in zip(pairs, others, strict=True)])


def with_few_to_search(made: Material) -> Material:
    """Material with a tenth of the training pairs, and held-out ones of the test part alone, and of those half."""
    training, test = made.training[:60], made.test[:40]
    return replace(
        made, training=training, seen=tiles(training, SIZE), validation=[], test=test, real=tiles(test, SIZE)
    )


def with_few_to_learn_rules_from(made: Material) -> Material:
    """Material with a quarter of the training pairs."""
    training = made.training[:160]
    return replace(made, training=training, seen=tiles(training, SIZE))


@functools.cache
def fresh_pairs() -> list[AnnotatedImage]:
    return renamed(real("unseen"))


def test_real_pairs_obey_cover_and_are_no_copies(material: Make) -> None:
    made = material(fresh_pairs())
    section, copies = copied(with_few_to_search(material(fresh_pairs()[:40])))
    kept = all_kept(made)
    kept[:40] = ~copies
    found = figures(
        obedience(made, kept),
        section,
        fidelity(made, kept, None),
        coherent(with_few_to_learn_rules_from(made), "pairs", reader_steps=10)[0],
    )
    ratio = found["obedience.ratio"]
    assert 0.9 < value(ratio) < 1.1
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= value(ratio) <= ratio.high
    assert abs(value(found["obedience.objects_found"]) - (found["obedience.objects_found"].real or 0)) < 15
    assert copies.mean() <= 0.05
    assert value(found["fidelity.coverage"]) > 0.7
    assert value(found["fidelity.precision"]) > 0.7
    assert value(found["coherence.composition_layouts"]) == 0
    assert verdict(found).level == "good"
    assert len(verdict(found).reasons) == 4


def test_shuffled_labels_are_found_out(material: Make) -> None:
    made = material(with_labels_of(fresh_pairs(), [*fresh_pairs()[1:], fresh_pairs()[0]]))
    found = figures(obedience(made, all_kept(made)))
    assert value(found["obedience.ratio"]) < 0.35
    assert value(found["obedience.pixel_accuracy"]) < 0.8 * (found["obedience.pixel_accuracy"].real or 0)
    report = rejects(made, Incoherent(np.zeros(len(fresh_pairs()), bool), np.zeros(len(made.real), bool)))
    assert value(figures(report)["rejects.disobedient"]) > 2000


EACH = 8
DISGUISES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "shifted": lambda x: np.roll(x, 1, axis=1),
    "mirrored": lambda x: x[:, ::-1],
    "brightened": lambda x: np.clip(x * 1.2 + 10, 0, 255),
    "turned": lambda x: np.rot90(x),
}
Found = tuple[Section, np.ndarray]


@pytest.fixture(scope="module")
def mixed(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """One search, since each sample is judged by itself: among training pairs, unseen ones, and training pairs in each
    disguise.
    """
    disguised = [
        pair
        for disguise in DISGUISES.values()
        for pair in with_images(
            real("training")[40 : 40 + EACH],
            [disguise(pair.image) for pair in real("training")[40 : 40 + EACH]],
        )
    ]
    samples = renamed([*real("training")[:EACH], *real("unseen")[:EACH], *disguised])
    return copied(with_few_to_search(material_of(samples, judge, tmp_path_factory.mktemp("mixed"))))


def test_training_pairs_in_disguise_are_all_found_and_left_out(mixed: Found) -> None:
    section, copies = mixed
    assert copies[:EACH].all()
    assert copies[EACH : 2 * EACH].mean() <= 0.05
    assert value(figures(section)["memorization.copies_per_1000"]) == pytest.approx(1000 * copies.mean())
    assert section.pictures[0].file == "closest_pairs.png"


@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguises_do_not_help(mixed: Found, disguise: str) -> None:
    first = EACH * (2 + list(DISGUISES).index(disguise))
    assert mixed[1][first : first + EACH].mean() >= 0.95


def test_noise_obeys_nothing_and_covers_nothing(material: Make) -> None:
    rng = np.random.default_rng(0)
    made = material(
        with_images(fresh_pairs(), [rng.integers(0, 256, pair.image.shape) for pair in fresh_pairs()])
    )
    found = figures(obedience(made, all_kept(made)), fidelity(made, all_kept(made), None))
    assert value(found["obedience.ratio"]) < 0.3
    assert value(found["fidelity.coverage"]) < 0.2
    few = material(
        with_images(
            fresh_pairs()[:20], [rng.integers(0, 256, pair.image.shape) for pair in fresh_pairs()[:20]]
        )
    )
    found |= figures(copied(with_few_to_search(few))[0])
    assert verdict(found).level == "bad"


def test_a_collapsed_set_is_precise_and_covers_little(material: Make) -> None:
    made = material(renamed([fresh_pairs()[0]] * 80))
    found, fresh = (figures(fidelity(one, all_kept(one), None)) for one in (made, material(fresh_pairs())))
    assert value(found["fidelity.coverage"]) < 0.15
    assert value(found["diversity.vendi"]) == pytest.approx(1)
    assert value(fresh["diversity.vendi"]) > 3
    assert value(found["fidelity.kernel_distance"]) > 3 * abs(value(fresh["fidelity.kernel_distance"]))


def test_a_class_that_is_missing_is_named_and_left_out(material: Make) -> None:
    # the digit 6, and with it its partner 4
    without = [pair for pair in fresh_pairs() if 7 not in pair.layout.label_map]
    section = obedience(made := material(without), all_kept(made))
    assert "no such pixels: 4, 6" in section.summary
    assert 0.85 < value(figures(section)["obedience.ratio"]) < 1.15
    row = next(row for row in section.tables[0].rows if row[0] == "6")
    assert row[-1] == 0


def test_pairs_of_background_alone_are_bad_and_what_has_no_meaning_is_refused(material: Make) -> None:
    ground = Layout(label_map=np.zeros((32, 32), np.uint8))
    blank = [replace(pair, layout=ground, image=np.zeros_like(pair.image)) for pair in fresh_pairs()[:25]]
    made = with_few_to_learn_rules_from(material(renamed(blank)))
    coherence, incoherent = coherent(made, None, reader_steps=1)
    copies, found = copied(with_few_to_search(material(renamed(blank))))
    kept = scored(found)
    sections = [
        obedience(made, kept),
        copies,
        fidelity(made, kept, None),
        coherence,
        rejects(made, incoherent),
    ]
    told = figures(*sections)
    assert "no foreground class" in told["obedience.ratio"].refused
    assert verdict(told).level == "bad"
    assert any("Foreground classes labelled in both sets 0" in one for one in verdict(told).reasons)
    assert value(told["layouts.area_ks"]) == 1


def test_a_test_part_of_background_alone_is_refused_and_no_verdict_on_the_samples(material: Make) -> None:
    made = material(fresh_pairs()[:20])
    made.real = replace(made.real, labels=np.zeros_like(made.real.labels))
    with pytest.raises(
        InputError, match=r"in the test part.*lacks .*6.*put pairs that hold them into test\.txt"
    ):
        obedience(made, all_kept(made))


def test_a_threshold_is_not_tried_on_the_views_that_it_was_set_on(material: Make) -> None:
    made = material(fresh_pairs()[:20])
    scores = agreement(made.real.labels, made.reading("real"))
    first = halves(made.real.groups)
    usual = sum(int((scores[half] < np.quantile(scores[~half], 0.01)).sum()) for half in (first, ~first))
    none = Incoherent(np.zeros(20, bool), np.zeros(len(made.real), bool))
    found = figures(rejects(made, none))["rejects.disobedient"]
    assert found.real == pytest.approx(3000 * usual / len(made.real))
    one = replace(made, real=replace(made.real, groups=("a",) * len(made.real)))
    assert figures(rejects(one, none))["rejects.disobedient"].real is None


def test_samples_of_one_layout_make_intervals_wider(material: Make) -> None:
    made = material(fresh_pairs()[:48])
    each = figures(obedience(made, all_kept(made)))["obedience.dice"]
    layouts = tuple(f"layout {i // 8}" for i in range(len(made.synthetic)))
    made = replace(made, synthetic=replace(made.synthetic, groups=layouts))
    whole = figures(obedience(made, all_kept(made)))["obedience.dice"]
    assert each.value == whole.value
    assert (whole.low, whole.high) != (each.low, each.high)
    one = replace(made, synthetic=replace(made.synthetic, groups=("a",) * len(made.synthetic)))
    found = figures(obedience(one, all_kept(one)), fidelity(one, all_kept(one), None))
    assert found["obedience.ratio"].low is None
    assert found["fidelity.kernel_distance"].high is None
    assert found["fidelity.coverage"].low is not None


@pytest.mark.slow
def test_forbidden_pairs_break_rules_on_layouts_and_on_images(material: Make) -> None:
    # Left halves of some canvases beside right halves of others: digits that never stand together.
    all_real = canvases("pairs", 1000, seed=3)
    chosen = [(a, b) for a, b in zip(all_real[800:900], all_real[801:901], strict=True)]
    joined = []
    for a, b in chosen:
        image = np.concatenate([a.image[:, :16], b.image[:, 16:]], axis=1)
        labels = np.concatenate([a.layout.label_map[:, :16], b.layout.label_map[:, 16:]], axis=1)
        joined.append(AnnotatedImage(name=a.name, image=image, layout=Layout(label_map=labels)))
    section, wrong = coherent(
        with_few_to_learn_rules_from(material(renamed(joined))), "pairs", reader_steps=25
    )
    found = figures(section)
    assert value(found["coherence.composition_layouts"]) > 50
    assert (
        value(found["coherence.composition_images"]) > (found["coherence.composition_images"].real or 0) + 25
    )
    assert value(found["coherence.learned_layouts"]) > 25
    assert wrong.synthetic.mean() > 0.5
    assert wrong.real.mean() < 0.1
    assert section.pictures[0].file == "incoherent.png"


def test_few_samples_refuse_what_needs_more_and_say_how_many(material: Make) -> None:
    made = material(fresh_pairs()[:25])
    figure = figures(fidelity(made, all_kept(made), None))["fidelity.frechet_distance"]
    assert figure.value is None
    assert any(character.isdigit() for character in figure.refused)


def test_agreement_leaves_ignored_pixels_out() -> None:
    labels = np.array([[[0, 1], [-1, 1]], [[-1, -1], [-1, -1]]])
    readings = np.array([[[0, 0], [1, 1]], [[1, 1], [1, 1]]])
    assert agreement(labels, readings).tolist() == [2 / 3, 1.0]


def test_upper_digits_below_the_middle_are_found() -> None:
    # The rules that a report checks are those that made the data.
    from labelmint.metrics.coherence import composition_rules, scene_objects, violations

    scenes = [scene_objects(p.layout.label_map, p.layout.instances, {0}) for p in make_digits("upper", 30)]
    assert violations(composition_rules("upper"), scenes).rate == 0
