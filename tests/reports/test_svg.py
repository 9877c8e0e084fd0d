"""Charts are well-formed and finite whatever the values are, and show every value where the axes say it is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmint.reports.results import Chart, Figure, Series
from labelmint.reports.svg import axis, chart_svg, interval_svg

KINDS: tuple[Literal["lines", "bars", "points"], ...] = ("lines", "bars", "points")
Kind = Literal["lines", "bars", "points"]


def chart(
    kind: Kind,
    *series: tuple[tuple[float | str | None, ...], tuple[float | None, ...]],
    names: str = "series",
) -> Chart:
    made = tuple(Series(name=f"{names} {k}", x=x, y=y) for k, (x, y) in enumerate(series))
    return Chart(title="A title", kind=kind, x_label="along", y_label="up", series=made)


def drawn(of: Chart) -> ET.Element:
    """The chart, parsed; all its coordinates are finite and, near enough, within it."""
    text = chart_svg(of, "key")
    assert not re.search(r"\b(nan|inf)\b", text.lower())
    root = ET.fromstring(text)
    width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
    for element in root.iter():
        for name in {"x", "y", "width", "height"} & set(element.keys()):
            assert 0 <= float(element.attrib[name]) <= (width if name in ("x", "width") else height)
        for x, y in re.findall(r"[ML]?(-?[\d.]+) (-?[\d.]+)(?=[mLM]|$)", element.get("d", "")):
            assert -1 <= float(x) <= width + 1
            assert -1 <= float(y) <= height + 1
    return root


STRANGE: list[tuple[tuple[float | None, ...], tuple[float | None, ...]]] = [
    ((), ()),
    ((1.0,), (2.0,)),
    ((0.0,), (0.0,)),
    ((1.0, 2.0, 3.0), (5.0, 5.0, 5.0)),
    ((1.0, 1.0), (1.0, 2.0)),
    ((-3.0, -2.0), (-5.0, -1.0)),
    ((0.0, 1.0), (-1.7e308, 1.7e308)),
    ((-1e308, 1e308), (5e-324, 1e-310)),
    ((1.0, 2.0), (1e9, 1e9 + 1e-3)),
    ((1.0, 2.0, 3.0), (1.0, float("nan"), 2.0)),
    ((float("inf"), 2.0), (1.0, 1.0)),
    ((None, 1.0), (2.0, None)),
    ((1.0, 2.0), (1e15, 3e15)),
    (tuple(float(i) for i in range(500)), tuple(float(i % 7) for i in range(500))),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("series", STRANGE)
def test_no_values_break_a_chart(
    kind: Kind, series: tuple[tuple[float | None, ...], tuple[float | None, ...]]
) -> None:
    drawn(chart(kind, series))
    drawn(chart(kind, series, ((1.0, 2.0), (0.5, 0.25))))


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.tuples(st.floats() | st.none(), st.floats() | st.none()), max_size=8))
def test_any_floats_can_be_drawn(kind: Kind, pairs: list[tuple[float | None, float | None]]) -> None:
    drawn(chart(kind, (tuple(x for x, _ in pairs), tuple(y for _, y in pairs))))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5), st.booleans(), st.booleans())
def test_an_axis_shows_its_values_at_few_rising_ticks(values: list[float], zero: bool, tight: bool) -> None:
    found = axis(values, zero=zero, tight=tight)
    assert found.low < found.high
    assert all(-1e-6 <= found.at(value) <= 1 + 1e-6 for value in values)
    assert not zero or found.low <= 0 <= found.high
    assert 2 <= len(found.ticks) <= 12
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(found.ticks))


def test_ticks_are_round() -> None:
    assert [text for _, text in axis([0, 1]).ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [text for _, text in axis([0, 2000]).ticks] == ["0", "500", "1,000", "1,500", "2,000"]
    assert [text for _, text in axis([-3e7, 3e7]).ticks] == ["-4e7", "-2e7", "0", "2e7", "4e7"]


def test_bars_are_as_long_as_their_values_and_lie_where_words_are_long() -> None:
    for names, side in ((("a", "b", "c"), "height"), (("a very long name " * 3, "b", "c" * 30), "width")):
        bars = [
            element
            for element in drawn(chart("bars", (names, (1.0, -2.0, 4.0)))).iter()
            if element.tag == "rect"
        ]
        lengths = [float(bar.attrib[side]) for bar in bars]
        assert lengths[1] / lengths[0] == pytest.approx(2, rel=0.02)
        assert lengths[2] / lengths[0] == pytest.approx(4, rel=0.02)


def test_bars_over_numbers_stand_by_size_each_in_its_place() -> None:
    root = drawn(chart("bars", ((3.0, 1.0001, 1.0002), (1.0, 2.0, 3.0))))
    bars = [(float(bar.attrib["x"]), float(bar.attrib["height"])) for bar in root.iter() if bar.tag == "rect"]
    heights = [height for _, height in sorted(bars)]
    assert len({x for x, _ in bars}) == 3
    assert heights[2] < heights[0] < heights[1]


def test_a_missing_value_breaks_the_line_and_a_lonely_point_is_marked() -> None:
    xs = tuple(float(i) for i in range(60))
    ys = tuple(None if i in (20, 22) else 1.0 * i for i in range(60))
    paths = [element for element in drawn(chart("lines", (xs, ys))).iter() if element.tag == "path"]
    line = next(path.attrib["d"] for path in paths if path.get("class") == "line")
    assert line.count("M") == 2
    assert sum(path.get("class") == "mark" for path in paths) == 1


def test_every_point_of_a_cloud_is_there() -> None:
    root = drawn(
        chart("points", (tuple(float(i) for i in range(70)), tuple(float(i * i % 11) for i in range(70))))
    )
    cloud = next(path.attrib["d"] for path in root.iter() if path.get("class") == "cloud")
    assert cloud.count("M") == 70


def test_a_chart_is_said_in_words_and_tells_series_apart_without_color() -> None:
    root = drawn(chart("lines", *[((0.0, 1.0), (0.0, 1.0 + k)) for k in range(4)]))
    title, description = root[0], root[1]
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
    assert title.text == "A title"
    assert description.text is not None
    assert "series 3: 2 values from 0 to 4." in description.text
    lines = [element.get("stroke-dasharray") for element in root.iter() if element.get("class") == "line"]
    assert len(set(lines)) == 4
    assert all(
        any(text.text == f"series {k}" for text in root.iter() if text.tag == "text") for k in range(4)
    )


def test_names_are_escaped_and_long_ones_cut() -> None:
    root = drawn(chart("bars", (("<script>&\"'" * 9, "b"), (1.0, 2.0)), ((), ()), names="<b>" * 40))
    assert not any(element.tag in ("script", "b") for element in root.iter())
    assert any(
        element.text and element.text.endswith("…") for element in root.iter() if element.tag == "text"
    )


def test_words_and_numbers_may_mix_along_an_axis() -> None:
    for kind in KINDS:
        drawn(chart(kind, (("a", 2.0, None), (1.0, 2.0, 3.0))))


def test_an_interval_is_drawn_only_where_there_is_one() -> None:
    whole = Figure(name="a", title="a", value=0.5, low=0.4, high=0.6, real=0.9)
    root = ET.fromstring(interval_svg(whole))
    assert sum("mark" in element.get("class", "") for element in root.iter()) == 2
    assert interval_svg(whole.model_copy(update={"real": None})).count("mark") == 1
    for missing in ({"low": None}, {"high": None}, {"value": None}, {"refused": "too few"}):
        assert interval_svg(whole.model_copy(update=missing)) == ""
    ET.fromstring(interval_svg(Figure(name="a", title="a", value=0.0, low=0.0, high=0.0, real=0.0)))


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_names_with_control_characters_leave_the_chart_well_formed(kind: Kind) -> None:
    """XML holds none of them, not even escaped, and the studio parses charts as XML."""
    name = "cell\x1b[31m\x00 & <b>\x9b\ufffe"
    root = drawn(chart(kind, ((name, "other"), (1.0, 2.0)), ((name, "other"), (2.0, 3.0)), names=name))
    assert any("cell [31m & <b>" in (element.text or "") for element in root.iter())
