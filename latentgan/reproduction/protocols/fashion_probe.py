"""Two papers' probes of convolutional features, on Fashion-MNIST with 1,000 labels: an L2-SVM on several layers.

ALI's features are the encoder's last three hidden layers and its output; DCGAN's are every convolution of the
discriminator, max-pooled to 4×4. Both papers have their figures on SVHN, which is not comparable: our baselines are raw
pixels, the same layers untrained, and a classifier of the shape of DCGAN's discriminator trained on the same labels.

Source: Dumoulin et al.: Adversarially Learned Inference, ICLR 2017 (arXiv:1606.00704), §4.3; Radford et al. 2016
(arXiv:1511.06434), §5.1 and §5.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from analysis.base.linear_models import Rows, hinge_loss
from analysis.probes.few_labels import draw_labels, draws_and_rows, few_label_accuracy, paired_draws_and_rows
from analysis.table.embeddings import Embeddings
from analysis.table.selection import subsample_rows
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import Classifier, few_label_hits
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe
from latentgan.training.state import open_source

LABELS = 1_000


DRAWS = 10


VALIDATION = 2_000


TRAIN = 20_000


FEATURES, SUPERVISED = "features, L2-SVM", "supervised"


def measure(job: Job) -> Outcome:
    """Train, encode the paper's layers, and fit an L2-SVM to all of them on each draw of labels."""
    if job.recipe == SUPERVISED:
        return supervised(job)
    run = job.trained()
    layers = _layers(job.recipe, NumpyModel.load(run, device=job.device).feature_names)
    columns = [*layers, "code"] if job.recipe == "ali" else layers
    table = job.encoded(run, layers, pool=4, code=columns[-1])
    job.say(f"L2-SVM, {LABELS} labels")
    started = time.perf_counter()
    baseline_columns = {"untrained": [f"untrained.{name}" for name in columns], "pixels": ["pixels"]}
    ours = _hits(job, table, columns)
    theirs = {name: _hits(job, table, wanted) for name, wanted in baseline_columns.items()}
    job.timed("read", started)
    gains = {f"features − {name}": paired_draws_and_rows(ours, hits) for name, hits in theirs.items()}
    return Outcome(
        {FEATURES: draws_and_rows(ours), **gains}, {name: draws_and_rows(hits) for name, hits in theirs.items()}
    )


def _layers(recipe: str, names: list[str]) -> list[str]:
    """Return the layers that the recipe's paper fits its probe to."""
    if recipe == "ali":
        return [name for name in names if name.startswith("encoder.")][-3:]
    return [name for name in names if name.startswith("discriminator.conv")]


def _hits(job: Job, table: Embeddings, columns: list[str]) -> np.ndarray:
    """Return which test rows a probe of each draw of labels classifies correctly, (draws, n_test)."""
    labels = table.column().codes
    index, draws = _drawn(job, labels, table.rows)
    rows = [
        Rows(np.concatenate([table.vectors(name, part) for name in columns], axis=1), labels[part]) for part in index
    ]
    return few_label_accuracy(*rows, draws=draws, columns=1 + int(labels.max()), loss=hinge_loss)[0]


def _drawn(job: Job, labels: np.ndarray, rows: Callable[[str], np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return labelled rows of train, validation and test, and draws (draws, m) as positions in train: one for all."""
    limits = {"train": TRAIN, "validation": VALIDATION, "test": None}
    rows_of_splits = [subsample_rows(rows(split), limit, job.options) for split, limit in limits.items()]
    train, validation, test = (part[labels[part] >= 0] for part in rows_of_splits)
    count, per_class = (3, 10) if job.quick else (DRAWS, LABELS // (1 + int(labels.max())))
    rng = job.options.rng("fashion")
    return [train, validation, test], draw_labels(labels[train], per_class=per_class, draws=count, rng=rng)


def supervised(job: Job) -> Outcome:
    """Train a classifier of the shape of DCGAN's discriminator on each draw of labels."""
    config = job.configured("dcgan_fashion.toml")
    source = open_source(config)
    (train, validation, test), draws = _drawn(job, source.labels, source.rows)
    job.say(f"{len(draws)} networks on {draws.shape[1]} labels")
    started = time.perf_counter()
    shape = Classifier(width=config.family.width, hidden=0, norm="batch")  # type: ignore[attr-defined]
    hits, steps = few_label_hits(
        source,
        train[draws],
        validation,
        test,
        shape,
        seed=job.seed,
        marks=job.steps,
        device=str(pick_device(job.device)),
    )
    job.timed("train", started)
    job.settings[SUPERVISED] = {"steps": steps, "width": shape.width, "norm": shape.norm}
    return Outcome({SUPERVISED: draws_and_rows(hits)})


BASELINES = {"pixels": "pixels", "untrained": "untrained"}


PROTOCOL = Protocol(
    title="Fashion-MNIST, 1,000 labels, 10 draws",
    source="Dumoulin et al. 2017, §4.3; Radford et al. 2016, §5 (their figures are on SVHN)",
    dataset="fashion-mnist",
    recipes={
        "ali": Recipe(about="the encoder's last three hidden layers and its output", config="ali_fashion.toml"),
        "dcgan": Recipe(about="every convolution of the discriminator, pooled to 4×4", config="dcgan_fashion.toml"),
        SUPERVISED: Recipe(
            about="a classifier of the shape of DCGAN's discriminator, on the labels alone, one for each draw", seeds=1
        ),
    },
    headlines={
        "": (Headline(figure=FEATURES, title="accuracy", baselines=BASELINES),),
        SUPERVISED: (Headline(figure=SUPERVISED, title="accuracy"),),
    },
    measure=measure,
)
