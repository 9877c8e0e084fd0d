"""The report: what is written is read back, and the page is whole, well-formed, safe with hostile names, and
needs no network.
"""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from labelmint.errors import InputError
from labelmint.reports.files import read_report, write_report
from labelmint.reports.html import render
from labelmint.reports.results import Chart, Figure, Picture, Results, Section, Series, Table, Verdict

HOSTILE = "<script>alert('1')</script>\"' onload=x &amp; </style></svg> http://example.org"
VOID = {"meta", "img", "br", "hr", "link", "input"}


def results(name: str = "nucleus", **changes: Any) -> Results:
    figures = (
        Figure(
            name="obedience.ratio",
            title=f"Ratio of {name}",
            value=0.8312,
            low=0.79,
            high=0.86,
            real=0.95,
            better="higher",
            how=name,
        ),
        Figure(
            name="fidelity.fid", title="FID", value=None, refused=f"needs 2,048 samples of {name}", unit=name
        ),
    )
    chart = Chart(
        title=name,
        kind="bars",
        x_label=name,
        y_label=name,
        note=name,
        series=(
            Series(name=name, x=(name, "b"), y=(1.0, None)),
            Series(name="real", x=(name, "b"), y=(0.5, 2.0)),
        ),
    )
    section = Section(
        name=name,
        title=f"Is {name} true?",
        summary=name,
        figures=figures,
        charts=(chart, chart),
        tables=(
            Table(title=name, head=(name, "pixels"), rows=((name, 12), ("b", None), (name, 0.5)), note=name),
        ),
        pictures=(Picture(title=name, file="a.png", note=name), Picture(title="gone", file=name)),
    )
    content: dict[str, Any] = {
        "title": name,
        "verdict": Verdict(level="mixed", text=name, reasons=(name,)),
        "headline": ("obedience.ratio", "fidelity.fid", name),
        "overview": Picture(title=name, file="a.png"),
        "sections": (section, section.model_copy(update={"figures": ()})),
        "origin": {
            "command": name,
            "seed": 12345678901,
            name: {"torch": "2.13", "sizes": [64, None, True]},
            "seconds": 1.25,
        },
    }
    return Results(**{**content, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (7, 5), "red").save(tmp_path / "a.png")
    return tmp_path


class Page(HTMLParser):
    """Tags opened and closed in order, with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attrs}) == len(attrs)
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)


# --- the page ---


@pytest.mark.parametrize("name", ["nucleus", HOSTILE, "", "\udc80", "日本語 ✓"])
def test_the_page_is_well_formed_and_asks_for_nothing(folder: Path, name: str) -> None:
    text = render(results(name), folder)
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not any(key.startswith("on") for key in attributes)
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert attributes.get("href", "#").startswith("#")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_ids_differ_and_links_lead_to_them(folder: Path) -> None:
    page = Page(render(results(), folder))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert len(links) == 3
    assert {link.removeprefix("#") for link in links} <= set(ids)
    named = [key for _, attributes in page.tags for key in attributes.get("aria-labelledby", "").split()]
    assert set(named) <= set(ids)


def test_names_from_files_are_text(folder: Path) -> None:
    page = Page(render(results(HOSTILE), folder))
    assert sum(HOSTILE in text for text in page.texts) > 10


def test_pictures_lie_in_the_page_and_missing_ones_are_said(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = Page(render(results(), folder))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    content = base64.b64decode(images[0]["src"].split(",")[1])
    assert content == (folder / "a.png").read_bytes()
    assert (images[0]["width"], images[0]["height"], images[0]["alt"]) == ("7", "5", "nucleus")
    assert "nucleus is not there" in page.texts


def test_only_pictures_of_the_folder_are_embedded(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    (inner / "text.png").write_text("a secret")
    for file in ("../a.png", str(folder / "a.png"), "text.png", "."):
        page = render(results(overview=Picture(title="x", file=file), sections=()), inner)
        assert "<img" not in page
        assert f"{file} is not there" in page


def test_a_refused_figure_shows_no_number(folder: Path) -> None:
    refused = Figure(
        name="fid", title="FID", value=77.125, low=71.5, high=79.5, real=3.25, refused="needs more samples"
    )
    page = render(
        results(headline=("fid",), sections=(Section(name="a", title="a", figures=(refused,)),)), folder
    )
    assert page.count("not computed: needs more samples") == 2
    assert not re.search(r"77\.1|71\.5|79\.5|3\.25", "".join(Page(page).texts))


def test_a_figure_stands_with_unit_interval_and_real_value(folder: Path) -> None:
    figure = Figure(
        name="a.b",
        title="A",
        value=12.345,
        low=10.0,
        high=15.5,
        real=3.25,
        unit="dB",
        how="by hand",
        better="lower",
    )
    page = render(
        results(headline=("a.b",), sections=(Section(name="a", title="a", figures=(figure,)),)), folder
    )
    said = "".join(Page(page).texts)
    assert all(said.count(text) >= 2 for text in ("12.3 dB", "10 to 15.5", "3.25", "lower is better"))
    assert "by hand" in said


def test_the_verdict_is_words_beside_its_color(folder: Path) -> None:
    for level, word in (("good", "Good"), ("mixed", "Mixed"), ("bad", "Bad")):
        page = render(results(verdict={"level": level, "text": "so it is"}), folder)
        assert f'class="verdict {level}"' in page
        assert word in Page(page).texts


def test_the_origin_is_told_unrounded(folder: Path) -> None:
    said = "".join(Page(render(results(), folder)).texts)
    assert "12345678901" in said
    assert "64, -, yes" in said


def test_an_empty_report_is_a_page(folder: Path) -> None:
    Page(
        render(
            Results(title="t", verdict=Verdict(level="bad", text="nothing"), headline=(), sections=()), folder
        )
    )


# --- the files ---


@pytest.mark.parametrize("name", ["nucleus", HOSTILE, "日本語 ✓", "\udc80"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "new" / "report"
    write_report(results(name), folder)
    assert read_report(folder) == results(name)
    assert sorted(file.name for file in folder.iterdir()) == ["report.html", "report.json"]
    first = (folder / "report.json").read_bytes()
    write_report(read_report(folder), folder)
    assert (folder / "report.json").read_bytes() == first


def test_a_report_that_cant_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()  # where a file should be
    with pytest.raises(OSError):
        write_report(results(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_bytes_of_file_names_that_are_no_text_are_spelled_out(tmp_path: Path) -> None:
    write_report(results("\udc80", origin={"file": ["\udc80.png"]}), tmp_path)
    assert read_report(tmp_path).origin == {"file": ["\\udc80.png"]}
    assert read_report(tmp_path).title == "\\udc80"


def test_programs_look_figures_up_by_name(tmp_path: Path) -> None:
    write_report(results(), tmp_path)
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content["figures"] == {"obedience.ratio": 0.8312, "fidelity.fid": None}
    assert list(content) == [*Results.model_fields, "figures"]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    made = results(
        sections=(
            Section(
                name="a",
                title="a",
                figures=(Figure(name="a", title="a", value=nan, low=-inf, high=inf, real=nan),),
                tables=(Table(title="t", head=("x",), rows=((nan,), (1,), (1.5,), ("NaN",))),),
                charts=(
                    Chart(
                        title="c",
                        kind="lines",
                        x_label="",
                        y_label="",
                        series=(Series(name="s", x=(1, inf), y=(nan, 2)),),
                    ),
                ),
            ),
        ),
        origin={"seconds": nan},
    )
    write_report(made, tmp_path)

    def never(constant: str) -> None:
        raise AssertionError(constant)

    json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=never)
    read = read_report(tmp_path)
    assert read == made
    assert read.figures["a"] == Figure(name="a", title="a", value=None)
    assert read.origin == {"seconds": None}
    assert "nan" not in "".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).texts)


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    table = Table(title="t", head=("a", "b"), rows=((12, 12.0),))
    write_report(results(sections=(Section(name="a", title="a", tables=(table,)),)), tmp_path)
    cells = read_report(tmp_path).sections[0].tables[0].rows[0]
    assert [type(cell) for cell in cells] == [int, float]


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    values = (np.int64(3), np.float32(0.5), np.float32("nan"))
    table = Table(title="t", head=("a", "b", "c"), rows=(values,))
    made = results(sections=(Section(name="a", title="a", tables=(table,)),), origin={"values": values})
    write_report(made, tmp_path)
    assert read_report(tmp_path) == made
    assert made.sections[0].tables[0].rows == ((3, 0.5, None),)
    assert type(made.sections[0].tables[0].rows[0][0]) is int


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with pytest.raises(
        InputError, match=r"report\.json: cannot be read .* give the folder that `labelmint evaluate` wrote"
    ):
        read_report(tmp_path)
    for text, words in (
        ("{", "is no JSON"),
        ("[]", "has format version None, expected 1"),
        ('{"format_version": 2}', "has format version 2, expected 1"),
        ('{"format_version": 1, "title": "x"}', "is no report: verdict: Field required"),
        ('{"format_version": 1, "strange": "x"}', "is no report"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=re.escape(words)) as caught:
            read_report(tmp_path)
        assert "\n" not in str(caught.value)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is no JSON"):
        read_report(tmp_path)


def test_the_schema_that_programs_rely_on() -> None:
    schema = Results.model_json_schema()
    assert set(schema["properties"]) == {
        "format_version",
        "title",
        "verdict",
        "headline",
        "overview",
        "sections",
        "origin",
    }
    assert schema["required"] == ["title", "verdict", "headline", "sections"]
    keys = {name: set(part["properties"]) for name, part in schema["$defs"].items()}
    assert keys == {
        "Chart": {"title", "kind", "x_label", "y_label", "series", "note"},
        "Figure": {"name", "title", "value", "low", "high", "real", "better", "unit", "how", "refused"},
        "Picture": {"title", "file", "note"},
        "Section": {"name", "title", "summary", "figures", "tables", "charts", "pictures"},
        "Series": {"name", "x", "y"},
        "Table": {"title", "head", "rows", "note"},
        "Verdict": {"level", "text", "reasons"},
    }
    assert {kind["type"] for kind in schema["$defs"]["Figure"]["properties"]["value"]["anyOf"]} == {
        "number",
        "null",
    }


def test_a_series_has_a_y_for_each_x() -> None:
    with pytest.raises(ValidationError, match="series 's' has 2 x and 1 y"):
        Series(name="s", x=(1, 2), y=(1,))
