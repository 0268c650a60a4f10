"""Report to one HTML file that asks nobody for anything.

The Content-Security-Policy allows no network and only the page's own two scripts, by hash: ours, and plotly.js,
which travels gzipped in an inert script and is unpacked and inserted when the first chart of curves comes into view.
No `unsafe-eval`: plotly draws curves as SVG without it. Its WebGL traces compile their code from text, which this
policy forbids; a map of points is drawn by map.js on a plain canvas. `style-src 'unsafe-inline'` stays: plotly sets
styles at run time and is unusable without.
"""

from __future__ import annotations

import gzip
from functools import cache
from itertools import groupby
from pathlib import Path

from ..io.writing import GENERATOR
from . import blocks, estimates, pictures
from .document import (
    Block,
    Choice,
    Code,
    Comparison,
    Disclosure,
    Facts,
    Gallery,
    Lines,
    Map,
    Notice,
    Prose,
    Report,
    Section,
    Slideshow,
    Strips,
    Table,
    Thumbnails,
    all_blocks,
)
from .formatting import unbroken, within_words
from .markup import Markup, clean, digest, inert, inert_json, join, tag
from .theme import palettes, style_variables

ASSETS = Path(__file__).parent / "assets"


SCRIPTS = ("core.js", "pictures.js", "inflate.js", "charts.js", "map.js")


def render(report: Report) -> str:
    """Write the whole document."""
    content = page(report)
    charts = any(isinstance(b, Lines) for s in report.sections for b in all_blocks(s.blocks))
    library, source = (_library(), _plotly()) if charts else (Markup(), "")
    script = _script()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="generator", content=GENERATOR),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script, source)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", report.title),
        tag("style", Markup(style_variables() + (ASSETS / "report.css").read_text(encoding="utf-8"))),
    )
    whole = tag("body", content, inert_json(palettes(), id="theme"), library, tag("script", Markup(script)))
    return "<!doctype html>\n" + tag("html", head, whole, lang="en", class_="no-js")


def page(report: Report) -> Markup:
    """Everything visible: masthead, table of contents, sections, footer; then the thumbnails."""
    masthead = tag(
        "header",
        tag("p", "latentgan report", class_="eyebrow"),
        tag("h1", report.title),
        tag("p", unbroken(report.lead), class_="lead"),
        class_="masthead",
    )
    sections = [section(part, report.thumbnails) for part in report.sections]
    main = tag("main", masthead, join(sections), tag("footer", report.footer) if report.footer else Markup())
    images = pictures.thumbnails(report.thumbnails) if report.thumbnails is not None else Markup()
    skip = (
        tag("a", "Skip to the report", href="#" + report.sections[0].id, class_="skip") if report.sections else Markup()
    )
    notice = tag(
        "noscript",
        tag(
            "p",
            "Charts and sliders need JavaScript; findings, tables and pictures are all here without it.",
            class_="notice warning",
        ),
    )
    card = tag("div", id="card", aria_hidden="true", hidden=True)
    return join([skip, contents(report), notice, main, card, images])


def contents(report: Report) -> Markup:
    """The list of sections, and the switch between light and dark."""
    items = [
        tag("li", tag("a", part.title, href=f"#{part.id}", class_="missing" if part.missing else None))
        for part in report.sections
    ]
    button = tag("button", "Dark", type="button", id="scheme", class_="js-only")
    return tag("nav", tag("ol", join(items)), button, aria_label="Sections")


def section(part: Section, thumbnails: Thumbnails | None) -> Markup:
    """One stop of the story: its name small, its finding large, the evidence below.

    Of a long finding the first clauses are large, and the others stand right below.
    """
    finding, further = (part.finding, []) if part.missing else within_words(part.finding)
    blocks = part.blocks
    if further:
        if blocks and isinstance(blocks[0], Prose):
            further, blocks = [*further, blocks[0].text], blocks[1:]
        blocks = (Prose(" ".join(further)), *blocks)
    name = tag("h2", tag("span", part.title, class_="name"), tag("span", unbroken(finding), class_="finding"))
    return tag("section", name, body(blocks, thumbnails), id=part.id, class_="stop missing" if part.missing else "stop")


def body(parts: tuple[Block, ...], thumbnails: Thumbnails | None) -> Markup:
    """Blocks in their order; charts of curves that follow each other share a row where there is room."""
    done = []
    for chart, members in groupby(parts, key=lambda item: isinstance(item, Lines)):
        inside = [block(item, thumbnails) for item in members]
        done.append(tag("div", join(inside), class_="charts") if chart and len(inside) > 1 else join(inside))
    return join(done)


def block(part: Block, thumbnails: Thumbnails | None) -> Markup:
    """Render one block by its kind."""
    match part:
        case Prose():
            return blocks.prose(part)
        case Facts():
            return blocks.facts(part)
        case Notice():
            return blocks.notice(part)
        case Code():
            return blocks.code(part)
        case Comparison():
            return estimates.comparison(part)
        case Table():
            return blocks.table(part)
        case Lines():
            return blocks.lines(part)
        case Gallery():
            return pictures.gallery(part)
        case Slideshow():
            return pictures.slideshow(part)
        case Strips():
            return pictures.strips(part)
        case Map():
            empty = tag("p", "No rows were stored for the map.", class_="hint")
            return blocks.point_map(part, thumbnails) if thumbnails is not None else empty
        case Choice():
            return choice(part, thumbnails)
        case Disclosure():
            return tag("details", tag("summary", part.summary), body(part.blocks, thumbnails), class_="more")


def choice(part: Choice, thumbnails: Thumbnails | None) -> Markup:
    """A menu over panels; the script hides all but the chosen one."""
    options = [tag("option", name, value=i, selected=i == part.start) for i, (name, _) in enumerate(part.options)]
    menu = tag("label", f"{part.label} ", tag("select", join(options)), class_="menu js-only")
    panels = [tag("div", tag("h3", name), body(inside, thumbnails), class_="panel") for name, inside in part.options]
    return tag("div", menu, join(panels), class_="choice", id=part.id)


def _policy(*scripts: str) -> str:
    allowed = " ".join(digest(source) for source in scripts if source)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _script() -> str:
    parts = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return clean('"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@cache
def _library() -> Markup:
    return inert(gzip.compress(_plotly().encode(), 6, mtime=0), id="library")
