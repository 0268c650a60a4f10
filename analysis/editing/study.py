"""The verification of a model's concepts on held-out images: which edits, which evaluators, and how good these are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..base.arrays import AnyArray, Bools, Doubles, Ints, Pixels, Seed, Singles, as_images, as_rng
from ..base.decoding import checked_decode
from ..base.statistics import SIGNIFICANT, UNKNOWN, proportion
from ..concepts.concept_table import Concept, ConceptTable
from ..concepts.unsupervised import SHORT_NAMES, Axis
from ..errors import AnalysisError
from ..table.selection import spread_over_classes
from .evaluators import ImageMeasures, classifier_scores, combined_evaluator, measured_scores
from .multiple_testing import LEVEL
from .verification import DRAWS, EditDirection, Score, Verification, verify_edits

NO_COLUMN = (
    "the images have no such column that a classifier could learn; where encode was given it by --attributes FILE, or "
    "by --data, give verify the same"
)


class ScoringNetwork(Protocol):
    """An attribute classifier that learned from real images."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its scores, those of the concepts that they measure."""

    @property
    def about(self) -> tuple[str, ...]:
        """What each score is: "probability by a network", "value by a network"."""

    def __call__(self, images: AnyArray, /) -> tuple[Doubles, Ints]:
        """Images (n, h, w, c), uint8 or in [0, 1], to scores (n, j) and classes (n,), -1 where it predicts none."""


class Codec(Protocol):
    """A model that encodes and decodes."""

    def encode(self, images: Singles, /) -> Singles:
        """Map (n, h, w, c) images to (n, d) codes."""

    def decode(self, codes: Singles, /) -> Singles:
        """Map (n, d) codes to (n, h, w, c) images in [0, 1]."""


@dataclass(frozen=True)
class HeldOut:
    """Real images that neither the model nor the classifier was trained on, with their labels and attributes."""

    images: Pixels
    """(t, h, w, c)"""
    labels: Ints
    """(t,) classes, −1 unlabelled."""
    truths: Doubles
    """(t, j) what each of a classifier's scores should be: 0 and 1 of a probability, or numbers; NaN unknown."""


def edit_directions(table: ConceptTable) -> list[EditDirection]:
    """List all directions along which codes can be edited, by name: concepts, then directions without labels.

    "pca1" and "sefa1" are to raise the score of the concept that they rank train rows by best, which chose their sign;
    a conditional direction that of the concept that it was made of. Where a concept is itself called "pca1" it keeps
    the name, and the direction goes by its long one, "PCA of codes 1".

    Args:
        table: concepts that were found.

    Returns:
        The directions, each with the evidence for it.
    """
    directions = [
        EditDirection(
            name=concept.name,
            column=concept.column,
            kind=concept.kind,
            vector=vector,
            length=concept.scale,
            target="",
            evidence=_evidence(concept),
            significant=concept.significant,
        )
        for concept, vector in zip(table.concepts, table.directions, strict=True)
    ]
    for conditional in table.conditional:
        target = table.concepts[conditional.source].name
        directions[conditional.concept] = replace(directions[conditional.concept], target=target)
    kinds = {direction.name: direction.kind for direction in directions}
    for family in table.unsupervised:
        each = zip(family.names, family.axes, family.directions, strict=True)
        for i, (name, axis, vector) in enumerate(each):
            evidence, significant = _evidence_of_axis(axis)
            directions.append(
                EditDirection(
                    name=f"{family.method} {i + 1}" if name in kinds else name,
                    column=family.short,
                    kind=kinds.get(axis.concept, ""),
                    vector=vector,
                    length=axis.scale,
                    target=axis.concept,
                    evidence=evidence,
                    significant=significant,
                )
            )
    return directions


def _evidence(concept: Concept) -> str:
    """Figure of a concept's direction on test rows: "AUC 0.871 ± 0.030, q = 0.002, by mean difference"."""
    return f"{concept.metric} {concept.score.plain()}, q = {concept.q_value:.2g}, by {concept.method}"


def _evidence_of_axis(axis: Axis) -> tuple[str, bool]:
    """The same of a direction without labels, and whether it predicts its concept better than chance."""
    if not axis.concept:
        return "", False
    significant = axis.q_value <= SIGNIFICANT and axis.auc.low > 0.5
    return f"AUC {axis.auc.plain()} of {axis.concept!r}, q = {axis.q_value:.2g}", significant


def namesakes(directions: Sequence[EditDirection], wanted: Sequence[str]) -> list[str]:
    """Name the long names of directions without labels whose short name is a concept of the table, if it is wanted."""
    sentences = []
    for direction in directions:
        short = direction.column + direction.name.rsplit(" ", 1)[-1]
        long_names = (f"{method} {short[len(direction.column) :]}" for method in SHORT_NAMES)
        if short in wanted and direction.name in long_names:
            sentences.append(f"{short!r} is a concept of the table; the direction goes by {direction.name!r}")
    return sentences


