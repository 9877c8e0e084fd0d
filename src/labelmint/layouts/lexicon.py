"""The words of a run's classes: how a class is named in a sentence.

    SignSymbol, sign_symbol, sign/symbol    "sign symbol", "sign symbols"
    nucleus                                 "nucleus", "nuclei"
    3                                       "class 3", "digit 3"

A class is found by its singular, its plural, and the synonyms that a user gives it, whose plurals are found too. The
name of a class is always that class, whatever the plural of another is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from labelmint.errors import InputError, nearest
from labelmint.layouts.words import BREAKS
from labelmint.types import ClassSet

__all__ = [
    "ClassWord",
    "Lexicon",
    "in_quotes",
    "plural_of",
    "read_synonyms",
    "singular_of",
    "tokens_of",
    "words_of",
]

Words: TypeAlias = tuple[str, ...]

_IRREGULAR = {
    "analysis": "analyses",
    "atlas": "atlases",
    "axis": "axes",
    "calf": "calves",
    "canvas": "canvases",
    "child": "children",
    "foot": "feet",
    "gas": "gases",
    "goose": "geese",
    "half": "halves",
    "lens": "lenses",
    "life": "lives",
    "matrix": "matrices",
    "metastasis": "metastases",
    "mitosis": "mitoses",
    "mouse": "mice",
    "ovum": "ova",
    "ox": "oxen",
    "pancreas": "pancreases",
    "person": "people",
    "stenosis": "stenoses",
    "tooth": "teeth",
    "vertex": "vertices",
}
_ALIKE = (
    *(
        "aircraft",
        "biceps",
        "bison",
        "caries",
        "deer",
        "fish",
        "forceps",
        "pants",
        "rbc",
        "scissors",
        "sheep",
    ),
    *("species", "series", "trousers", "wbc"),
)
_ENDINGS = (  # what a word ends with in the singular, and in the plural
    *(
        (one, f"{one.removesuffix('us')}i")
        for one in ("nucleus", "nucleolus", "bacillus", "fungus", "coccus")
    ),
    *(
        (one, f"{one.removesuffix('us')}i")
        for one in ("cactus", "alveolus", "glomerulus", "villus", "thrombus")
    ),
    *((one, f"{one.removesuffix('us')}i") for one in ("embolus", "bronchus")),
    *((one, f"{one.removesuffix('um')}a") for one in ("bacterium", "atrium", "plasmodium", "flagellum")),
    *((one, f"{one}e") for one in ("vertebra", "alga", "hypha", "larva", "papilla", "pupa")),
    *((one, f"{one}es") for one in ("tomato", "potato", "mango", "mosquito", "buffalo", "hero", "volcano")),
    *((f"{one}f", f"{one}ves") for one in ("lea", "loa", "shel", "wol")),
    ("knife", "knives"),
    ("mitochondrion", "mitochondria"),
    ("woman", "women"),
    ("man", "men"),
)
_REGULAR = ("human", "german", "roman", "abdomen", "foramen", "lumen", "specimen", "stamen")
_REGULAR_ENDINGS = (  # the plural's, and the singular's; the first that fits
    ("ouses", "ouse"),
    ("ies", "y"),
    ("sses", "ss"),
    ("uses", "us"),
    ("xes", "x"),
    ("ches", "ch"),
    ("shes", "sh"),
)
_LONGEST = 2000  # characters of a description
_SHOWN = 120  # of these in an error
_FRACTION = r"\d*[\u00bc-\u00be\u2150-\u215e]"  # a half, in one sign: normalized it would be two numbers
_HYPHENS = r"\-–‐"


def words_of(name: str) -> Words:
    """The words of a class name or a sentence part, in lower case: parted at capitals and at what is no letter."""
    return tuple(
        word.lower() for word in re.findall(r"[^\W_]+", _parted(unicodedata.normalize("NFKC", name)))
    )


def in_quotes(text: str) -> str:
    """A description as errors show it: in quotes, and the beginning alone of a long one, so that what is wrong with it
    is seen.
    """
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def tokens_of(text: str) -> list[str]:
    """The words of a description as `words_of` has them, and the signs that part them; raises InputError, one line, for
    any other sign, and for a text of more than 2000 characters.
    """
    if len(text) > _LONGEST:
        raise InputError(f"a description of {len(text)} characters; expected at most {_LONGEST}")
    plain = unicodedata.normalize("NFKC", text)
    odd = re.search(_FRACTION, text) or re.search(r"(?:^|(?<=[\s,(]))-\d+|\d+\.\d+", plain)
    if odd is not None:
        raise InputError(
            f"{in_quotes(text)}: {odd[0]!r} is no number of objects; expected a whole number from 0"
        )
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    plain = re.sub(rf"(\d)\s*[{_HYPHENS}]\s*(\d)", r"\1 to \2", plain)
    plain = re.sub(r"(?<=\w)['’]s\b", "", plain)
    plain = re.sub(r"\bhalf a dozen\b", "six", plain, flags=re.IGNORECASE)  # "half" begins places, too
    found = re.findall(rf"[^\W_]+|[^\s\w{_HYPHENS}—/'‘’\"“”„()_]", _parted(plain))
    for sign in found:
        if not sign[0].isalnum() and sign not in BREAKS:
            raise InputError(
                f"{in_quotes(text)}: {sign!r} is not understood; describe the layout in plain words"
            )
    return [sign.lower() for sign in found]


def _parted(text: str) -> str:
    """Words parted at capitals: "SignSymbol", "CTScan"; the s of "RBCs" makes a plural."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s(?![a-z]))", " ", text)


