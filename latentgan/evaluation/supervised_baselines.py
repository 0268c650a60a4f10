"""Supervised baselines, for `analysis` to call: networks trained on few labelled images, on affine maps of them, and on
generated images too.

Each is trained on the labelled images of a draw alone, and is as wide as the network whose features it is compared
with. Generated images come from a trained model, which saw images of the train split only. A conditional model is asked
for images of each class; images of other models are labelled by a network trained on the draw (pseudo-labels).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import nn

from analysis.label_efficiency.supervised_baselines import LabelSubset, SupervisedBaseline
from latentgan.config import AugmentConfig
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import AnySize, few_label_hits, few_number_predictions, predict, train_classifier
from latentgan.families.base import Decodes
from latentgan.inference.numpy_model import NumpyModel
from latentgan.inference.thumbnails import area_average
from latentgan.networks.blocks import Maxout

STEP_CHOICES = (25, 50, 100, 200, 400)
"""Numbers of steps that are tried on validation images."""


SELECTION_DRAWS = 2
"""Draws on which they are tried."""


MAPS = AugmentConfig(rotation=15.0, scale=0.15, shift=0.07, shear=0.2)
"""Small affine maps: what changes a digit or an object little."""


SHAPE = AnySize(width=16, hidden=128)
"""Where there is no model, whose networks would give a shape."""


GENERATED_IMAGES = 2_000
"""Generated images beside a draw's, of all classes."""


