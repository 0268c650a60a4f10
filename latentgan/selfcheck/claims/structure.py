"""Structure: alignment and spectra of codes, axes that are factors, groups of components, and outlying rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.disentanglement.evaluate import rotation_p_values
from analysis.disentanglement.metrics import Factor
from analysis.geometry.spectrum import rank_me, spectral_decay
from analysis.mixtures.model_selection import fit_mixture
from analysis.mixtures.outliers import scored_by_halves
from analysis.mixtures.separation import separation
from analysis.model_comparison.kernel_alignment import cka_interval
from latentgan.selfcheck.claims.base import Claims, coverage, null_rate, power

Draw = Callable[[np.random.Generator, int], np.ndarray]


def _ball(rng: np.random.Generator, n: int, freedom: int = 3, columns: int = 3) -> np.ndarray:
    spread = np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)
    return np.asarray(rng.normal(size=(n, columns)) / spread)


def _banana(rng: np.random.Generator, n: int) -> np.ndarray:
    codes = rng.normal(size=(n, 3))
    codes[:, 1] = 0.3 * codes[:, 1] + 0.8 * np.square(codes[:, 0])
    return codes


def _shell(rng: np.random.Generator, n: int) -> np.ndarray:
    codes = rng.normal(size=(n, 3))
    return np.asarray(codes / np.linalg.norm(codes, axis=1, keepdims=True) + 0.05 * rng.normal(size=(n, 3)))


CONNECTED: dict[str, Draw] = {
    "normal, unequal scales": lambda rng, n: rng.normal(size=(n, 3)) * (1, 0.5, 0.2),
    "t, 3 degrees of freedom": _ball,
    "t, 5 degrees of freedom": lambda rng, n: _ball(rng, n, 5),
    "banana": _banana,
    "shell of a sphere": _shell,
    "cube": lambda rng, n: rng.uniform(size=(n, 3)),
    "skewed (gamma)": lambda rng, n: rng.gamma(1.5, size=(n, 3)),
}


SPECTRA: dict[str, np.ndarray] = {
    "equal variances": np.ones(24),
    "variances that fall as 1 / k": 1 / np.arange(1, 25),
    "variances that fall from 1 to 0.0025": np.geomspace(1, 0.0025, 24),
}
"""Eigenvalues (24,) of the covariance of codes."""


HEAVY: dict[str, Draw] = {
    "t, 3 degrees of freedom": lambda rng, n: _ball(rng, n, 3, 6),
    "t, 5 degrees of freedom": lambda rng, n: _ball(rng, n, 5, 6),
    "lognormal": lambda rng, n: np.exp(rng.normal(size=(n, 6))),
    "Laplace": lambda rng, n: rng.laplace(size=(n, 6)),
    "normal": lambda rng, n: rng.normal(size=(n, 6)),
}


def alignment_of_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Intervals of linear CKA, of independent codes and of related ones."""
    for n, width in ((60, 2), (60, 64), (300, 2), (300, 64)):
        for noise in (0.0, 0.5, 2.0):
            held, spread = 0, np.geomspace(1, 0.1, width)
            truth = float(np.square(spread**2).sum() / np.linalg.norm(spread**2) / np.linalg.norm(spread**2 + noise**2))
            for _ in range(trials):
                x, y = rng.normal(size=(2, n, width)) * spread
                y = x + noise * rng.normal(size=(n, width)) if noise else y
                alignment = cka_interval(x, y)
                held += alignment.low <= (truth if noise else 0.0) <= alignment.high
            planted = f"noise of {noise:g}" if noise else "independent"
            yield coverage("linear CKA", f"{n} rows, {width} columns, {planted}", held, trials)


def effective_rank_of_known_covariances(rng: np.random.Generator, trials: int) -> Claims:
    """Intervals of RankMe, and whether they hold its mean over other tables of as many rows of the same covariance."""
    for n in (60, 300):
        for name, variances in SPECTRA.items():
            deviations = np.sqrt(variances)
            other_ranks = [rank_me(rng.normal(size=(n, 24)) * deviations).value for _ in range(4 * trials)]
            expected = float(np.mean(other_ranks))
            intervals = [rank_me(rng.normal(size=(n, 24)) * deviations) for _ in range(trials)]
            held = sum(interval.low <= expected <= interval.high for interval in intervals)
            yield coverage("RankMe of as many other rows", f"{n} rows, 24 columns, {name}", held, trials)


