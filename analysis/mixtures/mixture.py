"""Gaussian mixtures of codes: how many components, what they hold, and whether they are the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Pixels, Singles, rows_of
from ..base.chunked import blocks
from ..base.clustering_scores import ari, contingency, nmi, partition_interval, purity, purity_interval
from ..base.columns import RowValues
from ..base.statistics import Baseline, Interval
from ..errors import AnalysisError
from .class_conditional import ByClass
from .em import fit_gaussians
from .gaussians import Gaussians
from .inverse_transform import CodeTransform, code_transform, decoded, must
from .model_selection import SEARCH_ROWS, Candidate, FittedMixture, fit_mixture
from .outliers import Outliers
from .separation import Separation

N_SHOWN_OUTLIERS = 12  # images that a report shows as outliers


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well components and labels predict each other, over n labelled rows (test where there is a split)."""

    nmi: Interval
    """Normalised mutual information (arithmetic mean)."""
    ari: Interval
    """Adjusted Rand index."""
    purity: Interval
    """Rows whose component's commonest label is theirs."""
    shuffled_nmi: float
    """The same with shuffled labels: what many components reach by chance."""
    shuffled_ari: float
    shuffled_purity: float
    counts: Ints
    """(components, classes) rows."""
    classes: tuple[str, ...]
    """Names of the labels."""
    baselines: tuple[Baseline, ...]
    """NMI of mixtures with as many components on pixels (PCA), untrained codes."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The mixture with the least BIC among those that are sound (see `fit_mixture`), refitted on all rows."""

    kind: ClassVar[str] = "mixtures"

    components: int
    """Their number."""
    covariance: str
    """"full", "tied" or "diag"."""
    weights: Doubles
    """(k,) descending."""
    means: Doubles
    """(k, D) in the code."""
    covariances: Doubles
    """(k, u, u): of the code, or of its u leading principal components where reduced."""
    candidates: tuple[Candidate, ...]
    """Numbers of components that were tried, with their BIC."""
    fitted_on: int
    """Rows of the refit."""
    rows: Ints
    """(n,) positions of the rows that were assigned (test rows where there is a split)."""
    assignments: Ints
    """(n,) component of each."""
    confidence: Singles
    """(n,) its responsibility."""
    agreement: Agreement | None
    """None without labels."""
    nearest: Ints
    """(k, m) positions of the rows nearest to each mean, nearest first; -1 where there are fewer."""
    samples: Pixels | None
    """(k, s, h, w, c) drawn from each component and decoded; None without a model."""
    notes: tuple[str, ...]
    """PCA, degenerate covariances, what was left out."""
    outliers: Outliers | None = None
    """The rows, each half beside the other."""
    by_class: ByClass | None = None
    """None where fewer than two classes have labelled train rows enough."""
    back: CodeTransform | None = None
    """None in results of earlier versions."""
    split_half: Interval | None = None
    """Adjusted Rand index of two mixtures like it, fitted to a half of the rows each."""
    separation: Separation | None = None
    """Groups of components with a valley between them; None where too few rows."""

    training_rows_note: str = ""
    """Says that training rows are among those measured; "" where none are."""

    @property
    def gaussians(self) -> Gaussians:
        """The mixture in the columns that it was fitted in."""
        return Gaussians(self.weights, must(self.back).inner(self.means), self.covariances, self.covariance)

    def draw(self, count: int, *, component: int | None = None, rng: np.random.Generator) -> Singles:
        """Draw codes from the mixture.

        Args:
            count: how many.
            component: number from 0 of the one that all are of; None is any.
            rng: draws them.

        Returns:
            Codes (count, D).

        Raises:
            AnalysisError: there is no such component.
        """
        back, gaussians = must(self.back), self.gaussians
        if component is None:
            counts = rng.multinomial(count, self.weights / self.weights.sum())
            parts = [self.draw(int(n), component=k, rng=rng) for k, n in enumerate(counts)]
            return rng.permutation(np.concatenate(parts))
        if not 0 <= component < self.components:
            raise AnalysisError(f"there is no component {component}: there are {self.components}, from 0")
        return back.whole(gaussians.sample(component, count, rng=rng), component, rng=rng)

    def row_values(self) -> RowValues:
        """The component of each row."""
        names = tuple(f"component {k + 1}" for k in range(self.components))
        return RowValues(name="mixture component", rows=self.rows, values=self.assignments, categories=names)

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of(
            self.nearest[self.nearest >= 0], *([self.outliers.rows[:N_SHOWN_OUTLIERS]] if self.outliers else [])
        )


