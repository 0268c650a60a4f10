"""The story: which sections, in which order, and the sentence that stands above them all.

The catalogue has the order; each section is written by the views of its analysis.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import catalogue
from .catalogue import STORY
from .code_parts.categorical_views import categories_in_short
from .label_efficiency.views import headline, trained_on_labels
from .mixtures.views import shared_with_labels
from .report.context import ReportContext
from .report.document import Report, Section
from .report.estimate_rows import figure, labels_used_note
from .report.formatting import best_of, family_name, listed, number, percent, plural, sentence

if TYPE_CHECKING:
    from .label_efficiency.curves import Efficiency


MAX_WORDS = 50
"""Words of findings at the top, at most: what a reader takes in at once. Warnings stand before them, all of them."""


def _section(place: str, context: ReportContext) -> Section:
    """Write one section of the story: that of an analysis' views, or another function there."""
    name, _, function = place.partition(":")
    section: Section = getattr(catalogue.load(name, "views"), function or "section")(context)
    return section


def build(context: ReportContext) -> Report:
    """Write the whole report as data."""
    return Report(
        title=_title(context),
        lead=_lead(context),
        sections=tuple(_section(place, context) for place in STORY),
        thumbnails=context.thumbnails,
        footer="One file: no server, no network. Figures are means with 95 % intervals unless they say otherwise.",
    )


def _title(context: ReportContext) -> str:
    run, metadata, table = context.run, context.metadata, context.overview
    family = (run and (run.summary_value("family") or run.configured("name"))) or metadata.get("family")
    data = (run and run.summary_value("data")) or metadata.get("data") or (table.table if table else None)
    if family and data:
        return f"{family_name(str(family))} on {data}"
    return str(data or family or "Latent space")


def _lead(context: ReportContext) -> str:
    """Say what came out: every warning, then findings, features first, as many as are read at once."""
    warnings = [sentence(warning) for warning in (context.overview.warnings if context.overview else ())]
    unresolved = [warning for warning in context.run.warnings if not warning.resolved] if context.run else []
    if unresolved:
        names = listed(list(dict.fromkeys(warning.name.replace("_", " ") for warning in unresolved)))
        several = (
            "a warning of the diagnostics" if len(unresolved) == 1 else f"{len(unresolved)} warnings of the diagnostics"
        )
        warnings.append(f"Training ended with {several}: {names}.")
    findings = [
        _features(context),
        categories_in_short(context.results.get("code_parts")),
        _reconstructions(context),
        _components(context),
    ]
    shown: list[str] = []
    for finding in filter(None, findings):
        if not shown or len(" ".join([*shown, finding]).split()) <= MAX_WORDS:
            shown.append(finding)
    return " ".join([*warnings, *shown]) or "What was found stands below, section by section."


def _features(context: ReportContext) -> str:
    efficiency: Efficiency | None = context.results.get("label_efficiency")
    few = headline(efficiency.curve) if efficiency is not None and efficiency.curve else None
    learned = [i for i, baseline in enumerate(few.baselines) if not baseline] if few else []
    if few is None or efficiency is None or not learned or efficiency.metric == "R2":
        return ""  # the section itself speaks of numbers
    best = max(learned, key=lambda i: few.scores[i].value)
    name = few.representations[best]
    text = f"From {trained_on_labels(few)}, {name}{best_of(len(learned))} names {figure(few.scores[best])} of "
    text += f"{plural(few.n_test, f'test {context.noun}')} right"
    labels_used = f" {labels_used_note(efficiency.n_labels_used)}".rstrip()
    for gap in few.differences:
        if (gap.representation, gap.baseline) == (name, "pixels"):
            points, low, high = 100 * gap.difference.value, gap.difference.low, gap.difference.high
            ends = f"[{number(100 * low, 1)}, {number(100 * high, 1)}]"
            if low > 0:
                return f"{text}, {points:.1f} points {ends} more than raw pixels.{labels_used}"
            if high < 0:
                fewer = f"{-points:.1f} points fewer than raw pixels {ends}"
                return f"{text}, {fewer}: here these features gain nothing.{labels_used}"
            return f"{text}, no clear difference from raw pixels ({number(points, 1)} points {ends}).{labels_used}"
    chance = f"; shuffled labels give {percent(few.shuffled.value)}" if few.shuffled is not None else ""
    return f"{text}{chance}.{labels_used}"


def _among(training_rows_note: str) -> str:
    return ", training images included" if training_rows_note else ""


def _reconstructions(context: ReportContext) -> str:
    reconstruction = context.results.get("reconstruction")
    if reconstruction is None:
        return ""
    closer = number(1 / max(reconstruction.ratio.value, 1e-9), 1)
    useless = "Reconstructions lie no closer to their own image than to another's"
    useful = f"Reconstructions lie {closer} times closer to their own image than to another's"
    return f"{useful if reconstruction.ratio.value < 0.95 else useless}{_among(reconstruction.training_rows_note)}."


def _components(context: ReportContext) -> str:
    mixture = context.results.get("mixtures")
    if mixture is None or mixture.agreement is None or mixture.components < 2:
        return ""
    shared = f"{shared_with_labels(mixture.agreement)}{_among(mixture.training_rows_note)}"
    return sentence(f"of a mixture of {plural(mixture.components, 'component')}, {shared}")


def write_report(results: Path, out: Path, *, run: Path | None = None) -> Path:
    """Write the report of a results folder, and of a run where one is given, as one HTML file.

    Args:
        results: folder written by the analyses; what is missing there is named in the report.
        out: the file to write, replaced at once; a folder gets `report.html` inside.
        run: folder written by `latentgan train`, for curves, samples, warnings and the configuration.

    Returns:
        The path of the file.

    Raises:
        AnalysisError: a folder that is not there or holds no results, a damaged file in one, or an `out` that cannot
            be written, or is a file that is read here, or no report.
    """
    from .errors import AnalysisError
    from .io.file_models import ResultFile
    from .io.reading import read_json
    from .io.writing import check_outputs
    from .report.context import ReportContext
    from .report.html import render
    from .report.private import without_private_paths
    from .report.run_folder import read_run
    from .results import load

    results, out = Path(results), Path(out)
    out = out / "report.html" if out.is_dir() else out
    check_outputs([out], "report", inputs=(results, run))
    loaded = load(results)
    if not loaded:
        raise AnalysisError(f"{str(results)!r} holds no results; run latentgan analyze TABLE --out {results} first")
    files = {kind: read_json(results / f"{kind}.json", ResultFile) for kind in loaded}
    context = ReportContext(
        results=loaded,
        commands={kind: file.command for kind, file in files.items()},
        versions={kind: file.version for kind, file in files.items()},
        run=None if run is None else read_run(Path(run)),
    )
    report = without_private_paths(build(context), context, results, run, out)
    return _write(render(report), out)


def _write(text: str, out: Path) -> Path:
    from .errors import AnalysisError
    from .io.writing import replace_text

    try:
        replace_text(out, text)
    except OSError as error:
        raise AnalysisError(
            f"cannot write the report {str(out)!r} ({error.strerror or error}): name another file"
        ) from error
    return out
