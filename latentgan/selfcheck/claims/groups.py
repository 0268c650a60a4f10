"""Rows that belong together: with `--group` or `--blocks` noise claims nothing; without them there is a warning."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from analysis.concepts.study import study as study_concepts
from analysis.mixtures.study import study as study_mixture
from analysis.neighbours.study import study as study_neighbours
from analysis.probes.study import study as study_probes
from analysis.table.dependence import dependence_warnings
from analysis.table.embeddings import Embeddings
from analysis.table.study_options import Options
from latentgan.selfcheck.claims.base import Claims, null_rate, power

WIDTH = 6


CONCEPTS = "a concept is significant"


PROBES = "a probe beats the commonest class"


NEIGHBOURS = "neighbours agree more than chance"


MIXTURE = "components agree with a label"


WARNED = "a warning says that rows depend on each other"

Table = tuple[np.ndarray, dict[str, np.ndarray]]
"""Codes (n, WIDTH), and columns (n,), among them "label", and "group" where rows have one."""


def copies_of_images(rng: np.random.Generator, trials: int) -> Claims:
    """Every image three times, with attributes that are coin flips an image."""
    yield from _of_noise("each row three times", _copies, {"group": "group"}, rng, trials)


def frames_of_clips(rng: np.random.Generator, trials: int) -> Claims:
    """Clips of 10 to 30 frames, with attributes that are constant in a clip, and such as drift in it."""
    yield from _of_noise("120 clips of 10 to 30 frames", _clips, {"group": "group"}, rng, trials)


def drift_in_time(rng: np.random.Generator, trials: int) -> Claims:
    """One stationary film, in which codes and attributes drift, each for itself."""
    yield from _of_noise("a film of 6,000 frames that drifts", _drifting, {"blocks": 300}, rng, trials)


def clips_across_a_split_of_the_users(rng: np.random.Generator, trials: int) -> Claims:
    """Frames of clips that a split column of the table separates."""

    def torn(rng: np.random.Generator) -> Table:
        codes, columns = _clips(rng)
        return codes, columns | {"split": np.where(rng.random(len(codes)) < 0.3, "test", "train")}

    yield from _of_noise("120 clips torn by a split column", torn, {"group": "group"}, rng, trials, only_concepts=True)


def concept_of_clips(rng: np.random.Generator, trials: int) -> Claims:
    """An attribute of whole clips that shifts their codes by 1.5 standard deviations."""

    def planted(rng: np.random.Generator) -> Table:
        codes, columns = _clips(rng)
        codes[:, 0] += 1.5 * columns["coin"]
        return codes, columns

    hits = sum("coin" in _concepts(table) for table in _tables(planted, {"group": "group"}, rng, trials))
    yield power("a concept of clips is significant", "a shift of 1.5 deviations, 120 clips", hits, trials, bound=0.5)


def _copies(rng: np.random.Generator) -> Table:
    group = np.repeat(np.arange(240), 3)
    coins = {name: _coins(group, rng) for name in ("coin", "other", "third")}
    return rng.normal(size=(240, WIDTH))[group], coins | {"group": group} | _label(coins["coin"])


def _clips(rng: np.random.Generator) -> Table:
    lengths = rng.integers(10, 31, 120)
    group = np.repeat(np.arange(120), lengths)
    columns = {"coin": _coins(group, rng), "other": _coins(group, rng)}
    columns["drifts"] = np.concatenate([_smooth(length, 1, rng)[:, 0] > 0 for length in lengths])
    codes = np.concatenate([_smooth(length, WIDTH, rng) for length in lengths])
    return codes, columns | {"group": group} | _label(columns["coin"])


def _drifting(rng: np.random.Generator) -> Table:
    columns = {name: _smooth(6000, 1, rng)[:, 0] > 0 for name in ("drifts", "other", "third")}
    return _smooth(6000, WIDTH, rng) + 0.5 * rng.normal(size=(6000, WIDTH)), columns | _label(columns["drifts"])


def _coins(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    coins: np.ndarray = rng.random(group.max() + 1) < 0.5
    return np.asarray(coins[group])


def _label(values: np.ndarray) -> dict[str, np.ndarray]:
    return {"label": np.where(values, "yes", "no")}


def _smooth(n: int, width: int, rng: np.random.Generator, keep: float = 0.95) -> np.ndarray:
    """A stationary autoregression of order 1 with unit variance, (n, width)."""
    from scipy.signal import lfilter

    noise = rng.normal(size=(n, width))
    noise[1:] *= np.sqrt(1 - keep**2)
    smooth: np.ndarray = np.apply_along_axis(lambda column: lfilter([1.0], [1.0, -keep], column), 0, noise)
    return smooth


def _tables(
    draw: Callable[[np.random.Generator], Table], how: dict[str, Any], rng: np.random.Generator, trials: int
) -> Iterator[Embeddings]:
    """Write a table for each trial, as a user has it on disk, and open it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as folder:
        for trial in range(trials):
            codes, columns = draw(rng)
            code = pa.FixedSizeListArray.from_arrays(pa.array(codes.astype(np.float32).ravel()), codes.shape[1])
            path = Path(folder) / f"{trial}.parquet"
            pq.write_table(
                pa.table({"code": code} | {name: pa.array(values) for name, values in columns.items()}), path
            )
            yield Embeddings(path, **how)
            path.unlink()


