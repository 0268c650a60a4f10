"""Gaussian mixtures of codes: the number of components and the shape of covariances chosen, and fitted on all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Seed, Singles, as_codes, as_rng, check_counts
from ..base.chunked import Stream, by_blocks
from ..base.pca import PCA, fit_pca
from ..base.statistics import Z
from ..errors import AnalysisError
from .em import FLOOR, SEED_ROWS, fit_gaussians, flat_below
from .gaussians import COVARIANCES, Gaussians, free_parameters

COMPONENT_GRID = (1, 2, 4, 8, 16, 32)


SEARCH_ROWS = 10_000  # rows on which the number of components is chosen


ROWS_PER_PARAMETER = 10  # rows to a parameter


N_POLISHED = 2  # candidates that are fitted again, thoroughly


MIN_HELD_OUT_ROWS = 30  # held-out rows that confirm a degenerate candidate


MAX_COLUMNS = 64  # columns; wider codes are reduced by PCA, since a full covariance has d²/2 entries


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model that was tried."""

    components: int
    covariance: str
    """"full", "tied" or "diag"."""
    bic: float
    """−2 log L + p log n; the least wins."""
    held_out: float
    """Mean log-likelihood of held-out rows, nats a row."""
    degenerate: int
    """Components whose covariance had degenerated and was raised to the floor."""
    aic: float = math.nan
    """−2 log L + 2 p."""
    confirmed: bool = False
    """Degenerate, but rows not fitted on are likelier under it than under any that is not."""

    @property
    def sound(self) -> bool:
        """Whether its BIC counts."""
        return not self.degenerate or self.confirmed


class FittedCandidate(NamedTuple):
    """A candidate as it was fitted."""

    candidate: Candidate
    gaussians: Gaussians
    held: Doubles  # (m,) log p of the held-out rows
    flat: int  # directions in which all rows lie flat


@dataclass(frozen=True, kw_only=True)
class FittedMixture:
    """A chosen mixture, as a map from codes to components and back."""

    gaussians: Gaussians
    """In the code, or in its leading principal components."""
    pca: PCA | None
    candidates: tuple[Candidate, ...]
    """Numbers of components that were tried, with their BIC."""
    fitted_on: int
    notes: tuple[str, ...]
    """Sentences on what limits the figures, or was left out."""

    def inner(self, codes: Floats) -> Floats:
        """Codes (n, d) as the mixture sees them."""
        return codes if self.pca is None else self.pca.project(codes)

    def outer(self, inner: Doubles) -> Doubles:
        """The way back: (n, d)."""
        return inner if self.pca is None else self.pca.restore(inner).astype(np.float64)

    def assign(self, codes: Floats) -> tuple[Ints, Singles]:
        """Likeliest component of (n, d) codes and its responsibility: (n,), (n,)."""

        def likeliest(part: Floats) -> Doubles:
            resp, _ = self.gaussians.responsibilities(part)
            best = resp.argmax(1)
            return np.stack([best, resp[np.arange(len(resp)), best]], axis=1)

        result = by_blocks(likeliest, self.inner(codes))
        return result[:, 0].astype(np.int64), result[:, 1].astype(np.float32)

    def log_density(self, codes: Floats) -> Doubles:
        """log p of (n, d) codes: (n,)."""
        return by_blocks(lambda part: self.gaussians.responsibilities(part)[1], self.inner(codes))


