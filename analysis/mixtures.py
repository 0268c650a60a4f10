"""Gaussian mixtures of codes: how many groups, what they hold, and whether they are the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Doubles, Floats, Ints, Pixels, Singles, as_codes, to_pixels
from .expectation import fit_gaussians
from .gaussians import COVARIANCES, Gaussians
from .partitions import ari, nmi, purity
from .pca import PCA, fit_pca
from .statistics import Baseline, Interval

GRID = (1, 2, 4, 8, 16, 32)
SEARCH = 10_000  # rows on which the number of components is chosen
WIDEST = 64  # columns; wider codes are reduced by PCA, since a full covariance has d²/2 entries


@dataclass(frozen=True)
class Candidate:
    """One model that was tried."""

    components: int
    covariance: str  # "full", "tied" or "diag"
    bic: float  # −2 log L + p log n; the least wins
    held_out: float  # mean log-likelihood of held-out rows, nats a row
    floored: int  # components whose covariance had degenerated and was raised to the floor; > 0 is never chosen
    aic: float = math.nan  # −2 log L + 2 p


@dataclass(frozen=True)
class Agreement:
    """How well components and labels tell each other, over n labelled rows (test where there is a split)."""

    nmi: Interval  # normalised mutual information (arithmetic mean)
    ari: Interval  # adjusted Rand index
    purity: Interval  # rows whose component's commonest label is theirs
    shuffled_nmi: float  # the same with shuffled labels: what many components reach by chance
    shuffled_ari: float
    shuffled_purity: float
    counts: Ints  # (components, classes) rows
    classes: tuple[str, ...]
    baselines: tuple[Baseline, ...]  # NMI of mixtures with as many components on pixels (PCA), untrained codes


@dataclass(frozen=True)
class Mixture:
    """The mixture with the least BIC among those without a degenerate component, refitted on all rows."""

    components: int
    covariance: str  # "full", "tied" or "diag"
    weights: Doubles  # (k,) descending
    means: Doubles  # (k, d) in the code
    covariances: Doubles  # (k, u, u): of the code, or of its u leading principal components where reduced
    candidates: tuple[Candidate, ...]
    fitted_on: int  # rows of the refit
    rows: Ints  # (n,) positions of the rows that were assigned (test rows where there is a split)
    assignments: Ints  # (n,) component of each
    confidence: Singles  # (n,) its responsibility
    agreement: Agreement | None  # None without labels
    nearest: Ints  # (k, m) positions of the rows nearest to each mean, nearest first; -1 where there are fewer
    samples: Pixels | None  # (k, s, h, w, c) drawn from each component and decoded; None without a model
    notes: tuple[str, ...]  # PCA, degenerate covariances, what was left out


@dataclass(frozen=True)
class FittedMixture:
    """A chosen mixture, as a map from codes to components and back."""

    gaussians: Gaussians  # in the code, or in its leading principal components
    pca: PCA | None
    candidates: tuple[Candidate, ...]
    fitted_on: int
    notes: tuple[str, ...]

    def inner(self, codes: Floats) -> Floats:
        """Codes (n, d) as the mixture sees them."""
        return codes if self.pca is None else self.pca.project(codes)

    def outer(self, inner: Doubles) -> Doubles:
        """The way back: (n, d)."""
        return inner if self.pca is None else self.pca.restore(inner).astype(np.float64)

    def assign(self, codes: Floats) -> tuple[Ints, Singles]:
        """Likeliest component of (n, d) codes and its responsibility: (n,), (n,)."""
        resp, _ = self.gaussians.responsibilities(self.inner(codes))
        index = np.asarray(resp.argmax(1), np.int64)
        return index, resp[np.arange(len(resp)), index].astype(np.float32)

    def log_density(self, codes: Floats) -> Doubles:
        """log p of (n, d) codes: (n,)."""
        return self.gaussians.responsibilities(self.inner(codes))[1]


def fit_mixture(
    codes: Floats,
    *,
    rng: np.random.Generator,
    components: Sequence[int] = (),
    covariances: Sequence[str] = COVARIANCES,
    search: int = SEARCH,
    restarts: int = 6,
    keep_degenerate: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> FittedMixture:
    """Choose the number of components and the shape of covariances by BIC, and refit the best on all rows.

    The likelihood of a singular covariance has no bound, so that its BIC means nothing: candidates with a
    degenerate component are not chosen. Where every one has, a single full Gaussian stands in.

    Args: codes: (n, d). components: numbers to try; by default GRID, and then between the best and those beside it
        until its neighbours k − 1 and k + 1 are tried. search: rows on which candidates are fitted; half as many
        others, where there are any, give the held-out likelihood. restarts: k-means++ seeds a candidate.
        keep_degenerate: choose among all.
    Returns: the mixture, components ordered by weight. Raises: AnalysisError for fewer than 10 rows.
    """
    codes, notes, pca = as_codes(codes), [], None
    if len(codes) < 10:
        raise AnalysisError(f"a mixture needs at least 10 rows, and there are {len(codes)}")
    if not codes.var(0).any():
        raise AnalysisError("all codes are the same: there is nothing to group")
    if codes.shape[1] > WIDEST:
        pca = fit_pca(codes, WIDEST, rng=rng)
        notes.append(f"{codes.shape[1]} columns reduced to {len(pca.axes)} by PCA")
        codes = pca.project(codes)
    tried = _search(codes, components, covariances, search, restarts, rng, progress)
    candidates = [candidate for candidate, _ in tried]
    chosen, start = _choose(tried, keep_degenerate)
    notes += _warnings(candidates, chosen)
    final, floored = fit_gaussians(
        codes, chosen.components, covariance=chosen.covariance, rng=rng, start=start, iterations=20
    )
    if floored:
        notes.append(f"{floored} components of the chosen mixture have degenerated (few rows, or flat in a direction)")
    return FittedMixture(final.reordered(), pca, tuple(candidates), len(codes), tuple(notes))


def _search(
    codes: Floats,
    components: Sequence[int],
    covariances: Sequence[str],
    search: int,
    restarts: int,
    rng: np.random.Generator,
    progress: Callable[[str], None],
) -> list[tuple[Candidate, Gaussians]]:
    """Fit every candidate on a sample, and judge it there by BIC and on other rows by likelihood."""
    order = rng.permutation(len(codes))
    used = order[: min(search, max(len(codes) * 4 // 5, 10))]
    parts = codes[used], codes[order[len(used) : len(used) + search // 2]]
    most = max(1, len(used) // 5)
    tried = []
    for k in sorted({k for k in components or GRID if k <= most}):
        for shape in covariances:
            if k == 1 and shape == "tied" and "full" in covariances:
                continue  # the same model
            progress(f"{k} components, {shape} covariance")
            tried.append(_candidate(*parts, k, shape, restarts, rng))
    if not tried:
        raise AnalysisError(f"no number of components in {tuple(components)} fits {len(codes)} rows")
    while not components and (beside := _beside([candidate for candidate, _ in tried])):
        for k, shape in beside:
            progress(f"{k} components, {shape} covariance")
            tried.append(_candidate(*parts, k, shape, restarts, rng))
    return tried


def _candidate(
    used: Floats, held: Floats, k: int, shape: str, restarts: int, rng: np.random.Generator
) -> tuple[Candidate, Gaussians]:
    fitted, floored = fit_gaussians(used, k, covariance=shape, rng=rng, restarts=restarts)
    total = float(fitted.responsibilities(used)[1].sum())
    beyond = float(fitted.responsibilities(held)[1].mean()) if len(held) else math.nan
    bic = -2 * total + fitted.parameters * math.log(len(used))
    return Candidate(k, shape, bic, beyond, floored, 2 * fitted.parameters - 2 * total), fitted


def _beside(candidates: Sequence[Candidate]) -> list[tuple[int, str]]:
    """Numbers half-way between the best sound candidate and the tried ones of its shape on either side."""
    sound = [candidate for candidate in candidates if not candidate.floored]
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


def _choose(tried: Sequence[tuple[Candidate, Gaussians]], keep_degenerate: bool) -> tuple[Candidate, Gaussians | None]:
    """The least BIC among sound candidates; one full Gaussian, fitted afresh, where there is none."""
    sound = [pair for pair in tried if keep_degenerate or not pair[0].floored]
    if sound:
        return min(sound, key=lambda pair: pair[0].bic)
    single = [pair for pair in tried if pair[0].components == 1 and pair[0].covariance == "full"]
    return single[0] if single else (Candidate(1, "full", math.nan, math.nan, 0), None)


def _warnings(candidates: Sequence[Candidate], best: Candidate) -> list[str]:
    """Say what a reader must know about the choice."""
    notes = []
    bad = [f"{c.components} {c.covariance}" for c in candidates if c.floored and c is not best]
    if bad:
        notes.append(f"degenerate, so not to be chosen whatever their BIC: the candidates {', '.join(bad)}")
    if all(c.floored for c in candidates):
        notes.append("every candidate is degenerate (few rows, or flat in a direction): one full Gaussian stands in")
    largest = max(c.components for c in candidates)
    if best.components == largest and largest > 1:
        notes.append(f"the best number of components, {largest}, is the largest tried: more may fit better")
    return notes


def agreement(
    assignments: Ints,
    labels: Ints,
    *,
    components: int,
    classes: tuple[str, ...],
    rng: np.random.Generator,
    baselines: tuple[Baseline, ...] = (),
    repeats: int = 500,
) -> Agreement | None:
    """Compare components with labels (-1 = unlabelled), each (n,); intervals bootstrap the table of counts.

    The bootstrap is the basic one, 2 v − quantile: resampling inflates these scores as sampling itself does.
    """
    known = labels >= 0
    n, width = int(np.count_nonzero(known)), max(len(classes), 1 + int(labels.max(initial=0)))
    if n < 2:
        return None
    part, truth = assignments[known], labels[known]
    counts = _contingency(part, truth, components, width)
    draws = rng.multinomial(n, counts.ravel() / n, size=repeats).reshape(repeats, components, width)
    shuffled = np.stack([_contingency(part, rng.permutation(truth), components, width) for _ in range(20)])
    figures, chance = [], []
    for score in (nmi, ari, purity):
        value = float(score(counts[None])[0])
        low, high = 2 * value - np.quantile(score(draws), [0.975, 0.025])
        figures.append(Interval(value, float(max(low, -1.0)), float(min(high, 1.0)), n))
        chance.append(float(score(shuffled).mean()))
    return Agreement(figures[0], figures[1], figures[2], chance[0], chance[1], chance[2], counts, classes, baselines)


def _contingency(part: Ints, truth: Ints, components: int, classes: int) -> Ints:
    return np.bincount(part * classes + truth, minlength=components * classes).reshape(components, classes)


def mixture_result(
    fitted: FittedMixture,
    codes: Floats,
    rows: Ints,
    *,
    rng: np.random.Generator,
    labels: Ints | None = None,
    classes: tuple[str, ...] = (),
    baselines: tuple[Baseline, ...] = (),
    decode: Callable[[Singles], Singles] | None = None,
    shown: int = 12,
    notes: Sequence[str] = (),
) -> Mixture:
    """Assign codes (n, d) of `rows` (n,) to components, compare with labels, and find each one's images.

    Samples are clipped to the range of the codes, column by column: a prior on a cube has no mass outside.
    """
    index, confidence = fitted.assign(codes)
    k = len(fitted.gaussians.weights)
    means = fitted.outer(fitted.gaussians.means)
    near = np.full((k, shown), -1, np.int64)
    for component in range(k):
        members = np.flatnonzero(index == component)
        order = np.argsort(np.linalg.norm(codes[members] - means[component], axis=1))[:shown]
        near[component, : len(order)] = rows[members[order]]
    samples = None if decode is None else _decoded(fitted, codes, decode, shown, rng)
    agreed = None
    if labels is not None:
        agreed = agreement(index, labels, components=k, classes=classes, rng=rng, baselines=baselines)
    return Mixture(
        k, fitted.gaussians.covariance, fitted.gaussians.weights, means, fitted.gaussians.covariances,
        fitted.candidates, fitted.fitted_on, rows, index, confidence, agreed, near, samples,
        (*fitted.notes, *notes),
    )  # fmt: skip


def _decoded(
    fitted: FittedMixture, codes: Floats, decode: Callable[[Singles], Singles], count: int, rng: np.random.Generator
) -> Pixels:
    """Draw and decode `count` codes of every component: (k, count, h, w, c)."""
    k = len(fitted.gaussians.weights)
    drawn = np.concatenate([fitted.outer(fitted.gaussians.sample(i, count, rng=rng)) for i in range(k)])
    images = decode(np.clip(drawn, codes.min(0), codes.max(0)).astype(np.float32))
    return to_pixels(images).reshape(k, count, *images.shape[1:])


def mixture_nmi(
    train: Floats, codes: Floats, labels: Ints, *, like: Gaussians, name: str, rng: np.random.Generator
) -> Baseline:
    """NMI with labels (n,) of a mixture of the same size and shape on another representation.

    Args: train: (m, p) rows to fit on. codes: (n, p) rows to assign. like: the mixture to match.
    """
    k = len(like.weights)
    fitted = fit_mixture(
        train, rng=rng, components=(k,), covariances=(like.covariance,), restarts=1, keep_degenerate=True
    )
    found = agreement(fitted.assign(codes)[0], labels, components=k, classes=(), rng=rng)
    if found is None:
        raise AnalysisError(f"no labelled rows to judge the mixture on {name!r} by")
    return Baseline(name, found.nmi, "NMI")
