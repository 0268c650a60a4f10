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
from ..report.estimate_rows import brackets, estimate, figure, readable, role_of, stated, trained_on
from ..report.formatting import count, listed, number, percent, plural, sentence
from ..report.images import as_uint8
from ..terminal import percent_interval, plain

if TYPE_CHECKING:
    from ..terminal import TextTable
    from .mixture import Agreement, Mixture
    from .model_selection import Candidate


SHOWN_MEMBERS = 8


UNUSUAL = 12


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
    return stated("mixtures", "Mixture", (_mixture_finding(result), trained_on(result.notes)), blocks)


def _mixture_finding(found: Mixture) -> str:
    text = f"By BIC {components(found)}"
    if found.agreement is None or found.components == 1:  # a single component says nothing of labels
        return text + "."
    return f"{text}; {shared_with_labels(found.agreement)}; shuffled labels {number(found.agreement.shuffled_nmi)}."


def components(found: Mixture) -> str:
    """State how many components the codes' density has, whether they are separate groups, and the rows' own."""
    density = f"a density of {plural(found.components, 'Gaussian component')} ({found.covariance} covariances)"
    return f"{density} fits the codes best{separate_groups(found)}{groups_again(found)}"


def separate_groups(found: Mixture) -> str:
    """State how many groups with valleys between them the components form; "" where nobody looked, or there is one."""
    one = found.separation
    if one is None or found.components == 1:
        return ""
    fitted = (
        "half of the rows, to which a mixture like it was not fitted" if one.refitted else "rows it was not fitted to"
    )
    looked = f"on {fitted}, n = {count(one.rows)}"
    if one.groups == 1:
        return f", whose components are parts of one group: no valley is shown between them ({looked})"
    return f", whose components form {count(one.groups)} separate groups with valleys between them (p ≤ 0.05, {looked})"


def groups_again(found: Mixture) -> str:
    """State how far the components are the rows' own; "" where nobody looked."""
    if found.again is None:
        return ""
    return (
        "; two mixtures like it, of half of the rows each, agree with an adjusted Rand index of "
        f"{brackets(found.again)} (by chance 0)"
    )


def shared_with_labels(found: Agreement) -> str:
    """State the mutual information with its interval, n, and whether the baselines reach as much."""
    names = {"pixels": "raw pixels", "untrained": "the same network untrained"}
    figures = [(names[role_of(b.name)], b.figure) for b in found.baselines if role_of(b.name) in names]
    groups = (
        ("more than", [one for one in figures if found.nmi.low > one[1].high]),
        ("no better than", [one for one in figures if found.nmi.low <= one[1].high]),
    )
    sentences = [
        f"{relation} {listed([f'{name} {brackets(figure)}' for name, figure in some])}"
        for relation, some in groups
        if some
    ]
    beside = f", {listed(sentences)}" if sentences else ""
    shared = f"the components share a normalised mutual information of {brackets(found.nmi)} with the labels"
    shared += f" (n = {count(found.nmi.n)})"
    return f"{shared}{beside}"


def _component(context: ReportContext, found: Mixture, k: int) -> Group:
    near = [context.picture(int(row)) for row in found.nearest[k][:SHOWN_MEMBERS] if row >= 0]
    pictures = [picture for picture in near if picture is not None]
    across = len(pictures) or SHOWN_MEMBERS
    if found.samples is not None:
        drawn = as_uint8(found.samples[k])[:across]
        pictures += [Picture(one, f"sample of component {k + 1}") for one in drawn]
    detail = f"weight {percent(float(found.weights[k]))}"
    if found.agreement is not None:
        row = np.asarray(found.agreement.counts[k])
        if row.sum():
            top = int(row.argmax())
            detail += (
                f"; {percent(row[top] / row.sum(), 0)} of {count(int(row.sum()))} are {found.agreement.classes[top]}"
            )
    return Group(title=f"Component {k + 1}", detail=detail, pictures=tuple(pictures), across=across)


