"""One iteration of a small family on 60 images of three classes: its objectives, and what its networks were given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentgan import configure, from_arrays, load_family
from latentgan.data.source import ImageSource
from latentgan.selfcheck.checks.base import Recorder

CODE_NETWORKS = ("encoder", "decoder", "discriminator", "class_discriminator")
"""The networks of an autoencoder of class and style."""


def pictures(*, labels: bool = True) -> ImageSource:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    return from_arrays(x, np.arange(60) % 3 if labels else None, split=["train"] * 60)


def small(name: str, source: ImageSource, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = configure(name, family={"width": 4, "hidden": 16, **settings})
    return load_family(name)(config.family, source.spec).train()


def iteration(
    family: Any, batches: Any, watched: Iterable[str] = ()
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """Return the objectives of one iteration, and what each watched network was given last."""
    recorder, given = Recorder(), {}
    hooks = [
        family.get_submodule(name).register_forward_pre_hook(
            lambda _, inputs, name=name: given.__setitem__(name, inputs[0].detach())
        )
        for name in watched
    ]
    family.step(batches, recorder.as_update())
    for hook in hooks:
        hook.remove()
    return {player: dict(terms) for player, terms in recorder.objectives.items()}, given
