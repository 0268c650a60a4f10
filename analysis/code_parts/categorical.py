"""Categories of a code against classes of the images: which category is which class, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import Doubles, Floats, Ints, Pixels, same_length
from ..base.clustering_scores import DRAWS, SPLITS, contingency, nmi, partition_interval, purity_interval
from ..base.statistics import Baseline, Interval, proportion, wilson
from ..errors import AnalysisError


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Categories named after labels on some rows, scored on others."""

    names: Ints
    """(categories,) the label that each category stands for, -1 where it stands for none."""
    rule: str
    """How names were chosen: "one to one" (Hungarian), "majority" or "most confident"; "labels used" where the network
    was trained on labels, so that category k is label k and nothing is chosen."""
    accuracy: Interval
    """Share of scored rows whose category stands for their label."""
    n_matched: int
    """Rows that the names were chosen on."""


def match_categories(
    chosen_on: tuple[Ints, Ints], scored_on: tuple[Ints, Ints], *, categories: int, classes: int = 0
) -> Matching:
    """Name categories after labels and say how often the names are right.

    With as many categories as labels the best one-to-one assignment (Hungarian; Kuhn 1955) names them, else each
    category has the label that most of its rows have; one that no row speaks for has none. InfoGAN's protocol
    (Chen et al. 2016, arXiv:1606.03657, §7.2), but names are chosen on other rows than those they are scored on.

    Args:
        chosen_on: (categories (n,), labels (n,)) of the rows that choose names; label -1 = unlabelled, left out.
        scored_on: the same of the rows that names are scored on.
        categories: number of categories.
        classes: number of labels, where these rows may lack the last ones.

    Returns:
        The names, the rule that chose them and their accuracy on `scored_on`.

    Raises:
        AnalysisError: if either has no labelled rows.
    """
    for name, pair in (("choose names on", chosen_on), ("score them on", scored_on)):
        same_length(categories=pair[0], labels=pair[1])
        if not (pair[1] >= 0).any():
            raise AnalysisError(f"categories cannot be compared with labels: there are no labelled rows to {name}")
    labels = max(classes, 1 + int(chosen_on[1].max()), 1 + int(scored_on[1].max()))
    counts = contingency(*chosen_on, rows=categories, columns=labels)
    names = np.where(counts.sum(1) > 0, counts.argmax(1), -1)
    rule = "majority"
    if categories == labels:
        names, rule = _assigned(counts), "one to one"
    is_labelled = scored_on[1] >= 0
    right = names[scored_on[0][is_labelled]] == scored_on[1][is_labelled]
    return Matching(names=names, rule=rule, accuracy=proportion(right), n_matched=int(counts.sum()))


def match_one_to_one(chosen_on: tuple[Ints, Ints], scored_on: tuple[Ints, Ints], *, categories: int) -> Matching:
    """Give each label one category at most, as many rows as possible agreeing, and say how often the names are right.

    Where there are more categories than labels, those left over stand for none, and their rows count as wrong: the
    clustering accuracy of a rectangular assignment (Kuhn 1955). Arguments and errors as of `match_categories`.
    """
    several = match_categories(chosen_on, scored_on, categories=categories)  # checks the rows
    labels = 1 + max(int(chosen_on[1].max()), int(scored_on[1].max()))
    names = _assigned(contingency(*chosen_on, rows=categories, columns=labels))
    return score_names(names, "one to one", scored_on, several.n_matched)


def _assigned(counts: Ints) -> Ints:
    """Return the label that the best assignment gives each category, (k,); -1 where no row speaks for it."""
    from scipy.optimize import linear_sum_assignment

    names, (rows, columns) = np.full(len(counts), -1), linear_sum_assignment(counts, maximize=True)
    names[rows] = np.where(counts[rows, columns] > 0, columns, -1)
    return names


def score_names(names: Ints, rule: str, scored_on: tuple[Ints, Ints], n_matched: int = 0) -> Matching:
    """Compute the accuracy of names that are given.

    Args:
        names: (categories,) label of each category, -1 for none.
        rule: how the names were chosen, see `Matching`.
        scored_on: (categories (n,), labels (n,)) of rows; label -1 = unknown, left out.
        n_matched: number of rows that the names were chosen on.
    """
    is_labelled = scored_on[1] >= 0
    return Matching(
        names=names,
        rule=rule,
        accuracy=proportion(names[scored_on[0][is_labelled]] == scored_on[1][is_labelled]),
        n_matched=n_matched,
    )


