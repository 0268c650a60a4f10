"""Whether edits do what they say: images edited along concepts, judged by something that never saw the model.

Codes of real images that were held out are moved along each concept's direction by doses, in standard deviations of its
projection, decoded, and judged: by a network that was trained on real images only, or by a measured property. Each
concept then has

    a dose-response curve     the mean score of its own judge by dose
    an effect                 its change by one dose, in standard deviations of the score over real images
    a rank correlation        of dose and score, an image at a time, and of the mean curve
    a success rate            images that become what the concept says; see `succeeded`
    leakage                   the effect on every other judge: edit concept i, change in concept j
    what stays                the judged class, and the distance in pixels and in code

beside the same of random directions of equal length, several draws for each concept, each turned so that it raises the
score. Codes are rarely as wide in one direction as in another, and random directions do not know that. p therefore
counts directions that the same estimator found for shuffled labels, moved by a standard deviation along themselves:
where labels are noise, the concept's own direction is one of them. It is corrected for the number of concepts, see
`edit_tests`. Where the caller has no such directions, random ones take their place.

A concept is proven where its effect is more than that of every such direction, its judge tells the concept of real
images, and the concept itself holds on rows that its direction was not fitted to.

Source of the protocol: Shen, Gu, Tang, Zhou, CVPR 2020 (arXiv:1907.10786), §3.2 to §3.4, who rescore edited faces by
the classifier that also labelled the samples; here the judge is another one, and chance stands beside each figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Bools, Doubles, Floats, Ints, Pixels, Seed, as_codes, as_rng, rows_of
from ..base.decoding import Decode, film
from ..base.statistics import UNKNOWN, Interval, at_floor, mean_interval, proportion
from ..errors import AnalysisError
from .edits import (
    Judge,
    Judged,
    check_doses,
    finite,
    kept,
    kept_at_one,
    means,
    per_dose,
    score_edits,
    shares,
    spearman,
    succeeded,
)
from .multiple_testing import LEVEL, family_wise, leaking

DOSES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


DRAWS = 20  # null directions a concept: 1 / (1 + 20) is just below 0.05


CHANCE = 0.95  # quantile of null directions' effects that stands beside the leakage


UNIT = np.array([-1.0, 0.0, 1.0])  # doses of null directions


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number that a judge gives an image."""

    name: str  # of the concept that it judges: "label: 3", "thickness"
    about: str  # "probability by a network", "measured, in pixels"
    spread: float  # standard deviation over real images: the unit of effects
    threshold: float = math.nan  # above which an image has the concept; NaN for a number
    metric: str = ""  # "AUC" or "R2"; "" for what is measured
    quality: Interval | None = None  # that figure on real images that the judge has not seen

    @property
    def tells(self) -> bool:
        """Whether it tells its concept of real images: measured, or its figure's whole interval is above chance."""
        return self.quality is None or self.quality.low > (0.0 if self.metric == "R2" else 0.5)


@dataclass(frozen=True, kw_only=True)
class EditDirection:
    """One direction to verify."""

    name: str  # as the concept's
    column: str
    kind: str
    direction: Doubles  # (d,) of length 1
    length: float  # of one dose in the code: standard deviation of the projection
    says: str = ""  # the score that it is to raise; the one of its own name unless given
    evidence: str = ""  # the figure by which it tells its concept, on rows that it was not fitted to
    holds: bool = True  # whether that figure stands

    @property
    def claim(self) -> str:
        """Name of the score that it is to raise."""
        return self.says or self.name


