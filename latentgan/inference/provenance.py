"""Whether two files come from the same model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.io.reading import irregular, read_json
from latentgan.errors import ConfigError
from latentgan.inference.stages import _metadata
from latentgan.io.file_models import OverviewFile
from latentgan.run_folder import read_model


def same_model(run: Path, overview: Any, results: Path) -> None:
    """Raise ConfigError where results (with this overview, or None) are not about what the model of `run` decodes.

    Args:
        run: the run folder.
        overview: overview of the results, or None.
        results: the results folder.
    """
    if overview is None:
        return
    if overview.code != "code":
        raise ConfigError(f"{results} is about the column {overview.code!r}, which {run} does not decode")
    _refuse_others(run, _metadata(overview.metadata, results / "overview.json"), results)


def same_checkpoint(run: Path, results: Path) -> None:
    """Raise ConfigError where a results folder is about another model than that of `run`."""
    path = results / "overview.json"
    if irregular(path) != "missing":
        metadata = read_json(path, OverviewFile, error=ConfigError).metadata
        _refuse_others(run, _metadata(metadata, path), results)


def _refuse_others(run: Path, metadata: Mapping[str, Any], results: Path) -> None:
    checkpoint, results_checkpoint = read_model(run)[1]["sha256"], metadata.get("checkpoint", "")
    if results_checkpoint and results_checkpoint != checkpoint:
        raise ConfigError(
            f"{results} was computed on codes of another model "
            f"({metadata.get('run') or results_checkpoint[:12]}) than {run}; encode and analyze with {run} first, "
            "since directions and mixtures mean nothing in another model's codes"
        )
