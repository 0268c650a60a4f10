"""Codes that are classes: which categories an encoder uses, and whether they are the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import AnalysisError, Ints, same_length
from .statistics import Interval, proportion


@dataclass(frozen=True)
class Matching:
    """Categories named after labels on some rows, judged on others."""

    names: Ints  # (categories,) the label that each category stands for, -1 where it stands for none
    rule: str  # "one to one" (Hungarian) or "majority"
    accuracy: Interval  # share of judged rows whose category stands for their label
    n_matched: int  # rows that the names were chosen on


def contingency(categories: Ints, labels: Ints, *, rows: int, columns: int) -> Ints:
    """Count (category, label) pairs of (n,) rows, those without a label (-1) left out: (rows, columns)."""
    known = labels >= 0
    return np.bincount(categories[known] * columns + labels[known], minlength=rows * columns).reshape(rows, columns)


def match_categories(chosen_on: tuple[Ints, Ints], judged_on: tuple[Ints, Ints], *, categories: int) -> Matching:
    """Name categories after labels and say how often the names are right.

    With as many categories as labels the best one-to-one assignment (Hungarian; Kuhn 1955) names them, else each
    category has the label that most of its rows have. InfoGAN's protocol (Chen et al. 2016, arXiv:1606.03657, §7.2),
    but the names are chosen on other rows than those they are judged on.

    Args: chosen_on, judged_on: (categories (n,), labels (n,)) of rows, label -1 = unlabelled, left out.
        categories: how many there are. Raises: AnalysisError where either has no labelled rows.
    """
    from scipy.optimize import linear_sum_assignment

    for name, pair in (("choose names on", chosen_on), ("judge", judged_on)):
        same_length(categories=pair[0], labels=pair[1])
        if not (pair[1] >= 0).any():
            raise AnalysisError(f"categories cannot be compared with labels: there are no labelled rows to {name}")
    labels = 1 + max(int(chosen_on[1].max()), int(judged_on[1].max()))
    counts = contingency(*chosen_on, rows=categories, columns=labels)
    names = np.where(counts.sum(1) > 0, counts.argmax(1), -1)
    rule = "majority"
    if categories == labels:
        rows, columns = linear_sum_assignment(counts, maximize=True)
        names[rows], rule = columns, "one to one"
    known = judged_on[1] >= 0
    right = names[judged_on[0][known]] == judged_on[1][known]
    return Matching(names, rule, proportion(right), int(counts.sum()))
