"""The words of a run's classes: how a class is named in a sentence.

    SignSymbol, sign_symbol, sign/symbol    "sign symbol", "sign symbols"
    nucleus                                 "nucleus", "nuclei"
    3                                       "class 3", "digit 3"

A class is found by its singular, its plural, and the synonyms that a user gives it, whose plurals are found too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from labelmint.errors import InputError, nearest
from labelmint.types import ClassSet

__all__ = ["ClassWord", "Lexicon", "plural_of", "read_synonyms", "singular_of", "words_of"]

Words: TypeAlias = tuple[str, ...]

_IRREGULAR = {
    "analysis": "analyses",
    "axis": "axes",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "loaf": "loaves",
    "matrix": "matrices",
    "metastasis": "metastases",
    "mitosis": "mitoses",
    "mouse": "mice",
    "ovum": "ova",
    "ox": "oxen",
    "person": "people",
    "shelf": "shelves",
    "tooth": "teeth",
    "vertebra": "vertebrae",
    "vertex": "vertices",
    "wolf": "wolves",
}
_ALIKE = ("aircraft", "bison", "deer", "fish", "sheep", "species", "series", "rbc", "wbc")
_ENDINGS = (  # what a word ends with in the singular, and in the plural
    ("nucleus", "nuclei"),
    ("bacillus", "bacilli"),
    ("fungus", "fungi"),
    ("coccus", "cocci"),
    ("cactus", "cacti"),
    ("alveolus", "alveoli"),
    ("bacterium", "bacteria"),
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


def words_of(name: str) -> Words:
    """The words of a class name or a sentence part, in lower case: parted at capitals and at what is no letter."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", parted.lower()))


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
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}s"


def singular_of(word: str) -> str:
    """The noun of which a word is the plural; the word itself where it is none."""
    known = {many: one for one, many in _IRREGULAR.items()}
    if word in _ALIKE or word in known:
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
        for info in classes.classes:
            words = words_of(info.name)
            if len(words) == 1 and words[0].isdigit():
                self._add(("digit", *words), info.id)
                self._add(("class", *words), info.id)
            else:
                self._add(words, info.id)
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
        """Take both numbers of a name; the name of an earlier class stays that class's."""
        if not words:
            return
        *front, last = words
        one = singular_of(last)
        forms = [(last, one != last), (one, False), (plural_of(one), plural_of(one) != one)]
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
        """The name of a class as it stands after a number: 1 for the singular, any other for the plural."""
        words = words_of(self.classes.name_of(class_id)) or (str(class_id),)
        if len(words) == 1 and words[0].isdigit():
            return f"class {words[0]}"
        if words[-1].isdigit():
            return " ".join(words)
        one = singular_of(words[-1])
        return " ".join((*words[:-1], one if number == 1 else plural_of(one)))


def read_synonyms(file: str | Path) -> dict[str, str]:
    """Synonyms from a JSON file, {"erythrocyte": "red blood cell"}: a class by each other name for it.

    Raises InputError for a file that can't be read or holds anything else.
    """
    path = Path(file)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
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