def fit_mixture(
    codes: Floats,
    *,
    rng: Seed = 0,
    components: Sequence[int] = (),
    covariances: Sequence[str] = COVARIANCES,
    search: int = SEARCH_ROWS,
    restarts: int = 6,
    keep_degenerate: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> FittedMixture:
    """Choose the number of components and the shape of covariances by BIC, and refit the best on all rows.

    The likelihood of a singular covariance has no bound, so that its BIC means nothing: candidates with a
    degenerate component are not chosen, unless held-out rows are likelier under them than under the best that has
    none, by more than Z standard errors of the paired difference: the rows are then as flat as that. Where every
    candidate is degenerate, a single Gaussian stands in. Directions in which all rows lie flat, of constant columns or
    of columns that depend on each other, tell no groups apart: no candidate is blamed for them, and they are not
    counted among its parameters.

    Args:
        codes: (n, d).
        components: numbers to try; by default COMPONENT_GRID, and then numbers near the best until its neighbours
            k − 1 and k + 1 are tried.
        search: rows on which candidates are fitted; half as many others, where there are any, give the held-out
            likelihood.
        restarts: k-means++ seeds a candidate.
        keep_degenerate: choose among all.
    Returns:
        The mixture, components ordered by weight.
    Raises:
        AnalysisError: for fewer than 10 rows, or components or covariances of no mixture.
    """
    rng = as_rng(rng)
    check_counts(restarts=restarts)
    check_counts(10, search=search)
    codes, notes, pca = as_codes(codes), [], None
    if strange := [shape for shape in covariances if shape not in COVARIANCES]:
        raise AnalysisError(f"there is no covariance {strange[0]!r}: there are {', '.join(COVARIANCES)}")
    for k in components:
        check_counts(components=k)
    if len(codes) < 10:
        raise AnalysisError(f"a mixture needs at least 10 rows, and there are {len(codes)}")
    if not codes.var(0).any():
        raise AnalysisError("all codes are the same: there is nothing to group")
    if codes.shape[1] > MAX_COLUMNS:
        pca = fit_pca(codes, MAX_COLUMNS, rng=rng)
        pca = pca.first(pca.sound)
        notes.append(f"{codes.shape[1]} columns reduced to {len(pca.axes)} by PCA")
        codes = pca.project(codes)
    tried = _search(codes, components, covariances, search, restarts, rng, progress)
    if flat := tried[0].flat:
        notes.append(
            f"{flat} of {codes.shape[1]} directions hold no variance (constant columns, or columns that depend on each "
            "other), so that they tell no groups apart"
        )
    candidates = [fit.candidate for fit in tried]
    chosen, start = _choose(tried, keep_degenerate)
    notes += _warnings(candidates, chosen)
    final, degenerate = _refitted(codes, chosen, start, rng)
    if degenerate:
        notes.append(
            f"{degenerate} of {chosen.components} components of the chosen mixture have degenerated (few rows, or flat "
            f"in a direction); every variance is raised by {FLOOR:g} of its column's"
        )
    return FittedMixture(
        gaussians=final.reordered(), pca=pca, candidates=tuple(candidates), fitted_on=len(codes), notes=tuple(notes)
    )


def _search(
    codes: Floats,
    components: Sequence[int],
    covariances: Sequence[str],
    search: int,
    restarts: int,
    rng: np.random.Generator,
    progress: Callable[[str], None],
) -> list[FittedCandidate]:
    """Fit every candidate on a sample, and score it there by BIC and on other rows by likelihood."""
    order = rng.permutation(len(codes))
    used = order[: min(search, max(len(codes) * 4 // 5, 10))]
    parts = np.asarray(codes[used]), np.asarray(codes[order[len(used) : len(used) + search // 2]])
    flat = _flat(parts[0])
    most = max(1, len(used) // 5)
    tried: list[FittedCandidate] = []
    for k in sorted({k for k in components or COMPONENT_GRID if k <= most}):
        for shape in covariances:
            if k == 1 and shape == "tied" and "full" in covariances:
                continue  # the same model
            progress(f"{k} components, {shape} covariance")
            tried.append(_candidate(*parts, flat, k, shape, restarts, rng))
    if not tried:
        raise AnalysisError(f"no number of components in {tuple(components)} fits {len(codes)} rows")
    tried = _confirmed(tried)
    while not components and (more := _beside([fit.candidate for fit in tried])):
        for k, shape in more:
            progress(f"{k} components, {shape} covariance")
            tried.append(_candidate(*parts, flat, k, shape, restarts, rng))
        tried = _confirmed(tried)
    if not any(fit.candidate.sound for fit in tried):
        tried += [_candidate(*parts, flat, 1, shape, 1, rng) for shape in ("full", "diag")]
    return tried if restarts == 1 else _polished(tried, parts, flat, rng, progress)


def _polished(
    tried: list[FittedCandidate],
    parts: tuple[Floats, Floats],
    flat: tuple[int, int],
    rng: np.random.Generator,
    progress: Callable[[str], None],
) -> list[FittedCandidate]:
    """Fit the N_POLISHED sound candidates with the least BIC again, thoroughly, and keep what is better.

    One fit in six of a few short runs ends far below the best: which number is chosen is settled among the best.
    """
    order = sorted(range(len(tried)), key=lambda i: (not tried[i].candidate.sound, tried[i].candidate.bic))
    tried = list(tried)
    for i in order[:N_POLISHED]:
        candidate = tried[i].candidate
        if candidate.components > 1:
            progress(
                f"{candidate.components} components, {candidate.covariance} covariance: more starts, splits and merges"
            )
            refitted = _candidate(*parts, flat, candidate.components, candidate.covariance, 6, rng, thorough=True)
            if refitted.candidate.degenerate <= candidate.degenerate and refitted.candidate.bic < candidate.bic:
                tried[i] = refitted
    return _confirmed(tried)


def _flat(x: Floats) -> tuple[int, int]:
    """Columns of (n, d) rows that are constant, and directions in which all rows lie flat, those columns included."""
    spread = x.std(0, dtype=np.float64)
    moving = spread > 1e-6 * spread.max()
    scaled = (x[:, moving] - x[:, moving].mean(0, dtype=np.float64)) / spread[moving]
    values = np.linalg.eigvalsh(scaled.T @ scaled / len(x))
    constant, dependent = int(np.count_nonzero(~moving)), int(np.count_nonzero(values < flat_below(values)))
    return constant, constant + (dependent if len(x) > 2 * x.shape[1] else 0)


def _refitted(codes: Floats, chosen: Candidate, start: Gaussians, rng: np.random.Generator) -> tuple[Gaussians, int]:
    """Fit the chosen candidate to all rows: on from the sample's fit, and from new seeds where there are few rows.

    What is best for a part of few rows may not be for all of them, and a fit of few rows a parameter has hard
    memberships, from which more rows hardly free it. The fit with fewer degenerate components is returned, of equal
    ones the likelier.
    """
    k, shape = chosen.components, chosen.covariance

    def better(first_fit: tuple[Gaussians, int], other: tuple[Gaussians, int]) -> tuple[Gaussians, int]:
        return max(first_fit, other, key=lambda fit: (-fit[1], float(fit[0].responsibilities(codes)[1].mean())))

    if len(codes) <= SEED_ROWS:
        codes = np.asarray(codes[np.arange(len(codes))])  # of a stream: as many rows as a search holds anyway
        result = fit_gaussians(codes, k, covariance=shape, rng=rng, start=start, tolerance=3e-4)
        for fresh in rng.spawn(2 if k > 1 else 0):  # what is drawn here changes nothing that is drawn later
            result = better(result, fit_gaussians(codes, k, covariance=shape, rng=fresh))
        return result
    result = fit_gaussians(codes, k, covariance=shape, rng=rng, start=start, iterations=20)
    few = ROWS_PER_PARAMETER * k * free_parameters(1, codes.shape[1], shape) > SEARCH_ROWS
    if k == 1 or not few or isinstance(codes, Stream):
        return result
    return better(result, fit_gaussians(codes, k, covariance=shape, rng=rng))


def _candidate(
    used: Floats,
    held: Floats,
    flat: tuple[int, int],
    k: int,
    shape: str,
    restarts: int,
    rng: np.random.Generator,
    *,
    thorough: bool = False,
) -> FittedCandidate:
    fitted, degenerate = fit_gaussians(used, k, covariance=shape, rng=rng, restarts=restarts, thorough=thorough)
    total = float(fitted.responsibilities(used)[1].sum())
    beyond = fitted.responsibilities(held)[1]
    mean = float(beyond.mean()) if len(held) else math.nan
    free = free_parameters(k, used.shape[1] - flat[shape != "diag"], shape)
    bic = -2 * total + free * math.log(len(used))
    return FittedCandidate(
        Candidate(
            components=k, covariance=shape, bic=bic, held_out=mean, degenerate=degenerate, aic=2 * free - 2 * total
        ),
        fitted,
        beyond,
        flat[1],
    )


def _confirmed(tried: list[FittedCandidate]) -> list[FittedCandidate]:
    """Mark the degenerate candidates that held-out rows find likelier than the best of the others."""
    sound_fits = [fit for fit in tried if not fit.candidate.degenerate and len(fit.held) >= MIN_HELD_OUT_ROWS]
    if not sound_fits:
        return tried
    best = max(sound_fits, key=lambda fit: fit.candidate.held_out)

    def verified(candidate: FittedCandidate) -> FittedCandidate:
        gap = candidate.held - best.held
        sure = bool(gap.mean() > Z * gap.std(ddof=1) / math.sqrt(len(gap)))
        return candidate._replace(candidate=replace(candidate.candidate, confirmed=sure))

    return [verified(fit) if fit.candidate.degenerate else fit for fit in tried]


def _beside(candidates: Sequence[Candidate]) -> list[tuple[int, str]]:
    """Numbers half-way between the best sound candidate and the tried ones of its shape on either side."""
    sound = [candidate for candidate in candidates if candidate.sound]
    if not sound:
        return []
    best = min(sound, key=lambda candidate: candidate.bic)
    tried = [c.components for c in candidates if c.covariance == best.covariance or c.components == 1]
    around = (
        max((k for k in tried if k < best.components), default=best.components),
        min((k for k in tried if k > best.components), default=best.components),
    )
    middles = {(best.components + k) // 2 if k < best.components else -(-(best.components + k) // 2) for k in around}
    return [(k, best.covariance) for k in sorted(middles) if k not in tried and k != best.components]


def _choose(tried: Sequence[FittedCandidate], keep_degenerate: bool) -> tuple[Candidate, Gaussians]:
    """The least BIC among sound candidates."""
    sound = [fit for fit in tried if keep_degenerate or fit.candidate.sound]
    best = min(sound or tried, key=lambda fit: fit.candidate.bic)
    return best.candidate, best.gaussians


def _warnings(candidates: Sequence[Candidate], best: Candidate) -> list[str]:
    """Notes on the choice that a report shows."""
    notes = []
    bad = [f"{c.components} {c.covariance}" for c in candidates if not c.sound and c is not best]
    if bad:
        notes.append(f"degenerate, so not to be chosen whatever their BIC: the candidates {', '.join(bad)}")
    flat = [f"{c.components} {c.covariance}" for c in candidates if c.confirmed]
    if flat:
        notes.append(
            "degenerate, but likelier to held-out rows than any candidate that is not, so that they stand: "
            f"{', '.join(flat)}"
        )
    if all(c.degenerate and not c.confirmed for c in candidates if c.components > 1) and best.components == 1:
        notes.append("every candidate of several components is degenerate (few rows, or flat in a direction)")
    largest = max(c.components for c in candidates)
    if best.components == largest and largest > 1:
        notes.append(f"the best number of components, {largest}, is the largest tried: more may fit better")
    return notes
