"""The section on the mixture: components of the codes' density, and groups where they are separated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.context import ReportContext
from ..report.document import (
    Block,
    Comparison,
    Disclosure,
    Estimate,
    Gallery,
    Group,
    Line,
    Lines,
    Picture,
    Prose,
    Section,
    Table,
    missing,
    one_of,
)
from ..report.estimate_rows import brackets, estimate, figure, readable, stated
from ..report.formatting import count, listed, number, percent, plural, sentence
from ..report.images import as_uint8
from ..terminal import percent_interval, plain

if TYPE_CHECKING:
    from ..base.statistics import Interval
    from ..terminal import TextTable
    from .mixture import Agreement, Mixture
    from .model_selection import Candidate


SHOWN_MEMBERS = 8


N_SHOWN_OUTLIERS = 12


AGREEMENT_WORDS = (0.8, "strongly"), (0.4, "moderately")  # least adjusted Rand index, and the word for it


def section(context: ReportContext) -> Section:
    """The mixture that fits the codes best, and whether its components are groups, and the labels."""
    result: Mixture | None = context.results.get("mixtures")
    if result is None:
        note = "None yet: latentgan mixture TABLE --out RESULTS fits Gaussian mixtures."
        return missing("mixtures", "Mixture", context.refusal("mixtures") or note)
    groups = tuple(_component(context, result, k) for k in range(result.components))
    caption = (
        "Each component of the mixture: first row, the real images nearest to its mean; second row, where a model "
        "decodes, new images drawn from it. A component that is one thing shows one thing."
    )
    blocks: list[Block] = [Gallery(groups, caption, beside=True), *_criteria(result)]
    if result.agreement is not None:
        blocks += [
            _agreement(result.agreement),
            Disclosure("Components by label", (_counts(result.agreement),)),
        ]
    blocks += [*_unusual(context, result), *_classes(result, context.noun)]
    blocks += [Prose(sentence(note)) for note in result.notes]
    return stated("mixtures", "Mixture", (_mixture_finding(result), sentence(result.training_rows_note)), blocks)


def _mixture_finding(mixture: Mixture) -> str:
    text = f"By BIC {components(mixture)}"
    if mixture.agreement is None or mixture.components == 1:  # a single component says nothing of labels
        return text + "."
    return f"{text}; {shared_with_labels(mixture.agreement)}; shuffled labels {number(mixture.agreement.shuffled_nmi)}."


def components(mixture: Mixture) -> str:
    """State how many components the codes' density has, how many groups they form, and whether two halves agree."""
    density = f"a density of {plural(mixture.components, 'Gaussian component')} ({mixture.covariance} covariances)"
    return f"{density} fits the codes best{separate_groups(mixture)}{halves_agree(mixture)}"


def separate_groups(mixture: Mixture) -> str:
    """State how many groups with valleys between them the components form; "" where nobody looked, or there is one."""
    separation = mixture.separation
    if separation is None or mixture.components == 1:
        return ""
    fitted = (
        "half of the rows, to which a mixture like it was not fitted"
        if separation.refitted
        else "rows it was not fitted to"
    )
    looked = f"on {fitted}, n = {count(separation.rows)}"
    if separation.groups == 1:
        return f"; its components are parts of one group: no valley is shown between them ({looked})"
    return (
        f"; its components form {count(separation.groups)} separate groups with valleys between them (p ≤ 0.05, "
        f"{looked})"
    )


def halves_agree(mixture: Mixture) -> str:
    """State how strongly groupings of two halves of the rows agree; "" where nobody looked."""
    split_half = mixture.split_half
    if split_half is None:
        return ""
    return (
        f"; groupings fitted to two halves of the rows agree {strength(split_half)} (adjusted Rand index "
        f"{brackets(split_half)}, chance 0)"
    )


def strength(agreement: Interval) -> str:
    """Name the strength of an adjusted Rand index, 1 where two groupings are the same and 0 by chance."""
    if not agreement.low > 0:
        return "no more than by chance"
    return next((word for least, word in AGREEMENT_WORDS if agreement.value >= least), "weakly")


