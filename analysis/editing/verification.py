"""Whether edits change what they are named after: images edited along concepts, scored by independent evaluators.

Codes of real images that were held out are moved along each concept's direction by edit strengths, in standard
deviations of its projection, decoded, and scored: by a classifier that was trained on real images only, or by a
measured property. Each concept then has

    a dose–response curve     the mean of its own score by edit strength
    an effect                 its change by a strength of 1, in standard deviations of the score over real images
    a rank correlation        of strength and score, an image at a time, and of the mean curve
    a success rate            images that get the concept; see `succeeded`
    leakage                   the effect on every other score: edit concept i, change in concept j
    what is preserved         the predicted class, and the pixels

beside the same of random directions of equal length, several draws for each concept, each turned so that it raises the
score. Codes are rarely as wide in one direction as in another, and random directions do not follow their shape. p
therefore counts directions that the same estimator found for shuffled labels, moved by a standard deviation along
themselves: where labels are noise, the concept's own direction is one of them. It is corrected for the number of
concepts, see `multiple_testing`. Where the caller has no such directions, random ones take their place.

A concept's edit is verified where its effect is more than that of every such direction, its evaluator predicts the
concept of real images better than chance, and the concept itself is significant on rows that its direction was not
fitted to.

Source of the protocol: Shen, Gu, Tang, Zhou, CVPR 2020 (arXiv:1907.10786), §3.2 to §3.4, who rescore edited faces by
the classifier that also labelled the samples; here the evaluator is another one, and each figure has its chance level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Pixels, Seed, as_codes, as_rng, rows_of
from ..base.decoding import Decode, decode_frames
from ..base.statistics import UNKNOWN, Interval, at_floor, mean_interval, proportion
from ..errors import AnalysisError
from .edits import (
    Evaluator,
    ScoredEdits,
    change_per_unit,
    check_strengths,
    class_preserved,
    class_preserved_at_one,
    column_means,
    has_all_scores,
    preserved_shares,
    score_edits,
    spearman,
    succeeded,
)
from .multiple_testing import LEVEL, family_wise, leaking

STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Edit strengths, in standard deviations of the projection."""


DRAWS = 20
"""Null directions a concept: 1 / (1 + 20) is just below 0.05."""


CHANCE_QUANTILE = 0.95
"""Quantile of null directions' effects that is shown as the chance level of the leakage."""


NULL_STRENGTHS = np.array([-1.0, 0.0, 1.0])
"""Edit strengths of null directions."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number that an evaluator gives an image."""

    name: str
    """Of the concept that it measures: "label: 3", "thickness"."""
    about: str
    """ "probability by a network", "measured, in pixels"."""
    spread: float
    """Standard deviation over real images: the unit of effects."""
    threshold: float = math.nan
    """Above which an image has the concept; NaN for a number."""
    metric: str = ""
    """ "AUC" or "R2"; "" for what is measured."""
    quality: Interval | None = None
    """That figure on real images that the evaluator was not trained on; None for what is measured."""

    @property
    def above_chance(self) -> bool:
        """Whether it predicts its concept of real images: measured, or its figure's whole interval is above chance."""
        return self.quality is None or self.quality.low > (0.0 if self.metric == "R2" else 0.5)


@dataclass(frozen=True, kw_only=True)
class EditDirection:
    """One direction along which codes are edited."""

    name: str
    """As the concept's, or "pca1", "sefa1"."""
    column: str
    """Column of the table that the concept is of; "pca" or "sefa" without labels."""
    kind: str
    """ "class", "boolean", "numeric" or "text"."""
    vector: Doubles
    """(d,) unit vector."""
    length: float
    """Length in the code of an edit of strength 1: standard deviation of the projection."""
    target: str = ""
    """Name of the score that it is to raise; "" for the one of its own name."""
    evidence: str = ""
    """Figure by which it predicts its concept, on rows that it was not fitted to."""
    significant: bool = True
    """Whether that figure is above chance."""

    @property
    def target_score(self) -> str:
        """Name of the score that it is to raise."""
        return self.target or self.name