Generated = Callable[[ImageSource, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a set and a draw of its rows to more images, (n, h, w, c) uint8, and their classes (n,)."""


@dataclass(frozen=True, kw_only=True)
class SupervisedTraining:
    """How a network is trained on each draw of a labelled subset.

    Numbers are predicted from images as they are: an affine map changes a width or a slant.

    Args:
        augment: random affine maps of all training images.
        generated: gives a draw more images, and their classes, see `by_class` and `by_network`; None gives none.
        shape: of the network.
        seed: of weights, batches and maps.
        device: where to train.
    """

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    generated: Generated | None = None
    shape: AnySize = SHAPE
    seed: int = 0
    device: str = "cpu"

    def fit_classifiers(self, subset: LabelSubset) -> tuple[np.ndarray, int]:
        """Train a network on each draw: which test rows it gets right, (draws, t), and the number of steps."""
        source = as_source(subset)
        sets = None
        if self.generated is not None:
            sets = [mixed(source, rows, *self.generated(source, rows)) for rows in subset.draws]
        return few_label_hits(
            source,
            subset.draws,
            subset.validation,
            subset.test,
            replace(self.shape, augment=self.augment),
            seed=self.seed,
            tried=SELECTION_DRAWS,
            marks=STEP_CHOICES,
            sets=sets,
            device=self.device,
        )

    def fit_regressors(self, subset: LabelSubset) -> tuple[np.ndarray, list[int]]:
        """Train a network on each draw to predict k numbers of test rows, (draws, t, k); and the steps for each."""
        values = subset.values
        assert values is not None
        return few_number_predictions(
            as_source(subset),
            values,
            subset.draws,
            subset.validation,
            subset.test,
            self.shape,
            seed=self.seed,
            tried=SELECTION_DRAWS,
            marks=STEP_CHOICES,
            device=self.device,
        )


def supervised_baselines(
    model: NumpyModel | None, classes: Sequence[str], *, n_labels_used: int = 0, seed: int = 0
) -> list[SupervisedBaseline]:
    """Return baselines trained on real images, on affine maps of them, and on generated images as well.

    Args:
        model: gives the generated images, and the networks their shape; None where there is none.
        classes: names of the classes; without any, numbers are predicted and no images generated.
        n_labels_used: labels that the model was trained with.
        seed: of networks and generated images.
    """
    device = str(pick_device("auto"))
    shape, shape_note = shape_of(model)
    plain = SupervisedTraining(shape=shape, seed=seed, device=device)
    mapped = SupervisedTraining(augment=MAPS, shape=shape, seed=seed, device=device)
    result = [
        SupervisedBaseline(
            name="network", fit_classifiers=plain.fit_classifiers, fit_regressors=plain.fit_regressors, note=shape_note
        ),
        SupervisedBaseline(
            name="network, affine maps", fit_classifiers=mapped.fit_classifiers, note=_describe_maps(MAPS)
        ),
    ]
    if model is None or not isinstance(model.family, Decodes) or not classes:
        return result
    is_conditional = bool(model.classes) and set(classes) <= set(model.classes)
    generated = by_class(model, seed=seed) if is_conditional else by_network(model, shape, seed=seed, device=device)
    labelled = "generated by class" if is_conditional else "labelled by a network trained on the draw"
    labels_note = (
        "no label"
        if not n_labels_used
        else (
            f"{n_labels_used:,} labels, which need not be the draw's: smaller draws are left out, and the others' "
            "figures rest on these labels too"
        )
    )
    note = (
        f"{GENERATED_IMAGES:,} images by {model.about.get('name', 'the model')}, {labelled}; it saw train images only, "
        f"and used {labels_note}"
    )
    augmented = SupervisedTraining(augment=MAPS, generated=generated, shape=shape, seed=seed, device=device)
    result.append(
        SupervisedBaseline(
            name="network, affine maps, generated",
            fit_classifiers=augmented.fit_classifiers,
            n_labels_used=n_labels_used,
            note=note,
        )
    )
    return result


def shape_of(model: NumpyModel | None) -> tuple[AnySize, str]:
    """Return a classifier as wide as the network whose features of images a model gives, and how to say so.

    That is its encoder, or its discriminator where it has none; batch norm, noise and maxout are left out, which a few
    labels give nothing to.
    """
    layers = {} if model is None else model.family.feature_layers()
    owners = [name.split(".")[0] for name in layers]
    network = "encoder" if "encoder" in owners else next(iter(owners), "")
    parts = [part for name, layer in layers.items() if name.startswith(f"{network}.") for part in layer.modules()]
    pieces = next((part.pieces for part in parts if isinstance(part, Maxout)), 1)
    dense = [part.out_features // pieces for part in parts if isinstance(part, nn.Linear)]
    channels = [part.out_channels // pieces for part in parts if isinstance(part, nn.Conv2d)]
    if channels:
        shape = AnySize(width=channels[0], hidden=dense[-1] if dense else 0)
    else:
        shape = AnySize(hidden=dense[-1], dense=True) if dense else SHAPE
    note = f"two dense layers of {shape.hidden}" if shape.dense else f"convolutions from {shape.width} channels on"
    if shape.hidden and not shape.dense:
        note += f" and a dense layer of {shape.hidden}"
    return shape, note if shape is SHAPE else f"{note}, as the run's {network}, without norms"


def _describe_maps(maps: AugmentConfig) -> str:
    return (
        f"each batch is turned by up to {maps.rotation:g}°, shifted by up to {maps.shift:.0%} of the side, sheared by "
        f"up to {maps.shear:g} and scaled by up to {math.exp(maps.scale):.2f}, at random"
    )


def as_source(subset: LabelSubset) -> ImageSource:
    """Return a subset's images as a set, all of them to train on."""
    split = np.full(len(subset.images), "train")
    if subset.values is not None:
        return from_arrays(subset.images, split=split, name="pixels")
    return from_arrays(subset.images, subset.labels, classes=subset.classes, split=split, name="pixels")


def by_class(model: NumpyModel, *, seed: int = 0) -> Generated:
    """Return a function that gives any draw a conditional model's images of every class, by the class's name."""
    each = -(-GENERATED_IMAGES // len(model.classes))

    def generate(source: ImageSource, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = [], []
        for place, name in enumerate(source.spec.classes):
            if name in model.classes:
                images.append(as_pixels(model.sample(each, seed=seed + place, label=name)))
                labels.append(np.full(each, place))
        return np.concatenate(images), np.concatenate(labels)

    return generate


def by_network(model: NumpyModel, shape: AnySize = SHAPE, *, seed: int = 0, device: str = "cpu") -> Generated:
    """Return a function that gives a draw a model's images, labelled by a network trained on affine maps of the draw.

    Args:
        model: draws the images.
        shape: shape of the network that labels them.
        seed: seed of the draw and of the network.
        device: where the network is trained.
    """
    images = as_pixels(model.sample(GENERATED_IMAGES, seed=seed))

    def generate(source: ImageSource, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (network,) = train_classifier(
            source, rows, replace(shape, augment=MAPS), marks=STEP_CHOICES[-2:-1], seed=seed, device=device
        )
        unnamed = set_of(source, images, np.full(len(images), -1))
        return images, predict(network, unnamed, np.arange(len(images)), device=device)

    return generate


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Return images (n, h, w, c) in [0, 1] as the table's pixels, uint8 and averaged where they are many."""
    return area_average(np.rint(images * 255).astype(np.uint8))


def mixed(
    source: ImageSource, rows: np.ndarray, images: np.ndarray, labels: np.ndarray
) -> tuple[ImageSource, np.ndarray]:
    """Return a set of the real rows and the generated images, and its rows with each real one as often as it takes for
    real and generated ones to be as many.

    Args:
        source: the real images.
        rows: (m,) rows of them.
        images: (n, h, w, c) uint8 generated images.
        labels: (n,) their classes.
    """
    both = set_of(source, np.concatenate([source.images[rows], images]), np.concatenate([source.labels[rows], labels]))
    real = np.tile(np.arange(len(rows)), max(1, round(len(images) / len(rows))))
    return both, np.concatenate([real, np.arange(len(rows), len(both))])


def set_of(source: ImageSource, images: np.ndarray, labels: np.ndarray) -> ImageSource:
    """Return a set of other images and labels than `source`, all of them to train on.

    Args:
        source: gives name, size and classes.
        images: (n, h, w, c) uint8.
        labels: (n,) int64, -1 = unlabelled.
    """
    n = len(images)
    return replace(
        source,
        images=np.ascontiguousarray(images),
        labels=labels,
        attributes={},
        attribute_kinds={},
        split=np.full(n, "train"),
        ids=np.arange(n).astype(str),
        fingerprint="",
    )
