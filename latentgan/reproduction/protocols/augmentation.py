"""Does a conditional generator that saw the same 10 labels a class help a classifier that is trained on them?

One classifier, that of few-labels' recipe "supervised" at half its width, is trained on four things: the 100 labelled
images of a draw; these behind random affine maps; these and generated images; and these and generated images, all
behind the maps. Real and generated images are as frequent in its batches. The cgan of a draw is given those 100 images
and nothing else, no unlabelled image either; the draws are the first ten of few-labels' with the same seed, and all
four are evaluated on the same draws and test images, so that differences are paired by draw and by image. The number of
steps is chosen for each of the four on 2,000 validation labels, over the first three draws, as in few-labels.

Two recipes differ in how the cgan meets the affine maps, which are knowledge about digits that no label gives: "mapped"
trains it on fifty mapped copies of each of the 100 images, so that it draws mapped digits, and what it gives a
classifier trained without maps is first of all the maps (real images behind the maps are therefore the baseline);
"view" puts the maps in front of its discriminator, for real and generated images alike.

The cgan's settings, the number of images and the share kept were chosen by accuracy on the same validation images, over
two other draws of labels; the test images were not looked at.

Source: ours; no paper has this figure.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from analysis.base.statistics import Interval
from analysis.probes.few_labels import draws_and_rows, paired_draws_and_rows
from latentgan.augmentation import Augmentation
from latentgan.config import AugmentConfig
from latentgan.data.source import ImageSource
from latentgan.data.tensors import from_model
from latentgan.devices import pick_device, seeded
from latentgan.evaluation.classifiers import Classifier, few_label_hits
from latentgan.evaluation.supervised_baselines import mixed, set_of
from latentgan.inference.generate_dataset import Plan, selected_images
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe
from latentgan.reproduction.protocols.few_labels import affine_maps, labelled_images
from latentgan.training.toy_loop import play

DRAWS = 10


MADE = 500
"""Generated images of each class."""


WIDTH, HIDDEN = 16, 128
"""Of the classifier: forty of them are trained, which at twice the width takes most of twenty minutes."""


LONGEST = 400
"""Steps of a classifier at most: half of what it may take where ten are trained, so that a seed fits in 12 minutes."""


KEEP_BEST = 1.0
"""Share of the drawn images that is kept by the discriminator's score."""


COPIES = 50
"""Mapped copies of each image that the cgan of the recipe "mapped" is trained on."""


MAPPED = "mapped"


REAL, MADE_TOO = "real", "real and generated"


AFFINE, AFFINE_TOO = "real, affine maps", "real and generated, affine maps"


GAIN, AFFINE_GAIN = "gain by generated", "gain by generated beside affine maps"


def measure(job: Job) -> Outcome:
    """Train a cgan a draw, and a classifier on each of the four sets of images."""
    source, (train, validation, test), picked = labelled_images(job)
    draws, maps = train[picked[:DRAWS]], affine_maps(job)
    sets = [mixed(source, rows, *generated(job, source, rows, number, maps)) for number, rows in enumerate(draws)]
    hits, marks = {}, [steps for steps in job.steps if steps <= LONGEST]
    for name in (REAL, AFFINE, MADE_TOO, AFFINE_TOO):
        started = time.perf_counter()
        job.say(f"{name}: {len(draws)} networks")
        augment = maps if name in (AFFINE, AFFINE_TOO) else AugmentConfig()
        hits[name], steps = few_label_hits(
            source,
            draws,
            validation,
            test,
            Classifier(width=WIDTH, hidden=HIDDEN, augment=augment),
            seed=job.seed,
            marks=marks,
            device=str(pick_device(job.device)),
            sets=sets if name in (MADE_TOO, AFFINE_TOO) else None,
        )
        job.timed(name, started)
        job.settings[name] = {"steps": steps, "width": WIDTH, "hidden": HIDDEN, "augment": augment.model_dump()}
    return outcome(hits)


def outcome(hits: dict[str, np.ndarray]) -> Outcome:
    """Return accuracies and paired differences of (draws, test images) hits by name."""
    accuracy: dict[str, Interval] = {name: draws_and_rows(result) for name, result in hits.items()}
    gains = {
        GAIN: paired_draws_and_rows(hits[MADE_TOO], hits[REAL]),
        AFFINE_GAIN: paired_draws_and_rows(hits[AFFINE_TOO], hits[AFFINE]),
    }
    baselines = {name: accuracy.pop(name) for name in (REAL, AFFINE)}
    return Outcome(accuracy | gains, baselines)


def generated(
    job: Job, source: ImageSource, rows: np.ndarray, number: int, maps: AugmentConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Train the cgan of one draw and sample from it.

    Args:
        job: gives the configuration and the seed.
        source: all images.
        rows: (m,) labelled ones of the draw.
        number: of the draw.
        maps: ranges of the affine maps that the recipe "mapped" applies.

    Returns:
        Images (n, h, w, c) uint8 and labels (n,).
    """
    started = time.perf_counter()
    labelled = alone(source, rows)
    if job.recipe == MAPPED:
        labelled = mapped(labelled, maps, seed=job.seed * DRAWS + number)
    config = job.configured()
    job.settings["cgan"] = {**config.as_dict(), "data": {"source": config.data.source}}
    job.settings["generated"] = {"per_class": MADE, "keep_best": KEEP_BEST, "copies": len(labelled) // len(rows)}
    job.say(f"cgan of draw {number}: {len(rows)} labelled images")
    training = config.training.model_copy(
        update={"seed": job.seed * DRAWS + number}
    )  # each draw starts from other weights
    *_, (_, family) = play(config.model_copy(update={"training": training}), labelled)
    model = NumpyModel(family, device=pick_device(job.device))
    plan = Plan(MADE, KEEP_BEST, job.seed)
    images = [np.concatenate(list(selected_images(model, k, plan))) for k in range(len(model.classes))]
    job.timed("cgan", started)
    return np.concatenate(images), np.repeat(np.arange(len(images)), [len(part) for part in images])


def alone(source: ImageSource, rows: np.ndarray) -> ImageSource:
    """Return a source that holds these rows alone, all in its train split."""
    return set_of(source, source.images[rows], source.labels[rows])


def mapped(source: ImageSource, maps: AugmentConfig, *, seed: int) -> ImageSource:
    """Return a source of COPIES of each image of `source`, each behind a random affine map."""
    with seeded(torch.device("cpu"), seed):
        transform, x = Augmentation(maps), source.tensor(source.rows())
        images = np.concatenate([from_model(transform(x)) for _ in range(COPIES)])
    return set_of(source, images, np.tile(source.labels, COPIES))


PROTOCOL = Protocol(
    title="Generated images beside 10 labels a class, MNIST, 10 draws, classifier",
    source="ours",
    dataset="mnist",
    recipes={
        MAPPED: Recipe(about="the cgan is trained on affine maps of the labelled images", config="cgan_mnist_few.toml"),
        "view": Recipe(about="the affine maps stand in front of its discriminator", config="cgan_mnist_few_view.toml"),
    },
    headlines={
        "": (
            Headline(figure=GAIN, title="gain of accuracy by generated images, in points"),
            Headline(figure=AFFINE_GAIN, title="the same where the classifier is shown affine maps of everything"),
            Headline(
                figure=MADE_TOO,
                title="accuracy, real and generated",
                baselines={REAL: "real", AFFINE: "real, affine maps"},
            ),
            Headline(
                figure=AFFINE_TOO,
                title="accuracy, real and generated, affine maps",
                baselines={AFFINE: "real, affine maps"},
            ),
        )
    },
    measure=measure,
)
