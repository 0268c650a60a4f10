"""Sections on the run: what was trained on what, its diagnostics, what it draws, and how this file was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..report.context import ReportContext
from ..report.document import Block, Code, Disclosure, Facts, Gallery, Group, Notice, Prose, Section, Table, missing
from ..report.formatting import count, duration, family_name, first_sentence, listed, number, percent, plural, sentence
from ..report.run_folder import NO_RUN, Run, Warned, slides
from .curve_views import curves as curves

if TYPE_CHECKING:
    from ..table.overview import Overview, Summary


FEW_IMAGES = 20


def overview(context: ReportContext) -> Section:
    """What was trained on what."""
    table = context.overview
    warnings = () if table is None else table.warnings
    blocks: list[Block] = [Notice("warning", "Rows depend on each other", sentence(warning)) for warning in warnings]
    blocks.append(Facts(_facts(context)))
    if table is not None:
        rows = tuple(_summary_row(summary) for summary in table.summaries)
        if rows:
            blocks.append(
                Table(
                    columns=("column", "kind", "known", "missing", "values"),
                    rows=rows,
                    caption=f"What is known of the {_things(table)}.",
                )
            )
        blocks += [Prose(sentence(note)) for note in table.notes]
        blocks += [Prose(_left_out(kind, reason)) for kind, reason in table.refused]
    blocks += _some_images(context)
    run = context.run
    if run is not None:
        blocks += held_out_likelihood(run)
    if run is not None and run.summary_value("source"):
        blocks.append(Prose(sentence(str(run.summary_value("source")))))
    if run is not None:
        blocks += [Prose(sentence(str(note))) for note in run.summary_value("notes") or []]
        if run.summary_value("command"):
            blocks.append(Code(str(run.summary_value("command")), "The command that trained it"))
    return Section(id="overview", title="Overview", finding=_trained(context), blocks=tuple(blocks))


def _left_out(kind: str, reason: str) -> str:
    """Write why an analysis was left out, without its name where the reason begins with it."""
    name = kind.replace("_", " ")
    return sentence(
        f"left out: {reason}" if reason[:5].casefold() == name[:5].casefold() else f"left out: {name}: {reason}"
    )


def _some_images(context: ReportContext) -> list[Block]:
    """A few images of every class, or a few of all: what the data looks like."""
    if context.thumbnails is None or context.thumbnails.pixels is None:
        return []
    rows = context.thumbnails.rows
    by_label: dict[str, list[int]] = {}
    for row in rows[:: max(1, len(rows) // 2000)]:
        by_label.setdefault(context.label(int(row)), []).append(int(row))
    few = max(1, FEW_IMAGES // len(by_label))
    chosen = [row for _, members in sorted(by_label.items())[:FEW_IMAGES] for row in members[:few]]
    pictures = [context.picture(row, context.label(row)) for row in chosen]
    group = Group(title="", detail="", pictures=tuple(picture for picture in pictures if picture is not None))
    return [Gallery((group,), "Some of the images, with their labels." if len(by_label) > 1 else "Some of the images.")]


def _trained(context: ReportContext) -> str:
    run, table, metadata = context.run, context.overview, context.metadata
    data = (run and run.summary_value("data")) or metadata.get("data") or (table.table if table else "these images")
    if run is not None and run.summary_value("images"):
        vectors = dict(table.representations) if table is not None else {}
        size = vectors.get("code") or run.configured("family.latent")  # a code may hold more than z: a class, a label
        codes = f" with {size}-dimensional codes" if size else ""
        took = f" in {duration(float(run.summary_value('seconds')))}" if run.summary_value("seconds") else ""
        device = f" on {_device(run)}" if run.summary_value("device") else ""
        family = family_name(str(run.summary_value("family") or run.configured("name") or "model"))
        return f"{family}{codes} saw {count(int(run.summary_value('images')))} images of {data}{took}{device}."
    if table is None:
        return "No analysis of codes was found; what is known of the run stands below."
    named = listed([f"{name} ({width})" for name, width in table.representations[:3]])
    return f"A table of {count(table.n)} {_things(table)} from {data}, with the vectors {named}."


def _things(table: Overview) -> str:
    """What a row is: a table without pictures may be of anything."""
    return "images" if table.thumbnails is not None else "rows"


def _device(run: Run) -> str:
    device, threads = str(run.summary_value("device")), run.summary_value("threads")
    return f"{device} ({plural(int(threads), 'thread')})" if threads and device == "cpu" else device


def _facts(context: ReportContext) -> tuple[tuple[str, str], ...]:
    run, table, metadata = context.run, context.overview, context.metadata
    facts: list[tuple[str, str]] = []
    if table is not None:
        facts.append((f"{_things(table)} in the table", count(table.n)))
        facts += [(f"{name} split", count(n)) for name, n in table.splits]
        facts += [("code", f"{width} numbers") for name, width in table.representations[:1]]
    image = metadata.get("image")
    if isinstance(image, dict) and {"height", "width", "channels"} <= image.keys():
        facts.append(("image", f"{image['height']} × {image['width']}, {plural(int(image['channels']), 'channel')}"))
    if run is not None:
        parameters = run.summary_value("parameters")
        if isinstance(parameters, dict):
            total = sum(int(n) for n in parameters.values() if isinstance(n, int | float))
            facts.append(("parameters", count(total)))
        if run.summary_value("iterations"):
            facts.append(("iterations", count(int(run.summary_value("iterations")))))
        if isinstance(run.summary_value("labels"), int):
            facts.append(
                ("labels in training", count(run.summary_value("labels")) if run.summary_value("labels") else "none")
            )
        if run.summary_value("seconds") and run.summary_value("images"):
            facts.append(("speed", f"{number(run.summary_value('images') / run.summary_value('seconds'), 0)} images/s"))
    if metadata.get("checkpoint"):
        facts.append(("checkpoint", str(metadata["checkpoint"])[:12]))
    return tuple(facts)


def _summary_row(summary: Summary) -> tuple[str, ...]:
    if summary.kind == "numeric":
        values = f"{number(summary.low)} to {number(summary.high)}, mean {number(summary.mean)}"
    else:
        shown = [f"{name} ({count(n)})" for name, n in zip(summary.categories[:12], summary.counts, strict=False)]
        rest = max(summary.different, len(summary.categories)) - len(shown)
        values = ", ".join(shown) + (f" and {count(rest)} more" if rest > 0 else "")
    return summary.name, summary.kind, count(summary.present), count(summary.missing), values


def diagnostics(context: ReportContext) -> Section:
    """What the checks during training said, in their own words."""
    run = context.run
    if run is None:
        return missing("diagnostics", "Diagnostics", NO_RUN)
    if not run.status:
        return missing(
            "diagnostics", "Diagnostics", "The run has no diagnostics.json: it was stopped before its first log mark."
        )
    open_ = [warning for warning in run.warnings if not warning.resolved]
    if run.status == "diverged":
        finding = "Training stopped: " + (first_sentence(open_[0].sentence) if open_ else "a gradient was not finite.")
    elif open_:
        finding = f"{plural(len(open_), 'warning')} at the end of training; read the figures below with care."
    else:
        finding = "No warning at the end: discriminator, encoder and samples passed every check."
        if run.warnings:
            finding = finding[:-1] + f"; {plural(len(run.warnings), 'earlier warning')} no longer held."
    return Section(
        id="diagnostics", title="Diagnostics", finding=sentence(finding), blocks=tuple(map(_notice, run.warnings))
    )


def _notice(warning: Warned) -> Notice:
    when = f" Last seen at {count(warning.images)} images." if warning.images >= 0 else ""
    text = sentence(warning.sentence) + when + (" It no longer held at the end." if warning.resolved else "")
    title = warning.name.replace("_", " ")
    if warning.resolved:
        return Notice("resolved", title, text)
    return Notice("failure" if warning.name == "diverged" else "warning", title, text)


def samples(context: ReportContext) -> Section:
    """What the generator draws, over training."""
    run = context.run
    if run is None:
        return missing("samples", "Samples", NO_RUN)
    if not run.samples:
        return missing("samples", "Samples", "The run has no sample grids.")
    last = run.samples[-1].images
    share = next((series for series in run.group("indicators") if series.name == "duplicate_share"), None)
    finding = f"Samples of the generator after {count(last)} images{f', a row a {run.rows.of}' if run.rows else ''}"
    if share is not None:
        finding += f"; {percent(float(share.values[-1]), 0)} of them have a near-duplicate among a few hundred others"
    drawn = "Every picture of the grid is drawn from its own random code"
    if run.rows:
        shown, n_sheets = len(run.rows.names), run.rows.count
        first = f", the first of {count(n_sheets)}" if n_sheets > shown else ""
        drawn = (
            f"From the top, a row each of {listed(run.rows.names)}{first}; a column has one random code, but for the "
            f"{run.rows.of}"
        )
    caption = (
        f"{drawn}; the codes are the same at every stop of the slider, so a place in the grid can be followed through "
        "training."
    )
    return Section(
        id="samples",
        title="Samples",
        finding=sentence(finding),
        blocks=(slides("samples-over", run.samples, "Samples", caption),),
    )


def configuration(context: ReportContext) -> Section:
    """The whole resolved configuration."""
    run = context.run
    if run is None or not run.config_text:
        return missing("configuration", "Configuration", NO_RUN if run is None else "The run has no run.toml.")
    tables = [name for name, value in run.config.items() if isinstance(value, dict)]
    total = len(run.config) - len(tables) + sum(len(run.config[name]) for name in tables)
    finding = f"{plural(total, 'setting')} determine this run; with the seed, the same ones give the same weights."
    code = Code(run.config_text, "run.toml")
    return Section(
        id="configuration", title="Configuration", finding=finding, blocks=(Disclosure("Show all settings", (code,)),)
    )


def made(context: ReportContext) -> Section:
    """The commands and versions behind every figure."""
    run, metadata = context.run, context.metadata
    commands = [("train", str(run.summary_value("command") or ""))] if run is not None else []
    commands += [("encode", str(metadata.get("command") or ""))]
    commands += [(kind, context.commands.get(kind, "")) for kind in context.results]
    without_command = [name for name in context.results if not context.commands.get(name)]
    commands = [(name, command) for name, command in commands if command]
    groups: dict[str, list[str]] = {}
    for name, command in commands:
        groups.setdefault(command, []).append(name)
    blocks: list[Block] = [Code(command, listed(names)) for command, names in groups.items()]
    versions = _versions(context)
    if versions:
        blocks.append(Facts(versions))
    but = f" but {listed(without_command)}" if without_command else ""
    finding = (
        f"{plural(len(groups), 'command')} made what is shown here{but}; files that they read and that none of them "
        "writes, such as samples or another table, were made before."
        if groups
        else "The results do not say which commands made them."
    )
    return Section(id="made", title="How it was made", finding=finding, blocks=tuple(blocks))


def _versions(context: ReportContext) -> tuple[tuple[str, str], ...]:
    run = context.run
    result = dict((run and run.summary_value("versions")) or {})
    analysed = sorted(set(context.versions.values()) - {""})
    rows = [(f"{name} (training)", str(version)) for name, version in result.items()]
    if analysed:
        rows.append(("latentgan (analysis)", ", ".join(analysed)))
    return tuple(rows)


FIGURES = (
    ("importance", "log p(x), importance sampling"),
    ("annealed", "log p(x), annealed importance sampling"),
    ("paired", "importance sampling, on the annealed images"),
    ("bound", "variational bound of the proposal"),
    ("criterion", "criterion of training"),
    ("independent", "independent pixels"),
)


def held_out_likelihood(run: Run) -> tuple[Block, ...]:
    """Return a table of log p(x) of held-out images, or nothing where it was not measured."""
    rows = [row for key, name in FIGURES if (row := _row(name, run.likelihood.get(key)))]
    if not rows:
        return ()
    caption = (
        f"Held-out log-likelihood in nats an image, {run.likelihood.get('split', 'test')} images; "
        f"{run.likelihood.get('pixels', '')}. Both estimates of log p(x) are lower bounds in the mean; standard errors "
        "are over images."
    )
    return (
        Table(
            columns=("held-out log-likelihood", "mean", "standard error", "images"), rows=tuple(rows), caption=caption
        ),
    )


def _row(name: str, interval: Any) -> tuple[str, ...] | None:
    try:
        error = interval["standard_error"]  # None of a single image
        shown = "–" if error is None else number(float(error))
        return name, number(float(interval["value"])), shown, count(int(interval["n"]))
    except (TypeError, KeyError, ValueError):
        return None
