"""InfoGAN's categorical code as an unsupervised classifier of MNIST digits.

Each category is matched to a digit (one to one) on the labelled validation images; accuracy is on the test images. No
label is used in training, nor to choose between seeds: the table keeps them all, and the median counts. Labels were
looked at when the recipe "ours" was made: its weights are those that did best in earlier runs.

Source: Chen et al.: InfoGAN, NeurIPS 2016 (arXiv:1606.03657), §7.2: 5 % error, one run. Other users see classes merge.
"""

from __future__ import annotations

import time

import numpy as np

from analysis.base.statistics import Interval
from analysis.code_parts.categorical import match_categories
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

ACCURACY = "category as classifier"


def measure(job: Job) -> Outcome:
    """Train, encode, match categories to labels on validation images, and evaluate them on test images."""
    table = job.encoded(job.trained(), ["none"])
    job.say("categories and labels")
    started = time.perf_counter()
    result = category_scores(table, job.seed)
    scores = {name: _accuracy(table, q.argmax(1), q.shape[1]) for name, q in result.items()}
    job.timed("read", started)
    return Outcome({ACCURACY: scores.pop("code")}, scores)


def _accuracy(table: Embeddings, chosen: np.ndarray, categories: int) -> Interval:
    labels = table.column().codes
    validation, test = table.rows("validation"), table.rows("test")
    pairs = [(chosen[rows], labels[rows]) for rows in (validation, test)]
    return match_categories(*pairs, categories=categories, classes=1 + int(labels.max())).accuracy


PROTOCOL = Protocol(
    title="InfoGAN's categorical code as a classifier of MNIST",
    source="Chen et al. 2016 (arXiv:1606.03657), §7.2",
    dataset="mnist",
    recipes={
        "ours": Recipe(about="half the width, and the consistency term", config="infogan_mnist.toml", seeds=5),
        "paper": Recipe(
            about="the paper's networks and schedule", config="infogan_mnist_paper.toml", seeds=1, is_ours=False
        ),
    },
    headlines={
        "": (
            Headline(
                figure=ACCURACY,
                title="accuracy without labels",
                paper="95 % (one run)",
                baselines={name: name for name in (KMEANS, UNTRAINED)},
                median=True,
            ),
        )
    },
    measure=measure,
)
