"""How much memory a configuration asks for, known before any of it is taken.

Networks are built on torch's meta device, on which tensors have shapes and no values.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from analysis.io.reading import check_memory
from latentgan.config import FamilyConfig, RunConfig
from latentgan.data.source import ImageSpec
from latentgan.devices import seeded
from latentgan.errors import ConfigError, LatentganError
from latentgan.families.base import Family

_FILLS = frozenset({"normal_", "uniform_", "fill_", "zero_", "copy_", "trunc_normal_", "orthogonal_"})


TRAINING_COPIES = 5
"""Of the weights while training: themselves, their gradients, Adam's two moments, their moving average."""


class _Unfilled(TorchFunctionMode):
    """Leaves tensors without initial values, whose first draw on the meta device costs a second of imports."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in _FILLS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def weight_bytes(kind: type[Family], config: FamilyConfig, spec: ImageSpec) -> float:
    """Return the bytes of a family's weights and buffers; infinite beyond what 64 bits count, 0 where it is not known.

    Args:
        kind: the family.
        config: its settings.
        spec: size of the images, classes and attributes.

    Raises:
        ConfigError: the settings do not fit the images.
    """
    try:
        with seeded(torch.device("cpu"), 0), _Unfilled(), torch.device("meta"):
            shell = kind(config, spec)
    except LatentganError:
        raise
    except (RuntimeError, TypeError, OverflowError) as error:
        too_large = any(word in str(error).lower() for word in ("overflow", "too large", "storage size", "negative"))
        return math.inf if too_large else 0
    except Exception:  # a foreign family may look at values while it is built, of which a meta tensor has none
        return 0
    return float(sum(t.numel() * t.element_size() for t in (*shell.parameters(), *shell.buffers())))


def check_networks(kind: type[Family], config: FamilyConfig, spec: ImageSpec, *, copies: int = 1) -> None:
    """Refuse networks that do not fit in memory, before they are built.

    Args:
        kind: the family.
        config: its settings.
        spec: size of the images.
        copies: of the weights that are held.

    Raises:
        ConfigError: how much memory is needed and how much there is.
    """
    check_memory(
        copies * weight_bytes(kind, config, spec),
        f"the networks of these settings, {spec.height} × {spec.width} images and {copies} copies of the weights,",
        way="lower family.latent, family.hidden or family.width, or give smaller images",
        error=ConfigError,
    )


def check_training(kind: type[Family], config: RunConfig, spec: ImageSpec) -> None:
    """Refuse a run whose networks or minibatches do not fit in memory, before either is made.

    Args:
        kind: the family.
        config: settings of the run.
        spec: size of the images, classes and attributes.

    Raises:
        ConfigError: how much memory is needed and how much there is.
    """
    check_networks(kind, config.family, spec, copies=TRAINING_COPIES)
    pixels = spec.channels * spec.height * spec.width
    batch = config.training.batch_size
    check_memory(
        8.0 * batch * pixels,  # real and generated images in float32
        f"a minibatch of {batch:,} images and as many generated ones",
        way="lower training.batch_size",
        error=ConfigError,
    )
