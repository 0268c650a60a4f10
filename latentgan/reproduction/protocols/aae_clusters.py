"""Clusters of an adversarial autoencoder as an unsupervised classifier of MNIST digits.

The paper's labelling: cluster i gets the label of the validation image argmax_n q(y_i|x_n), so that as many labels are
used as there are clusters; accuracy is then on the test images. A second rule gives each cluster the label of most of
its validation images. No label is used in training, nor to choose between seeds.

Source: Makhzani et al.: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §6, table 3: errors of 9.55 ± 2.05 % with 16
clusters and of 4.10 ± 1.13 % with 30.
"""

from __future__ import annotations

import time

import numpy as np

from analysis.base.statistics import Interval
from analysis.code_parts.categorical import match_by_confidence, match_categories, match_one_to_one
from analysis.table.embeddings import Embeddings
from latentgan.reproduction.protocols.base import (
    KMEANS,
    UNTRAINED,
    Headline,
    Job,
    Outcome,
    Protocol,
    Recipe,
    category_scores,
)

CONFIDENT, MAJORITY = "named by one image each", "named by the majority"


HUNGARIAN = "one cluster a digit (Hungarian)"


def measure(job: Job) -> Outcome:
    """Train, encode, label clusters on validation images by each rule, and evaluate them on test images."""
    table = job.encoded(job.trained(), ["none"])
    job.say("clusters and labels")
    started = time.perf_counter()
    baseline_scores = category_scores(table, job.seed)
    figures = _accuracies(table, baseline_scores.pop("code"))
    baselines = {
        f"{name}, {rule}": figure
        for name, q in baseline_scores.items()
        for rule, figure in _accuracies(table, q).items()
    }
    job.timed("read", started)
    return Outcome(figures, baselines)


def _accuracies(table: Embeddings, scores: np.ndarray) -> dict[str, Interval]:
    """Return the accuracy on test images of clusters given by scores (n, k) of all rows, by each rule."""
    labels, chosen = table.column().codes, scores.argmax(1)
    validation, test = table.rows("validation"), table.rows("test")
    evaluated = chosen[test], labels[test]
    classes, k = 1 + int(labels.max()), scores.shape[1]
    majority = match_categories((chosen[validation], labels[validation]), evaluated, categories=k, classes=classes)
    confident = match_by_confidence((scores[validation].astype(np.float64), labels[validation]), evaluated)
    single = match_one_to_one((chosen[validation], labels[validation]), evaluated, categories=k)
    return {CONFIDENT: confident.accuracy, MAJORITY: majority.accuracy, HUNGARIAN: single.accuracy}


def _headlines(clusters: int, paper: str) -> tuple[Headline, ...]:
    return tuple(
        Headline(
            figure=rule,
            title=f"accuracy of {clusters} clusters, {rule}",
            paper=published,
            baselines={f"{name}, {rule}": name for name in (KMEANS, UNTRAINED)},
            median=True,
        )
        for rule, published in ((CONFIDENT, paper), (MAJORITY, ""), (HUNGARIAN, ""))
    )


SIXTEEN, THIRTY = _headlines(16, "90.45 % ± 2.05"), _headlines(30, "95.90 % ± 1.13")

PROTOCOL = Protocol(
    title="Clusters of an adversarial autoencoder as a classifier of MNIST",
    source="Makhzani et al. 2015 (arXiv:1511.05644), §6, table 3",
    dataset="mnist",
    recipes={
        "ours-16": Recipe(about="convolutions, and the consistency term", config="aae_clusters_16.toml", seeds=5),
        "ours-30": Recipe(about="convolutions, and the consistency term", config="aae_clusters_30.toml", seeds=5),
        "paper-16": Recipe(about="the paper's networks", config="aae_clusters_16_paper.toml", seeds=1, is_ours=False),
        "paper-30": Recipe(about="the paper's networks", config="aae_clusters_30_paper.toml", seeds=1, is_ours=False),
    },
    headlines={"ours-16": SIXTEEN, "paper-16": SIXTEEN, "ours-30": THIRTY, "paper-30": THIRTY},
    measure=measure,
)
