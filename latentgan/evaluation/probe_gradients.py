"""What an attack on a fitted probe needs of a run: labelled images of each split, the network, and it untrained."""

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
from latentgan.data.source import ImageSource
from latentgan.errors import CheckpointError, ConfigError, DataError
from latentgan.inference.classify import check_probe, probe_inputs
from latentgan.inference.encode import fitting_images
from latentgan.inference.hooks import pooled
from latentgan.inference.numpy_model import NumpyModel

if TYPE_CHECKING:
    from analysis.probes.saved_probe import FittedProbe

FITTED = 10_000
"""Train images, and validation images, that baselines are fitted on at most."""


Pictures = tuple[np.ndarray, np.ndarray]
"""Images (n, h, w, c) uint8, and their classes (n,) as the probe numbers them."""


@dataclass(frozen=True, kw_only=True)
class Attackable:
    """A run's networks and images.

    Args:
        model: the trained networks.
        untrained: the same at iteration 0, None where the run does not hold them.
        train: images that baselines learn from.
        validation: images that choose their C.
        test: images that are attacked.
        notes: what is to be said about them.
    """

    model: NumpyModel
    untrained: NumpyModel | None
    train: Pictures
    validation: Pictures
    test: Pictures
    notes: tuple[str, ...]


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
        images: test images at most, drawn by the seed.
        seed: of the draws.
        device: where the networks run.
        family: a foreign family must be named again.

    Raises:
        ConfigError: the probe is another model's, or reads other classes than the images have.
        DataError: no test image has a label.
    """
    model = NumpyModel.load(run, device=device, family=family)
    check_probe(model, probe)
    source = fitting_images(run, model, load(model.about.get("data", {})))
    labels = _as_the_probe_counts(source, probe)
    rng, result, notes = np.random.default_rng(seed), [], list(source.notes)
    for split, most in (("train", FITTED), ("validation", FITTED), ("test", images)):
        rows = source.rows(split)
        rows = rows[labels[rows] >= 0]
        rows = source.one_of_each(rows, rng) if split == "test" else rows
        if len(rows) > most:
            notes.append(f"a sample of {most:,} of {len(rows):,} labelled {split} images")
            rows = np.sort(rng.permutation(rows)[:most])
        if not len(rows):
            raise DataError(f"{source.name} has no {split} images with a label, which an attack on a probe needs")
        result.append((np.asarray(source.images[rows]), labels[rows]))
    try:
        untrained = NumpyModel.load(run, device=device, family=family, untrained=True)
    except CheckpointError:
        untrained = None
    return Attackable(
        model=model, untrained=untrained, train=result[0], validation=result[1], test=result[2], notes=tuple(notes)
    )


def _as_the_probe_counts(source: ImageSource, probe: FittedProbe) -> np.ndarray:
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


def reader(model: NumpyModel, probe: FittedProbe) -> Callable[[np.ndarray], np.ndarray]:
    """Return what the probe's column is of images (n, h, w, c), as a function."""
    return lambda images: probe_inputs(model, probe, images)


def slopes(model: NumpyModel) -> Callable[[FittedProbe], Any]:
    """Return the slopes of a probe through the model's networks, as a function of the probe."""
    return lambda probe: probe_slopes(model, probe)


def probe_slopes(
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
        return (_read(model, probe, x) - mean) / scale @ weights + bias

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


def _read(model: NumpyModel, probe: FittedProbe, x: Tensor) -> Tensor:
    """Return what the probe reads of x (n, c, h, w) in [-1, 1], (n, d), with its graph."""
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
