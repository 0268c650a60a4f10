"""A part of the code whose prior is a mixture of Gaussians that was learned with the generator, equally weighted.

`latentgan encode` writes its centres and deviations with the part: z = μ_i + σ_i ε, ε ~ N(0, I) (Gurumurthy et al.:
DeLiGAN, CVPR 2017, arXiv:1706.02071). What is fitted to codes afterwards is in mixtures.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base.arrays import Doubles, Floats, Singles
from ..errors import AnalysisError

Part = Mapping[str, Any]


KIND = "learned-mixture"


def is_learned(part: Part) -> bool:
    """Tell whether a part of the code is a learned mixture whose parameters are there."""
    return part.get("kind") == KIND and "means" in part and "deviations" in part


def moments(part: Part) -> tuple[Doubles, Doubles]:
    """Return centres and deviations, (k, d) each.

    Raises:
        AnalysisError: they are not of the part's width.
    """
    mean, deviation = (np.array(part[name], np.float64) for name in ("means", "deviations"))
    if mean.ndim != 2 or mean.shape != deviation.shape or mean.shape[1] != part["width"] or not (deviation > 0).all():
        raise AnalysisError(f"the table's metadata about the mixture of part {part.get('name')!r} is damaged")
    return mean, deviation


def responsibilities(part: Part, values: Floats) -> Doubles:
    """Return the posterior of each component, (n, k), at values (n, d) of the part.

    The largest is argmax_i N(z; μ_i, σ_i), the component that a value is of.
    """
    mean, deviation = moments(part)
    z, precision = np.asarray(values, np.float64), deviation**-2
    square = z**2 @ precision.T - 2 * z @ (mean * precision).T + (mean**2 * precision).sum(1)
    joint = -square / 2 - np.log(deviation).sum(1)
    joint -= joint.max(1, keepdims=True)
    likely = np.exp(joint)
    posterior: Doubles = likely / likely.sum(1, keepdims=True)
    return posterior


def drawn(part: Part, n: int, rng: np.random.Generator) -> Singles:
    """Draw n values of any component: (n, d)."""
    mean, deviation = moments(part)
    i = rng.integers(len(mean), size=n)
    return (mean[i] + deviation[i] * rng.standard_normal((n, mean.shape[1]))).astype(np.float32)


def drawn_of_each(part: Part, n: int, rng: np.random.Generator) -> Singles:
    """Draw n values of every component, of the same noise: (k, n, d)."""
    mean, deviation = moments(part)
    noise = rng.standard_normal((n, mean.shape[1]))
    return (mean[:, None] + deviation[:, None] * noise).astype(np.float32)


def is_continuous(part: Mapping[str, Any]) -> bool:
    """Tell whether the numbers of a code's part can be moved a little, as those of categories cannot."""
    return part.get("kind") not in ("categorical", "condition")


def columns(part: Mapping[str, Any]) -> slice:
    """Return where in the code a part stands."""
    return slice(int(part["start"]), int(part["start"]) + int(part["width"]))