def plural_of(word: str) -> str:
    """The plural of an English noun, in lower case."""
    if word in _ALIKE:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word not in _REGULAR:
        for one, many in _ENDINGS:
            if word.endswith(one):
                return word.removesuffix(one) + many
    return _regular(word)


def _regular(word: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}s"


def singular_of(word: str) -> str:
    """The noun of which a word is the plural; the word itself where it is none."""
    known = {many: one for one, many in _IRREGULAR.items()}
    if word in _ALIKE or word in _IRREGULAR or word in known:
        return known.get(word, word)
    for one, many in _ENDINGS:
        if word.endswith(many) and word not in _REGULAR:
            return word.removesuffix(many) + one
    for ending, instead in _REGULAR_ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending) + instead
    plain = word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3
    return word[:-1] if plain else word


class ClassWord(NamedTuple):
    """A class as some words name it; `plural` where these are a plural and no singular."""

    class_id: int
    plural: bool


class Lexicon:
    """The words that name the classes of a run.

    Arguments:
        classes: of the run.
        synonyms: the name of a class by another name for it.

    Raises InputError for a synonym of what is no class, one without a letter or digit, and one that names another
    class already.
    """

    def __init__(self, classes: ClassSet, synonyms: Mapping[str, str] | None = None) -> None:
        self.classes = classes
        self._found: dict[Words, ClassWord] = {}
        named = [(words, info.id) for info in classes.classes for words in _said_of(words_of(info.name))]
        for words, class_id in named:
            self._found.setdefault(words, ClassWord(class_id, singular_of(words[-1]) != words[-1]))
        for words, class_id in named:
            self._add(words, class_id)
        by_name = {info.name.lower(): info.id for info in classes.classes}
        for synonym, name in (synonyms or {}).items():
            target = self._target(synonym, name, by_name)
            before = self._found.get(words_of(synonym))
            if before is not None and before.class_id != target:
                raise InputError(
                    f"synonym {synonym!r}: this is a name of the class {classes.name_of(before.class_id)!r} already; "
                    f"choose another word"
                )
            self._add(words_of(synonym), target)

    def _target(self, synonym: str, name: str, by_name: Mapping[str, int]) -> int:
        if not words_of(synonym):
            raise InputError(f"synonym {synonym!r}: expected a word with letters or digits")
        if name.lower() in by_name:
            return by_name[name.lower()]
        found = self._found.get(words_of(name))
        if found is None:
            near = nearest(name, self.classes.names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise InputError(
                f"synonym {synonym!r}: there is no class {name!r}{hint} classes: {', '.join(self.classes.names)}"
            )
        return found.class_id

    def _add(self, words: Words, class_id: int) -> None:
        """Take both numbers of a name; a name that was taken before stays that class's."""
        *front, last = words
        one = singular_of(last)
        many = plural_of(one)
        forms = [(last, one != last), (one, False), (many, many != one), (_regular(one), True)]
        if one != last and last.endswith("s"):
            forms.append((last[:-1], False))  # "cookies" is of "cookie", though "berries" is of "berry"
        for form, plural in forms:
            self._found.setdefault((*front, form), ClassWord(class_id, plural))
        joined = ("".join(words),)
        if len(words) > 1:
            self._found.setdefault(joined, ClassWord(class_id, False))

    @property
    def longest(self) -> int:
        """Words of the longest name."""
        return max(map(len, self._found), default=0)

    @property
    def vocabulary(self) -> Iterator[str]:
        """All names, and the words in them."""
        for words in self._found:
            yield " ".join(words)
            yield from words if len(words) > 1 else ()

    def at(self, words: Sequence[str], place: int) -> tuple[ClassWord, int] | None:
        """The class that the words from a place on name, by the longest name, and how many words that is."""
        for count in range(min(self.longest, len(words) - place), 0, -1):
            found = self._found.get(tuple(words[place : place + count]))
            if found is not None:
                return found, count
        return None

    def of(self, class_id: int, number: int | None) -> str:
        """The name of a class as it stands after a number: 1 for the singular, any other for the plural; as it is where
        that would name another class.
        """
        words = words_of(self.classes.name_of(class_id)) or (str(class_id),)
        if len(words) == 1 and words[0].isdigit():
            return f"class {words[0]}"
        if words[-1].isdigit():
            return " ".join(words)
        one = singular_of(words[-1])
        form = (*words[:-1], one if number == 1 else plural_of(one))
        found = self._found.get(form)
        return " ".join(form if found is None or found.class_id == class_id else words)


def _said_of(words: Words) -> list[Words]:
    """How the words of a name are said: a number alone is a class of that number."""
    if len(words) == 1 and words[0].isdigit():
        return [("digit", *words), ("class", *words)]
    return [words] if words else []


def read_synonyms(file: str | Path) -> dict[str, str]:
    """Synonyms from a JSON file, {"erythrocyte": "red blood cell"}: a class by each other name for it.

    Raises InputError for a file that can't be read or holds anything else.
    """
    path = Path(file)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(content, ensure_ascii=False).encode()  # halves of characters can't be written down
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected a JSON file of synonyms") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON ({str(error).splitlines()[0]})") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
        raise InputError(
            f'{path}: expected the name of a class by each synonym, as in {{"erythrocyte": "red blood cell"}}'
        )
    return content