def agreement(
    assignments: Ints,
    labels: Ints,
    *,
    components: int,
    classes: tuple[str, ...],
    rng: np.random.Generator,
    baselines: tuple[Baseline, ...] = (),
) -> Agreement | None:
    """Compare components with labels (-1 = unlabelled), each (n,), on the same table of counts."""
    is_labelled = labels >= 0
    n, width = int(np.count_nonzero(is_labelled)), max(len(classes), 1 + int(labels.max(initial=0)))
    if n < 2:
        return None
    part, truth = assignments[is_labelled], labels[is_labelled]
    counts = contingency(part, truth, rows=components, columns=width)
    shuffled = np.stack([contingency(part, rng.permutation(truth), rows=components, columns=width) for _ in range(20)])
    shared, rand = partition_interval(nmi, counts, rng=rng), partition_interval(ari, counts, rng=rng, ends=(-1.0, 1.0))
    chance = [float(score(shuffled).mean()) for score in (nmi, ari, purity)]
    pure = purity_interval(counts, rng=rng)
    return Agreement(
        nmi=shared,
        ari=rand,
        purity=pure,
        shuffled_nmi=chance[0],
        shuffled_ari=chance[1],
        shuffled_purity=chance[2],
        counts=counts,
        classes=classes,
        baselines=baselines,
    )


def mixture_result(
    fitted: FittedMixture,
    codes: Floats,
    rows: Ints,
    *,
    rng: np.random.Generator,
    labels: Ints | None = None,
    classes: tuple[str, ...] = (),
    baselines: tuple[Baseline, ...] = (),
    columns: Bools | None = None,
    decode: Callable[[Singles], Singles] | None = None,
    shown: int = 12,
    notes: Sequence[str] = (),
) -> Mixture:
    """Assign codes (n, D) of `rows` (n,) to components, compare with labels, and find each one's images.

    Args:
        columns: (D,) those that the mixture was fitted to; by default all. Others have their mean in `means`.
    """
    keep = np.ones(codes.shape[1], np.bool_) if columns is None else columns
    used = codes if keep.all() else codes[:, keep]
    index, confidence = fitted.assign(used)
    k = len(fitted.gaussians.weights)
    centres = fitted.outer(fitted.gaussians.means)
    near = np.full((k, shown), -1, np.int64)
    gap = np.concatenate(
        [np.linalg.norm(part - centres[index[start : start + len(part)]], axis=1) for start, part in blocks(used)]
    )
    for component in range(k):
        members = np.flatnonzero(index == component)
        order = np.argsort(gap[members])[:shown]
        near[component, : len(order)] = rows[members[order]]
    means = np.tile(np.asarray(codes.mean(0, dtype=np.float64)), (k, 1))
    means[:, keep] = centres
    agreed = None
    if labels is not None:
        agreed = agreement(index, labels, components=k, classes=classes, rng=rng, baselines=baselines)
    result = Mixture(
        components=k,
        covariance=fitted.gaussians.covariance,
        weights=fitted.gaussians.weights,
        means=means,
        covariances=fitted.gaussians.covariances,
        candidates=fitted.candidates,
        fitted_on=fitted.fitted_on,
        rows=rows,
        assignments=index,
        confidence=confidence,
        agreement=agreed,
        nearest=near,
        samples=None,
        notes=(*fitted.notes, *notes),
        back=code_transform(codes, keep, fitted.pca, [np.flatnonzero(index == i) for i in range(k)], rng=rng),
    )
    if decode is None:
        return result
    return replace(result, samples=decoded([result.draw(shown, component=i, rng=rng) for i in range(k)], decode))


def split_half_agreement(
    train: Floats, codes: Floats, *, like: FittedMixture, rng: np.random.Generator
) -> Interval | None:
    """Adjusted Rand index of the groups in (n, d) codes by two mixtures like this one, of half the train rows each.

    1 where the groups are in the rows, near 0 where they are the seeds'; n is that of the codes. Each half is half of
    `train` (m, d), or of a sample of it. None for one component, or too few rows.
    """
    k, shape = len(like.gaussians.weights), like.gaussians.covariance
    order = rng.permutation(len(train))[:SEARCH_ROWS]
    halves = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    if k == 1 or len(halves[0]) < 5 * k:
        return None
    inner, parts = like.inner(codes), []
    for half in halves:
        fitted, _ = fit_gaussians(like.inner(np.asarray(train[half])), k, covariance=shape, rng=rng, thorough=False)
        parts.append(
            FittedMixture(gaussians=fitted, pca=None, candidates=(), fitted_on=len(half), notes=()).assign(inner)[0]
        )
    counts = contingency(*parts, rows=k, columns=k)
    return partition_interval(ari, counts, rng=rng, ends=(-1.0, 1.0))


def mixture_nmi(
    train: Floats, codes: Floats, labels: Ints, *, like: Gaussians, name: str, rng: np.random.Generator
) -> Baseline:
    """NMI with labels (n,) of a mixture of the same size and shape on another representation.

    Args:
        train: (m, p) rows to fit on.
        codes: (n, p) rows to assign.
        like: the mixture to match.
    """
    k = len(like.weights)
    fitted = fit_mixture(train, rng=rng, components=(k,), covariances=(like.covariance,), keep_degenerate=True)
    result = agreement(fitted.assign(codes)[0], labels, components=k, classes=(), rng=rng)
    if result is None:
        raise AnalysisError(f"no labelled rows to compare the mixture on {name!r} with")
    return Baseline(name=name, figure=result.nmi, note="NMI")
