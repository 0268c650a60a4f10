"""Inputs of an attack on a fitted probe: labelled images of each split, the trained and the untrained network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from analysis.io.messages import listed
from analysis.robustness.study import LabelledImages
from latentgan.data.source import ImageSource
from latentgan.errors import CheckpointError, ConfigError, DataError
from latentgan.inference.classify import check_probe, probe_inputs
from latentgan.inference.encode import fitting_images
from latentgan.inference.hooks import pooled
from latentgan.inference.numpy_model import NumpyModel

if TYPE_CHECKING:
    from analysis.probes.saved_probe import FittedProbe

MAX_BASELINE_IMAGES = 10_000
"""Baselines are fitted on at most this many train images, and choose C on at most as many validation images."""


@dataclass(frozen=True, kw_only=True)
class Attackable:
    """Inputs of an attack: networks, and images with their classes as the probe numbers them."""

    model: NumpyModel
    """The trained networks."""
    untrained: NumpyModel | None
    """The same networks at iteration 0; None where the run does not hold them."""
    train: LabelledImages
    """Images that the baselines learn from, (n, h, w, c) uint8."""
    validation: LabelledImages
    """Images on which the baselines' C is chosen."""
    test: LabelledImages
    """Images that are attacked."""
    notes: tuple[str, ...]
    """What was done to the images, in sentences."""


def attackable(
    run: Path,
    probe: FittedProbe,
    load: Callable[[Mapping[str, Any]], ImageSource],
    *,
    images: int,
    seed: int,
    device: str = "auto",
    family: str | None = None,
) -> Attackable:
    """Load what `run` needs to be attacked through `probe`.

    Args:
        run: the run folder.
        probe: fitted on a column of its table.
        load: gives the images of the run's data settings, or others.
        images: maximum number of test images, drawn by the seed.
        seed: seed of the draws.
        device: where the networks run.
        family: a foreign family must be named again.

    Raises:
        ConfigError: the probe is another model's, or reads other classes than the images have.
        DataError: no test image has a label.
    """
    model = NumpyModel.load(run, device=device, family=family)
    check_probe(model, probe)
    source = fitting_images(run, model, load(model.about.get("data", {})))
    labels = _classes_of_the_probe(source, probe)
    rng, parts, notes = np.random.default_rng(seed), list[LabelledImages](), list(source.notes)
    for split, most in (("train", MAX_BASELINE_IMAGES), ("validation", MAX_BASELINE_IMAGES), ("test", images)):
        rows = source.rows(split)
        rows = rows[labels[rows] >= 0]
        rows = source.one_of_each(rows, rng) if split == "test" else rows
        if len(rows) > most:
            notes.append(f"a sample of {most:,} of {len(rows):,} labelled {split} images")
            rows = np.sort(rng.permutation(rows)[:most])
        if not len(rows):
            raise DataError(f"{source.name} has no {split} images with a label, which an attack on a probe needs")
        parts.append(LabelledImages(images=np.asarray(source.images[rows]), labels=labels[rows]))
    try:
        untrained = NumpyModel.load(run, device=device, family=family, untrained=True)
    except CheckpointError:
        untrained = None
    return Attackable(
        model=model, untrained=untrained, train=parts[0], validation=parts[1], test=parts[2], notes=tuple(notes)
    )


def _classes_of_the_probe(source: ImageSource, probe: FittedProbe) -> np.ndarray:
    """Return each image's class as the probe numbers it, (n,), -1 where it has none that the probe knows."""
    place = {name: k for k, name in enumerate(probe.classes)}
    numbers = np.array([*(place.get(name, -1) for name in source.spec.classes), -1], np.int64)
    if not (numbers >= 0).any():
        raise ConfigError(
            f"the probe names {listed(probe.classes, quote=True)}, and {source.name} has no such classes: "
            "fit one on their label, or name their column with --label"
        )
    classes: np.ndarray = numbers[source.labels]
    return classes


def probe_features(model: NumpyModel, probe: FittedProbe) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from images (n, h, w, c) to the features (n, d) that the probe classifies."""
    return lambda images: probe_inputs(model, probe, images)


def probe_gradients(model: NumpyModel) -> Callable[[FittedProbe], Any]:
    """Return the function from a probe to its scores and gradient, see `scores_and_gradient`."""
    return lambda probe: scores_and_gradient(model, probe)


def scores_and_gradient(
    model: NumpyModel, probe: FittedProbe
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Return two functions of images (n, h, w, c) in [0, 1]: scores (n, k), and the gradient by the pixels.

    The second also takes classes (n,) and returns, in the images' shape, the slope of each image's own cross-entropy.

    Raises:
        ConfigError: the probe belongs to another model.
    """
    check_probe(model, probe)
    mean, scale, weights, bias = (_tensor(part, model) for part in (probe.mean, probe.scale, probe.weights, probe.bias))

    def logits(images: Tensor) -> Tensor:
        x = (2 * images - 1).permute(0, 3, 1, 2).contiguous()
        return (_features(model, probe, x) - mean) / scale @ weights + bias

    def scores(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            result: np.ndarray = logits(_tensor(images, model)).cpu().numpy()
        return result

    def gradient(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        x = _tensor(images, model).requires_grad_()
        with torch.enable_grad():
            loss = functional.cross_entropy(logits(x), torch.from_numpy(labels).to(model.device), reduction="sum")
        (slope,) = torch.autograd.grad(loss, x)
        result: np.ndarray = slope.cpu().numpy()
        return result

    return scores, gradient


def _tensor(images: np.ndarray, model: NumpyModel) -> Tensor:
    """Return an array in the number type of the networks."""
    kind = next(model.family.parameters()).dtype
    return torch.from_numpy(np.array(images)).to(model.device, kind)


def _features(model: NumpyModel, probe: FittedProbe, x: Tensor) -> Tensor:
    """Return the features (n, d) of x (n, c, h, w) in [-1, 1] that the probe classifies, with their graph."""
    family: Any = model.family
    if probe.column == "code":
        code: Tensor = family.encode(x)
        return code
    outputs: list[Tensor] = []
    hook = family.feature_layers()[probe.column].register_forward_hook(
        lambda _module, _inputs, output: outputs.append(pooled(output, probe.pool).flatten(1))
    )
    try:
        family.represent(x)
    finally:
        hook.remove()
    return outputs[0]
