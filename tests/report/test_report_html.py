"""The file itself: nothing in it runs but our two scripts, whatever the data says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.report.document import (
    Choice,
    Code,
    Column,
    Comparison,
    Disclosure,
    Estimate,
    Facts,
    Frame,
    Gallery,
    Group,
    Line,
    Lines,
    Map,
    Notice,
    Picture,
    Prose,
    Report,
    Section,
    Slideshow,
    Strip,
    Strips,
    Table,
    Thumbnails,
    View,
    missing,
)
from analysis.report.html import page, render
from analysis.report.images import png
from analysis.report.markup import clean, escape, inert_json, tag, typed

TILE = np.zeros((4, 4, 1), np.uint8)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    ["</script>", "<!--", "]]>", '"><img src=x onerror=alert(1)>', "\u2028", "'", "&amp;", "<b>", "javascript:1"]
)


def every_block(text: str) -> Report:
    """A report in which every text field of every block is `text`."""
    line = Line(text, np.arange(2.0), np.arange(2.0))
    picture = Picture(TILE, text, text, 0)
    blocks = (
        Prose(text),
        Facts(((text, text),)),
        Notice("warning", text, text),
        Code(text, text),
        Disclosure(text, (Prose(text),)),
        Choice("choice", text, ((text, (Prose(text),)), (text, ()))),
        Comparison(
            rows=(Estimate(label=text, value=0.5, low=0.4, high=0.6, n=9, group=text, note=text),), caption=text
        ),
        Table(columns=(text, text), rows=((text, text),), caption=text, shades=((0.5,),)),
        Lines(id="lines", title=text, x_title=text, y_title=text, lines=(line, line), caption=text, level=(1.0, text)),
        Map(id="map", rows=np.array([0]), views=(View(text, np.zeros((1, 2)), text),), caption=text, colour=text),
        Gallery(
            (
                Group(title=text, detail=text, pictures=(picture, picture), pairs=True),
                Group(title=text, detail=text, pictures=(picture,)),
            ),
            text,
        ),
        Gallery((Group(title=text, detail=text, pictures=(picture,), across=1),), text, rows=True),
        Slideshow(
            id="slides", frames=(Frame(png(TILE), text), Frame(png(TILE), text)), control=text, alt=text, caption=text
        ),
        Strips(
            id="strips",
            strips=(Strip(text, np.stack([TILE, TILE]), text, 0),),
            steps=(text, text),
            start=0,
            control=text,
            caption=text,
            title=text,
        ),
    )
    columns = (
        Column(name=text, values=np.array([0]), categories=(text,)),
        Column(name=text + "2", values=np.array([np.nan])),
    )
    thumbnails = Thumbnails(np.array([0]), (text,), TILE[None], columns)
    sections = (Section(id="one", title=text, finding=text, blocks=blocks), missing("two", text, text))
    return Report(title=text, lead=text, sections=sections, thumbnails=thumbnails, footer=text)


class Outline(HTMLParser):
    """Collects elements, attribute names, text, and the inside of data scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.data: list[str] = []
        self.kind = ""

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(name)
        self.attributes |= {key for key, _ in attrs}
        self.kind = dict(attrs).get("type") or "" if name == "script" else ""

    def handle_data(self, data: str) -> None:
        (self.data if self.kind else self.text).append(data)

    def handle_endtag(self, name: str) -> None:
        self.kind = ""


def outline(markup: str) -> Outline:
    parser = Outline()
    parser.feed(markup)
    parser.close()
    return parser


@settings(deadline=None, max_examples=60)
@given(ANY_TEXT.filter(bool))
def test_no_text_adds_an_element_or_an_attribute(text: str) -> None:
    plain, found = outline(page(every_block("plain"))), outline(page(every_block(text)))
    assert [name for name in found.elements if name != "bdi"] == plain.elements
    assert found.attributes == plain.attributes


@settings(deadline=None, max_examples=60)
@given(ANY_TEXT)
def test_text_is_shown_as_it_is(text: str) -> None:
    assert "".join(outline(tag("p", text)).text) == clean(text)
    written = tag("p", title=text)
    parser = HTMLParser()
    seen: list[str | None] = []
    parser.handle_starttag = lambda name, attrs: seen.extend(value for _, value in attrs)  # type: ignore[method-assign]
    parser.feed(written)
    shown = [value and re.sub("[\u2068\u2069]", "", value) for value in seen]
    assert shown == [clean(text)] or (not text and seen in ([""], [None]))


