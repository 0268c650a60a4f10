"""MNIST from few labels and all images: the share of test images that a semi-supervised family classifies wrongly.

The labels are drawn equally by class from the train split, another draw for each seed; all other images are used
without theirs. Baselines of each figure: a logistic probe of raw pixels and a network of the family's trunk, both
trained on the very same labels alone, the network also behind random affine maps.

Sources: Makhzani et al.: Adversarial Autoencoders, 2015 (arXiv:1511.05644), table 2: 1.90 ± 0.10 % with 100 labels and
1.60 ± 0.08 % with 1,000; Salimans et al. 2016 (arXiv:1606.03498), table 1: 93 ± 6.5 of 10,000 with 100 labels, ten
draws; Dumoulin et al. 2017 (arXiv:1606.00704) has figures on SVHN and CIFAR-10 alone.
"""

from __future__ import annotations

import time

import numpy as np

from analysis.base.linear_models import Rows
from analysis.base.statistics import Interval, proportion
from analysis.probes.few_labels import few_label_accuracy
from latentgan.config import AugmentConfig, RunConfig
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import Classifier, few_label_hits
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe
from latentgan.reproduction.protocols.few_labels import affine_maps, flat_pixels, labelled_rows
from latentgan.training.state import open_source

ERROR, PIXELS, SUPERVISED = "error", "pixels, the same labels", "network, the same labels"


AUGMENTED, UNTRAINED = f"{SUPERVISED}, affine maps", "untrained"


def measure(job: Job) -> Outcome:
    """Train, classify the test images, and do the same by a probe of pixels and a network from the same labels."""
    config, run = job.configured(), job.trained()
    source = open_source(config)
    started = time.perf_counter()
    job.say("test images, by the family and by baselines")
    _, validation, test = labelled_rows(source)
    models = {name: NumpyModel.load(run, device=job.device, untrained=name == UNTRAINED) for name in (ERROR, UNTRAINED)}
    wrong = {
        name: proportion(model.classify(source.images[test]).argmax(1) != source.labels[test])
        for name, model in models.items()
    }
    baselines = {
        UNTRAINED: wrong[UNTRAINED],
        **supervised_errors(job, source, (labelled_training_rows(source, config), validation, test)),
    }
    job.timed("read", started)
    return Outcome({ERROR: wrong[ERROR]}, baselines)


def labelled_training_rows(source: ImageSource, config: RunConfig) -> np.ndarray:
    """Return the rows whose labels a run of this configuration uses."""
    t = config.training
    batches = Batches(source, batch_size=t.batch_size, seed=t.seed, device="cpu", labels=t.labels)
    rows: np.ndarray = batches.rows[batches.labels >= 0]
    return rows


def supervised_errors(
    job: Job, source: ImageSource, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> dict[str, Interval]:
    """Return the test errors of baselines that are trained on labelled images alone.

    Args:
        job: gives the seed, the steps to choose from and the device.
        source: all images.
        rows: (m,) labelled ones to train on, (v,) of validation, (t,) of test.

    Returns:
        The share of test images that each baseline classifies wrongly, by its name.
    """
    labelled, validation, test = rows
    parts = [Rows(flat_pixels(source, part), source.labels[part]) for part in rows]
    hits, _ = few_label_accuracy(*parts, draws=np.arange(len(labelled))[None], columns=len(source.spec.classes))
    errors = {PIXELS: proportion(~hits[0])}
    for name, augment in ((SUPERVISED, AugmentConfig()), (AUGMENTED, affine_maps(job))):
        hits, _ = few_label_hits(
            source,
            labelled[None],
            validation,
            test,
            Classifier(augment=augment),
            seed=job.seed,
            marks=job.steps,
            device=str(pick_device(job.device)),
        )
        errors[name] = proportion(~hits[0])
    return errors


def _headline(paper: str) -> tuple[Headline, ...]:
    baselines = {PIXELS: "pixels", SUPERVISED: "network on the labels", AUGMENTED: "with affine maps"}
    return (Headline(figure=ERROR, title="test error (less is better)", paper=paper, baselines=baselines),)


PROTOCOL = Protocol(
    title="MNIST from 100 or 1,000 labels and all images",
    source="Makhzani et al. 2015, table 2; Salimans et al. 2016, table 1; see the recipes",
    dataset="mnist",
    recipes={
        "aae-100": Recipe(about="adversarial autoencoder, 100 labels, consistency term", config="aae_semi_mnist.toml"),
        "aae-1000": Recipe(about="the same, 1,000 labels", config="aae_semi_mnist_1000.toml"),
        "improved-gan": Recipe(about="100 labels, convolutions behind affine maps", config="improved_gan_mnist.toml"),
        "improved-gan-mlp": Recipe(
            about="100 labels, permutation-invariant, 37 epochs", config="improved_gan_mnist_mlp.toml"
        ),
        "ali": Recipe(about="semi-supervised ALI, 100 labels, behind affine maps", config="ali_semi_mnist.toml"),
    },
    headlines={
        "aae-100": _headline("1.90 ± 0.10 % (unconfirmed)"),
        "aae-1000": _headline("1.60 ± 0.08 % (unconfirmed)"),
        "improved-gan": _headline("0.93 ± 0.07 %, permutation-invariant"),
        "improved-gan-mlp": _headline("0.93 ± 0.07 %"),
        "ali": _headline(""),
    },
    measure=measure,
)