@dataclass(frozen=True, kw_only=True)
class Response:
    """What moving along one concept does; (s,) is one value a dose, (3, s) value, low, high of a 95 % interval."""

    name: str
    column: str
    kind: str
    score: int  # position of its own judge in Verification.scores, -1 where nobody judges it
    length: float  # of one dose in the code
    curve: Doubles  # (3, s) mean score; NaN without a judge, as all up to success_random
    curve_random: Doubles  # (r, s) of each random direction, turned to rise
    effect: Interval  # in standard deviations of real images by one dose
    effect_random: Interval  # mean size over random directions
    p_value: float  # of null directions that raise a score as much, corrected for the number of concepts
    spearman: Interval  # mean over images of the rank correlation of dose and score
    spearman_random: Interval  # mean over random directions of the same
    spearman_curve: float  # of the mean curve
    success: Interval
    success_random: Interval
    kept: Doubles  # (3, s) share of images whose judged class is that at dose 0; NaN where no class is judged
    kept_random: Doubles  # (s,) mean over random directions
    kept_one: Interval  # at doses ±1
    kept_one_random: Interval
    moved: Doubles  # (s,) mean over images of the root mean square difference of pixels from dose 0
    moved_random: Doubles  # (s,)
    effect_shuffled: Interval  # mean size over directions of shuffled labels
    holds: bool  # whether the concept stands on rows that its direction was not fitted to


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All concepts of one model."""

    kind: ClassVar[str] = "editing"

    responses: tuple[Response, ...]
    scores: tuple[Score, ...]
    doses: Doubles  # (s,) in standard deviations of the projection
    leakage: Doubles  # (m, j) effect on every judge by one dose, in standard deviations of real images
    leakage_low: Doubles  # (m, j) ends of the 95 % interval over images
    leakage_high: Doubles  # (m, j)
    chance: Doubles  # (m, j) size that 95 % of null directions stay below
    leaks: Bools  # (m, j) effects on other judges that are more than null directions have, corrected for their number
    n: int  # images
    draws: int  # random directions a concept
    shuffles: int  # directions of shuffled labels a concept; 0 where random ones took their place
    reconstructed: Interval  # share of undosed images whose judged class is that of the real image
    directions: Doubles  # (m, d) that were verified
    frames: Pixels  # (m, k, s, h, w, c) of the first k images
    notes: tuple[str, ...]
    accuracy: Interval = UNKNOWN  # of the judged class on real test images
    left_out: int = 0  # concepts that were asked for, beyond the first ones

    @property
    def judged(self) -> tuple[Response, ...]:
        """The concepts that have a judge."""
        return tuple(response for response in self.responses if response.score >= 0)

    @property
    def nulls(self) -> int:
        """Null directions of each concept, by which p is counted."""
        return self.shuffles or self.draws

    def floored(self, one: Response) -> bool:
        """Whether no null direction of any concept raises a score as much, so that p may be less than is said."""
        return at_floor(one.p_value, self.nulls)

    def told(self, one: Response) -> str:
        """Name a direction, and what judges it where that is called otherwise: "thickness", "pca1 (thickness)"."""
        judge = self.scores[one.score].name if one.score >= 0 else one.name
        return one.name if judge == one.name else f"{one.name} ({judge})"

    @property
    def proven(self) -> tuple[Response, ...]:
        """The concepts that raise their own score, more than null directions do: p ≤ 0.05 over all concepts.

        One that does not hold itself is never among them, nor one whose judge does not tell it of real images.
        """
        return tuple(
            one
            for one in self.judged
            if one.effect.low > 0 and one.p_value <= LEVEL and one.holds and self.scores[one.score].tells
        )

    @property
    def blind(self) -> tuple[str, ...]:
        """Names of the network's judges that tell their concept of real images no better than chance."""
        return tuple(score.name for score in self.scores if not score.tells)

    def shown_rows(self) -> Ints:
        """Rows of the table whose images a report shows for this result, ascending."""
        return rows_of()