def match_by_confidence(chosen_on: tuple[Doubles, Ints], scored_on: tuple[Ints, Ints]) -> Matching:
    """Name each category i after the label of one row, argmax_n q(y_i|x_n), and say how often the names are right.

    The protocol of adversarial autoencoders (Makhzani et al. 2015, arXiv:1511.05644, §6): one label a category. Where
    several rows have the highest score, as those at a probability that rounds to 1, the order of rows must not choose:
    what they leave to the other categories does, the least of it, which is not rounded. Of rows that agree in that too
    the commonest label is the name, the lowest of equally common ones.

    Args:
        chosen_on: (scores (n, k), labels (n,)) of the rows that choose names; label -1 = unlabelled, left out.
        scored_on: (categories (n,), labels (n,)) of other rows, which names are scored on.

    Returns:
        The names, with the rule "most confident", and their accuracy on `scored_on`.

    Raises:
        AnalysisError: if either has no labelled rows.
    """
    for name, pair in (("choose names on", chosen_on), ("score them on", scored_on)):
        same_length(categories=pair[0], labels=pair[1])
        if not (pair[1] >= 0).any():
            raise AnalysisError(f"categories cannot be compared with labels: there are no labelled rows to {name}")
    is_labelled = chosen_on[1] >= 0
    scores, labels = chosen_on[0][is_labelled], chosen_on[1][is_labelled]
    names = np.array([np.bincount(labels[_surest(scores, k)]).argmax() for k in range(scores.shape[1])])
    is_test_labelled = scored_on[1] >= 0
    right = names[scored_on[0][is_test_labelled]] == scored_on[1][is_test_labelled]
    return Matching(names=names, rule="most confident", accuracy=proportion(right), n_matched=len(labels))


def _surest(scores: Doubles, category: int) -> Ints:
    """Return the rows of (n, k) scores that are of a category most surely, more than one where nothing divides them."""
    rows = np.flatnonzero(scores[:, category] == scores[:, category].max())
    other_scores = np.delete(scores[rows], category, axis=1).sum(1, dtype=np.float64)
    surest: Ints = rows[other_scores == other_scores.min()]
    return surest


def most_confident(scores: Floats, count: int) -> Ints:
    """Return which rows of (n, k) scores are of each category most surely, the surest first: (k, count).

    A row is shown under the category that it is of; -1 where a category has no more.
    """
    chosen = scores.argmax(1)
    result = np.full((scores.shape[1], count), -1)
    for k in range(scores.shape[1]):
        members = np.flatnonzero(chosen == k)
        members = members[np.argsort(-scores[members, k], kind="stable")][:count]
        result[k, : len(members)] = members
    return result


@dataclass(frozen=True, kw_only=True)
class Categories:
    """One categorical part of the code, or learned mixture, read as the category of the highest probability."""

    part: str
    """Name of the part."""
    counts: Ints
    """(k,) rows that each category has."""
    effective: Interval
    """Exp of the entropy of the usage: k where all are used alike, 1 where one is."""
    confidence: Interval
    """Mean probability of the chosen category."""
    table: Ints
    """(k, classes) labelled rows; (k, 0) where nothing is labelled."""
    matching: Matching | None
    """Names by majority, one to one or as labelled; None where no labels decide."""
    shared: Interval | None
    """Normalised mutual information with the labels."""
    shuffled: float
    """The same with shuffled labels."""
    baselines: tuple[Baseline, ...]
    """Accuracy of as many groups of something else, matched alike."""
    samples: Pixels | None
    """(k, m, h, w, c): decoded, all but the category the same down each column."""
    confident: Matching | None = None
    """Named by one row each, the most confident."""
    confident_baselines: tuple[Baseline, ...] = ()
    """The same groups as in `baselines`, named by one row each."""
    exemplars: Pixels | None = None
    """(k, m, h, w, c): images that are of each category most surely."""
    exemplar_rows: Ints | None = None
    """(k, m) their rows, -1 where a category has fewer."""
    noun: str = "category"
    """Or "component", of a learned mixture."""
    assigned: Matching | None = None
    """Where there are more categories than labels: one to one, the others are wrong."""
    assigned_baselines: tuple[Baseline, ...] = ()
    """The same groups as in `baselines`, assigned alike."""
    n_labels_used: int = 0
    """Labels that the network was trained with, where it learned these classes from them."""
    purity: Interval | None = None
    """Labelled rows that have their category's commonest label."""
    purity_baselines: tuple[Baseline, ...] = ()
    """The same of as many groups of something else, and of shuffled labels."""

    @property
    def nouns(self) -> str:
        """What several of them are called."""
        return "categories" if self.noun == "category" else f"{self.noun}s"

    @property
    def purities(self) -> tuple[Interval, ...]:
        """The share of each category's labelled rows that have its commonest label; n is 0 where there are none."""
        return tuple(wilson(int(row.max(initial=0)), int(row.sum())) for row in self.table)


def shared_information(table: Ints, *, rng: np.random.Generator, repeats: int = DRAWS) -> Interval:
    """Normalised mutual information of a (k, c) table, with an interval for that of very many rows."""
    return partition_interval(nmi, table, rng=rng, repeats=repeats)


def purity_of(table: Ints, *, rng: np.random.Generator, repeats: int = SPLITS) -> Interval:
    """Share of rows that have their category's commonest label, with an interval for that of very many rows."""
    return purity_interval(table, rng=rng, repeats=repeats)
