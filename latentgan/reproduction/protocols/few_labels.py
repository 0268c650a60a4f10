"""Few labels: 10 a class, 20 draws, a logistic probe of codes and of features, and networks trained on those labels.

All recipes of a seed are evaluated on the same draws of labels. The baselines are raw pixels, a PCA of them, the same
layers untrained, and a classifier of the discriminator's shape that is trained on the labels alone, without and with
the affine maps that stand in front of the discriminators. The recipe "pixels" also probes the PCA with every number
scaled to unit variance, as a prior has it: what a code loses by that alone.

Source: no paper has this figure for MNIST; the protocol is that of `latentgan efficiency --few 10 --draws 20 --full`.
"""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np

from analysis.base.linear_models import Rows
from analysis.base.pca import fit_pca
from analysis.label_efficiency.study import study as study_efficiency
from analysis.probes.few_labels import draw_labels, draws_and_rows, few_label_accuracy
from latentgan.config import AugmentConfig
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import Classifier, few_label_hits
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe, read_config_file
from latentgan.training.state import open_source

PER_CLASS = 10


VALIDATION = 2_000


SUPERVISED, PIXELS = "supervised", "pixels"


COMPONENTS = 50


PCA, WHITENED = f"PCA {COMPONENTS} of pixels", f"PCA {COMPONENTS} of pixels, unit variances"


AUGMENTED_AS = "bigan_mnist.toml"


def measure(job: Job) -> Outcome:
    """Train and probe every layer but the first, train classifiers on the draws, or probe pixels."""
    return {SUPERVISED: supervised, PIXELS: probed_pixels}.get(job.recipe, probed)(job)


def probed(job: Job) -> Outcome:
    """Probe codes and features on the draws of labels."""
    run = job.trained()
    layers = [name for name in NumpyModel.load(run, device=job.device).feature_names if not name.endswith(".conv1")]
    table = job.encoded(run, layers)
    job.say(f"{PER_CLASS} labels a class, {job.label_draws} draws")
    started = time.perf_counter()
    (few,) = study_efficiency(table, None, job.options, per_class=(PER_CLASS,), draws=job.label_draws).curve
    job.timed("read", started)
    scores = dict(zip(few.representations, few.scores, strict=True))
    baselines = {name for name, is_baseline in zip(few.representations, few.baselines, strict=True) if is_baseline}
    gains = {f"{d.representation} − {d.baseline}": d.difference for d in few.differences}
    return Outcome(
        {name: score for name, score in scores.items() if name not in baselines} | gains,
        {name: score for name, score in scores.items() if name in baselines},
    )


def supervised(job: Job) -> Outcome:
    """Train a classifier on each draw of labels, without and with random affine maps."""
    source, (train, validation, test), picked = labelled_images(job)
    figures = {}
    for name, augment in (
        (SUPERVISED, AugmentConfig()),
        (f"{SUPERVISED}, augmented", affine_maps(job)),
    ):
        started = time.perf_counter()
        job.say(f"{name}: {len(picked)} networks")
        hits, steps = few_label_hits(
            source,
            train[picked],
            validation,
            test,
            Classifier(augment=augment),
            seed=job.seed,
            marks=job.steps,
            device=str(pick_device(job.device)),
        )
        job.timed(name, started)
        job.settings[name] = {"steps": steps, "augment": augment.model_dump()}
        figures[name] = draws_and_rows(hits)
    return Outcome(figures)