def verify_edits(
    decode: Decode,
    judge: Judge,
    scores: Sequence[Score],
    codes: Floats,
    moves: Sequence[EditDirection],
    *,
    rng: Seed = 0,
    doses: Sequence[float] = DOSES,
    draws: int = DRAWS,
    mask: Bools | None = None,
    shuffled: Doubles | None = None,
    real: Ints | None = None,
    shown: int = 4,
    accuracy: Interval = UNKNOWN,
    notes: Sequence[str] = (),
    advance: Callable[[int], None] = lambda directions: None,
) -> Verification:
    """Edit held-out images along each direction and judge them.

    Args: judge: images to scores (n, j), one column each of `scores`, and classes. codes: (n, d) of held-out images.
        mask: columns in which random directions lie; all unless given. shuffled: (m, r, d) steps along directions of
        shuffled labels, a dose each, that the estimator of each move found; number r of all moves is of the same
        shuffle. real: (n,) judged classes of the images themselves, `accuracy` how often the judge tells them right.
        shown: first images whose frames are kept. advance: told how many more directions are done, of
        (1 + draws + r) · len(moves).
    """
    rng = as_rng(rng)
    codes, at = as_codes(codes), check_doses(np.asarray(doses))
    if not moves or not scores:
        raise AnalysisError("there is no concept to edit along, or no judge of edits")
    if dull := [one.name for one in scores if not one.spread > 0]:
        raise AnalysisError(f"the judge of {dull[0]!r} gives all real images the same score, so it can tell no change")
    if still := [one.name for one in moves if not one.length > 0]:
        raise AnalysisError(f"codes do not vary along {still[0]!r}, so a standard deviation along it is no edit")
    mask = np.ones(codes.shape[1], np.bool_) if mask is None else mask
    names = [score.name for score in scores]
    spreads, own = np.array([one.spread for one in scores]), [_place(names, move) for move in moves]
    result: list[tuple[_Outcome, list[_Outcome]]] = []
    null: list[Doubles] = []  # (r, j) of each move
    unedited = np.zeros(0, np.int64)
    for place, (move, mine) in enumerate(zip(moves, own, strict=True)):
        outcomes: list[_Outcome] = []
        for direction in [move.direction, *_drawn(mask, draws, rng)]:
            judged = score_edits(decode, judge, codes, move.length * direction, at)
            unedited = judged.classes[:, at == 0][:, 0]
            outcomes.append(_outcome(judged, mine, scores, at, turned=len(outcomes) > 0))
            advance(1)
        result.append((outcomes[0], outcomes[1:]))
        some = [one.raw for one in outcomes[1:]] if shuffled is None else []
        for step in () if shuffled is None else shuffled[place]:
            one = score_edits(decode, judge, codes, step, UNIT)
            some.append(means(per_dose(one.scores, UNIT) / spreads)[0])
            advance(1)
        null.append(np.array(some).reshape(-1, len(scores)))
    effects, nulls = np.stack([one.effects for one, _ in result], axis=1), np.stack(null)  # (3, m, j), (m, r, j)
    lengths = np.array([move.length if shuffled is None else 1.0 for move in moves])
    alike = effects[0] / lengths[:, None], nulls / lengths[:, None, None]  # random ones by a dose of length 1
    p = family_wise(*alike, own)
    responses = tuple(
        _response(move, mine, *outcome, float(p[i]), nulls[i] if shuffled is not None else None)
        for i, (move, mine, outcome) in enumerate(zip(moves, own, result, strict=True))
    )
    sizes = np.where(np.isfinite(alike[1]), np.abs(alike[1]), np.inf)  # one without a score speaks for no concept
    chance = np.quantile(sizes.reshape(-1, len(scores)), CHANCE, axis=0, method="higher") * lengths[:, None]
    tells = np.array([one.tells for one in scores], np.bool_)
    told = real is not None and bool((unedited >= 0).all())
    return Verification(
        responses=responses,
        scores=tuple(scores),
        doses=at,
        leakage=effects[0],
        leakage_low=effects[1],
        leakage_high=effects[2],
        chance=chance,
        leaks=leaking(*alike, own, tells),
        n=len(codes),
        draws=draws,
        shuffles=0 if shuffled is None else shuffled.shape[1],
        reconstructed=proportion(unedited == real) if told else UNKNOWN,
        directions=np.stack([move.direction for move in moves]),
        frames=film(decode, np.stack([move.length * move.direction for move in moves]), codes[:shown], at),
        notes=tuple(notes),
        accuracy=accuracy,
    )