@dataclass(frozen=True, kw_only=True)
class Response:
    """What moving along one concept does; (s,) is one value a strength, (3, s) value, low, high of a 95 % interval."""

    name: str
    """Of the direction."""
    column: str
    """Of the direction."""
    kind: str
    """Of the direction."""
    score: int
    """Position of its own score in `Verification.scores`, −1 where no evaluator gives it."""
    length: float
    """Length in the code of an edit of strength 1."""
    curve: Doubles
    """(3, s) mean of its own score; NaN without one, as all up to `success_random`."""
    curve_random: Doubles
    """(r, s) of each random direction, turned to rise."""
    effect: Interval
    """Change of its own score by a strength of 1, in standard deviations of real images."""
    effect_random: Interval
    """Mean size of the same over random directions."""
    p_value: float
    """Share of null directions that raise a score as much, corrected for the number of concepts."""
    spearman: Interval
    """Mean over images of the rank correlation of strength and score."""
    spearman_random: Interval
    """Mean over random directions of the same."""
    spearman_curve: float
    """Rank correlation of strength and mean score."""
    success: Interval
    """Share of images that get the concept, see `succeeded`."""
    success_random: Interval
    """Mean over random directions of the same."""
    class_preserved: Doubles
    """(3, s) share of images whose predicted class is that at strength 0; NaN where no class is predicted."""
    class_preserved_random: Doubles
    """(s,) mean over random directions of the same."""
    class_preserved_at_one: Interval
    """The same share at strengths ±1."""
    class_preserved_at_one_random: Interval
    """Mean over random directions of the same."""
    pixel_change: Doubles
    """(s,) mean over images of the root mean square difference of pixels from strength 0."""
    pixel_change_random: Doubles
    """(s,) mean over random directions of the same."""
    effect_shuffled: Interval
    """Mean size of the effect of directions of shuffled labels."""
    concept_significant: bool
    """Whether the concept is significant on rows that its direction was not fitted to."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Edits along all concepts of one model."""

    kind: ClassVar[str] = "editing"

    responses: tuple[Response, ...]
    """(m,) one a direction."""
    scores: tuple[Score, ...]
    """(j,) what evaluators give each image."""
    strengths: Doubles
    """(s,) edit strengths in standard deviations of the projection."""
    leakage: Doubles
    """(m, j) effect on every score by a strength of 1, in standard deviations of real images."""
    leakage_low: Doubles
    """(m, j) lower ends of the 95 % interval over images."""
    leakage_high: Doubles
    """(m, j) upper ends of the 95 % interval over images."""
    chance: Doubles
    """(m, j) size of effect that 95 % of null directions stay below."""
    leaks: Bools
    """(m, j) effects on other scores that are more than null directions have, corrected for their number."""
    n: int
    """Images that were edited."""
    draws: int
    """Random directions a concept."""
    shuffles: int
    """Directions of shuffled labels a concept; 0 where random ones took their place."""
    reconstructed: Interval
    """Share of images at strength 0 whose predicted class is that of the real image."""
    directions: Doubles
    """(m, d) unit vectors that were verified."""
    frames: Pixels
    """(m, k, s, h, w, c) edits of the first k images."""
    notes: tuple[str, ...]
    """Sentences on what limits the figures."""
    accuracy: Interval = UNKNOWN
    """Of the predicted class on real test images."""
    left_out: int = 0
    """Concepts that were asked for, beyond the first ones."""

    @property
    def scored(self) -> tuple[Response, ...]:
        """The concepts that an evaluator scores."""
        return tuple(response for response in self.responses if response.score >= 0)

    @property
    def null_directions(self) -> int:
        """Number of null directions of each concept, by which p is counted."""
        return self.shuffles or self.draws

    def p_is_upper_bound(self, response: Response) -> bool:
        """Tell whether no null direction of any concept raises a score as much, so that p may be smaller than stated.

        Args:
            response: one of `responses`.

        Returns:
            Whether p is at its floor.
        """
        return at_floor(response.p_value, self.null_directions)

    def label(self, response: Response) -> str:
        """Name a direction, and its score where that is called otherwise: "thickness", "pca1 (thickness)".

        Args:
            response: one of `responses`.

        Returns:
            The name.
        """
        score = self.scores[response.score].name if response.score >= 0 else response.name
        return response.name if score == response.name else f"{response.name} ({score})"

    @property
    def verified(self) -> tuple[Response, ...]:
        """The concepts whose edits raise their own score more than null directions do: p ≤ 0.05 over all concepts.

        One that is not significant itself is never among them, nor one whose evaluator is no better than chance on real
        images.
        """
        return tuple(
            response
            for response in self.scored
            if response.effect.low > 0
            and response.p_value <= LEVEL
            and response.concept_significant
            and self.scores[response.score].above_chance
        )

    @property
    def scores_at_chance(self) -> tuple[str, ...]:
        """Names of the classifier's scores that predict their concept of real images no better than chance."""
        return tuple(score.name for score in self.scores if not score.above_chance)

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def verify_edits(
    decode: Decode,
    evaluate: Evaluator,
    scores: Sequence[Score],
    codes: Floats,
    directions: Sequence[EditDirection],
    *,
    rng: Seed = 0,
    strengths: Sequence[float] = STRENGTHS,
    draws: int = DRAWS,
    mask: Bools | None = None,
    shuffled: Doubles | None = None,
    real: Ints | None = None,
    shown: int = 4,
    accuracy: Interval = UNKNOWN,
    notes: Sequence[str] = (),
    advance: Callable[[int], None] = lambda directions: None,
) -> Verification:
    """Edit held-out images along each direction and score them.

    Args:
        decode: codes (n, d) to images (n, h, w, c).
        evaluate: images to scores (n, j), one column each of `scores`, and classes (n,).
        scores: (j,) what the evaluator gives.
        codes: (n, d) of held-out images.
        directions: (m,) directions to edit along.
        rng: of random directions.
        strengths: (s,) edit strengths, in standard deviations of the projection.
        draws: random directions a concept.
        mask: (d,) columns in which random directions lie; all unless given.
        shuffled: (m, r, d) steps of strength 1 along directions that the estimator of each edit found for shuffled
            labels; number r of all edits is of the same shuffle.
        real: (n,) predicted classes of the images themselves.
        shown: first images whose frames are stored.
        accuracy: how often the predicted class of real images is right.
        notes: sentences for the result.
        advance: called with how many more directions are done, of (1 + draws + r) · m.

    Returns:
        How far each direction moved each score, beside null directions.

    Raises:
        AnalysisError: there is no direction or score, a score does not vary, or codes do not vary along a direction.
    """
    rng = as_rng(rng)
    codes, at = as_codes(codes), check_strengths(np.asarray(strengths))
    if not directions or not scores:
        raise AnalysisError("there is no concept to edit along, or no evaluator of edits")
    if constant := [score.name for score in scores if not score.spread > 0]:
        raise AnalysisError(f"all real images have the same score of {constant[0]!r}, so it cannot measure a change")
    if still := [edit.name for edit in directions if not edit.length > 0]:
        raise AnalysisError(f"codes do not vary along {still[0]!r}, so a standard deviation along it is no edit")
    mask = np.ones(codes.shape[1], np.bool_) if mask is None else mask
    names = [score.name for score in scores]
    spreads, own = np.array([score.spread for score in scores]), [_own_score(names, edit) for edit in directions]
    outcomes: list[tuple[_Outcome, list[_Outcome]]] = []  # of each edit, and of its random directions
    null: list[Doubles] = []  # (r, j) of each edit
    unedited = np.zeros(0, np.int64)
    for place, (edit, own_score) in enumerate(zip(directions, own, strict=True)):
        edit_outcomes: list[_Outcome] = []
        for vector in [edit.vector, *_random_directions(mask, draws, rng)]:
            scored = score_edits(decode, evaluate, codes, edit.length * vector, at)
            unedited = scored.classes[:, at == 0][:, 0]
            edit_outcomes.append(_outcome(scored, own_score, scores, at, turned=len(edit_outcomes) > 0))
            advance(1)
        outcomes.append((edit_outcomes[0], edit_outcomes[1:]))
        null_effects = [outcome.raw for outcome in edit_outcomes[1:]] if shuffled is None else []
        for step in () if shuffled is None else shuffled[place]:
            scored = score_edits(decode, evaluate, codes, step, NULL_STRENGTHS)
            null_effects.append(column_means(change_per_unit(scored.scores, NULL_STRENGTHS) / spreads)[0])
            advance(1)
        null.append(np.array(null_effects).reshape(-1, len(scores)))
    effects = np.stack([outcome.effects for outcome, _ in outcomes], axis=1)  # (3, m, j)
    nulls = np.stack(null)  # (m, r, j)
    lengths = np.array([edit.length if shuffled is None else 1.0 for edit in directions])
    # Random directions are compared by the effect of a step of length 1, those of shuffled labels by strength 1.
    comparable = effects[0] / lengths[:, None], nulls / lengths[:, None, None]
    p = family_wise(*comparable, own)
    responses = tuple(
        _response(edit, own_score, *outcome, float(p[i]), nulls[i] if shuffled is not None else None)
        for i, (edit, own_score, outcome) in enumerate(zip(directions, own, outcomes, strict=True))
    )
    # A null direction without a score counts as infinitely large.
    sizes = np.where(np.isfinite(comparable[1]), np.abs(comparable[1]), np.inf)
    quantiles = np.quantile(sizes.reshape(-1, len(scores)), CHANCE_QUANTILE, axis=0, method="higher")
    above_chance = np.array([score.above_chance for score in scores], np.bool_)
    has_classes = real is not None and bool((unedited >= 0).all())
    return Verification(
        responses=responses,
        scores=tuple(scores),
        strengths=at,
        leakage=effects[0],
        leakage_low=effects[1],
        leakage_high=effects[2],
        chance=quantiles * lengths[:, None],
        leaks=leaking(*comparable, own, above_chance),
        n=len(codes),
        draws=draws,
        shuffles=0 if shuffled is None else shuffled.shape[1],
        reconstructed=proportion(unedited == real) if has_classes else UNKNOWN,
        directions=np.stack([edit.vector for edit in directions]),
        frames=decode_frames(decode, np.stack([edit.length * edit.vector for edit in directions]), codes[:shown], at),
        notes=tuple(notes),
        accuracy=accuracy,
    )


