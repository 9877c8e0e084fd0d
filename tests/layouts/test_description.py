"""Sentences are read as they were meant, and what can't be is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.layouts.sentences import HAND, PLURALS, alike, boxed_of, by_hand, generated, lexicon_of, wishes_of

from labelmint.errors import InputError
from labelmint.layouts.description import refuse_impossible
from labelmint.layouts.grammar import understood
from labelmint.layouts.lexicon import Lexicon, plural_of, read_synonyms, singular_of, words_of
from labelmint.types import ClassInfo, ClassSet


def classes(*names: str) -> ClassSet:
    return ClassSet(tuple(ClassInfo(id=k, name=name) for k, name in enumerate(names)))


def said(text: str, *names: str) -> str:
    return str(understood(text, Lexicon(classes(*names))))


def refusal(text: str, *names: str, most: int = 16) -> str:
    """The line that refuses a sentence, of layouts of at most so many boxes."""
    with pytest.raises(InputError) as refused:
        refuse_impossible(understood(text, Lexicon(classes(*names))), range(len(names)), most)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_fifty_sentences_written_before_the_grammar_are_read_as_they_were_meant() -> None:
    assert len(by_hand()) == 50
    for one in by_hand():
        found = understood(one.text, lexicon_of(one.of))
        refuse_impossible(found, boxed_of(one.of), HAND["sets"][one.of]["most boxes"])
        assert alike(wishes_of(found), one.wishes), f"{one.text}: {found}"
        assert found.only == one.only, one.text


def test_two_hundred_generated_sentences_are_read_as_they_were_made() -> None:
    sentences = [one for name in HAND["sets"] for one in generated(name, 67, seed=0)]
    assert len(sentences) >= 200
    for one in sentences:
        found = understood(one.text, lexicon_of(one.of))
        assert alike(wishes_of(found), one.wishes), f"{one.text}: {found}"
        assert found.only == one.only, one.text


def test_what_is_said_back_is_read_as_the_same() -> None:
    for one in by_hand():
        found = understood(one.text, lexicon_of(one.of))
        if not any(phrase.count.many for phrase in found.phrases):
            again = understood(str(found).replace(";", ","), lexicon_of(one.of))
            assert alike(wishes_of(again), wishes_of(found)), f"{found}: {again}"


def test_what_is_wrong_with_a_long_sentence_is_not_lost_in_it() -> None:
    text = "a car, " * 200 + "a dragon"
    line = refusal(text, "road", "car")
    assert "'dragon' is not understood" in line
    assert len(line) < 300
    assert text[:100] in line


@pytest.mark.parametrize("fraction", ["½", "2½", "¾"])
def test_a_fraction_is_no_number_of_objects(fraction: str) -> None:
    assert f"{fraction!r} is no number of objects" in refusal(f"{fraction} cars", "road", "car")


def test_a_number_below_zero_in_words_is_called_that() -> None:
    assert "'fewer than zero' is no number of at least 0" in refusal("fewer than zero cars", "road", "car")
    assert "expected the smaller one first" in refusal("between three and two cars", "road", "car")


def test_the_impossible_is_refused_in_one_line_that_names_it() -> None:
    for row in HAND["impossible"]:
        name, culprit = row["set"], row["names"]
        with pytest.raises(InputError) as refused:
            found = understood(row["sentence"], lexicon_of(name))
            refuse_impossible(found, boxed_of(name), HAND["sets"][name]["most boxes"])
        assert "\n" not in str(refused.value)
        assert culprit in str(refused.value) or PLURALS.get(culprit, culprit) in str(refused.value), str(
            refused.value
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two hundred and fifty cars", "exactly 250 cars"),
        ("1,000 cars", "exactly 1000 cars"),
        ("twenty-one cars", "exactly 21 cars"),
        ("two dozen cars", "exactly 24 cars"),
        ("half a dozen cars", "exactly 6 cars"),
        ("2-4 cars", "2 to 4 cars"),
        ("two or more cars", "at least 2 cars"),
        ("no cars or trees", "no cars; no trees"),
        ("from two to four cars", "2 to 4 cars"),
        ("a car on the left and one on the right", "exactly 1 car on the left; exactly 1 car on the right"),
        ("two small cars and a large one", "exactly 2 small cars; exactly 1 large car"),
        ("a car on the left and a large one", "exactly 1 car on the left; exactly 1 large car"),
        ("at least one car", "at least 1 car"),
        ("the car", "exactly 1 car"),
        ("cars", "at least 2 cars"),
        ("TWO CARS.", "exactly 2 cars"),
        ("a big car, a very small tree", "exactly 1 large car; exactly 1 tiny tree"),
        ("a car on the left at the top", "exactly 1 car on the left at the top"),
        ("a car in the middle of the left side", "exactly 1 car in the center left"),
        ("a tree on top of a car", "exactly 1 tree above a car; exactly 1 car"),
        ("a car inside a tree", "exactly 1 car inside a tree; exactly 1 tree"),
        (
            "a car in a tree in a corner",
            "exactly 1 car inside a tree in a corner; exactly 1 tree in a corner",
        ),
        ("a car next to a car", "exactly 1 car next to a car; exactly 1 car"),
        ("nothing but cars", "at least 2 cars; nothing else"),
        ("about one car", "1 to 2 cars"),
        ("two cars and only one tree", "exactly 2 cars; exactly 1 tree"),
        ("a car right above a tree", "exactly 1 car above a tree; exactly 1 tree"),
        ("a car directly next to a tree", "exactly 1 car next to a tree; exactly 1 tree"),
        ("a car on the right above a tree", "exactly 1 car on the right above a tree; exactly 1 tree"),
        ("In the picture there are two cars.", "exactly 2 cars"),
        ("two cars in the image on the left, a tree in total", "exactly 2 cars on the left; exactly 1 tree"),
        ("any number of cars", "any number of cars"),
        ("‘two cars’ and twenty‑one trees…", "exactly 2 cars; exactly 21 trees"),
        ("２ cars", "exactly 2 cars"),
    ],
)
def test_ways_to_say_it(text: str, expected: str) -> None:
    assert said(text, "car", "tree") == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("-3 cars", "-3"),
        ("2.5 cars", "2.5"),
        ("two cars & 50% trees", "%"),
        ("three", "three"),
        ("a car between a tree and a car", "between"),
        ("not a car", "not"),
        ("a car and a car", "twice"),
        ("a tree on a car", "relations are"),
        ("a car far from a tree", "far"),
        ("a car on the left right", "left right"),
        ("a car next to no trees", "next to"),
        (
            "no cars on the left and a car in the left half above a car in the lower left",
            "no cars on the left",
        ),
        ("a small car in the upper left and no small cars at the top", "no small cars"),
        ("no large cars and a huge car", "no large cars"),
        ("no small trees, a car next to a tiny tree", "no small trees"),
        ("car" * 1000, "3000"),
        ("a car between two", "between"),
        (f"about {'hundred ' * 200}cars", "800000000"),
        (f"at least {10**20} cars", "1000000000"),
        ("a car and a tree, both on the left", "both"),
        ("a car and a tree all on the left", "all"),
        ("car by " * 280 + "car", "16 relations"),
        ("two cars, a large one and a small one", "'large one'"),
        ("cars, and small ones", "'small ones'"),
        ("cars only on the left", "'only'"),
        ("two cars and nothing else on the left", "'nothing else'"),
    ],
)
def test_further_sentences_that_make_no_sense_name_why(text: str, names: str) -> None:
    assert names in refusal(text, "car", "tree")


def test_a_list_after_no_is_of_what_is_not_there() -> None:
    assert said("no cars, trees or poles", "car", "tree", "pole") == "no cars; no trees; no poles"
    assert (
        said("no cars, two trees and poles", "car", "tree", "pole")
        == "no cars; exactly 2 trees; at least 2 poles"
    )


def test_class_names_are_split_into_words_and_the_longest_wins() -> None:
    assert words_of("SignSymbol") == words_of("sign_symbol") == words_of("sign/symbol") == ("sign", "symbol")
    names = ("vehicle", "large vehicle", "left ventricle", "3")
    assert said("two large vehicles", *names) == "exactly 2 large vehicles"
    assert said("two small vehicles", *names) == "exactly 2 small vehicles"
    assert said("a left ventricle on the right", *names) == "exactly 1 left ventricle on the right"
    assert said("two class 3", *names) == "exactly 2 class 3"


def test_names_of_classes_that_hold_words_of_the_grammar_are_read_as_names() -> None:
    names = ("no entry", "two wheeler", "large", "car")
    assert said("no entry on the left, two no entries on the right", *names) == (
        "exactly 1 no entry on the left; exactly 2 no entries on the right"
    )
    assert said("two wheelers and two two wheelers on the left", *names) == (
        "at least 2 two wheelers; exactly 2 two wheelers on the left"
    )
    assert said("a car left of a picture", "car", "picture") == (
        "exactly 1 car left of a picture; exactly 1 picture"
    )
    assert said("a car left of the picture", "car", "tree") == "exactly 1 car on the left"
    assert said("a large on the left, two large cars", *names) == (
        "exactly 1 large on the left; exactly 2 large cars"
    )


def test_a_name_is_always_that_class_and_is_said_back_as_it_is_read() -> None:
    names = ("person", "people", "glass", "glasses", "RBC", "RBCs", "SUVs")
    assert said("two people, a person", *names) == "exactly 2 people; exactly 1 person"
    assert said("two glasses and one glass", *names) == "exactly 2 glasses; exactly 1 glass"
    assert said("a RBC and two RBCs", *names) == "exactly 1 rbc; exactly 2 rbcs"
    assert said("two RBCs", "RBC") == "exactly 2 rbc"
    assert said("one SUV, two persons", "SUVs", "person") == "exactly 1 suv; exactly 2 people"


def test_letters_with_marks_are_alike_however_they_are_encoded() -> None:
    once, apart = "Fu\u00dfg\u00e4nger", "Fu\u00dfga\u0308nger"
    assert once != apart
    for name, sentence in ((once, apart), (apart, once)):
        assert said(f"two {sentence}", name) == f"exactly 2 {once.lower()}s"
    assert words_of(apart) == (once.lower(),)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        *(
            ("nucleus", "nuclei"),
            ("person", "people"),
            ("bus", "buses"),
            ("box", "boxes"),
            ("berry", "berries"),
        ),
        *(
            ("fireman", "firemen"),
            ("human", "humans"),
            ("sheep", "sheep"),
            ("house", "houses"),
            ("glass", "glasses"),
        ),
        *(("bench", "benches"), ("specimen", "specimens"), ("key", "keys"), ("mitosis", "mitoses")),
        *(
            ("lens", "lenses"),
            ("pancreas", "pancreases"),
            ("tomato", "tomatoes"),
            ("bookshelf", "bookshelves"),
        ),
        *(("glomerulus", "glomeruli"), ("larva", "larvae"), ("caries", "caries")),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural_of(one) == many
    assert singular_of(many) == one
    assert singular_of(one) == one


def test_synonyms_name_classes_in_both_numbers(tmp_path: Path) -> None:
    file = tmp_path / "synonyms.json"
    for encoding in ("utf-8", "utf-8-sig"):  # the second is that of editors on Windows
        file.write_text(json.dumps({"erythrocyte": "red_blood_cell"}), encoding=encoding)
        lexicon = Lexicon(classes("red_blood_cell", "ring"), read_synonyms(file))
        assert str(understood("two erythrocytes", lexicon)) == "exactly 2 red blood cells"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("{", "no JSON"),
        ("[1]", "expected the name of a class"),
        ('{"a": 1}', "expected the name of a class"),
        ('{"disc": "rung"}', "did you mean 'ring'"),
        ('{"ring": "car"}', "already"),
        ('{"!": "car"}', "letters"),
        ('{"disc\\ud800": "car"}', "no JSON"),
    ],
)
def test_bad_synonyms_are_refused(content: str, names: str, tmp_path: Path) -> None:
    file = tmp_path / "synonyms.json"
    file.write_text(content)
    with pytest.raises(InputError) as refused:
        Lexicon(classes("car", "ring"), read_synonyms(file))
    assert names in str(refused.value)
    assert "\n" not in str(refused.value)
