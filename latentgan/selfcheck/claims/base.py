"""What a simulated claim is, and how all are found: every public function of every other file here yields claims.

A theme is a file. A function takes a random generator and a number of trials, plants nothing (null rate), a known value
(coverage) or an effect (power) that many times, calls the analyses as users do, and yields how often they claim it:

    def probe_of_noise(rng: np.random.Generator, trials: int) -> Claims:
        hits = sum(claims_an_effect(*noise(rng)) for _ in range(trials))
        yield null_rate("a probe predicts coin flips", "64 normal codes, 60 rows", hits, trials)

The default is 200 trials a function, and a function should take seconds to a minute of one core: all of them together
are `latentgan selfcheck --statistics`, minutes on two cores. A function may use fewer or more trials than it is given
where one is dear or cheap; the table says how many there were.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from types import FunctionType
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from latentgan.selfcheck import discovery

TRIALS = 200

REPEAT_FACTOR = 5
"""How many times as many trials a claim gets that misses its bound."""


NULL_BOUND, COVERAGE_BOUND = 0.05, 0.93


CONFIDENCE_Z = 1.959964


@dataclass(frozen=True, kw_only=True)
class Claim:
    """How often an analysis claimed something in simulated trials, and the bound that this must keep.

    Args:
        name: what is claimed, in a phrase.
        planted: what was simulated, in a phrase.
        kind: "null rate" (nothing is planted; at most the bound), "coverage" (of a 95 % interval; at least the bound)
            or "power" (an effect is planted; at least the bound).
        hits: trials in which it was claimed, or the interval held the value.
        trials: number of trials.
        bound: share of the trials.

    Raises:
        ValueError: no rate could miss the bound.
    """

    name: str
    planted: str
    kind: Literal["null rate", "coverage", "power"]
    hits: int
    trials: int
    bound: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "hits", int(self.hits))  # numpy's counts are no numbers of JSON
        if self.bound >= 1 if self.kind == "null rate" else self.bound <= 0:
            raise ValueError(
                f"{self.name!r}: no {self.kind} could miss a bound of {self.bound:g}; give one that can fail"
            )

    @property
    def rate(self) -> float:
        """Share of the trials; NaN without any."""
        return self.hits / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the rate: what the number of trials leaves open."""
        n, z2 = self.trials, CONFIDENCE_Z**2
        if not n:
            return 0.0, 1.0
        centre = (self.hits + z2 / 2) / (n + z2)
        half = CONFIDENCE_Z / (n + z2) * math.sqrt(self.hits * (n - self.hits) / n + z2 / 4)
        return max(centre - half, 0.0), min(centre + half, 1.0)

    @property
    def ok(self) -> bool:
        """Whether the rate keeps its bound, as far as this number of trials can tell; never without trials."""
        low, high = self.interval
        return self.trials > 0 and (low <= self.bound if self.kind == "null rate" else high >= self.bound)


Claims = Iterator[Claim]


def null_rate(name: str, planted: str, hits: int, trials: int, *, bound: float = NULL_BOUND) -> Claim:
    """Return the claim that nothing is found where nothing is planted, but in a share `bound` of the trials.

    Args:
        name: what is claimed, in a phrase.
        planted: what was simulated, in a phrase.
        hits: trials in which it was claimed.
        trials: number of trials.
        bound: largest share of the trials in which this may happen.
    """
    return Claim(name=name, planted=planted, kind="null rate", hits=hits, trials=trials, bound=bound)


def coverage(name: str, planted: str, hits: int, trials: int, *, bound: float = COVERAGE_BOUND) -> Claim:
    """Return the claim that a 95 % interval holds the planted value in at least a share `bound` of the trials.

    Args:
        name: what is claimed, in a phrase.
        planted: what was simulated, in a phrase.
        hits: trials in which the interval held the value.
        trials: number of trials.
        bound: smallest share of the trials in which this must happen.
    """
    return Claim(name=name, planted=planted, kind="coverage", hits=hits, trials=trials, bound=bound)


def power(name: str, planted: str, hits: int, trials: int, *, bound: float) -> Claim:
    """Return the claim that a planted effect is found in at least a share `bound` of the trials.

    Args:
        name: what is claimed, in a phrase.
        planted: what was simulated, in a phrase.
        hits: trials in which it was claimed.
        trials: number of trials.
        bound: smallest share of the trials in which this must happen.
    """
    return Claim(name=name, planted=planted, kind="power", hits=hits, trials=trials, bound=bound)


def themes() -> list[str]:
    """Return the names of the themes, sorted."""
    return discovery.themes("latentgan.selfcheck.claims")


def functions(theme: str) -> Mapping[str, FunctionType]:
    """Return a theme's functions by name, in the file's order."""
    return discovery.functions("latentgan.selfcheck.claims", theme)


def run(theme: str, name: str, trials: int = TRIALS) -> list[Claim]:
    """Return a function's claims, simulated on one thread from a seed of its own, whatever ran before.

    Of some hundred claims that hold exactly at their bound, a few miss it in 200 trials by chance. One that does is
    simulated again with `REPEAT_FACTOR` times as many trials of other draws, and these alone decide. A claim that
    raises is one without trials, which fails.
    """
    claims = _simulated(theme, name, trials, "")
    if all(claim.ok for claim in claims) or any(not claim.trials for claim in claims):
        return claims
    repeated = {
        (claim.name, claim.planted): claim for claim in _simulated(theme, name, REPEAT_FACTOR * trials, " again")
    }
    return [claim if claim.ok else repeated.get((claim.name, claim.planted), claim) for claim in claims]


def _simulated(theme: str, name: str, trials: int, stream: str) -> list[Claim]:
    """A function's claims on draws of a named stream, up to where it raises."""
    rng = np.random.default_rng(zlib.crc32(f"{theme}.{name}{stream}".encode()))
    claims: list[Claim] = []
    with threadpool_limits(1):
        try:
            claims.extend(functions(theme)[name](rng, trials))
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            title = name.replace("_", " ")
            claims.append(Claim(name=f"{title}: stopped", planted=reason, kind="power", hits=0, trials=0, bound=1.0))
    return claims


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """The claims of one function, and the seconds that it took."""

    theme: str
    """Name of the theme, which is its file's."""
    name: str
    """Name of the function."""
    claims: list[Claim]
    """Its claims, in the order in which they are made."""
    seconds: float
    """Seconds of one thread."""


def run_all(trials: int = TRIALS, *, workers: int = 1) -> Iterator[Simulated]:
    """Simulate every function of every theme, and yield each when it is done.

    Args:
        trials: number of trials a function.
        workers: number of processes, each of one thread.
    """
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(_timed, theme, name, trials) for theme in themes() for name in functions(theme)]
        for task in as_completed(tasks):
            yield task.result()


def _timed(theme: str, name: str, trials: int) -> Simulated:
    started = time.perf_counter()
    claims = run(theme, name, trials)
    return Simulated(theme=theme, name=name, claims=claims, seconds=time.perf_counter() - started)