def shared_with_labels(agreement: Agreement) -> str:
    """State the mutual information with its interval, n, and whether the baselines reach as much."""
    names = {"pixels": "raw pixels", "untrained": "the same network untrained"}
    figures = [(names[b.role], b.figure) for b in agreement.baselines if b.role in names]
    groups = (
        ("more than", [named for named in figures if agreement.nmi.low > named[1].high]),
        ("no better than", [named for named in figures if agreement.nmi.low <= named[1].high]),
    )
    sentences = [
        f"{relation} {listed([f'{name} {brackets(figure)}' for name, figure in group])}"
        for relation, group in groups
        if group
    ]
    comparison = f", {listed(sentences)}" if sentences else ""
    shared = f"the components share a normalised mutual information of {brackets(agreement.nmi)} with the labels"
    shared += f" (n = {count(agreement.nmi.n)})"
    return f"{shared}{comparison}"


def _component(context: ReportContext, mixture: Mixture, k: int) -> Group:
    near = [context.picture(int(row)) for row in mixture.nearest[k][:SHOWN_MEMBERS] if row >= 0]
    pictures = [picture for picture in near if picture is not None]
    across = len(pictures) or SHOWN_MEMBERS
    if mixture.samples is not None:
        drawn = as_uint8(mixture.samples[k])[:across]
        pictures += [Picture(image, f"sample of component {k + 1}") for image in drawn]
    detail = f"weight {percent(float(mixture.weights[k]))}"
    if mixture.agreement is not None:
        row = np.asarray(mixture.agreement.counts[k])
        if row.sum():
            top = int(row.argmax())
            detail += (
                f"; {percent(row[top] / row.sum(), 0)} of {count(int(row.sum()))} are {mixture.agreement.classes[top]}"
            )
    return Group(title=f"Component {k + 1}", detail=detail, pictures=tuple(pictures), across=across)


def _unusual(context: ReportContext, mixture: Mixture) -> list[Block]:
    """The images whose codes are least likely under the mixture."""
    outliers = mixture.outliers
    pictures = [] if outliers is None else [context.picture(int(row)) for row in outliers.rows[:N_SHOWN_OUTLIERS]]
    shown = tuple(picture for picture in pictures if picture is not None)
    if outliers is None or not len(outliers.rows):
        return []
    noun = context.noun
    detail = f"{count(len(outliers.unusual))} of {plural(len(outliers.rows), noun)} beyond chance"
    caption = (
        f"{noun.capitalize()}s with the least likely codes, the least likely first. Beyond chance are those farther "
        f"out than the tail of {plural(outliers.references, f'other {noun}')} reaches by chance, extended as one that "
        f"falls with a power of the distance, as heavy tails do: p ≤ 0.05 / n, n = {count(len(outliers.rows))}, so "
        "that codes without outliers have one in a table of 20."
    )
    if not shown:
        named = listed([context.describe(int(row)) for row in outliers.rows[:N_SHOWN_OUTLIERS]])
        return [Prose(f"Most unusual ({detail}): {named}. {caption}")]
    return [Gallery((Group(title="Most unusual", detail=detail, pictures=shown, across=len(shown)),), caption)]


def _classes(mixture: Mixture, noun: str) -> list[Block]:
    """What mixtures of classes say: how many groups each has, and new images of each."""
    by_class = mixture.by_class
    if by_class is None:
        return []
    rows = tuple(
        (name, f"{k} {shape}", count(n))
        for name, k, shape, n in zip(
            by_class.classes, by_class.components.tolist(), by_class.covariances, by_class.rows.tolist(), strict=True
        )
    )
    caption = (
        f"A mixture for each class, chosen by BIC. By Bayes' rule they name {figure(by_class.accuracy)} of "
        f"{plural(by_class.accuracy.n, f'other {noun}')} right; mixtures of classes of "
    )
    baseline_texts = [f"{readable(other.name)} {figure(other.figure)}" for other in by_class.baselines]
    caption += f"{listed([*baseline_texts, f'shuffled labels {percent(by_class.shuffled)}'])}."
    blocks: list[Block] = [
        Disclosure(
            "A mixture for each class", (Table(columns=("class", "components", "rows"), rows=rows, caption=caption),)
        )
    ]
    if by_class.samples is not None:
        groups = tuple(
            Group(
                title=name,
                detail="",
                pictures=tuple(Picture(p, f"new image of {name}") for p in as_uint8(drawn)[:SHOWN_MEMBERS]),
            )
            for name, drawn in zip(by_class.classes, by_class.samples, strict=True)
        )
        blocks.append(Gallery(groups, "Codes drawn from the mixture of each class, decoded.", rows=True))
    return blocks


