"""The verification of a model's concepts on held-out images: what is moved, which judges, and how good those are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Ints, Pixels, Seed, Singles, as_images, as_rng
from ..base.decoding import checked_decode
from ..base.statistics import SIGNIFICANT, UNKNOWN, proportion
from ..concepts.concept_table import Concept, ConceptTable
from ..concepts.unsupervised import SHORT, Axis
from ..errors import AnalysisError
from ..table.selection import spread
from .evaluators import Measured, measured_scores, network_scores, side_by_side
from .multiple_testing import LEVEL
from .verification import DRAWS, EditDirection, Score, Verification, verify_edits

NO_COLUMN = (
    "the images have no such column that a judge could learn; where encode was given it by --attributes FILE, or by "
    "--data, give verify the same"
)


class Network(Protocol):
    """A network that learned from real images."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its scores, those of the concepts that they judge."""

    @property
    def about(self) -> tuple[str, ...]:
        """What each score is: "probability by a network", "value by a network"."""

    def __call__(self, images: AnyArray, /) -> tuple[Doubles, Ints]:
        """Images (n, h, w, c), uint8 or in [0, 1], to scores (n, j) and classes (n,), -1 where it tells none."""


class Codec(Protocol):
    """A model that encodes and decodes."""

    def encode(self, images: Singles, /) -> Singles:
        """Map (n, h, w, c) images to (n, d) codes."""

    def decode(self, codes: Singles, /) -> Singles:
        """Map (n, d) codes to (n, h, w, c) images in [0, 1]."""


@dataclass(frozen=True)
class HeldOut:
    """Real images that neither the model nor the judge was trained on, and what is known of them."""

    images: Pixels  # (t, h, w, c)
    labels: Ints  # (t,) -1 unlabelled
    truths: Doubles  # (t, j) of a network's scores: 0 and 1 of a probability, or numbers; NaN unknown


def edit_directions(table: ConceptTable) -> list[EditDirection]:
    """Everything that codes can be moved along, by its name: concepts, then directions that no label told.

    "pca1" and "sefa1" are to raise the concept that they rank train rows by best, which chose their sign; a direction
    made free of others the one that it was made of. Where a concept is itself called "pca1" it keeps the name, and the
    direction goes by its long one, "PCA of codes 1".
    """
    moves = [
        EditDirection(
            name=one.name,
            column=one.column,
            kind=one.kind,
            direction=direction,
            length=one.scale,
            says="",
            evidence=_evidence(one),
            holds=one.stands,
        )
        for one, direction in zip(table.concepts, table.directions, strict=True)
    ]
    for free in table.conditional:
        moves[free.concept] = replace(moves[free.concept], says=table.concepts[free.source].name)
    kinds = {move.name: move.kind for move in moves}
    for blind in table.unsupervised:
        each = zip(blind.names, blind.axes, blind.directions, strict=True)
        for i, (name, axis, direction) in enumerate(each):
            called = f"{blind.method} {i + 1}" if name in kinds else name
            kind, (told, holds) = kinds.get(axis.concept, ""), _evidence_of_axis(axis)
            moves.append(
                EditDirection(
                    name=called,
                    column=blind.short,
                    kind=kind,
                    direction=direction,
                    length=axis.scale,
                    says=axis.concept,
                    evidence=told,
                    holds=holds,
                )
            )
    return moves


def _evidence(one: Concept) -> str:
    """What a concept's direction is known by on test rows: "AUC 0.871 ± 0.030, q = 0.002, by mean difference"."""
    return f"{one.metric} {one.score.plain()}, q = {one.q_value:.2g}, by {one.method}"


def _evidence_of_axis(axis: Axis) -> tuple[str, bool]:
    """The same of a direction that no label told, and whether it tells its concept better than chance."""
    if not axis.concept:
        return "", False
    holds = axis.q_value <= SIGNIFICANT and axis.auc.low > 0.5
    return f"AUC {axis.auc.plain()} of {axis.concept!r}, q = {axis.q_value:.2g}", holds


def namesakes(moves: Sequence[EditDirection], wanted: Sequence[str]) -> list[str]:
    """Say of wanted names of concepts by what names `edit_directions` has their directions, where it renamed them."""
    sentences = []
    for move in moves:
        short = move.column + move.name.rsplit(" ", 1)[-1]
        if short in wanted and move.name in (f"{method} {short[len(move.column) :]}" for method in SHORT):
            sentences.append(f"{short!r} is a concept of the table; the direction goes by {move.name!r}")
    return sentences


