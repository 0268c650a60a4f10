"""Slopes of a fitted probe's loss by the pixels, through the encoder or a feature layer, for `analysis.adversarial`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latentgan.adapter import NumpyModel
from latentgan.classifying import Probe, check_probe
from latentgan.pooling import pooled


class LinearProbe(Probe, Protocol):
    """A probe whose arrays are known: softmax of ((x − mean) / scale) W + b."""

    @property
    def mean(self) -> Any:
        """Mean of each column (d,)."""

    @property
    def scale(self) -> Any:
        """Deviation of each column (d,), infinite where it is not read."""

    @property
    def weights(self) -> Any:
        """W (d, k)."""

    @property
    def bias(self) -> Any:
        """Intercepts (k,)."""


def probe_slopes(
    model: NumpyModel, probe: LinearProbe
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
            found: np.ndarray = logits(_tensor(images, model)).cpu().numpy()
        return found

    def gradient(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        x = _tensor(images, model).requires_grad_()
        with torch.enable_grad():
            loss = functional.cross_entropy(logits(x), torch.from_numpy(labels).to(model.device), reduction="sum")
        (slope,) = torch.autograd.grad(loss, x)
        found: np.ndarray = slope.cpu().numpy()
        return found

    return scores, gradient


def _tensor(images: np.ndarray, model: NumpyModel) -> Tensor:
    """Return an array in the number type of the networks."""
    kind = next(model.family.parameters()).dtype
    return torch.from_numpy(np.array(images)).to(model.device, kind)


def _read(model: NumpyModel, probe: Probe, x: Tensor) -> Tensor:
    """Return what the probe reads of x (n, c, h, w) in [-1, 1], (n, d), with its graph."""
    family: Any = model.family
    if probe.column == "code":
        code: Tensor = family.encode(x)
        return code
    seen: list[Tensor] = []
    hook = family.feature_layers()[probe.column].register_forward_hook(
        lambda _module, _inputs, output: seen.append(pooled(output, probe.pool).flatten(1))
    )
    try:
        family.represent(x)
    finally:
        hook.remove()
    return seen[0]
