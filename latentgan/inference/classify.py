"""Classification of image files, by a fitted probe on a model's features or by a family that learned classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.io.messages import listed
from latentgan.errors import ConfigError
from latentgan.families.base import Classifies
from latentgan.inference.numpy_model import NumpyModel

if TYPE_CHECKING:
    from analysis.probes.saved_probe import FittedProbe


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The most probable class of one image."""

    file: str
    """Path of the image."""
    label: str
    """Name of the class."""
    probability: float
    """Its probability, in [0, 1]."""


def probe_inputs(model: NumpyModel, probe: FittedProbe, images: np.ndarray) -> np.ndarray:
    """Return the columns (n, d) of images (n, h, w, c) that the probe classifies.

    Args:
        model: the model.
        probe: a fitted probe on one of its columns.
        images: (n, h, w, c), uint8 or float in [0, 1].

    Raises:
        ConfigError: the probe was fitted on another model's features, or on a column that this one does not give.
    """
    check_probe(model, probe)
    if probe.column == "code":
        return model.encode(images)
    return model.features(images, [probe.column], pool=probe.pool)[probe.column]


def check_probe(model: NumpyModel, probe: FittedProbe) -> None:
    """Raise ConfigError where the probe does not belong to the model."""
    checkpoint = str(model.about.get("sha256", ""))
    if probe.checkpoint != checkpoint:
        fitted_on = probe.checkpoint[:12] or "a table that names no model"
        raise ConfigError(
            f"the probe was fitted on features of another model ({fitted_on}) than this one ({checkpoint[:12]}), in "
            "which its weights mean nothing: encode with this run, then latentgan probe TABLE --save FILE.npz"
        )
    if probe.column != "code" and probe.column not in model.feature_names:
        raise ConfigError(
            f"the probe classifies the column {probe.column!r}, which this model does not give; it has: code, "
            f"{listed(model.feature_names)}"
        )


def classify(model: NumpyModel, images: np.ndarray, probe: FittedProbe | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class probabilities (n, K) of images (n, h, w, c) and the classes' names.

    Args:
        model: the model.
        images: (n, h, w, c), uint8 or float in [0, 1].
        probe: a fitted probe on one of its columns; None asks the family itself.

    Raises:
        ConfigError: there is no probe and the family names no classes itself, or the probe is another model's.
    """
    if probe is not None:
        return probe.probabilities(probe_inputs(model, probe, images)), probe.classes
    if not isinstance(model.family, Classifies):
        raise ConfigError(
            f"family {model.about.get('name', '?')!r} names no classes itself: give a probe of its features with "
            "--probe FILE, which latentgan probe TABLE --save FILE.npz writes"
        )
    shares, names = model.classify(images), model.spec.classes
    if shares.shape[1] != len(names):
        names = tuple(f"cluster {k + 1}" for k in range(shares.shape[1]))
    return shares, names


def classify_files(
    run: Path,
    files: Sequence[Path],
    *,
    probe: FittedProbe | None,
    crop: bool = False,
    device: str = "auto",
    family: str | None = None,
) -> list[Prediction]:
    """Return the most probable class of each image file.

    Args:
        run: run or model folder.
        files: image files.
        probe: a fitted probe; None asks the family itself.
        crop: whether to take the centre square.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
    """
    from latentgan.inference.image_files import read_files

    model = NumpyModel.load(run, device=device, family=family)
    if probe is not None:
        check_probe(model, probe)
    shares, classes = classify(model, read_files(files, model, crop=crop), probe)
    best = shares.argmax(1)
    return [
        Prediction(file=str(file), label=classes[k], probability=float(row[k]))
        for file, k, row in zip(files, best.tolist(), shares, strict=True)
    ]
