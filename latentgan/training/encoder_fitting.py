"""An encoder for a run whose family has none: the latent regressor, fitted to a generator that no longer moves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from latentgan.config import RunConfig, merge
from latentgan.data.source import ImageSource
from latentgan.errors import CheckpointError, ConfigError
from latentgan.families.base import configure
from latentgan.run_folder import read_model, read_untrained, refuse_used
from latentgan.training.loop import train
from latentgan.training.state import open_source

RECIPE: Mapping[str, Any] = {
    "frozen": True,
    "generator_weight": 0.0,
    "encoder": {"learning_rate": 1e-3, "beta1": 0.9, "schedule": "linear", "decay_from": 0.3},
}


def fit_encoder(
    run: str | Path,
    out: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    source: ImageSource | None = None,
    show_progress: bool = True,
    command: str = "",
) -> Path:
    """Train an encoder that undoes the generator of a run, as a new run of family latent_regressor.

    The generator, and whatever else `run` trained, is copied and stands still. A killed fit goes on with `resume`.

    Args:
        run: a run or model folder of a family that samples but does not encode its whole code.
        out: a folder that is empty or does not exist yet.
        settings: the tables "family" and "training", over the defaults.
        source: the images that `run` was trained on, for pictures and records; by default those that it names.
        show_progress: draw a progress bar.
        command: what the user typed, for the records.

    Returns:
        The folder of the new run.

    Raises:
        ConfigError: the family has an encoder, or is a foreign one.
        CheckpointError: `run` holds no model, or its images are not there any more.
    """
    run, out = Path(run), Path(out)
    refuse_used(out)
    tensors, about = read_model(run)
    config = fitting_config(about, settings or {})
    if source is None:
        source = open_source(config)
        if source.fingerprint != about.get("fingerprint", source.fingerprint):
            raise CheckpointError(f"the images of {config.data.source} are not those that {run} was trained on")
    start = _renamed("start/base.", tensors)
    if (run / "untrained.safetensors").is_file():
        start |= _renamed("untrained/base.", read_untrained(run))
    return train(config, out, source=source, start=start, show_progress=show_progress, command=command)


def fitting_config(about: Mapping[str, Any], settings: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a fit to the model that `about`, its config.json, describes."""
    name = str(about["name"])
    if ":" in name:
        raise ConfigError(f"{name!r} is a foreign family; an encoder can be fitted to families of latentgan only")
    defaults = {"family": {"of": name, "base": about["family"], **RECIPE}, "data": about.get("data", {})}
    return configure("latent_regressor", merge(defaults, settings))


def _renamed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}