def _own_score(names: Sequence[str], edit: EditDirection) -> int:
    """Position of the score that an edit is to raise, −1 where no evaluator gives it."""
    return names.index(edit.target_score) if edit.target_score in names else -1


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What one direction, a concept's or a random one, does to the same images."""

    effects: Doubles
    """(3, j) value, low, high by a strength of 1, in standard deviations of real images."""
    raw: Doubles
    """(j,) the value as the direction was given, not turned."""
    curve: Doubles
    """(3, s) of its own score."""
    spearman: Interval
    spearman_curve: float
    success: Interval
    class_preserved: Doubles
    """(3, s)."""
    class_preserved_at_one: Interval
    pixel_change: Doubles
    """(s,)."""


def _outcome(scored: ScoredEdits, own: int, scores: Sequence[Score], strengths: Doubles, *, turned: bool) -> _Outcome:
    """Sum up one direction; a `turned` one is reversed where it lowers its own score, at position `own`."""
    spreads = np.array([score.spread for score in scores])
    change = column_means(change_per_unit(scored.scores, strengths) / spreads)
    raw = change[0]
    if turned and own >= 0 and change[0, own] < 0:
        scored = ScoredEdits(
            scores=scored.scores[:, ::-1], classes=scored.classes[:, ::-1], pixel_change=scored.pixel_change[:, ::-1]
        )
        change = -change[[0, 2, 1]]
    own_scores = scored.scores[:, :, own] if own >= 0 else np.zeros((0, len(strengths)))
    own_scores = own_scores[has_all_scores(own_scores)]
    curve, preserved = column_means(own_scores), class_preserved(scored.classes, strengths)
    hits = succeeded(own_scores, strengths, scores[own].threshold) if len(own_scores) else np.zeros(0, np.bool_)
    return _Outcome(
        effects=change,
        raw=raw,
        curve=curve,
        spearman=_clipped(mean_interval(spearman(own_scores, strengths)), -1.0, 1.0),
        spearman_curve=float(spearman(curve[:1], strengths)[0]) if len(own_scores) else math.nan,
        success=proportion(hits),
        class_preserved=preserved_shares(preserved, strengths),
        class_preserved_at_one=class_preserved_at_one(preserved, strengths),
        pixel_change=scored.pixel_change.mean(0),
    )