@settings(deadline=None)
@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.floats() | st.lists(ANY_TEXT, max_size=3), max_size=3))
def test_json_cannot_leave_its_script_and_comes_back(value: dict[str, object]) -> None:
    written = inert_json(value)
    inside = written.split(">", 1)[1].removesuffix("</script>")
    assert "<" not in inside and ">" not in inside and "\u2028" not in inside
    found = json.loads(inside)
    for key, item in value.items():
        if isinstance(item, str) and sum(clean(other) == clean(key) for other in value) == 1:
            assert found[clean(key)] == clean(item)


@settings(deadline=None, max_examples=25)
@given(ANY_TEXT)
def test_the_document_encodes_as_utf_8(text: str) -> None:
    page(every_block(text)).encode("utf-8")


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b")) == "<p><b>a &amp; b</b></p>"
    assert escape(escape("<")) == "&lt;"


def test_attributes_that_are_none_or_false_are_left_out() -> None:
    assert tag("input", class_=None, hidden=True, disabled=False, data_row=3) == '<input hidden data-row="3">'


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float16, np.float64, np.bool_])
def test_numbers_travel_as_typed_arrays(kind: type) -> None:
    values = np.array([0, 1, 1], kind)
    packed = typed(values)
    back = np.frombuffer(base64.b64decode(packed["bdata"]), "<" + packed["dtype"])
    assert back.tolist() == [0, 1, 1]


@pytest.fixture(scope="module")
def document() -> str:
    return render(every_block("text"))


def test_the_policy_allows_no_network_and_only_the_two_scripts(document: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', document)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in unescape(policy[1]).split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert "connect-src" not in rules and "unsafe-eval" not in policy[1] and "http" not in policy[1]
    allowed = rules["script-src"].split()
    assert len(allowed) == 2 and all(source.startswith("'sha256-") for source in allowed)


def test_our_script_is_the_only_one_that_runs_by_itself(document: str) -> None:
    running = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    assert len(running) == 1
    digest = base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode()
    assert f"sha256-{digest}" in document


def test_plotly_is_there_once_and_is_what_its_hash_says(document: str) -> None:
    import gzip

    held = re.findall(r'<script type="text/plain" id="library">(.*?)</script>', document)
    assert len(held) == 1
    source = gzip.decompress(base64.b64decode(held[0]))
    assert base64.b64encode(hashlib.sha256(source).digest()).decode() in document


def test_a_report_without_charts_carries_no_plotly() -> None:
    bare = render(
        Report(title="a", lead="b", sections=(Section(id="s", title="t", finding="f", blocks=(Prose("p"),)),))
    )
    assert 'id="library"' not in bare and len(bare) < 80_000


def test_no_address_leaves_the_file(document: str) -> None:
    visible = re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:|#)\w", visible)


def test_findings_and_tables_stand_in_the_html_itself() -> None:
    found = page(
        Report(
            title="t",
            lead="lead",
            sections=(
                Section(
                    id="s",
                    title="n",
                    finding="Finding 94 %.",
                    blocks=(Table(columns=("a",), rows=(("7",),), caption="c"),),
                ),
            ),
        )
    )
    assert "Finding 94\u00a0%." in found and "<td" not in found.split("<table", 1)[0]
    assert '<th scope="row" class="number">7</th>' in found
    assert "<noscript>" in found


def test_a_missing_section_is_one_line() -> None:
    found = page(Report(title="t", lead="l", sections=(missing("map", "Map", "No map yet."),)))
    assert 'class="stop missing"' in found and "No map yet." in found


def test_a_table_without_pictures_still_gives_a_map() -> None:
    thumbnails = Thumbnails(
        np.array([3, 5]), ("a", "b"), None, (Column(name="label", values=np.array([0, -1]), categories=("x",)),)
    )
    chart = Map(id="map", rows=np.array([3, 5]), views=(View("PCA", np.zeros((2, 2))),), caption="c", colour="label")
    found = page(
        Report(
            title="t",
            lead="l",
            sections=(Section(id="s", title="n", finding="f", blocks=(chart,)),),
            thumbnails=thumbnails,
        )
    )
    assert 'id="thumbnails"' in found and 'id="page-0"' not in found