CRITERIA = {
    "bic": (
        "BIC",
        "Bayesian information criterion by number of components: the lowest of a valid candidate is chosen.",
    ),
    "aic": ("AIC", "Akaike's information criterion: lower is better. It asks less of a component than BIC does."),
    "held_out": (
        "held-out log-likelihood",
        "Mean log-likelihood, nats a row, of rows that the candidates were not fitted on: higher is better.",
    ),
}


def _criteria(mixture: Mixture) -> list[Block]:
    """What speaks for each candidate: BIC, by which one is chosen, AIC, and rows that no fit has seen."""
    criteria = [
        key for key in CRITERIA if any(np.isfinite(getattr(candidate, key)) for candidate in mixture.candidates)
    ]
    charts = [(CRITERIA[key][0], (_criterion(mixture, key),)) for key in criteria]
    return [*one_of("criterion", "Criterion", charts), *([_tried(mixture, criteria)] if criteria else [])]


def _criterion(mixture: Mixture, key: str) -> Lines:
    lines = []
    for kind in dict.fromkeys(candidate.covariance for candidate in mixture.candidates):
        tried = [
            candidate
            for candidate in mixture.candidates
            if candidate.covariance == kind and np.isfinite(getattr(candidate, key))
        ]
        tried.sort(key=lambda candidate: candidate.components)
        x, y = (np.array([getattr(candidate, of) for candidate in tried], float) for of in ("components", key))
        lines += [Line(f"{kind} covariances", x, y, markers=True)] if tried else []
    name, caption = CRITERIA[key]
    caption += f" n of the fit: {count(mixture.fitted_on)}."
    return Lines(
        id=key,
        title="How many components",
        x_title="components",
        y_title=name,
        lines=tuple(lines),
        caption=caption,
        x_scale="log",
    )


def _tried(mixture: Mixture, criteria: Sequence[str]) -> Disclosure:
    """Every candidate in figures, and which is best by each criterion."""
    sound = [candidate for candidate in mixture.candidates if candidate.sound] or mixture.candidates
    best = {key: _best(sound, key) for key in criteria}
    sentences = [
        f"{CRITERIA[key][0]} {plural(candidate.components, 'component')} ({candidate.covariance})"
        for key, candidate in best.items()
    ]
    least = {key: getattr(best[key], key) if key in best else np.nan for key in ("bic", "aic")}
    rows = tuple(
        (
            f"{candidate.components} {candidate.covariance}",
            number(candidate.bic - least["bic"], 0),
            number(candidate.aic - least["aic"], 0),
            number(candidate.held_out),
            _flaws(candidate),
        )
        for candidate in sorted(mixture.candidates, key=lambda candidate: (candidate.components, candidate.covariance))
    )
    caption = (
        f"Best by {listed(sentences)}. BIC and AIC are those above the best; a degenerate candidate is not chosen, "
        "unless held-out rows confirm it by being likelier under it than under any that is not."
    )
    return Disclosure(
        "Every candidate", (Table(columns=("candidate", "BIC", "AIC", "held-out", ""), rows=rows, caption=caption),)
    )


def _flaws(candidate: Candidate) -> str:
    if not candidate.degenerate:
        return ""
    return (
        f"{count(candidate.degenerate)} of {count(candidate.components)} degenerate"
        + ", confirmed" * candidate.confirmed
    )


def _best(candidates: Sequence[Candidate], key: str) -> Candidate:
    """The candidate with the least BIC or AIC, or the most likelihood, of those that have one."""
    sign = -1 if key == "held_out" else 1
    return min(candidates, key=lambda candidate: np.nan_to_num(sign * getattr(candidate, key), nan=np.inf))


