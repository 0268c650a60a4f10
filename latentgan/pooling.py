"""What is read of a layer while images pass through it: its output, pooled where that is asked for."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d


def pooled(output: Tensor, pool: int) -> Tensor:
    """Return a layer's output, convolutional ones max-pooled to pool × pool where larger."""
    if output.ndim == 4 and pool and max(output.shape[2:]) > pool:
        cells = (min(pool, output.shape[2]), min(pool, output.shape[3]))
        return adaptive_max_pool2d(output.contiguous(memory_format=torch.channels_last), cells)
    return output


def recorder(name: str, seen: threading.local, pool: int) -> Any:
    """Return a forward hook that keeps a layer's first output in `seen.layers[name]`."""

    def record(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen.layers.setdefault(name, pooled(output, pool))

    return record