def probed_pixels(job: Job) -> Outcome:
    """Probe pixels, their PCA as it is, and with unit variances."""
    source, rows, picked = labelled_images(job)
    job.say("pixels and their PCA")
    started = time.perf_counter()
    x = [flat_pixels(source, part) for part in rows]
    pca = fit_pca(x[0], COMPONENTS, rng=job.options.rng("probes"))
    scores = [pca.project(part) for part in x]
    deviations = scores[0].std(0)
    representations = {PIXELS: x, PCA: scores, WHITENED: [part / deviations for part in scores]}
    figures = {}
    for name, parts in representations.items():
        split = [Rows(part, source.labels[index]) for part, index in zip(parts, rows, strict=True)]
        hits, setting = few_label_accuracy(*split, draws=picked, columns=len(source.spec.classes))
        figures[name] = draws_and_rows(hits)
        job.settings[name] = asdict(setting)
    job.timed("read", started)
    return Outcome(figures)


def affine_maps(job: Job) -> AugmentConfig:
    """Return the ranges of the random affine maps that stand in front of the discriminators."""
    return AugmentConfig(**read_config_file(job.configs / AUGMENTED_AS)["family"]["augment"])


def labelled_images(job: Job) -> tuple[ImageSource, list[np.ndarray], np.ndarray]:
    """Return the images, labelled rows of train, validation (some) and test, and the draws as positions in train."""
    source, options = open_source(job.configured(AUGMENTED_AS)), job.options
    rows = labelled_rows(source)
    picked = draw_labels(source.labels[rows[0]], per_class=PER_CLASS, draws=job.label_draws, rng=options.rng("probes"))
    return source, rows, picked


def labelled_rows(source: ImageSource) -> list[np.ndarray]:
    """Return the labelled rows of train, validation (some of them) and test."""
    train, validation, test = (r[source.labels[r] >= 0] for r in map(source.rows, ("train", "validation", "test")))
    return [train, np.random.default_rng(0).permutation(validation)[:VALIDATION], test]


def flat_pixels(source: ImageSource, rows: np.ndarray) -> np.ndarray:
    """Return the pixels of rows, (n, h · w · c) float32 in [0, 1]."""
    pixels: np.ndarray = source.images[rows].reshape(len(rows), -1).astype(np.float32) / 255
    return pixels


def _headlines(layer: str, width: int = COMPONENTS) -> tuple[Headline, ...]:
    pixel_baselines = {
        "pixels": "pixels",
        f"PCA {width} of pixels": f"PCA {width}",
    }  # as wide as what the encoder gives
    feature_baselines = pixel_baselines | {f"untrained.{layer}": "untrained"}
    return (
        Headline(figure=layer, title="features", baselines=feature_baselines, of=layer),
        Headline(figure="code", title="codes", baselines=pixel_baselines | {"untrained.code": "untrained"}),
    )


PROTOCOL = Protocol(
    title="10 labels a class, MNIST, 20 draws, logistic probe",
    source="ours",
    dataset="mnist",
    recipes={
        "bigan": Recipe(about="the paper's objective", config="bigan_mnist_pure.toml", is_ours=False),
        "alice": Recipe(about="with reconstruction and matching term", config="bigan_mnist.toml"),
        "ali": Recipe(about="stochastic encoder", config="ali_mnist.toml"),
        "infogan": Recipe(about="with the consistency term", config="infogan_mnist.toml"),
        PIXELS: Recipe(about="raw pixels, and their PCA with its own and with unit variances"),
        SUPERVISED: Recipe(
            about="a classifier of the discriminator's shape on the labels alone, one for each draw", seeds=1
        ),
    },
    headlines={
        "bigan": _headlines("discriminator.conv2"),
        "alice": _headlines("discriminator.dense1"),
        "ali": _headlines("discriminator.dense1"),
        "infogan": _headlines("discriminator.dense1", width=12),
        PIXELS: (
            Headline(figure=PIXELS, title="pixels"),
            Headline(figure=PCA, title="PCA of pixels, 50 numbers"),
            Headline(figure=WHITENED, title="the same, each number at unit variance"),
        ),
        SUPERVISED: (
            Headline(figure=SUPERVISED, title="network trained on the labels"),
            Headline(figure=f"{SUPERVISED}, augmented", title="the same, with random affine maps"),
        ),
    },
    measure=measure,
)
