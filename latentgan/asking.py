"""What can be asked of a generator by its code: images of a class, images of a component of the prior."""

from __future__ import annotations

import difflib

import numpy as np
import torch

from latentgan.errors import ConfigError
from latentgan.families.base import Family

NAMED = 100
"""Classes that a sentence lists."""


def draw_codes(family: Family, n: int, *, seed: int, label: str | None, component: int | None, name: str) -> np.ndarray:
    """Return n codes drawn from the prior, (n, d) float32; the same for the same seed.

    Args:
        family: whose prior.
        n: how many.
        seed: of the draw.
        label: name of the class that all of them ask for; None leaves it to the prior.
        component: number, from 0, of the component that all are drawn from; None is any.
        name: of the family, for messages.

    Raises:
        ConfigError: no class or component can be asked for, or there is none of this name or number.
    """
    chosen = None if component is None else torch.full((n,), _component(family, component, name))
    generator = torch.Generator().manual_seed(seed)
    z = family.prior.sample(n, generator=generator, component=chosen).detach().cpu().numpy()
    if label is not None:
        position = _class(family, label, name)  # refuses a family without classes
        z[:, label_columns(family)] = np.eye(len(family.spec.classes), dtype=z.dtype)[position]
    return z


def label_columns(family: Family) -> slice | None:
    """Return the columns of a code that ask for a class by its one-hot label, None where none do.

    A part "label" is told by labels; "class" is where labels are used, and else a category without a name.
    """
    for part in family.prior.describe():
        named = part["name"] == "label" or (part["name"] == "class" and family.uses_labels)
        if named and part["kind"] == "categorical" and part["width"] == len(family.spec.classes):
            return slice(part["start"], part["start"] + part["width"])
    return None


def _class(family: Family, label: str, name: str) -> int:
    """Return the position of a class by its name."""
    classes = family.spec.classes
    if label_columns(family) is None:
        raise ConfigError(
            f"the generator of this {name} is told no class, so none can be asked for; "
            "that of cgan and aae_semi is, of ali with family.conditional=true, of aae with family.labels=decoder"
        )
    if label not in classes:
        near = difflib.get_close_matches(label, classes, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(map(repr, classes[:NAMED])) + (" …" if len(classes) > NAMED else "")
        raise ConfigError(f"no class is called {label!r}; {hint}known are: {known}")
    return classes.index(label)


def _component(family: Family, component: int, name: str) -> int:
    """Return a component's number, if there is one of this number."""
    there = family.prior.components
    if not there:
        raise ConfigError(
            f"the prior of this {name} has no components: that of deligan has, of others with "
            "family.mixture.components, and of aae with family.prior=mixture or swiss-roll"
        )
    if not 0 <= component < there:
        raise ConfigError(f"there is no component {component + 1}: this model's are numbered from 1 to {there}")
    return component
