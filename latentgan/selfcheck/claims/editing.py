"""Edits: how often `verify` verifies noise, how often what is planted, and how far an edit moves what it preserves.

A world is a table of codes with a spectrum, images that a smooth map makes of them, and attributes. It has four
disjoint sets of rows: directions are fitted to the first and scored on the second, a linear classifier of pixels learns
the same attributes from the third, and the fourth is edited; the path is that of `latentgan concepts` and
`latentgan verify`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.concepts.concept_table import ConceptTable, concept_table
from analysis.concepts.targets import ConceptTarget
from analysis.editing.evaluators import ImageMeasures
from analysis.editing.preserved_directions import preserve_directions
from analysis.editing.study import HeldOut, edit_directions, verify_concepts
from analysis.editing.verification import Verification
from latentgan.selfcheck.claims.base import Claims, coverage, null_rate, power

WIDTH = 16
"""Numbers of a code."""


PIXELS = 36
"""Pixels of an image."""


CONCEPTS = 6
"""Attributes of a world."""


FITTED, SCORED, LEARNED, HELD = 300, 150, 250, 150
"""Rows that directions are fitted to, are scored on, that the classifier is trained on, and that are edited."""


EDITED = 40
"""Images of which every edit is made."""


SPECTRA: dict[str, Callable[[int], np.ndarray]] = {
    "isotropic": lambda d: np.ones(d),
    "power-law": lambda d: 1 / np.arange(1, d + 1),
    "geometric": lambda d: 0.7 ** np.arange(d),
}


@dataclass(frozen=True)
class _World:
    """Codes, a decoder, and attributes, of which the first are planted in the codes."""

    codes: np.ndarray
    """Codes (n, d)."""
    signs: np.ndarray
    """Attributes (n, m), each −1 or 1."""
    mixing: np.ndarray
    """Weights (d, p) of the decoder."""

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        images: np.ndarray = 1 / (1 + np.exp(-np.asarray(codes, np.float32) @ self.mixing))
        return images.reshape(len(codes), 6, 6, 1)

    def encode(self, images: np.ndarray, /) -> np.ndarray:
        """Return the codes (n, d) that made the images."""
        flat = np.clip(images.reshape(len(images), -1).astype(np.float64), 1e-6, 1 - 1e-6)
        result: np.ndarray = np.log(flat / (1 - flat)) @ np.linalg.pinv(self.mixing)
        return result.astype(np.float32)


class _PixelClassifier:
    """A ridge classifier of pixels for each attribute, whose scores are probabilities."""

    def __init__(self, images: np.ndarray, signs: np.ndarray) -> None:
        x = images.reshape(len(images), -1).astype(np.float64)
        self.mean, self.scale = x.mean(0), x.std(0) + 1e-9
        x = (x - self.mean) / self.scale
        self.weights = np.linalg.solve(x.T @ x + 0.05 * len(x) * np.eye(x.shape[1]), x.T @ signs)
        self.names = tuple(f"a{i}" for i in range(signs.shape[1]))
        self.about = ("probability by a network",) * signs.shape[1]

    def __call__(self, images: np.ndarray, /) -> tuple[np.ndarray, np.ndarray]:
        x = images.reshape(len(images), -1) / (255.0 if images.dtype == np.uint8 else 1.0)
        scores = (x - self.mean) / self.scale @ self.weights
        return 1 / (1 + np.exp(-2 * scores)), np.full(len(images), -1)


def _world(rng: np.random.Generator, spectrum: str, planted: int) -> _World:
    n = FITTED + SCORED + LEARNED + HELD
    deviation = np.sqrt(SPECTRA[spectrum](WIDTH))
    signs = np.where(rng.random((n, CONCEPTS)) < rng.uniform(0.2, 0.8, CONCEPTS), 1, -1)
    codes = rng.normal(size=(n, WIDTH)) * deviation
    axes = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0][:planted] * deviation * np.sqrt(WIDTH) / 2
    codes += signs[:, :planted] @ axes
    rotation = np.linalg.qr(rng.normal(size=(PIXELS, PIXELS)))[0][:WIDTH]
    return _World(codes.astype(np.float32), signs, (rotation * 1.5).astype(np.float32))


def _verified(rng: np.random.Generator, spectrum: str, planted: int) -> Verification:
    world = _world(rng, spectrum, planted)
    fitted, scored, learned, held = np.split(np.arange(len(world.codes)), np.cumsum([FITTED, SCORED, LEARNED]))
    targets = [
        ConceptTarget(name=f"a{i}", column=f"a{i}", kind="boolean", signs=column)
        for i, column in enumerate(world.signs.T)
    ]
    table = concept_table(
        world.codes[fitted],
        world.codes[scored],
        targets,
        fitted,
        scored,
        rng=rng,
        methods=["mean difference"],
        permutations=99,
        draws=2,
        resamples=2,
    )
    directions = edit_directions(table)
    preserving = preserve_directions(table, directions, range(len(directions)), [], by="regression", draws=20)
    classifier = _PixelClassifier(world.decode(world.codes[learned]), world.signs[learned])
    images = world.decode(world.codes[held])
    pixels = np.rint(255 * images).astype(np.uint8)
    held_out = HeldOut(pixels, np.full(len(held), -1), (world.signs[held] > 0).astype(np.float64))
    no_measures = ImageMeasures(names=(), ground=0.0)
    return verify_concepts(
        preserving.directions,
        world,
        held_out,
        no_measures,
        classifier,
        rng=rng,
        edited=EDITED,
        draws=2,
        shuffled=preserving.shuffled,
    )


def _noise(rng: np.random.Generator, trials: int, spectrum: str) -> Claims:
    verified, by_p_alone, leaks = 0, 0, 0
    for _ in range(trials):
        result = _verified(rng, spectrum, 0)
        verified += bool(result.verified)
        by_p_alone += any(edit.p_value <= 0.05 and edit.effect.low > 0 for edit in result.scored)
        leaks += bool(result.leaks.any())
    simulated = f"{CONCEPTS} coin flips, {WIDTH} numbers, {spectrum} spectrum"
    yield null_rate("verify verifies an edit of noise", simulated, verified, trials)
    yield null_rate("p alone verifies an edit of noise", simulated, by_p_alone, trials)
    yield null_rate("verify marks a leak of noise", simulated, leaks, trials)


def _real(rng: np.random.Generator, trials: int, spectrum: str) -> Claims:
    real, noise, leaks, planted, tables = 0, 0, 0, CONCEPTS // 2, max(1, trials // 4)
    for _ in range(tables):
        result = _verified(rng, spectrum, planted)
        verified = {edit.name for edit in result.verified}
        real += sum(f"a{i}" in verified for i in range(planted))
        noise += any(f"a{i}" in verified for i in range(planted, CONCEPTS))
        leaks += bool(result.leaks[planted:].any() or result.leaks[:, planted:].any())
    simulated = f"{planted} of {CONCEPTS} concepts planted, {spectrum} spectrum"
    yield power("verify verifies a planted edit", simulated, real, planted * tables, bound=0.7)
    yield null_rate("verify verifies noise among planted edits", simulated, noise, tables)
    yield null_rate("verify marks a leak of or into noise", simulated, leaks, tables)


def noise_in_isotropic_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Coin flips where codes are as wide in every direction."""
    yield from _noise(rng, trials, "isotropic")