def _of_noise(
    planted: str,
    draw: Callable[[np.random.Generator], Table],
    how: dict[str, Any],
    rng: np.random.Generator,
    trials: int,
    *,
    only_concepts: bool = False,
) -> Claims:
    """Yield what analyses claim of tables whose codes and columns are independent.

    Args:
        planted: what the tables are, in a phrase.
        draw: draws a table.
        how: options of `Embeddings`: group or blocks.
        rng: of the tables.
        trials: number of tables; concepts, which are quick, are looked for in all of them, the others in every second.
        only_concepts: whether to leave the other analyses out.
    """
    hits: Counter[str] = Counter()
    for trial, table in enumerate(_tables(draw, how, rng, trials)):
        hits[WARNED] += bool(dependence_warnings(Embeddings(table.path)))
        hits[CONCEPTS] += bool(_concepts(table))
        if only_concepts or trial % 2:
            continue
        hits[PROBES] += _probed(table)
        result = study_neighbours(table, None, Options())
        hits[NEIGHBOURS] += result.tables[0].agreement is not None and result.tables[0].agreement.low > result.chance
        parts = study_mixture(
            table, None, Options(), components=(4,)
        )  # left to itself it would fit 1 component, which says nothing
        hits[MIXTURE] += parts.agreement is None or parts.agreement.nmi.low > 1e-6
    option = " ".join(f"--{name} {value}" for name, value in how.items())
    yield null_rate(CONCEPTS, f"{planted}, {option}", hits[CONCEPTS], trials)
    for name in () if only_concepts else (PROBES, NEIGHBOURS, MIXTURE):
        yield null_rate(name, f"{planted}, {option}", hits[name], (trials + 1) // 2)
    yield power(WARNED, f"{planted}, no option", hits[WARNED], trials, bound=0.95)


def _concepts(table: Embeddings) -> set[str]:
    return {
        concept.name for concept in study_concepts(table, None, Options(), permutations=199).best if concept.significant
    }


def _probed(table: Embeddings) -> bool:
    """Whether the interval of a probe of the label lies above the commonest class and above shuffled labels."""
    result = study_probes(table, None, Options(), methods=("logistic", "knn"))
    return any(
        probe.score.low > max(probe.shuffled.high, probe.confusion.sum(1).max() / probe.confusion.sum())
        for probe in result.probes
        if probe.target == "label" and probe.confusion is not None and probe.shuffled is not None
    )
