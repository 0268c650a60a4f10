"""Few labels: 10 a class, 20 draws, a logistic probe on codes and on features, beside networks trained on those labels.

All recipes of a seed are judged on the same draws of labels. The yardsticks are raw pixels, a PCA of them, the same
layers untrained, and a classifier of the discriminator's shape that is trained on the labels alone, without and with
the affine maps that stand in front of the discriminators.

Source: no paper has this figure for MNIST; the protocol is that of `latentgan probe --few 10 --draws 20 --full`.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from analysis.few import draw_labels, draws_and_rows
from analysis.study_probes import study_probes
from latentgan.adapter import NumpyModel
from latentgan.config import AugmentConfig
from latentgan.devices import pick_device
from latentgan.session import open_source
from latentgan.supervised import Classifier, few_label_hits

from .base import Headline, Job, Outcome, Protocol, Recipe, read_config_file

PER_CLASS = 10
VALIDATION = 2_000
SUPERVISED = "supervised"
AUGMENTED_AS = "bigan_mnist.toml"


def measure(job: Job) -> Outcome:
    """Train and probe every layer but the first, or train classifiers on the draws."""
    return supervised(job) if job.recipe == SUPERVISED else probed(job)


def probed(job: Job) -> Outcome:
    """Probe codes and features on the draws of labels."""
    run = job.trained()
    layers = [name for name in NumpyModel.load(run, device=job.device).feature_names if not name.endswith(".conv1")]
    table = job.encoded(run, layers)
    job.say(f"{PER_CLASS} labels a class, {job.options.draws} draws")
    started = time.perf_counter()
    (few,) = study_probes(table, None, replace(job.options, methods=(), per_class=(PER_CLASS,))).few
    job.timed("read", started)
    scores = dict(zip(few.representations, few.scores, strict=True))
    yardsticks = {name for name, is_yardstick in zip(few.representations, few.baselines, strict=True) if is_yardstick}
    gains = {f"{d.representation} − {d.baseline}": d.difference for d in few.differences}
    return Outcome(
        {name: score for name, score in scores.items() if name not in yardsticks} | gains,
        {name: score for name, score in scores.items() if name in yardsticks},
    )


def supervised(job: Job) -> Outcome:
    """Train a classifier on each draw of labels, without and with random affine maps."""
    source = open_source(job.configured(AUGMENTED_AS))
    known = [rows[source.labels[rows] >= 0] for rows in map(source.rows, ("train", "validation", "test"))]
    train, validation, test = known
    options = job.options
    picked = draw_labels(source.labels[train], per_class=PER_CLASS, draws=options.draws, rng=options.rng("probes"))
    held = np.random.default_rng(0).permutation(validation)[:VALIDATION]
    maps = read_config_file(job.configs / AUGMENTED_AS)["family"]["augment"]
    figures = {}
    for name, augment in ((SUPERVISED, AugmentConfig()), (f"{SUPERVISED}, augmented", AugmentConfig(**maps))):
        started = time.perf_counter()
        job.say(f"{name}: {options.draws} networks")
        hits, steps = few_label_hits(
            source, train[picked], held, test, Classifier(augment=augment), seed=job.seed,
            device=str(pick_device(job.device)),
        )  # fmt: skip
        job.timed(name, started)
        job.settings[name] = {"steps": steps, "augment": augment.model_dump()}
        figures[name] = draws_and_rows(hits)
    return Outcome(figures)


def _headlines(layer: str) -> tuple[Headline, ...]:
    beside = {"pixels": "pixels", f"untrained.{layer}": "untrained"}
    return (
        Headline(layer, "features", yardsticks=beside, of=layer),
        Headline("code", "codes", yardsticks={"pixels": "pixels", "untrained.code": "untrained"}),
    )


PROTOCOL = Protocol(
    title="10 labels a class, MNIST, 20 draws, logistic probe",
    source="ours",
    dataset="mnist",
    recipes={
        "bigan": Recipe("the paper's objective", "bigan_mnist_pure.toml", own=False),
        "alice": Recipe("with reconstruction and matching term", "bigan_mnist.toml"),
        "ali": Recipe("stochastic encoder", "ali_mnist.toml"),
        "infogan": Recipe("with the consistency term", "infogan_mnist.toml"),
        SUPERVISED: Recipe("a classifier of the discriminator's shape on the labels alone"),
    },
    headlines={
        "bigan": _headlines("discriminator.conv2"),
        "alice": _headlines("discriminator.dense1"),
        "ali": _headlines("discriminator.dense1"),
        "infogan": _headlines("discriminator.dense1"),
        SUPERVISED: (
            Headline(SUPERVISED, "network trained on the labels"),
            Headline(f"{SUPERVISED}, augmented", "the same, with random affine maps"),
        ),
    },
    measure=measure,
)
