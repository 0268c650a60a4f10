"""Hooks on a forward pass: outputs of named layers, and the linear layers whose input is a code as it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from latentgan.errors import ConfigError


def pooled(output: Tensor, pool: int) -> Tensor:
    """Return a layer's output, convolutional ones max-pooled to pool × pool where larger."""
    if output.ndim == 4 and pool and max(output.shape[2:]) > pool:
        cells = (min(pool, output.shape[2]), min(pool, output.shape[3]))
        return adaptive_max_pool2d(output.contiguous(memory_format=torch.channels_last), cells)
    return output


POOLING = re.compile(r"(?P<layer>.+)\.(?P<kind>mean|max)(?P<cells>[1-9][0-9]?)")
"""A feature's name with a pooling of its own: discriminator.conv2.mean2."""


def layer_of(feature: str) -> str:
    """Return the layer that a feature is read at: its name without a pooling of its own."""
    match = POOLING.fullmatch(feature)
    return match["layer"] if match else feature


def read_feature(feature: str, output: Tensor, pool: int) -> Tensor:
    """Return a layer's output as a feature asks for it.

    Args:
        feature: name of the layer, or LAYER.meanN or LAYER.maxN, the mean or maximum over N × N cells of its planes.
        output: (n, f), or planes (n, c, h, w).
        pool: cells a side to which planes are max-pooled where the name says nothing; 0 keeps them whole.

    Returns:
        (n, f) or (n, c, N, N).

    Raises:
        ConfigError: a pooling is asked for, and the layer has no planes.
    """
    match = POOLING.fullmatch(feature)
    if match is None:
        return pooled(output, pool)
    if output.ndim != 4:
        layer, pooling = feature.rsplit(".", 1)
        raise ConfigError(f"{layer} has no planes to pool: leave .{pooling} out")
    number = int(match["cells"])
    cells = min(number, output.shape[2]), min(number, output.shape[3])
    planes = output.contiguous(memory_format=torch.channels_last)
    return adaptive_avg_pool2d(planes, cells) if match["kind"] == "mean" else adaptive_max_pool2d(planes, cells)


def recorder(feature: str, recorded: threading.local, pool: int) -> Any:
    """Return a forward hook that keeps a layer's first output in `recorded.layers[feature]`.

    Args:
        feature: name of the layer, perhaps with a pooling, see `read_feature`.
        recorded: holds the outputs, each thread's own.
        pool: cells a side to which convolutional layers are max-pooled; 0 keeps them whole.
    """

    def record(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if feature not in recorded.layers:
            recorded.layers[feature] = read_feature(feature, output, pool)

    return record


def reading_weights(network: nn.Module, decode: Callable[[Tensor], Tensor], z: Tensor) -> Tensor | None:
    """Return the weights of the linear layers that read codes as they are, one below the other, (rows, d).

    A layer reads a code where the code's numbers stand in its input side by side, at any place: first layers, and later
    ones that are given the code again. None where there is no such layer, as behind an embedding of labels.

    Args:
        network: whose layers are looked at.
        decode: the pass that they run in.
        z: codes (n, d) that no other numbers of the pass are equal to.
    """
    result: list[Tensor] = []

    def look(layer: Any, inputs: tuple[Tensor, ...]) -> None:
        x, width = inputs[0], z.shape[1]
        if x.ndim != 2 or len(x) != len(z) or x.shape[1] < width:
            return
        for start in range(x.shape[1] - width + 1):
            if torch.equal(x[:, start : start + width], z):
                result.append(layer.weight[:, start : start + width].float())

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        with torch.inference_mode():
            decode(z)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(result) if result else None
