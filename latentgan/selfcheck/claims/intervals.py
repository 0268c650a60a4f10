"""Coverage of the intervals of figures that are biased where rows are few, or that are made of dependent parts.

The docstring of each function that makes an interval says what it is an interval of: the figure of very many rows, or
the mean figure of as many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analysis.base.arrays import Doubles, Ints
from analysis.base.clustering_scores import (
    ari,
    effective_number,
    nmi,
    partition_interval,
    perplexity,
    purity,
    purity_interval,
)
from analysis.base.statistics import Interval
from analysis.fidelity.distances import manifold_scores
from analysis.fidelity.inception_score import inception_score, modified_inception_score
from analysis.geometry.intrinsic_dimension import shape_of
from analysis.projection.projection import neighbour_accuracy, place, trustworthiness
from latentgan.selfcheck.claims.base import Claims, coverage, power

VERY_MANY = 10**9  # rows of a table whose score is the population's


ROWS = (60, 300, 2000)


TABLES = (  # components, classes, share of rows that are of their component's class, skewness of the classes' shares
    (10, 10, 0.0, 0.0),
    (10, 10, 0.5, 1.0),
    (10, 10, 0.95, 0.0),
    (30, 10, 0.7, 1.0),
    (3, 2, 1.0, 1.0),
)


def _joint_shares(components: int, classes: int, *, aligned_share: float, skew: float) -> Doubles:
    """Return joint shares (k, c) of components and classes.

    Args:
        components: k, each of which has a class of its own.
        classes: c.
        aligned_share: share of a component's rows that are of its class; the others are of any class.
        skew: the i-th class has a share in proportion to i^−skew.
    """
    shares = np.arange(1.0, classes + 1) ** -skew
    shares /= shares.sum()
    class_of = np.arange(components) % classes
    members = np.array([max(1, np.count_nonzero(class_of == j)) for j in range(classes)])
    aligned = np.zeros((components, classes))
    aligned[np.arange(components), class_of] = shares[class_of] / members[class_of]
    aligned /= aligned.sum()
    return aligned_share * aligned + (1 - aligned_share) * np.outer(aligned.sum(1), aligned.sum(0))


def _held(interval: Interval, truth: float) -> bool:
    return interval.low <= truth + 1e-6 and truth - 1e-6 <= interval.high


def _of_tables(
    name: str,
    score: Callable[[Ints], Doubles],
    interval: Callable[[Ints], Interval],
    rng: np.random.Generator,
    trials: int,
) -> Claims:
    """Yield a claim for each kind of table and number of rows."""
    for components, classes, aligned_share, skew in TABLES:
        shares = _joint_shares(components, classes, aligned_share=aligned_share, skew=skew)
        truth = float(score(np.rint(shares * VERY_MANY).astype(np.int64)[None])[0])
        for n in ROWS:
            tables = rng.multinomial(n, shares.ravel(), size=trials).reshape(trials, components, classes)
            hits = sum(_held(interval(table), truth) for table in tables)
            planted = (
                f"{components} × {classes}, {name} {truth:.2f}, classes {'skewed' if skew else 'even'}, {n:,} rows"
            )
            yield coverage(name, planted, hits, trials)


def normalised_mutual_information(rng: np.random.Generator, trials: int) -> Claims:
    """Two partitions that agree not at all, by half, nearly, and as far as they can."""
    yield from _of_tables("NMI", nmi, lambda table: partition_interval(nmi, table, rng=rng), rng, trials)


def adjusted_rand_index(rng: np.random.Generator, trials: int) -> Claims:
    """Adjusted Rand indices of the same tables."""
    yield from _of_tables(
        "ARI", ari, lambda table: partition_interval(ari, table, rng=rng, ends=(-1.0, 1.0)), rng, trials
    )


def purity_of_components(rng: np.random.Generator, trials: int) -> Claims:
    """Purities of the same tables."""
    yield from _of_tables("purity", purity, lambda table: purity_interval(table, rng=rng), rng, trials)


def categories_in_use(rng: np.random.Generator, trials: int) -> Claims:
    """Categories in even use, and in use by a power law, where few rows do not show all of them."""
    for k, skew in ((10, 0.0), (10, 2.0), (50, 1.0)):
        shares = np.arange(1.0, k + 1) ** -skew
        shares /= shares.sum()
        truth = float(perplexity(np.rint(shares[None] * VERY_MANY).astype(np.int64))[0])
        for n in ROWS:
            hits = sum(_held(effective_number(rng.multinomial(n, shares), rng=rng), truth) for _ in range(trials))
            yield coverage("effective number of categories", f"{truth:.1f} of {k}, {n:,} rows", hits, trials)


def inception_scores(rng: np.random.Generator, trials: int) -> Claims:
    """Probabilities that are unsure, sharp, or one-hot and even, whose score has no first-order variance."""
    answers: dict[str, Callable[[int], Doubles]] = {
        "unsure, 3 classes": lambda n: rng.dirichlet([2.0, 1.0, 1.0], n),
        "sharp, 10 classes": lambda n: rng.dirichlet(np.full(10, 0.1), n),
        "sharp, 100 classes": lambda n: rng.dirichlet(np.full(100, 0.01), n),
        "one-hot and even, 10 classes": lambda n: np.eye(10)[rng.integers(0, 10, n)],
    }
    for score, name in ((inception_score, "inception score"), (modified_inception_score, "modified inception score")):
        for planted, draw in answers.items():
            truth = float(np.mean([score(draw(20_000)).value for _ in range(8)]))
            for n in ROWS:
                result = [estimate for estimate in (score(draw(n)) for _ in range(trials)) if not estimate.reason]
                planted_images = f"{planted}, {n:,} images"
                if result:
                    hits = sum(estimate.low <= truth * 1.001 and truth / 1.001 <= estimate.high for estimate in result)
                    yield coverage(name, planted_images, hits, len(result))
                if n == ROWS[-1]:
                    yield power(f"{name} has an interval", planted_images, len(result), trials, bound=0.95)


def manifolds_of_samples(rng: np.random.Generator, trials: int) -> Claims:
    """Precision, recall, density and coverage of samples like real rows, and of narrower and moved ones."""
    trials = min(trials, 100)
    names = ("precision", "recall", "density", "coverage")
    for d, moved, scale in ((2, 0.0, 1.0), (10, 0.5, 0.8), (50, 0.3, 0.9)):
        for n in (60, 300):
            draws = []
            for _ in range(trials):
                real, fake = rng.normal(size=(2, n, d))
                fake *= scale
                fake[:, 0] += moved
                draws.append(manifold_scores(real, fake, rng=rng))
            kind = "one distribution" if scale == 1 else f"{scale:g} as wide"
            yield from _means(names, draws, f"{kind}, {d} columns, {n:,} rows of each")


def maps_of_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Trustworthiness of maps by PCA, and 1-NN accuracy on them and in the code."""
    trials = min(trials, 100)
    centres = rng.normal(size=(5, 8))
    for spread in (0.0, 1.2, 4.0):
        for n in (60, 300):
            draws = []
            for _ in range(trials):
                labels = rng.integers(0, 5, n)
                codes = rng.normal(size=(n, 8)) + spread * centres[labels]
                xy = place(codes, method="pca")[0]
                worth = trustworthiness(codes, xy, k=min(15, (n - 1) // 3), rng=rng)
                draws.append((worth, *(neighbour_accuracy(x, labels, rng=rng) for x in (xy, codes))))
            names = ("trustworthiness", "1-NN accuracy on a map", "1-NN accuracy in the code")
            yield from _means(names, draws, f"5 groups {spread:g} apart, 8 columns, {n:,} rows")


def dimensions_of_clouds(rng: np.random.Generator, trials: int) -> Claims:
    """Dimensions of clouds with the edges of a cube, with the tails of a normal cloud, and without either."""
    trials = min(trials, 100)
    clouds: dict[str, tuple[int, Callable[[int], Doubles]]] = {
        "cube": (10, lambda n: rng.random((n, 10))),
        "normal cloud": (20, lambda n: rng.normal(size=(n, 20))),
        "torus": (2, lambda n: np.exp(2j * np.pi * rng.random((n, 2))).view(np.float64)),
    }
    for kind, (dimension, draw) in clouds.items():
        for n in (60, 300, 1000):
            shapes = [shape_of(draw(n), rng=rng) for _ in range(trials)]
            planted = f"{kind} of {dimension} dimensions, {n:,} rows"
            for name, estimates in (("TwoNN", [s.two_nn for s in shapes]), ("MLE dimension", [s.mle for s in shapes])):
                result = [estimate for estimate in estimates if not estimate.reason]
                if result:
                    hits = sum(_held(estimate, dimension) for estimate in result)
                    yield coverage(name, planted, hits, len(result))
                if n == 1000:
                    yield power(f"{name} has an interval", planted, len(result), trials, bound=0.95)


def _means(names: Sequence[str], draws: Sequence[Sequence[Interval]], planted: str) -> Claims:
    """Yield a claim for each of several figures: that its intervals hold the mean of all draws."""
    for i, name in enumerate(names):
        mean = float(np.mean([figures[i].value for figures in draws]))
        yield coverage(name, planted, sum(_held(figures[i], mean) for figures in draws), len(draws))
