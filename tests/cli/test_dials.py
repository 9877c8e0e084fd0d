"""Dials on the command line: options of their own, and `--dial` for any; streams that are drawn anew."""

from __future__ import annotations

import pytest

from labelmint.cli.dial_options import dials_of, parse_dials
from labelmint.cli.options import parse_reseed
from labelmint.errors import InputError


def test_what_is_given_is_taken_and_what_is_not_is_left_out() -> None:
    assert dials_of(None, temperature=None, guidance=None) == {}
    found = dials_of(["evaluations=16", "layout-temperature=1"], temperature=0.5, guidance=None)
    assert found == {"temperature": 0.5, "evaluations": 16.0, "layout_temperature": 1.0}
    assert parse_dials(["evaluations=8,16"]) == {"evaluations": (8.0, 16.0)}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["evaluations"], "expected NAME=VALUE"),
        (["=3"], "expected NAME=VALUE"),
        (["evaluations="], "expected NAME=VALUE"),
        (["evaluations=many"], "expected numbers"),
        (["evaluations=8,16"], "expected one value"),
        (["evaluations=8", "evaluations=9"], "evaluations is given twice"),
        (["temperature=0.7"], "temperature is given twice"),
    ],
)
def test_what_is_no_value_of_a_dial_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        dials_of(texts, temperature=0.85)


@pytest.mark.parametrize("texts", [["image"], ["=3"], ["image=-1"], ["image=x"], ["image=1", "image=2"]])
def test_what_is_no_seed_of_a_stream_is_refused(texts: list[str]) -> None:
    assert parse_reseed(["image=7", "layout = 3"]) == {"image": 7, "layout": 3}
    with pytest.raises(InputError, match=r"--reseed .*(expected NAME=SEED|given twice)"):
        parse_reseed(texts)
