"""Networks that are taught few labels, for `analysis` to call: of real images, of affine maps, of generated ones too.

Each is trained on the labelled images of a draw alone, and as wide as the network whose features it is compared with.
What is generated comes from a trained model, which saw images of the train split only: of a conditional one it is asked
for by class, of others a network taught the draw names what it sees (pseudo-labels).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from torch import nn

from latentgan.config import AugmentConfig
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import AnySize, few_label_hits, few_number_readings, predict, train_classifier
from latentgan.families.base import Decodes
from latentgan.inference.numpy_model import NumpyModel
from latentgan.inference.thumbnails import area_average
from latentgan.networks.blocks import Maxout

MARKS = (25, 50, 100, 200, 400)
"""Numbers of steps that are tried on validation images."""


TRIED = 2
"""Draws on which they are tried."""


MAPS = AugmentConfig(rotation=15.0, scale=0.15, shift=0.07, shear=0.2)
"""Small affine maps: what changes a digit or an object little."""


SHAPE = AnySize(width=16, hidden=128)
"""Where there is no model, whose networks would give a shape."""


MADE = 2_000
"""Generated images beside a draw's, of all classes."""


Reads = Callable[["Lesson"], tuple[np.ndarray, list[int]]]


Made = Callable[[ImageSource, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a set and a draw of its rows to more images, (n, h, w, c) uint8, and their classes (n,)."""


class Lesson(Protocol):
    """What `analysis.label_efficiency.networks.Lesson` is."""

    @property
    def images(self) -> np.ndarray:
        """Images (n, h, w, c) uint8."""

    @property
    def labels(self) -> np.ndarray:
        """Classes (n,)."""

    @property
    def values(self) -> np.ndarray | None:
        """Numbers (n, t) to read, where there are no classes."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def draws(self) -> np.ndarray:
        """Rows to train on, (draws, m)."""

    @property
    def validation(self) -> np.ndarray:
        """Rows on which the number of steps is chosen."""

    @property
    def test(self) -> np.ndarray:
        """Rows to judge."""


@dataclass(frozen=True)
class Teacher:
    """A way of teaching a network a draw of labels.

    Args:
        augment: random affine maps of all training images.
        made: gives a draw more images, and their classes, see `by_class` and `by_network`; None gives none.
        shape: of the network.
        seed: of weights, batches and maps.
        device: where to train.
    """

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    made: Made | None = None
    shape: AnySize = SHAPE
    seed: int = 0
    device: str = "cpu"

    def __call__(self, lesson: Lesson) -> tuple[np.ndarray, int]:
        """Train a network on each draw: which test rows it gets right, (draws, t), and the number of steps."""
        source = as_source(lesson)
        sets = None
        if self.made is not None:
            sets = [mixed(source, rows, *self.made(source, rows)) for rows in lesson.draws]
        return few_label_hits(
            source,
            lesson.draws,
            lesson.validation,
            lesson.test,
            replace(self.shape, augment=self.augment),
            seed=self.seed,
            tried=TRIED,
            marks=MARKS,
            sets=sets,
            device=self.device,
        )

    def read(self, lesson: Lesson) -> tuple[np.ndarray, list[int]]:
        """Train a network on each draw to read k numbers: those of test rows, (draws, t, k), and each one's steps."""
        values = lesson.values
        assert values is not None
        return few_number_readings(
            as_source(lesson),
            values,
            lesson.draws,
            lesson.validation,
            lesson.test,
            self.shape,
            seed=self.seed,
            tried=TRIED,
            marks=MARKS,
            device=self.device,
        )


@dataclass(frozen=True)
class Way:
    """A named way of teaching, and how many labels what helps it was itself told.

    Numbers are taught from images as they are alone: an affine map changes a width or a slant.
    """

    name: str
    teach: Teacher
    read: Reads | None = None
    told: int = 0
    note: str = ""


def ways(model: NumpyModel | None, classes: Sequence[str], *, told: int = 0, seed: int = 0) -> list[Way]:
    """Return the ways of teaching: real images, these behind affine maps, and generated images beside them.

    Args:
        model: gives the generated images, and the networks their shape; None where there is none.
        classes: names of the classes that are taught.
        told: labels that the model was told.
        seed: of networks and generated images.
    """
    device = str(pick_device("auto"))
    shape, whose = shape_of(model)
    plain = Teacher(shape=shape, seed=seed, device=device)
    result = [
        Way("network", plain, plain.read, note=whose),
        Way("network, affine maps", Teacher(MAPS, shape=shape, seed=seed, device=device), note=_said(MAPS)),
    ]
    if model is None or not isinstance(model.family, Decodes) or not classes:
        return result
    asked = bool(model.classes) and set(classes) <= set(model.classes)
    made = by_class(model, seed=seed) if asked else by_network(model, shape, seed=seed, device=device)
    named = "asked for by class" if asked else "named by a network taught the draw"
    said = (
        "was told no label"
        if not told
        else (
            f"was told {told:,} labels, which need not be the draw's: smaller draws are left out, and the others' "
            "figures rest on these labels too"
        )
    )
    note = f"{MADE:,} images by {model.about.get('name', 'the model')}, {named}; it saw train images only, and {said}"
    result.append(Way("network, affine maps, generated", Teacher(MAPS, made, shape, seed, device), None, told, note))
    return result


def shape_of(model: NumpyModel | None) -> tuple[AnySize, str]:
    """Return a classifier as wide as the network whose features of images a model gives, and how to say so.

    That is its encoder, or its discriminator where it has none; batch norm, noise and maxout are left out, which a few
    labels give nothing to.
    """
    layers = {} if model is None else model.family.feature_layers()
    owners = [name.split(".")[0] for name in layers]
    own = "encoder" if "encoder" in owners else next(iter(owners), "")
    parts = [part for name, layer in layers.items() if name.startswith(f"{own}.") for part in layer.modules()]
    pieces = next((part.pieces for part in parts if isinstance(part, Maxout)), 1)
    dense = [part.out_features // pieces for part in parts if isinstance(part, nn.Linear)]
    channels = [part.out_channels // pieces for part in parts if isinstance(part, nn.Conv2d)]
    if channels:
        shape = AnySize(channels[0], dense[-1] if dense else 0)
    else:
        shape = AnySize(hidden=dense[-1], dense=True) if dense else SHAPE
    said = f"two dense layers of {shape.hidden}" if shape.dense else f"convolutions from {shape.width} channels on"
    if shape.hidden and not shape.dense:
        said += f" and a dense layer of {shape.hidden}"
    return shape, said if shape is SHAPE else f"{said}, as the run's {own}, without norms"


def _said(maps: AugmentConfig) -> str:
    return (
        f"each batch is turned by up to {maps.rotation:g}°, shifted by up to {maps.shift:.0%} of the side, sheared by "
        f"up to {maps.shear:g} and scaled by up to {math.exp(maps.scale):.2f}, at random"
    )


def as_source(lesson: Lesson) -> ImageSource:
    """Return a lesson's images as a set, all of them to train on."""
    split = np.full(len(lesson.images), "train")
    if lesson.values is not None:
        return from_arrays(lesson.images, split=split, name="pixels")
    return from_arrays(lesson.images, lesson.labels, classes=lesson.classes, split=split, name="pixels")


def by_class(model: NumpyModel, *, seed: int = 0) -> Made:
    """Return what gives any draw images of every class that a conditional model was asked for, by the class's name."""
    each = -(-MADE // len(model.classes))

    def made(source: ImageSource, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = [], []
        for place, name in enumerate(source.spec.classes):
            if name in model.classes:
                images.append(as_pixels(model.sample(each, seed=seed + place, label=name)))
                labels.append(np.full(each, place))
        return np.concatenate(images), np.concatenate(labels)

    return made


def by_network(model: NumpyModel, shape: AnySize = SHAPE, *, seed: int = 0, device: str = "cpu") -> Made:
    """Return what gives a draw images of a model, named by a network that was taught the draw behind affine maps."""
    images = as_pixels(model.sample(MADE, seed=seed))

    def made(source: ImageSource, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taught = train_classifier(
            source, rows, replace(shape, augment=MAPS), marks=MARKS[-2:-1], seed=seed, device=device
        )
        (network,) = taught
        unnamed = set_of(source, images, np.full(len(images), -1))
        return images, predict(network, unnamed, np.arange(len(images)), device=device)

    return made


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Return images (n, h, w, c) in [0, 1] as the table's pixels, uint8 and averaged where they are many."""
    return area_average(np.rint(images * 255).astype(np.uint8))


def mixed(
    source: ImageSource, rows: np.ndarray, images: np.ndarray, labels: np.ndarray
) -> tuple[ImageSource, np.ndarray]:
    """Return a set of the real rows and the generated images, and its rows with each real one as often as it takes for
    real and generated ones to be as many."""
    both = set_of(source, np.concatenate([source.images[rows], images]), np.concatenate([source.labels[rows], labels]))
    real = np.tile(np.arange(len(rows)), max(1, round(len(images) / len(rows))))
    return both, np.concatenate([real, np.arange(len(rows), len(both))])


def set_of(source: ImageSource, images: np.ndarray, labels: np.ndarray) -> ImageSource:
    """Return a set of other images and labels than `source`, all of them to train on."""
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