def noise_in_power_law_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Coin flips where the variances of codes fall as 1 / k."""
    yield from _noise(rng, trials, "power-law")


def noise_in_geometric_codes(rng: np.random.Generator, trials: int) -> Claims:
    """Coin flips where the variances of codes fall as 0.7 to the k."""
    yield from _noise(rng, trials, "geometric")


def planted_edits(rng: np.random.Generator, trials: int) -> Claims:
    """Concepts that are planted in codes, among coin flips."""
    for spectrum in SPECTRA:
        yield from _real(rng, trials, spectrum)


def keeping_what_goes_together(rng: np.random.Generator, trials: int) -> Claims:
    """Edits of a that preserve b, where a and b are correlated: how far they move b, and what the record says of it."""
    for number in (False, True):
        for correlation in (0.3, 0.6, 0.9):
            edits = [_preserving_edit(rng, correlation, number) for _ in range(trials)]
            directions = sum(edit.exists for edit in edits)
            moved = sum(edit.preserves for edit in edits)
            near = sum(edit.interval_holds for edit in edits)
            intervals = sum(edit.has_interval for edit in edits)
            significant = sum(edit.significant for edit in edits)
            lost = sum(edit.null_rejected for edit in edits)
            kind = "numbers" if number else "booleans"
            simulated = f"two {kind} with a correlation of {correlation:g}, 200 rows to fit and 200 to test"
            yield coverage("the edit moves b by 0, within 1.96 standard errors", simulated, moved, directions)
            yield coverage("the interval of how far b moves", simulated, near, intervals)
            yield power(
                "a, preserving b, is significant",
                simulated,
                significant,
                trials,
                bound=0.5 if correlation > 0.8 else 0.9,
            )
            yield null_rate("a, preserving b, has p <= 0.05", f"only b in the codes, {simulated}", lost, trials)


@dataclass(frozen=True, kw_only=True)
class PreservingEdit:
    """One trial of a direction of a that preserves b; all are False where b predicts a in every row that is fitted."""

    exists: bool = False
    """Whether anything of a is left that b does not predict, so that there is a direction."""
    preserves: bool = False
    """Whether the edit moves b by 0, within 1.96 standard errors."""
    has_interval: bool = False
    """Whether the record says how far the edit moves b; it does not where codes hold b too weakly."""
    interval_holds: bool = False
    """Whether the recorded interval of how far b moves holds the true distance."""
    significant: bool = False
    """Whether the direction of a is significant."""
    null_rejected: bool = False
    """Whether p <= 0.05 in a second table, whose codes do not hold a."""


def _preserving_edit(rng: np.random.Generator, correlation: float, number: bool) -> PreservingEdit:
    """Draw a table whose codes hold a and b and one whose codes hold b alone, and find directions of a that preserve b.

    Args:
        rng: of both tables, one after the other.
        correlation: of a and b, between 0 and 1.
        number: whether a and b are numbers; else they are booleans.

    Returns:
        What the analyses say of both directions.
    """
    planted = _together(rng, 400, correlation, number, effect=1.0)
    null = _together(rng, 400, correlation, number, effect=0.0)
    null_rejected = any(null.concepts[direction.concept].p_value <= 0.05 for direction in null.conditional)
    if not planted.conditional:
        return PreservingEdit(null_rejected=null_rejected)
    [direction] = planted.conditional
    concept, record = planted.concepts[direction.concept], direction.preserved[0].moved[1]
    true = float(planted.directions[direction.concept][1]) * concept.scale
    error = concept.scale / np.sqrt(200 * (1 - correlation**2))
    return PreservingEdit(
        exists=True,
        preserves=bool(abs(true) <= 1.96 * error),
        has_interval=bool(np.isfinite(record.value)),
        interval_holds=bool(record.low <= true <= record.high),
        significant=concept.significant,
        null_rejected=null_rejected,
    )


def _together(rng: np.random.Generator, n: int, correlation: float, number: bool, *, effect: float) -> ConceptTable:
    """Return the concepts of a table in which a moves number 0 of the codes by `effect` and b number 1 by 1."""
    first = rng.normal(size=n) if number else np.where(rng.random(n) < 0.5, 1.0, -1.0)
    if number:
        other = correlation * first + np.sqrt(1 - correlation**2) * rng.normal(size=n)
    else:
        other = np.where(rng.random(n) < (1 + correlation) / 2, first, -first)
    codes = rng.normal(size=(n, WIDTH))
    codes[:, 0] += effect * first
    codes[:, 1] += other
    rows, half = np.arange(n), n // 2
    targets = [
        ConceptTarget(
            name=name,
            column=name,
            kind="numeric" if number else "boolean",
            signs=np.where(values > (np.median(values) if number else 0), 1, -1),
            note="",
            values=values if number else None,
        )
        for name, values in (("a", first), ("b", other))
    ]
    return concept_table(
        codes[:half],
        codes[half:],
        targets,
        rows[:half],
        rows[half:],
        rng=rng,
        preserve=["b"],
        permutations=99,
        draws=2,
        resamples=2,
        methods=["mean difference"],
    )