def _unusual(context: ReportContext, found: Mixture) -> list[Block]:
    """The images whose codes are least likely under the mixture."""
    one = found.outliers
    pictures = [] if one is None else [context.picture(int(row)) for row in one.rows[:UNUSUAL]]
    shown = tuple(picture for picture in pictures if picture is not None)
    if one is None or not len(one.rows):
        return []
    noun = context.noun
    detail = f"{count(len(one.unusual))} of {plural(len(one.rows), noun)} beyond chance"
    caption = (
        f"{noun.capitalize()}s with the least likely codes, the least likely first. Beyond chance are those farther "
        f"out than the tail of {plural(one.references, f'other {noun}')} reaches by chance, extended as one that falls "
        f"with a power of the distance, as heavy tails do: p ≤ 0.05 / n, n = {count(len(one.rows))}, so that codes "
        "without outliers have one in a table of 20."
    )
    if not shown:
        named = listed([context.describe(int(row)) for row in one.rows[:UNUSUAL]])
        return [Prose(f"Most unusual ({detail}): {named}. {caption}")]
    return [Gallery((Group(title="Most unusual", detail=detail, pictures=shown, across=len(shown)),), caption)]


def _classes(found: Mixture, noun: str) -> list[Block]:
    """What mixtures of classes say: how many groups each has, and new images of each."""
    one = found.by_class
    if one is None:
        return []
    rows = tuple(
        (name, f"{k} {shape}", count(n))
        for name, k, shape, n in zip(
            one.classes, one.components.tolist(), one.covariances, one.rows.tolist(), strict=True
        )
    )
    caption = (
        f"A mixture for each class, chosen by BIC. By Bayes' rule they name {figure(one.accuracy)} of "
        f"{plural(one.accuracy.n, f'other {noun}')} right; "
    )
    beside = [f"{readable(other.name)} {figure(other.figure)}" for other in one.baselines]
    caption += f"{listed([*beside, f'shuffled labels {percent(one.shuffled)}'])} by mixtures of theirs."
    blocks: list[Block] = [
        Disclosure(
            "A mixture for each class", (Table(columns=("class", "components", "rows"), rows=rows, caption=caption),)
        )
    ]
    if one.samples is not None:
        groups = tuple(
            Group(
                title=name,
                detail="",
                pictures=tuple(Picture(p, f"new image of {name}") for p in as_uint8(drawn)[:SHOWN_MEMBERS]),
            )
            for name, drawn in zip(one.classes, one.samples, strict=True)
        )
        blocks.append(Gallery(groups, "Codes drawn from the mixture of each class, decoded.", rows=True))
    return blocks


CRITERIA = {
    "bic": ("BIC", "Bayesian information criterion by number of components: the least sound one is chosen."),
    "aic": ("AIC", "Akaike's information criterion: the least is best. It asks less of a component than BIC does."),
    "held_out": (
        "held-out log-likelihood",
        "Mean log-likelihood, nats a row, of rows that the candidates were not fitted on: the most is best.",
    ),
}


def _criteria(found: Mixture) -> list[Block]:
    """What speaks for each candidate: BIC, by which one is chosen, AIC, and rows that no fit has seen."""
    known = [key for key in CRITERIA if any(np.isfinite(getattr(candidate, key)) for candidate in found.candidates)]
    charts = [(CRITERIA[key][0], (_criterion(found, key),)) for key in known]
    return [*one_of("criterion", "Criterion", charts), *([_tried(found, known)] if known else [])]


def _criterion(found: Mixture, key: str) -> Lines:
    lines = []
    for kind in dict.fromkeys(candidate.covariance for candidate in found.candidates):
        tried = [one for one in found.candidates if one.covariance == kind and np.isfinite(getattr(one, key))]
        tried.sort(key=lambda one: one.components)
        x, y = (np.array([getattr(one, of) for one in tried], float) for of in ("components", key))
        lines += [Line(f"{kind} covariances", x, y, markers=True)] if tried else []
    name, caption = CRITERIA[key]
    caption += f" n of the fit: {count(found.fitted_on)}."
    return Lines(
        id=key,
        title="How many components",
        x_title="components",
        y_title=name,
        lines=tuple(lines),
        caption=caption,
        x_scale="log",
    )


def _tried(found: Mixture, known: Sequence[str]) -> Disclosure:
    """Every candidate in figures, and which is best by each criterion."""
    sound = [candidate for candidate in found.candidates if candidate.sound] or found.candidates
    best = {key: _best(sound, key) for key in known}
    sentences = [
        f"{CRITERIA[key][0]} {plural(one.components, 'component')} ({one.covariance})" for key, one in best.items()
    ]
    least = {key: getattr(best[key], key) if key in best else np.nan for key in ("bic", "aic")}
    rows = tuple(
        (
            f"{one.components} {one.covariance}",
            number(one.bic - least["bic"], 0),
            number(one.aic - least["aic"], 0),
            number(one.held_out),
            _flaws(one),
        )
        for one in sorted(found.candidates, key=lambda one: (one.components, one.covariance))
    )
    caption = (
        f"Best by {listed(sentences)}. BIC and AIC are those above the best; a degenerate candidate is not chosen, "
        "unless held-out rows confirm it by being likelier under it than under any that is not."
    )
    return Disclosure(
        "Every candidate", (Table(columns=("candidate", "BIC", "AIC", "held-out", ""), rows=rows, caption=caption),)
    )