def _place(names: Sequence[str], move: EditDirection) -> int:
    """Position of the score that a move is to raise, -1 where nobody judges it."""
    return names.index(move.claim) if move.claim in names else -1


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What one direction, a concept's or a random one, does to the same images."""

    effects: Doubles  # (3, j) value, low, high by one dose, in standard deviations of real images
    raw: Doubles  # (j,) the value as the direction was given, not turned
    curve: Doubles  # (3, s) of its own judge
    spearman: Interval
    spearman_curve: float
    success: Interval
    kept: Doubles  # (3, s)
    kept_one: Interval
    moved: Doubles  # (s,)


def _outcome(judged: Judged, own: int, scores: Sequence[Score], doses: Doubles, *, turned: bool) -> _Outcome:
    """Sum up one direction; a `turned` one is reversed where it lowers the score of its own judge."""
    spreads = np.array([score.spread for score in scores])
    change = means(per_dose(judged.scores, doses) / spreads)
    raw = change[0]
    if turned and own >= 0 and change[0, own] < 0:
        judged = Judged(judged.scores[:, ::-1], judged.classes[:, ::-1], judged.moved[:, ::-1])
        change = -change[[0, 2, 1]]
    mine = judged.scores[:, :, own] if own >= 0 else np.zeros((0, len(doses)))
    mine = mine[finite(mine)]
    curve, same = means(mine), kept(judged.classes, doses)
    hits = succeeded(mine, doses, scores[own].threshold) if len(mine) else np.zeros(0, np.bool_)
    return _Outcome(
        effects=change,
        raw=raw,
        curve=curve,
        spearman=_within(mean_interval(spearman(mine, doses)), -1.0, 1.0),
        spearman_curve=float(spearman(curve[:1], doses)[0]) if len(mine) else math.nan,
        success=proportion(hits),
        kept=shares(same, doses),
        kept_one=kept_at_one(same, doses),
        moved=judged.moved.mean(0),
    )


def _response(
    move: EditDirection, j: int, own: _Outcome, random: Sequence[_Outcome], p: float, shuffled: Doubles | None
) -> Response:
    """Set a concept's outcome beside those of random directions. `shuffled`: (r, j) effects of shuffled labels'."""
    value, low, high = own.effects[:, j].tolist() if j >= 0 else [math.nan] * 3
    sizes = [abs(float(one.effects[0, j])) for one in random] if j >= 0 else []
    return Response(
        name=move.name,
        column=move.column,
        kind=move.kind,
        score=j,
        length=move.length,
        curve=own.curve,
        curve_random=np.array([one.curve[0] for one in random]).reshape(-1, own.curve.shape[1]),
        effect=Interval(value, low, high, own.spearman.n),
        effect_random=_over(sizes, most=math.inf),
        p_value=p,
        spearman=own.spearman,
        spearman_random=_over([one.spearman.value for one in random], least=-1.0),
        spearman_curve=own.spearman_curve,
        success=own.success,
        success_random=_over([one.success.value for one in random]),
        kept=own.kept,
        kept_random=_average([one.kept[0] for one in random]),
        kept_one=own.kept_one,
        kept_one_random=_over([one.kept_one.value for one in random]),
        moved=own.moved,
        moved_random=_average([one.moved for one in random]),
        effect_shuffled=UNKNOWN if shuffled is None or j < 0 else _over(np.abs(shuffled[:, j]).tolist(), most=math.inf),
        holds=move.holds,
    )


def _over(values: Sequence[float], least: float = 0.0, most: float = 1.0) -> Interval:
    """Mean over random directions of what is known; its interval ends where such figures do."""
    result = np.array(values, np.float64)
    return _within(mean_interval(result[np.isfinite(result)]), least, most)


def _within(one: Interval, least: float, most: float) -> Interval:
    """The interval, whose ends are no further than such figures go."""
    return Interval(one.value, max(one.low, least), min(one.high, most), one.n)


def _average(values: Sequence[Doubles]) -> Doubles:
    result: Doubles = np.mean(values, axis=0)
    return result


def _drawn(mask: Bools, draws: int, rng: np.random.Generator) -> Doubles:
    """Random unit vectors (draws, d) in the columns of `mask`."""
    result = np.where(mask, rng.normal(size=(draws, len(mask))), 0.0)
    result /= np.linalg.norm(result, axis=1, keepdims=True)
    return result
