"""Naming the classes of image files: by a fitted probe on a model's features, or by a family that learned classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from analysis.io.messages import listed
from latentgan.errors import ConfigError
from latentgan.families.base import Classifies
from latentgan.inference.numpy_model import NumpyModel


class Probe(Protocol):
    """What is asked of a fitted probe; `analysis.probes.saved_probe.FittedProbe` is one."""

    @property
    def column(self) -> str:
        """Name of the column, as "code" or a feature layer."""

    @property
    def pool(self) -> int:
        """Cells to which convolutional layers are pooled, 0 keeps them whole."""

    @property
    def checkpoint(self) -> str:
        """Hash of the model whose features it reads."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    def probabilities(self, x: Any, /) -> Any:
        """Class probabilities (n, k) of features (n, d)."""


@dataclass(frozen=True)
class Named:
    """One image's most probable class."""

    file: str
    label: str
    probability: float


def probe_inputs(model: NumpyModel, probe: Probe, images: np.ndarray) -> np.ndarray:
    """Return what the probe reads of images (n, h, w, c): (n, d).

    Raises:
        ConfigError: the probe was fitted on another model's features, or on a column that this one does not give.
    """
    check_probe(model, probe)
    if probe.column == "code":
        return model.encode(images)
    return model.features(images, [probe.column], pool=probe.pool)[probe.column]


def check_probe(model: NumpyModel, probe: Probe) -> None:
    """Raise ConfigError where the probe does not belong to the model."""
    mine = str(model.about.get("sha256", ""))
    if probe.checkpoint != mine:
        theirs = probe.checkpoint[:12] or "a table that names no model"
        raise ConfigError(
            f"the probe was fitted on features of another model ({theirs}) than this one ({mine[:12]}), in which its "
            "weights mean nothing: encode with this run, then latentgan probe TABLE --save FILE.npz"
        )
    if probe.column != "code" and probe.column not in model.feature_names:
        raise ConfigError(
            f"the probe reads the column {probe.column!r}, which this model does not give; it has: code, "
            f"{listed(model.feature_names)}"
        )


def classify(model: NumpyModel, images: np.ndarray, probe: Probe | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class probabilities (n, K) of images (n, h, w, c) and the classes' names.

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
    probe: Probe | None,
    crop: bool = False,
    device: str = "auto",
    family: str | None = None,
) -> list[Named]:
    """Return the most probable class of each image file."""
    from latentgan.inference.image_files import read_files

    model = NumpyModel.load(run, device=device, family=family)
    if probe is not None:
        check_probe(model, probe)
    shares, classes = classify(model, read_files(files, model, crop=crop), probe)
    best = shares.argmax(1)
    return [
        Named(str(file), classes[k], float(row[k])) for file, k, row in zip(files, best.tolist(), shares, strict=True)
    ]
