"""Expectation–maximisation for Gaussian mixtures, seeded on a sample (Dempster, Laird & Rubin 1977).

Columns are standardised before, which changes none of the mixtures; results are in the rows' own units. In many
dimensions nearly every row belongs to one or two components, so that the M-step visits, for each component, only
the rows whose responsibility is more than the sums' precision: what is left out would be lost in rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from ..base.arrays import Doubles, Floats, Singles
from ..base.chunked import Stream, blocks, moments
from ..base.parallel import one_blas_thread, over_blocks
from .gaussians import TASK_ROWS, Gaussians, normalise
from .kmeans import lloyd, seed_means

FLOOR = 1e-5  # added to the variance in every direction, columns being standardised


SEED_ROWS = 10_000  # rows that seeds are chosen on


RESTART_ROUNDS = 5  # rounds of each restart


KMEANS_ROUNDS = 50  # rounds of k-means on all rows


ANNEALING_ROUNDS = 8  # rounds in which memberships harden, where more rows are fitted than seeds are chosen on


PLAIN_ROUNDS = 3  # rounds of EM as it is beside them


ROWS_PER_VALIDATION_ROW = 10  # rows to one of those whose likelihood decides which fit goes on


INITIAL_POWER = 2.5  # memberships start as powers p^(INITIAL_POWER / √d): of d numbers log p differs by about √d


BLOCK_ROWS = 2048


THOROUGH_STARTS = 10  # seeds of a thorough fit


N_SEMIFINALISTS = 5  # of these starts go on after RESTART_ROUNDS rounds


SEMIFINAL_ROUNDS = 15  # rounds of the semifinalists


N_FINALISTS = 2  # of these go on to convergence


MAX_MOVES = 6  # splits and merges of one thorough fit, at most


PAIRS, SPLITS = 3, 2  # pairs of components that may be merged at once, and others that may be split


TRIAL_ROUNDS = 12  # rounds of EM after a split and a merge, after which the likelihood decides whether it stays


THOROUGH_TOLERANCE = 0.3  # tolerance of a thorough fit, as a share


MIN_RESPONSIBILITY = {np.dtype(np.float32): 1e-8, np.dtype(np.float64): 1e-20}  # responsibility of a row that counts


def expect(mixture: Gaussians, x: Floats, *, precision: Any = np.float32, power: float = 1.0) -> tuple[Floats, float]:
    """E-step on (n, d) rows: responsibilities (k, n) in `precision`, and the mean log-likelihood.

    With a `power` β below 1 memberships are softer, in proportion to p^β, and the second figure means nothing.
    """
    resp = np.empty((len(mixture.weights), len(x)), precision)
    measure, constant = mixture.measure(precision), mixture.whitening[1]

    def task(start: int) -> float:
        joint = measure(x[start : start + TASK_ROWS])
        joint *= -0.5
        joint += constant
        if power != 1:
            joint *= power
        log_p = normalise(joint)
        resp[:, start : start + TASK_ROWS] = joint.T
        return float(log_p.sum())

    cells = x.size * len(mixture.weights)
    return resp, sum(over_blocks(task, range(0, len(x), TASK_ROWS), cells=cells)) / len(x)


def maximise(x: Floats, resp: Floats, covariance: str, floor: float = FLOOR) -> Gaussians:
    """M-step: weighted means and covariances of (n, d) rows by (k, n) responsibilities; `floor` raises variances."""
    d = x.shape[1]
    mass = resp.sum(1, dtype=np.float64) + 10 * np.finfo(np.float64).eps
    means = _sums(resp, x) / mass[:, None]
    covariances = np.zeros((len(mass), d, d))
    if covariance == "tied":
        within = _sums(np.ascontiguousarray(x.T), x) - (means.T * mass) @ means
        covariances[:] = _positive(within / mass.sum() + floor * np.eye(d), floor)
        return Gaussians(mass / mass.sum(), means, covariances, covariance)
    least = MIN_RESPONSIBILITY[resp.dtype]

    def component(k: int) -> None:
        rows = np.flatnonzero(resp[k] > least)
        centre, share, dense = means[k].astype(x.dtype), resp[k], 2 * len(rows) > len(x)
        total = np.zeros((d, d))
        for start in range(0, len(x) if dense else len(rows), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS) if dense else rows[start : start + BLOCK_ROWS]
            gap = x[part] - centre
            gap *= np.sqrt(share[part])[:, None]
            total += np.diag(np.square(gap).sum(0)) if covariance == "diag" else gap.T @ gap
        covariances[k] = _positive(total / mass[k] + floor * np.eye(d), floor)

    list(over_blocks(component, range(len(mass)), cells=x.size * len(mass)))
    return Gaussians(mass / mass.sum(), means, covariances, covariance)


def step_in_blocks(x: Floats, mixture: Gaussians, floor: float = FLOOR) -> tuple[Gaussians, float]:
    """An E and an M step in one pass over (n, d) rows, by sufficient statistics; and the mean log-likelihood before.

    Second moments are summed about the means before the step, of which a small part is then taken away.
    """
    (k, d), total = mixture.means.shape, 0.0
    mass, firsts = np.full(k, 10 * np.finfo(np.float64).eps), np.zeros((k, d))
    seconds = np.zeros((1 if mixture.covariance == "tied" else k, d, d))
    about = mixture.means.astype(np.float32)
    for _, rows in blocks(x):
        resp, mean = expect(mixture, rows, precision=rows.dtype)
        total += mean * len(rows)
        mass += resp.sum(1, dtype=np.float64)
        least = MIN_RESPONSIBILITY[resp.dtype]
        for j in range(k):
            members = np.flatnonzero(resp[j] > least)
            gap, share = rows[members] - about[j], resp[j, members]
            firsts[j] += share @ gap
            if mixture.covariance == "diag":
                np.fill_diagonal(seconds[j], seconds[j].diagonal() + share @ np.square(gap))
            else:
                seconds[0 if mixture.covariance == "tied" else j] += (gap * share[:, None]).T @ gap
    moved = firsts / mass[:, None]
    within = mass[:, None, None] * moved[:, :, None] * moved[:, None]
    eye = floor * np.eye(d)
    if mixture.covariance == "tied":
        shared = _positive((seconds[0] - within.sum(0)) / mass.sum() + eye, floor)
        covariances = np.tile(shared, (k, 1, 1))
    else:
        within = within * np.eye(d) if mixture.covariance == "diag" else within
        result = (seconds - within) / mass[:, None, None] + eye
        covariances = np.stack([_positive((covariance + covariance.T) / 2, floor) for covariance in result])
    return Gaussians(mass / mass.sum(), about + moved, covariances, mixture.covariance), total / len(x)


def _sums(left: Floats, right: Floats) -> Doubles:
    """left (m, n) · right (n, d), summed over blocks of n in float64."""
    total = np.zeros((len(left), right.shape[1]))
    for start in range(0, len(right), BLOCK_ROWS):
        total += left[:, start : start + BLOCK_ROWS] @ right[start : start + BLOCK_ROWS]
    return total


def _positive(covariance: Doubles, floor: float) -> Doubles:
    """Raise the eigenvalues that rounding has made negative (float32 sums of rows far out)."""
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        raised = np.maximum(values, max(floor, 1e-6 * float(values[-1])))
        covariance = (vectors * raised) @ vectors.T
        covariance = (covariance + covariance.T) / 2
    return covariance


def degenerate(mixture: Gaussians, n: int, floor: float = FLOOR) -> int:
    """Count components that are flat in some direction, or have fewer of n rows to themselves than span a covariance.

    These are d + 1 of a full one and two of a diagonal one; a tied covariance is shared: one row is enough. Directions
    that no row leaves, of a constant column or of columns that depend on each other, are not counted against any.
    """
    gap = mixture.means - mixture.weights @ mixture.means
    values, axes = np.linalg.eigh(
        np.einsum("k,kij->ij", mixture.weights, mixture.covariances) + (gap.T * mixture.weights) @ gap
    )
    if n > 2 * len(values):  # of fewer rows none lies outside of what they span
        axes = axes[:, values >= flat_below(values, floor)]
    least = {"full": axes.shape[1] + 1, "diag": 2, "tied": 1}[mixture.covariance]
    few = mixture.weights * n < least
    shapes = mixture.covariances[:1] if mixture.covariance == "tied" else mixture.covariances
    values = np.linalg.eigvalsh(axes.T @ shapes @ axes)
    flat = values[:, 0] < flat_below(values, floor)
    return int(np.count_nonzero(few | flat))


def flat_below(values: Doubles, floor: float = FLOOR) -> Doubles:
    """Variance below which a direction is flat, of covariances with eigenvalues (…, d) ascending: (…)."""
    least: Doubles = np.maximum(3 * floor, 2e-6 * values[..., -1])
    return least


def fit_gaussians(
    x: Floats,
    k: int,
    *,
    covariance: str,
    rng: np.random.Generator,
    restarts: int = 6,
    iterations: int = 100,
    tolerance: float = 1e-3,
    start: Gaussians | None = None,
    sample: int = SEED_ROWS,
    precision: Any = np.float32,
    floor: float = FLOOR,
    thorough: bool = True,
) -> tuple[Gaussians, int]:
    """Fit k Gaussians to (n, d) rows; return them and how many are degenerate.

    Up to `sample` rows are fitted thoroughly (see `_thorough`), unless that is not asked for. Else each restart runs a
    few rounds from its own k-means++ seed on at most `sample` rows; the likeliest goes on with all rows until the mean
    log-likelihood gains less than `tolerance`. Every variance is raised by `floor` of its column's. With `start`, EM
    goes on from there on all rows.
    """
    with one_blas_thread():
        shift, spread, size = _scale(x)
        square = np.outer(spread, spread)
        if isinstance(x, Stream) and start is None:
            sample_rows = np.asarray(x[np.sort(rng.permutation(len(x))[:sample])])
            start, _ = fit_gaussians(
                sample_rows,
                k,
                covariance=covariance,
                rng=rng,
                restarts=restarts,
                tolerance=tolerance,
                precision=precision,
                floor=floor,
            )
        scaled = _scaled(x, shift, spread, precision)
        if start is not None:
            begun = Gaussians(start.weights, (start.means - shift) / spread, start.covariances / square, covariance)
        else:
            scaled_codes = _scaled(
                x, shift, np.full_like(spread, size), np.float32
            )  # distances as they are in the code
            thorough = thorough and k > 1 and len(x) <= sample
            begin = _thorough if thorough else _begin
            begun = begin(scaled, scaled_codes, k, covariance, rng, restarts, tolerance, floor, sample)
            tolerance *= THOROUGH_TOLERANCE if thorough else 1
            if len(x) > sample and k > 1 and covariance != "tied":  # of one shape
                begun = _annealed(scaled, begun, floor, rng)
        best, _ = climb(scaled, begun, iterations=iterations, tolerance=tolerance, floor=floor)
        flaws = degenerate(best, len(x), floor)
    return Gaussians(best.weights, best.means * spread + shift, best.covariances * square, covariance), flaws


def _scaled(x: Floats, shift: Doubles, spread: Doubles, precision: Any) -> Floats:
    if isinstance(x, Stream):
        return cast(Floats, x.map(lambda rows: ((rows - shift) / spread).astype(precision), x.shape[1]))
    scaled = np.empty(x.shape, precision)
    for start, rows in blocks(x):
        scaled[start : start + len(rows)] = (rows - shift) / spread
    return scaled


def _scale(x: Floats) -> tuple[Doubles, Doubles, float]:
    """Mean and deviation of the columns, (d,), and one deviation for all; constant columns take the latter."""
    shift, spread = moments(x)
    size = float(np.sqrt(np.square(spread).mean())) or 1.0
    return shift, np.where(spread > 1e-6 * size, spread, size), size


def _begin(
    x: Floats,
    standardised: Singles,
    k: int,
    covariance: str,
    rng: np.random.Generator,
    restarts: int,
    tolerance: float,
    floor: float,
    sample: int,
) -> Gaussians:
    """The likeliest of `restarts` mixtures after RESTART_ROUNDS rounds each, from seeds in either view of the rows.

    On a sample only the seeds are chosen, by the likelihood of other rows, and all rows go to the nearest: there
    covariances of few rows a component harden its memberships, and EM that began with them ended lower.
    """
    views = [standardised, np.asarray(x, np.float32)]  # groups may show in either: in large columns, or in all alike
    order = np.arange(len(x)) if len(x) <= sample else rng.permutation(len(x))
    rows, validation_rows = np.sort(order[:sample]), np.sort(order[sample : 2 * sample])
    runs = []
    for i in range(restarts if k > 1 else 1):
        seed = seed_means(views[i % 2][rows], k, rng=rng, rounds=10 if len(validation_rows) else 25)
        run = maximise(x[rows], np.eye(k, dtype=x.dtype)[:, seed], covariance, floor)
        rounds = 1 if len(validation_rows) else RESTART_ROUNDS
        run, score = climb(x[rows], run, iterations=rounds, tolerance=tolerance, floor=floor)
        runs.append((run, expect(run, x[validation_rows])[1] if len(validation_rows) else score, i % 2, seed))
    best, _, view, seed = max(runs, key=lambda run: run[1])
    if not len(validation_rows):
        return best
    centres = np.stack([views[view][rows[seed == j]].mean(0) for j in np.unique(seed)])
    cluster = lloyd(views[view], centres, KMEANS_ROUNDS)
    return maximise(x, np.eye(k, dtype=x.dtype)[:, cluster], covariance, floor)


def _thorough(
    x: Floats,
    standardised: Singles,
    k: int,
    covariance: str,
    rng: np.random.Generator,
    restarts: int,
    tolerance: float,
    floor: float,
    sample: int,
) -> Gaussians:
    """The likeliest of THOROUGH_STARTS mixtures, in three rounds of elimination, after splits and merges.

    Half of the seeds are k-means', and half are those of k-means++ with two rounds, which differ more. One with a
    degenerate component goes on only where there are too few others: its likelihood means nothing.
    """
    views, runs = [standardised, np.asarray(x, np.float32)], []
    for i in range(max(THOROUGH_STARTS, restarts)):
        seed = seed_means(views[i % 2], k, rng=rng, rounds=25 if i % 4 < 2 else 2)
        runs.append(maximise(x, np.eye(k, dtype=x.dtype)[:, seed], covariance, floor))
    for rounds, n_kept in ((RESTART_ROUNDS, N_SEMIFINALISTS), (SEMIFINAL_ROUNDS, N_FINALISTS)):
        climbed = [
            climb(x, run, iterations=rounds, tolerance=THOROUGH_TOLERANCE * tolerance, floor=floor) for run in runs
        ]
        climbed.sort(key=lambda run: (degenerate(run[0], len(x), floor), -run[1]))
        runs = [run for run, _ in climbed[:n_kept]]
    ended = [
        _split_and_merged(
            x,
            climb(x, run, tolerance=THOROUGH_TOLERANCE * tolerance, floor=floor)[0],
            THOROUGH_TOLERANCE * tolerance,
            floor,
        )
        for run in runs
    ]
    return min(ended, key=lambda run: (degenerate(run, len(x), floor), -expect(run, x, precision=x.dtype)[1]))


def _split_and_merged(x: Floats, mixture: Gaussians, tolerance: float, floor: float) -> Gaussians:
    """Merge two components and split a third one while that makes (n, d) rows likelier, MAX_MOVES times at most.

    Pairs with the most alike memberships are merged, and components split that fit their rows worst, by the divergence
    of the rows' local density from the component's.

    Source:
        Ueda, Nakano, Ghahramani & Hinton: SMEM algorithm for

    mixture models, Neural Computation 12, 2000.
    """
    k = len(mixture.weights)
    for _ in range(MAX_MOVES if k > 2 else 0):
        resp, score = expect(mixture, x, precision=x.dtype)
        flaws = degenerate(mixture, len(x), floor)
        for moved in _moves(x, mixture, resp, floor):
            other, likelihood = climb(x, moved, iterations=TRIAL_ROUNDS, tolerance=tolerance, floor=floor)
            if likelihood > score + tolerance and degenerate(other, len(x), floor) <= flaws:
                mixture, _ = climb(x, other, tolerance=tolerance, floor=floor)
                break
        else:
            break
    return mixture


def _moves(x: Floats, mixture: Gaussians, resp: Floats, floor: float) -> Iterator[Gaussians]:
    """Mixtures of (n, d) rows after a merge and a split, the most promising first.

    Args:
        resp: (k, n).
    """
    k = len(resp)
    shared = _sums(resp, np.ascontiguousarray(resp.T))
    sizes = np.sqrt(np.maximum(np.diagonal(shared), 1e-300))
    alike = np.triu(shared / sizes[:, None] / sizes, 1)
    pairs = [divmod(int(place), k) for place in np.argsort(-alike, axis=None)[:PAIRS]]
    local = resp / np.maximum(resp.sum(1, keepdims=True), 1e-30)
    with np.errstate(all="ignore"):  # of rows so far out that their density is 0
        log_responsibilities = (mixture.log_joint(x) - np.log(mixture.weights)).T
        misfit = np.nansum(local * (np.log(np.maximum(local, 1e-30)) - log_responsibilities), axis=1)
    order = np.argsort(-misfit).tolist()
    for first, second in pairs:
        for split in [each for each in order if each not in (first, second)][:SPLITS]:
            axis = np.linalg.eigh(mixture.covariances[split])[1][:, -1]
            side = ((x - mixture.means[split]) @ axis > 0).astype(resp.dtype)
            moved = resp.copy()
            moved[first] += resp[second]
            moved[second], moved[split] = resp[split] * side, resp[split] * (1 - side)
            yield maximise(x, moved, mixture.covariance, floor)


def _annealed(x: Floats, mixture: Gaussians, floor: float, rng: np.random.Generator) -> Gaussians:
    """ANNEALED rounds of EM on (n, d) rows whose memberships are soft at first, in proportion to p^β, β rising to 1.

    Of many numbers log p differs so much between components that memberships are hard from the first round on, and EM
    hardly leaves its seeds; groups that differ by shape alone, which no seed by distance can see, are then missed.
    Groups that seeds do see may be lost by it, so that rows kept aside must find its end likelier than that of a
    few rounds of EM as it is.

    Source:
        Ueda & Nakano: Deterministic annealing EM algorithm, Neural Networks 11, 1998.
    """
    is_validation = rng.permutation(len(x)) < len(x) // ROWS_PER_VALIDATION_ROW
    used, aside = x[~is_validation], x[is_validation]
    plain, _ = climb(used, mixture, iterations=PLAIN_ROUNDS, floor=floor)
    for power in np.geomspace(min(1.0, INITIAL_POWER / math.sqrt(x.shape[1])), 1, ANNEALING_ROUNDS).tolist():
        resp, _ = expect(mixture, used, precision=x.dtype, power=power)
        mixture = maximise(used, resp, mixture.covariance, floor)
    return max(plain, mixture, key=lambda candidate: expect(candidate, aside, precision=x.dtype)[1])


def climb(
    x: Floats, mixture: Gaussians, *, iterations: int = 100, tolerance: float = 1e-3, floor: float = FLOOR
) -> tuple[Gaussians, float]:
    """Alternate E and M steps on (n, d) rows; return the mixture and the mean log-likelihood before its last step."""
    last, now = -math.inf, -math.inf
    for _ in range(iterations):
        if isinstance(x, Stream):
            mixture, now = step_in_blocks(x, mixture, floor)
        else:
            resp, now = expect(mixture, x, precision=x.dtype)
            mixture = maximise(x, resp, mixture.covariance, floor)
        if now - last < tolerance:
            break
        last = now
    return mixture, now