def spectral_decay_of_noise(rng: np.random.Generator, trials: int) -> Claims:
    """Tables of noise whose interval of α lies apart from that of other noise of as many rows."""
    for width in (16, 32, 64):
        apart = 0
        for _ in range(trials):
            first, second = (spectral_decay(rng.normal(size=(60, width))) for _ in range(2))
            apart += first.low > second.high or second.low > first.high
        planted = f"two tables of independent columns, 60 rows, {width} columns"
        yield null_rate("α-ReQ of noise lies apart from that of noise", planted, apart, trials)


def axes_of_turned_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Single numbers that stand for single factors, in codes turned at random and in codes that are the factors."""
    for dead in (0, 3, 13):
        for turned in (True, False):
            repeats, claimed = trials if turned else max(1, trials // 8), 0
            for _ in range(repeats):
                values = rng.uniform(-1, 1, (300, 4))
                codes = values + 0.1 * rng.normal(size=values.shape)
                codes = codes @ np.linalg.qr(rng.normal(size=(4, 4)))[0] if turned else codes
                wide = np.hstack([codes * np.geomspace(1, 0.2, 4), 0.01 * rng.normal(size=(300, dead))])
                factors = [Factor(name=str(i), values=values[:, i], discrete=False) for i in range(4)]
                claimed += rotation_p_values(wide, factors, rng=rng)["MIG"] <= 0.05
            planted = f"4 factors, unequal scales, {dead} dead columns"
            if turned:
                yield null_rate("axes are factors (MIG)", f"turned at random, {planted}", claimed, repeats)
            else:
                yield power("axes are factors (MIG)", f"axes, {planted}", claimed, repeats, bound=0.9)


def groups_of_connected_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Separate groups claimed of one connected cloud."""
    for name, draw in CONNECTED.items():
        hits = sum(_groups(draw, rng) > 1 for _ in range(trials))
        yield null_rate("components are separate groups", f"one {name}, 600 rows, 600 held out", hits, trials)


def groups_of_separated_clusters(rng: np.random.Generator, trials: int) -> Claims:
    """Three clusters of 60, 30 and 10 % of the rows: all are claimed where they are far apart, and never more."""
    repeats = max(1, trials // 4)
    for distance in (4, 6):
        centres = distance * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])

        def draw(rng: np.random.Generator, n: int, centres: np.ndarray = centres) -> np.ndarray:
            return np.asarray(centres[rng.choice(3, n, p=(0.6, 0.3, 0.1))] + rng.normal(size=(n, 3)))

        result = [_groups(draw, rng) for _ in range(repeats)]
        planted = f"60, 30 and 10 % of 600 rows, {distance} standard deviations apart"
        if distance == 6:
            yield power("three separate groups", planted, result.count(3), repeats, bound=0.9)
        yield null_rate("more than three separate groups", planted, sum(groups > 3 for groups in result), repeats)


def outliers_of_heavy_tails(rng: np.random.Generator, trials: int) -> Claims:
    """Tables in which any row is flagged."""
    for name, draw in HEAVY.items():
        hits = 0
        for _ in range(trials):
            fitted = fit_mixture(draw(rng, 400), rng=rng, components=(1, 2, 4), covariances=("full",), restarts=1)
            hits += len(scored_by_halves(fitted, draw(rng, 600), np.arange(600), rng=rng).unusual) > 0
        yield null_rate("a row of the table is an outlier", f"{name}, 600 × 6 codes", hits, trials)


def _groups(draw: Draw, rng: np.random.Generator) -> int:
    train = draw(rng, 600)
    fitted = fit_mixture(train, rng=rng, components=(1, 2, 3, 4, 6), restarts=1)
    result = separation(fitted, train, draw(rng, 600), rng=rng)
    return result.groups if result is not None else 0