def _agreement(agreement: Agreement) -> Comparison:
    rows: list[Estimate] = []
    for name, score, shuffled in (
        ("mutual information (NMI)", agreement.nmi, agreement.shuffled_nmi),
        ("adjusted Rand index", agreement.ari, agreement.shuffled_ari),
        ("purity", agreement.purity, agreement.shuffled_purity),
    ):
        rows.append(estimate("codes", score, group=name))
        rows.append(
            Estimate(
                label="labels shuffled", value=shuffled, low=np.nan, high=np.nan, n=score.n, role="chance", group=name
            )
        )
        if name.startswith("mutual"):
            rows += [estimate(readable(b.name), b.figure, b.role, group=name, note=b.note) for b in agreement.baselines]
    caption = (
        "Agreement of components with labels: 1 is the same grouping. Intervals are for very many rows of these "
        "components: few rows raise mutual information and purity by chance, so that these may lie at an upper end."
    )
    return Comparison(rows=tuple(rows), caption=caption, scale="number", axis=(0.0, 1.0))


def _counts(agreement: Agreement) -> Table:
    counts = np.asarray(agreement.counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = tuple((f"component {k + 1}", *map(count, row.tolist())) for k, row in enumerate(counts))
    return Table(
        columns=("", *agreement.classes),
        rows=rows,
        caption="Rows of each label in each component.",
        shades=tuple(map(tuple, share.tolist())),
    )


def tables(result: Any) -> Iterator[TextTable]:
    chosen_bic = [
        c.bic for c in result.candidates if (c.components, c.covariance) == (result.components, result.covariance)
    ]
    best = chosen_bic[0] if chosen_bic else min(c.bic for c in result.candidates)
    sound = [c for c in result.candidates if c.sound] or result.candidates
    akaike = min(c.aic for c in sound)
    rows = [
        (
            f"{c.components} {c.covariance}",
            f"{c.bic - best:.0f}",
            f"{c.aic - akaike:.0f}",
            "–" if math.isnan(c.held_out) else f"{c.held_out:.2f}",
            f"{c.degenerate} of {c.components}: {'confirmed' if c.confirmed else 'not to be chosen'}"
            if c.degenerate
            else "",
        )
        for c in sorted(result.candidates, key=lambda c: (c.components, c.covariance))
    ]
    chosen = f"{result.components} component{'s' * (result.components > 1)}"
    title = f"chosen: {chosen}, {result.covariance} covariance, on {result.fitted_on:,} rows"
    yield (
        title,
        ("candidate", "BIC above the chosen", "AIC above the lowest valid", "held-out log p a row", "degenerate"),
        rows,
    )
    if result.separation is not None and result.components > 1:
        rows_of = "of a half, by a mixture of the other" if result.separation.refitted else "not fitted to"
        separate = (f"{result.separation.groups}", f"{result.separation.rows:,}")
        yield f"groups of components with a valley between them, in rows {rows_of}", ("groups", "n"), [separate]
    if result.split_half is not None:
        split_half = ("adjusted Rand index (by chance 0)", plain(result.split_half), f"{result.split_half.n:,}")
        yield "split-half agreement of the groupings, on other rows", ("score", "value", "n"), [split_half]
    if result.by_class is not None:
        yield _by_class(result.by_class)
    outcome = result.agreement
    if outcome is None:
        return
    scores = [
        ("NMI", plain(outcome.nmi), f"{outcome.shuffled_nmi:.3f}", f"{outcome.nmi.n:,}"),
        ("adjusted Rand index", plain(outcome.ari), f"{outcome.shuffled_ari:.3f}", f"{outcome.ari.n:,}"),
        ("purity", plain(outcome.purity), f"{outcome.shuffled_purity:.3f}", f"{outcome.purity.n:,}"),
    ]
    scores += [(f"  NMI on {b.name}", plain(b.figure), "", f"{b.figure.n:,}") for b in outcome.baselines]
    yield "agreement of components with labels", ("score", "value", "shuffled labels", "n"), scores


def _by_class(result: Any) -> TextTable:
    rows = [
        (name, f"{k} {shape}", f"{n:,}")
        for name, k, shape, n in zip(
            result.classes, result.components.tolist(), result.covariances, result.rows.tolist(), strict=True
        )
    ]
    named = f"Bayes' rule names {percent_interval(result.accuracy)} of {result.accuracy.n:,} other rows right"
    baseline_texts = "".join(
        f", on {baseline.name} {percent_interval(baseline.figure)}" for baseline in result.baselines
    )
    title = f"a mixture for each class; {named}{baseline_texts}, of shuffled labels {100 * result.shuffled:.1f} %"
    return title, ("class", "components", "train rows"), rows