def verify_concepts(
    moves: Sequence[EditDirection],
    model: Codec,
    held: HeldOut,
    measured: Measured,
    network: Network | None,
    *,
    rng: Seed = 0,
    edited: int = 100,
    draws: int = 20,
    mask: Bools | None = None,
    shuffled: Doubles | None = None,
    notes: Sequence[str] = (),
    advance: Callable[[int], None] = lambda directions: None,
) -> Verification:
    """Edit some of the held-out images, of as many classes as there are, and judge them by network and measures.

    A judge's spread and quality are those on all held-out images as they are. The directions of `moves` and the network
    must have been fitted to rows that share none with each other, nor with `held`, else labels that are noise look
    proven: the judge has learned the same noise. `shuffled` is of `kept_moves.preserve_directions`.
    """
    rng = as_rng(rng)
    real, classes = side_by_side(network, measured)(held.images)
    said = [] if network is None else list(network.names)
    told = real[:, : len(said)]
    scores, weak = ([], []) if network is None else network_scores(said, network.about, told, held.truths, rng=rng)
    scores += measured_scores(measured, real[:, len(said) :], taken=said)
    use = np.array([one.spread > 0 for one in scores], np.bool_)  # a constant judge can tell no change
    if not use.any():
        raise AnalysisError("nobody can judge these images: there is no label, no attribute, and nothing to measure")
    chosen = spread(np.arange(len(real)), (held.labels, ()), edited, rng)
    known = held.labels >= 0
    right = proportion(classes[known] == held.labels[known]) if (classes >= 0).any() else UNKNOWN
    both = side_by_side(network, measured)

    def judge(images: AnyArray) -> tuple[Doubles, Ints]:
        result, named = both(images)
        return result[:, use], named

    weak += _claims(moves)
    alone = [move.name for move in moves if move.claim not in {score.name for score in scores}]
    weak += [f"nobody judges {', '.join(map(repr, alone))}: {NO_COLUMN}"] if alone else []
    weak += _too_few(draws if shuffled is None else shuffled.shape[1])
    weak += _uncounted(moves, scores)
    codes = np.asarray(model.encode(as_images(held.images[chosen])))
    return verify_edits(
        checked_decode(model),
        judge,
        [one for one, kept in zip(scores, use, strict=True) if kept],
        codes,
        moves,
        rng=rng,
        draws=draws,
        mask=mask,
        shuffled=shuffled,
        real=classes[chosen],
        accuracy=right,
        notes=[*notes, *measured.notes, *weak],
        advance=advance,
    )


def _claims(moves: Sequence[EditDirection]) -> list[str]:
    """Say what judges the directions that have no judge of their own name."""
    blind, freed = list[str](), list[str]()
    for move in moves:
        if move.says:
            of_it = move.name.startswith(f"{move.says}, ")
            (freed if of_it else blind).append(f"{move.name!r} by {move.says!r}")
    whose = (
        (blind, "a direction that no label told is judged by what it tells best on train rows"),
        (freed, "a direction made free of others is judged by the concept that it was made of"),
    )
    return [f"{why}: {', '.join(some)}" for some, why in whose if some]


def _uncounted(moves: Sequence[EditDirection], scores: Sequence[Score]) -> list[str]:
    """Say which moves cannot count as proven, whatever their effect, and why."""
    weak = [move.name for move in moves if not move.holds]
    names = {score.name for score in scores if not score.tells}
    unjudged = [one.name for one in moves if one.claim in names]
    said = [f"{', '.join(map(repr, weak))} never counts, as it does not hold on test rows"] if len(weak) == 1 else []
    said += [f"{', '.join(map(repr, weak))} never count, as they do not hold on test rows"] if len(weak) > 1 else []
    if unjudged:
        which = ", ".join(map(repr, unjudged))
        said.append(f"no edit along {which} counts, as its judge tells real images no better than chance")
    return said


def _too_few(nulls: int) -> list[str]:
    """Say that no effect could be told from null directions, which are too few for p to be small enough."""
    least = 1 / (1 + nulls)
    if least <= LEVEL:
        return []
    few = f"with {nulls} null directions beside each concept p is {least:.2g} at least"
    return [f"{few}, so that none can stand at {LEVEL}: {DRAWS} are enough"]