def _response(
    edit: EditDirection, own: int, outcome: _Outcome, random: Sequence[_Outcome], p: float, shuffled: Doubles | None
) -> Response:
    """Put a concept's outcome together with those of random directions.

    Args:
        edit: the direction.
        own: position of its own score, −1 for none.
        outcome: of the direction.
        random: (r,) outcomes of random directions.
        p: p-value of the effect.
        shuffled: (r, j) effects of directions of shuffled labels; None without such.
    """
    value, low, high = outcome.effects[:, own].tolist() if own >= 0 else [math.nan] * 3
    sizes = [abs(float(other.effects[0, own])) for other in random] if own >= 0 else []
    shuffled_sizes = np.abs(shuffled[:, own]).tolist() if shuffled is not None and own >= 0 else None
    return Response(
        name=edit.name,
        column=edit.column,
        kind=edit.kind,
        score=own,
        length=edit.length,
        curve=outcome.curve,
        curve_random=np.array([other.curve[0] for other in random]).reshape(-1, outcome.curve.shape[1]),
        effect=Interval(value, low, high, outcome.spearman.n),
        effect_random=_mean_over(sizes, most=math.inf),
        p_value=p,
        spearman=outcome.spearman,
        spearman_random=_mean_over([other.spearman.value for other in random], least=-1.0),
        spearman_curve=outcome.spearman_curve,
        success=outcome.success,
        success_random=_mean_over([other.success.value for other in random]),
        class_preserved=outcome.class_preserved,
        class_preserved_random=_average([other.class_preserved[0] for other in random]),
        class_preserved_at_one=outcome.class_preserved_at_one,
        class_preserved_at_one_random=_mean_over([other.class_preserved_at_one.value for other in random]),
        pixel_change=outcome.pixel_change,
        pixel_change_random=_average([other.pixel_change for other in random]),
        effect_shuffled=UNKNOWN if shuffled_sizes is None else _mean_over(shuffled_sizes, most=math.inf),
        concept_significant=edit.significant,
    )


def _mean_over(values: Sequence[float], least: float = 0.0, most: float = 1.0) -> Interval:
    """Mean of the finite values, one a direction, with an interval that stays within [least, most]."""
    result = np.array(values, np.float64)
    return _clipped(mean_interval(result[np.isfinite(result)]), least, most)


def _clipped(interval: Interval, least: float, most: float) -> Interval:
    """The interval with its ends within [least, most], the range of the figure."""
    return Interval(interval.value, max(interval.low, least), min(interval.high, most), interval.n)


def _average(values: Sequence[Doubles]) -> Doubles:
    """Mean of arrays of one shape."""
    result: Doubles = np.mean(values, axis=0)
    return result


def _random_directions(mask: Bools, draws: int, rng: np.random.Generator) -> Doubles:
    """Random unit vectors (draws, d) in the columns of `mask`."""
    result = np.where(mask, rng.normal(size=(draws, len(mask))), 0.0)
    result /= np.linalg.norm(result, axis=1, keepdims=True)
    return result