def _flaws(one: Candidate) -> str:
    if not one.floored:
        return ""
    return f"{count(one.floored)} of {count(one.components)} degenerate" + ", confirmed" * one.confirmed


def _best(candidates: Sequence[Candidate], key: str) -> Candidate:
    """The candidate with the least BIC or AIC, or the most likelihood, of those that have one."""
    sign = -1 if key == "held_out" else 1
    return min(candidates, key=lambda one: np.nan_to_num(sign * getattr(one, key), nan=np.inf))


def _agreement(found: Agreement) -> Comparison:
    rows: list[Estimate] = []
    for name, score, shuffled in (
        ("mutual information (NMI)", found.nmi, found.shuffled_nmi),
        ("adjusted Rand index", found.ari, found.shuffled_ari),
        ("purity", found.purity, found.shuffled_purity),
    ):
        rows.append(estimate("codes", score, group=name))
        rows.append(
            Estimate(
                label="labels shuffled", value=shuffled, low=np.nan, high=np.nan, n=score.n, role="chance", group=name
            )
        )
        if name.startswith("mutual"):
            rows += [
                estimate(readable(b.name), b.figure, role_of(b.name), group=name, note=b.note) for b in found.baselines
            ]
    caption = (
        "Agreement of components with labels: 1 is the same grouping. Intervals are for very many rows of these "
        "components: few rows raise mutual information and purity by chance, so that these may lie at an upper end."
    )
    return Comparison(rows=tuple(rows), caption=caption, scale="number", axis=(0.0, 1.0))


def _counts(found: Agreement) -> Table:
    counts = np.asarray(found.counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = tuple((f"component {k + 1}", *map(count, row.tolist())) for k, row in enumerate(counts))
    return Table(
        columns=("", *found.classes),
        rows=rows,
        caption="Rows of each label in each component.",
        shades=tuple(map(tuple, share.tolist())),
    )


def tables(result: Any) -> Iterator[TextTable]:
    own = [c.bic for c in result.candidates if (c.components, c.covariance) == (result.components, result.covariance)]
    best = own[0] if own else min(c.bic for c in result.candidates)
    sound = [c for c in result.candidates if c.sound] or result.candidates
    akaike = min(c.aic for c in sound)
    rows = [
        (
            f"{c.components} {c.covariance}",
            f"{c.bic - best:.0f}",
            f"{c.aic - akaike:.0f}",
            "–" if math.isnan(c.held_out) else f"{c.held_out:.2f}",
            f"{c.floored} of {c.components}: {'confirmed' if c.confirmed else 'not to be chosen'}" if c.floored else "",
        )
        for c in sorted(result.candidates, key=lambda c: (c.components, c.covariance))
    ]
    chosen = f"{result.components} component{'s' * (result.components > 1)}"
    title = f"chosen: {chosen}, {result.covariance} covariance, on {result.fitted_on:,} rows"
    yield (
        title,
        ("candidate", "BIC above the chosen", "AIC above the least sound one's", "held-out log p a row", "degenerate"),
        rows,
    )
    if result.separation is not None and result.components > 1:
        rows_of = "of a half, by a mixture of the other" if result.separation.refitted else "not fitted to"
        separate = (f"{result.separation.groups}", f"{result.separation.rows:,}")
        yield f"groups of components with a valley between them, in rows {rows_of}", ("groups", "n"), [separate]
    if result.again is not None:
        again = ("adjusted Rand index (by chance 0)", plain(result.again), f"{result.again.n:,}")
        yield "the same on two halves of the rows, agreement on others", ("score", "value", "n"), [again]
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
    beside = "".join(f", on {baseline.name} {percent_interval(baseline.figure)}" for baseline in result.baselines)
    title = f"a mixture for each class; {named}{beside}, of shuffled labels {100 * result.shuffled:.1f} %"
    return title, ("class", "components", "train rows"), rows
