"""Numbers are written one way everywhere, and the printed summary keeps within a terminal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmint.reports.results import Figure, Results, Section, Verdict
from labelmint.reports.words import headline, interval, number, refusal, summary


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.8123, "0.812"),
        (0.8, "0.800"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (1234567, "1,234,567"),
        (-0.5, "-0.500"),
        (0.0001234, "1.23e-4"),
        (0.001, "0.00100"),
        (0.0009996, "0.00100"),
        (1e300, "1.00e300"),
        (5e-324, "4.94e-324"),
    ],
)
def test_numbers_have_three_digits(value: float | None, written: str) -> None:
    assert number(value) == written


@settings(max_examples=40)
@given(st.floats(-1e300, 1e300))
def test_a_written_number_is_the_number_to_three_digits(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.006)


def test_units_follow_numbers_and_not_dashes() -> None:
    assert number(12.34, "dB") == "12.3 dB"
    assert number(8, "per 1,000") == "8 per 1,000"
    assert number(None, "%") == "-"


def test_an_interval_needs_both_ends() -> None:
    assert interval(0.7, 0.8) == "0.700 to 0.800"
    assert interval(None, 0.8) == interval(0.7, None) == "-"


def _results(sections: int, text: str, names: int = 1) -> Results:
    figures = tuple(
        Figure(name=f"a.{i}", title=f"figure {i} {text}", value=0.5, low=0.4, high=0.6, real=0.7, unit=text)
        for i in range(names)
    )
    return Results(
        title=f"title {text}",
        verdict=Verdict(
            level="bad", text=f"verdict {text}", reasons=tuple(f"reason {i} {text}" for i in range(sections))
        ),
        headline=tuple(figure.name for figure in figures),
        sections=tuple(
            Section(
                name=f"s{i}",
                title=f"section {i} {text}",
                summary=f"in short {i} {text}",
                figures=figures if i == 0 else (),
            )
            for i in range(max(sections, 1))
        ),
    )


@pytest.mark.parametrize("sections", [0, 1, 7, 100])
@pytest.mark.parametrize("text", ["", "short", "word " * 200, "x" * 500, "two\nlines\r\n\x1b[31mred\t"])
@pytest.mark.parametrize("names", [0, 5, 40])
def test_the_summary_fits_a_terminal_and_cannot_command_it(sections: int, text: str, names: int) -> None:
    lines = summary(_results(sections, text, names)).split("\n")
    assert len(lines) <= 40
    assert all(len(line) <= 100 and line.isprintable() for line in lines)


def test_the_summary_holds_the_verdict_the_figures_and_a_line_for_each_section() -> None:
    text = summary(_results(3, "here", 2))
    assert "BAD: verdict here" in text
    assert all(f"reason {i} here" in text and f"in short {i} here" in text for i in range(3))
    row = next(line for line in text.splitlines() if "figure 1 here" in line)
    assert row.split()[-6:] == ["0.500", "here", "0.400", "to", "0.600", "0.700"]


def test_sections_beyond_the_last_line_are_counted() -> None:
    lines = summary(_results(100, "", 5)).splitlines()
    shown = sum("in short" in line for line in lines)
    assert lines[-1] == f"and {100 - shown} more sections in the report"


def test_a_refused_figure_is_words() -> None:
    refused = Figure(name="fid", title="FID", value=12.5, refused="needs 2,048 samples")
    results = _results(0, "").model_copy(update={"headline": ("fid", "gone")})
    results = results.model_copy(update={"sections": (Section(name="s", title="s", figures=(refused,)),)})
    text = summary(results)
    assert "not computed: needs 2,048 samples" in text
    assert "12.5" not in text
    assert refusal(headline(results)[1]) == "not computed: no section of this report holds it"
    assert refusal(Figure(name="a", title="a", value=float("nan"))) == "not computed"
    assert refusal(Figure(name="a", title="a", value=0.0)) == ""
