"""The report: results and a run folder in, one self-contained interactive HTML file out."""

from __future__ import annotations

from pathlib import Path


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
    from ..arrays import AnalysisError
    from ..boundary import read_json
    from ..file_models import ResultFile
    from ..files import check_outputs
    from ..store import load
    from .html import render
    from .material import Material
    from .private import without_private_paths
    from .run import read_run
    from .sections import build

    results, out = Path(results), Path(out)
    out = out / "report.html" if out.is_dir() else out
    check_outputs([out], "report", inputs=(results, run))
    found = load(results)
    if not found:
        raise AnalysisError(f"{str(results)!r} holds no results; run latentgan analyze TABLE --out {results} first")
    said = {kind: read_json(results / f"{kind}.json", ResultFile) for kind in found}
    material = Material(
        results=found,
        commands={kind: one.command for kind, one in said.items()},
        versions={kind: one.version for kind, one in said.items()},
        run=None if run is None else read_run(Path(run)),
    )
    report = without_private_paths(build(material), material, results, run, out)
    return _write(render(report), out)


def _write(text: str, out: Path) -> Path:
    from ..arrays import AnalysisError
    from ..files import replace_text

    try:
        replace_text(out, text)
    except OSError as error:
        raise AnalysisError(
            f"cannot write the report {str(out)!r} ({error.strerror or error}): name another file"
        ) from error
    return out


__all__ = ["write_report"]