def verify_concepts(
    directions: Sequence[EditDirection],
    model: Codec,
    held: HeldOut,
    measures: ImageMeasures,
    classifier: ScoringNetwork | None,
    *,
    rng: Seed = 0,
    edited: int = 100,
    draws: int = 20,
    mask: Bools | None = None,
    shuffled: Doubles | None = None,
    notes: Sequence[str] = (),
    advance: Callable[[int], None] = lambda directions: None,
) -> Verification:
    """Edit some of the held-out images, of as many classes as there are, and score them by classifier and measures.

    A score's spread and quality are those on all held-out images as they are. The directions and the classifier must
    have been fitted to rows that share none with each other, nor with `held`, else edits along labels that are noise
    look verified: the classifier has learned the same noise.

    Args:
        directions: (m,) directions to edit along.
        model: encodes and decodes.
        held: images to edit, and to measure the evaluators on.
        measures: properties that are measured.
        classifier: learned from real images; None where there is no column to learn.
        rng: of the images that are chosen, bootstrap intervals and random directions.
        edited: images that are edited.
        draws: random directions a concept.
        mask: (d,) columns in which random directions lie; all unless given.
        shuffled: (m, r, d) of `preserve_directions`.
        notes: sentences for the result.
        advance: called with how many more directions are done.

    Returns:
        How far each direction moved each score, beside null directions.

    Raises:
        AnalysisError: no score of these images varies.
    """
    rng = as_rng(rng)
    evaluator = combined_evaluator(classifier, measures)
    values, classes = evaluator(held.images)
    names = [] if classifier is None else list(classifier.names)
    predicted = values[:, : len(names)]
    scores, limits = (
        ([], []) if classifier is None else classifier_scores(names, classifier.about, predicted, held.truths, rng=rng)
    )
    scores += measured_scores(measures, values[:, len(names) :], taken=names)
    varies = np.array([score.spread > 0 for score in scores], np.bool_)  # a constant score can measure no change
    if not varies.any():
        raise AnalysisError("no evaluator for these images: there is no label, no attribute, and nothing to measure")
    chosen = spread_over_classes(np.arange(len(values)), (held.labels, ()), edited, rng)
    labelled = held.labels >= 0
    accuracy = proportion(classes[labelled] == held.labels[labelled]) if (classes >= 0).any() else UNKNOWN

    def evaluate(images: AnyArray) -> tuple[Doubles, Ints]:
        image_scores, predicted_classes = evaluator(images)
        return image_scores[:, varies], predicted_classes

    limits += _target_notes(directions)
    names_of_scores = {score.name for score in scores}
    unscored = [direction.name for direction in directions if direction.target_score not in names_of_scores]
    limits += [f"no evaluator for {', '.join(map(repr, unscored))}: {NO_COLUMN}"] if unscored else []
    limits += _too_few(draws if shuffled is None else shuffled.shape[1])
    limits += _never_verified(directions, scores)
    codes = np.asarray(model.encode(as_images(held.images[chosen])))
    return verify_edits(
        checked_decode(model),
        evaluate,
        [score for score, used in zip(scores, varies, strict=True) if used],
        codes,
        directions,
        rng=rng,
        draws=draws,
        mask=mask,
        shuffled=shuffled,
        real=classes[chosen],
        accuracy=accuracy,
        notes=[*notes, *measures.notes, *limits],
        advance=advance,
    )


def _target_notes(directions: Sequence[EditDirection]) -> list[str]:
    """Say which score serves the directions that have none of their own name."""
    unsupervised, conditional = list[str](), list[str]()
    for direction in directions:
        if direction.target:
            is_conditional = direction.name.startswith(f"{direction.target}, ")
            pairs = conditional if is_conditional else unsupervised
            pairs.append(f"{direction.name!r} by {direction.target!r}")
    sentences = (
        (unsupervised, "a direction without labels is scored by the concept that it predicts best on train rows"),
        (conditional, "a conditional direction is scored by the concept that it was made of"),
    )
    return [f"{sentence}: {', '.join(pairs)}" for pairs, sentence in sentences if pairs]


def _never_verified(directions: Sequence[EditDirection], scores: Sequence[Score]) -> list[str]:
    """Say which edits cannot be verified, whatever their effect, and why."""
    weak = [direction.name for direction in directions if not direction.significant]
    at_chance = {score.name for score in scores if not score.above_chance}
    unscored = [direction.name for direction in directions if direction.target_score in at_chance]
    notes = []
    if weak:
        verb, pronoun = ("counts", "its direction is") if len(weak) == 1 else ("count", "their directions are")
        notes.append(f"{', '.join(map(repr, weak))} never {verb}, as {pronoun} not significant on test rows")
    if unscored:
        listed = ", ".join(map(repr, unscored))
        notes.append(f"no edit along {listed} counts, as its evaluator is no better than chance on real images")
    return notes


def _too_few(null_directions: int) -> list[str]:
    """Say that no effect could be significant, as null directions are too few for p to be small enough."""
    least = 1 / (1 + null_directions)
    if least <= LEVEL:
        return []
    few = f"with {null_directions} null directions for each concept p is {least:.2g} at least"
    return [f"{few}, so that none can be verified at {LEVEL}: {DRAWS} are enough"]
