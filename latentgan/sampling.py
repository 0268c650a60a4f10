"""Codes of requested images: of a class, with attributes, or of a component of the prior."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from latentgan.errors import ConfigError, known_names
from latentgan.families.base import Family


def draw_codes(
    family: Family,
    n: int,
    *,
    seed: int,
    label: str | None,
    component: int | None,
    name: str,
    attributes: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Return n codes drawn from the prior, (n, d) float32; the same for the same seed.

    Args:
        family: whose prior.
        n: how many.
        seed: of the draw.
        label: name of the class that all of them ask for; None leaves it to the prior.
        component: number, from 0, of the component that all are drawn from; None is any.
        name: of the family, for messages.
        attributes: values that all of them ask for, in the attributes' own units; others are those of training images,
            of the class if one is asked for.

    Raises:
        ConfigError: no class, component or attribute can be asked for, or there is none of this name, number or value.
    """
    chosen = None if component is None else torch.full((n,), _component(family, component, name))
    generator = torch.Generator().manual_seed(seed)
    z = family.prior.sample(n, generator=generator, component=chosen).detach().cpu().numpy()
    if label is not None:
        position = _class(family, label, name)  # refuses a family without classes
        one_hot = np.eye(len(family.spec.classes), dtype=z.dtype)[position]
        z[:, label_columns(family)] = one_hot
        if family.prior.condition_rows is not None:  # the prior's draw is of images of any class
            y = torch.from_numpy(np.tile(one_hot, (n, 1)))
            drawn = family.prior.conditions(n, y, torch.Generator().manual_seed(seed)).cpu().numpy()
            z[:, z.shape[1] - drawn.shape[1] :] = drawn
    for key, value in (attributes or {}).items():
        columns, encoded = _attribute(family, key, value, name)
        z[:, columns] = encoded
    return z


def attribute_columns(family: Family) -> dict[str, slice]:
    """Return the columns of a code that tell each attribute, by its name."""
    parts = [part for part in family.prior.describe() if part["kind"] == "condition"]
    return {
        condition.name: slice(part["start"], part["start"] + part["width"])
        for condition, part in zip(family.spec.attributes, parts, strict=False)  # an unconditional family has no parts
    }


def label_columns(family: Family) -> slice | None:
    """Return the columns of a code that ask for a class by its one-hot label, None where none do.

    A part "label" is a condition on labels; "class" is one where labels are used, and else a category without a name.
    """
    for part in family.prior.describe():
        named = part["name"] == "label" or (part["name"] == "class" and family.uses_labels)
        if named and part["kind"] == "categorical" and part["width"] == len(family.spec.classes):
            return slice(part["start"], part["start"] + part["width"])
    return None


def _class(family: Family, label: str, name: str) -> int:
    """Return the position of a class by its name."""
    classes = family.spec.classes
    if label_columns(family) is None and label in classes and getattr(family.config, "labels", "none") == "prior":
        place = classes.index(label) + 1
        raise ConfigError(
            f"the generator of this {name} is not conditioned on classes, but under family.labels=prior {label!r} is "
            f"component {place} of its prior: ask for it with --component {place}"
        )
    if label_columns(family) is None:
        raise ConfigError(
            f"the generator of this {name} is not conditioned on classes, so none can be asked for; "
            "that of cgan and aae_semi is, of ali with family.conditional=true, of aae with family.labels=decoder"
        )
    if label not in classes:
        raise ConfigError(f"no class is called {label!r}; {known_names(label, classes)}")
    return classes.index(label)


def _attribute(family: Family, key: str, value: str, name: str) -> tuple[slice, np.ndarray]:
    """Return the columns of the attribute `key`, and the encoded `value`, (width,)."""
    columns = attribute_columns(family)
    if not columns:
        raise ConfigError(
            f"the generator of this {name} is not conditioned on attributes, so none can be asked for; that of a "
            "cgan is with family.attributes, a list of names"
        )
    if key not in columns:
        raise ConfigError(f"no attribute is called {key!r}; {known_names(key, list(columns))}")
    (condition,) = (attribute for attribute in family.spec.attributes if attribute.name == key)
    return columns[key], condition.read(value)


def codes_of_each_class(family: Family, z: np.ndarray, count: int) -> np.ndarray:
    """Return codes (n, d) once for each of the first `count` classes, each time asking for it: (count · n, d).

    Args:
        family: one whose codes ask for classes, see `label_columns`.
        z: codes, (n, d).
        count: how many classes.
    """
    rows = np.tile(z, (count, 1))
    rows[:, label_columns(family)] = np.repeat(np.eye(len(family.spec.classes), dtype=z.dtype)[:count], len(z), axis=0)
    return rows


def vary_first_attribute(family: Family, z: np.ndarray, steps: int) -> np.ndarray:
    """Return copies of each code that differ in the first attribute alone, row by row: (n · m, d).

    Args:
        family: one that is conditioned on attributes.
        z: codes (n, d).
        steps: m, about how many values the attribute takes (a boolean one has two), see `Condition.steps`.
    """
    columns, values = next(iter(attribute_columns(family).values())), family.spec.attributes[0].steps(steps)
    rows = np.repeat(z, len(values), axis=0)
    rows[:, columns] = np.tile(values, (len(z), 1))
    return rows


def _component(family: Family, component: int, name: str) -> int:
    """Return a component's number, if there is one of this number."""
    n_components = family.prior.components
    if not n_components:
        raise ConfigError(
            f"the prior of this {name} has no components: that of deligan has, of others with "
            "family.mixture.components, and of aae with family.prior=mixture or swiss-roll; --results RESULTS draws "
            "from a mixture that was fitted to codes"
        )
    if not 0 <= component < n_components:
        raise ConfigError(f"there is no component {component + 1}: this model's are numbered from 1 to {n_components}")
    return component
