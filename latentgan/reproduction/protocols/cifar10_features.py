"""Frozen features of small colour photographs: CIFAR-10 with 10 and with 100 labels a class, ten draws, and with all.

Recipes differ in what teaches the discriminator's features: the game and two views of each image, the views alone while
the game moves nothing below the discriminator's head (ContraD's arrangement), or the game alone. Baselines are raw
pixels, the same layer untrained, the untrained layer that serves best, k-means patches, and a network of the
discriminator's shape that is trained on the labels of each draw.

With all labels a logistic probe reads all layers together, each convolution averaged over 2×2 cells.

Source: ours; k-means patches: Coates, Ng, Lee 2011; the contrast of views: Chen et al. 2020 (arXiv:2002.05709).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.base.linear_models import Rows
from analysis.base.statistics import proportion
from analysis.probes.few_labels import draw_labels, draws_and_rows, few_label_accuracy, paired_draws_and_rows
from analysis.probes.linear_probe import logistic_hits
from analysis.table.embeddings import Embeddings
from latentgan.config import AugmentConfig
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import Classifier, few_label_hits
from latentgan.evaluation.kmeans_patches import fit_patches
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe
from latentgan.training.state import open_source

CONFIG = "bigan_cifar10.toml"
PER_CLASS = (10, 100)
DRAWS = 10
VALIDATION = 2_000
CENTROIDS = 400
ALL_LABELS = "all labels, linear"
GAME_AND_VIEWS, VIEWS, GAME, PATCHES, SUPERVISED = "game-and-views", "views", "game", "patches", "supervised"
CHANGES: dict[str, dict[str, object]] = {
    GAME_AND_VIEWS: {"views": {"stop_adversarial": False}},
    VIEWS: {},
    GAME: {"views": {"weight": 0.0, "stop_adversarial": False}},
}
"""What each recipe changes in the family's settings."""


def measure(job: Job) -> Outcome:
    """Train and probe, or probe k-means patches and pixels, or train classifiers on the draws."""
    return {PATCHES: patches, SUPERVISED: supervised}.get(job.recipe, probed)(job)


def probed(job: Job) -> Outcome:
    """Train a recipe and probe the discriminator's layers, beside the same layers untrained and pixels."""
    run = job.trained(run_name=f"cifar10-{job.recipe}", family=CHANGES[job.recipe])
    names = NumpyModel.load(run, device=job.device).feature_names
    layers = [name if "dense" in name else f"{name}.mean2" for name in names if name.startswith("discriminator.")]
    table = job.encoded(run, layers)
    started = time.perf_counter()
    job.say(f"probes of {len(layers)} layers")
    labels, splits = table.column().codes, _splits(job, table)
    last = layers[-1]
    columns = [*layers, *(f"untrained.{name}" for name in layers), "pixels"]
    figures, baselines = {}, {}
    for per_class in PER_CLASS:
        draws = _draws(job, labels[splits[0]], per_class)
        hits = {name: _hits(table, [name], labels, splits, draws) for name in columns}
        best_untrained = max(
            (f"untrained.{name}" for name in layers), key=lambda name: float(hits[name].mean())
        )  # by its test figure, in its favour
        figures[_named("features", per_class)] = draws_and_rows(hits[last])
        for title, name in (
            ("the same untrained", f"untrained.{last}"),
            ("best untrained layer", best_untrained),
            ("pixels", "pixels"),
        ):
            baselines[_named(title, per_class)] = draws_and_rows(hits[name])
            figures[_named(f"features − {title}", per_class)] = paired_draws_and_rows(hits[last], hits[name])
    for title, wanted in ((ALL_LABELS, layers), (f"{ALL_LABELS}, untrained", [f"untrained.{name}" for name in layers])):
        job.say(title)
        parts = [Rows(_joined(table, wanted, rows), labels[rows]) for rows in splits]
        right, _ = logistic_hits(*parts, rng=np.random.default_rng(job.seed))
        (baselines if "untrained" in title else figures)[title] = proportion(right)
    job.timed("read", started)
    return Outcome(figures, baselines)


def patches(job: Job) -> Outcome:
    """Probe k-means patches and raw pixels."""
    source, splits = _images(job)
    job.say(f"{CENTROIDS} centroids of patches")
    started = time.perf_counter()
    fitted = fit_patches(source.images[source.rows("train")], centroids=8 if job.quick else CENTROIDS, rng=job.seed)
    features = {
        PATCHES: [fitted.transform(source.images[rows]) for rows in splits],
        "pixels": [source.images[rows].reshape(len(rows), -1).astype(np.float32) / 255 for rows in splits],
    }
    job.timed("patches", started)
    figures = {}
    started = time.perf_counter()
    for name, parts in features.items():
        rows = [Rows(x, source.labels[index]) for x, index in zip(parts, splits, strict=True)]
        for per_class in PER_CLASS:
            draws = _draws(job, source.labels[splits[0]], per_class)
            hits, _ = few_label_accuracy(*rows, draws=draws, columns=len(source.spec.classes))
            figures[_named(name, per_class)] = draws_and_rows(hits)
        job.say(f"{name}, all labels")
        right, _ = logistic_hits(*rows, rng=np.random.default_rng(job.seed))
        figures[f"{name}, {ALL_LABELS}"] = proportion(right)
    job.timed("read", started)
    return Outcome(figures)


def supervised(job: Job) -> Outcome:
    """Train a network of the discriminator's shape on the labels of each draw, behind the views' random changes."""
    source, splits = _images(job)
    config = job.configured(CONFIG).family
    views: AugmentConfig = config.views.augment  # type: ignore[attr-defined]
    width: int = config.width  # type: ignore[attr-defined]
    train, validation, test = splits
    figures = {}
    for per_class in PER_CLASS:
        draws = _draws(job, source.labels[train], per_class)
        for title, augment in ((SUPERVISED, AugmentConfig()), (f"{SUPERVISED}, augmented", views)):
            started = time.perf_counter()
            job.say(f"{_named(title, per_class)}: {len(draws)} networks")
            hits, steps = few_label_hits(
                source,
                train[draws],
                validation,
                test,
                Classifier(width=width, augment=augment),
                seed=job.seed,
                marks=job.steps,
                device=str(pick_device(job.device)),
            )
            job.timed(title, started)
            job.settings[_named(title, per_class)] = {"steps": steps, "width": width}
            figures[_named(title, per_class)] = draws_and_rows(hits)
    return Outcome(figures)


def _named(title: str, per_class: int) -> str:
    return f"{title}, {per_class} a class"


def _draws(job: Job, labels: np.ndarray, per_class: int) -> np.ndarray:
    """Draw labels: (draws, classes · per_class) positions, the same for all recipes of a seed."""
    rng = job.options.rng(f"cifar10-features {per_class}")
    return draw_labels(labels, per_class=per_class, draws=3 if job.quick else DRAWS, rng=rng)


def _images(job: Job) -> tuple[ImageSource, list[np.ndarray]]:
    source = open_source(job.configured(CONFIG))
    return source, _thinned(job, [source.rows(split) for split in ("train", "validation", "test")])


def _splits(job: Job, table: Embeddings) -> list[np.ndarray]:
    return _thinned(job, [table.rows(split) for split in ("train", "validation", "test")])


def _thinned(job: Job, splits: list[np.ndarray]) -> list[np.ndarray]:
    """Keep all rows of train and test, and enough validation rows to choose C on."""
    train, validation, test = splits
    return [train, np.sort(np.random.default_rng(0).permutation(validation)[:VALIDATION]), test]


def _joined(table: Embeddings, columns: Sequence[str], rows: np.ndarray) -> np.ndarray:
    return np.concatenate([table.vectors(name, rows) for name in columns], axis=1)


def _hits(
    table: Embeddings, columns: Sequence[str], labels: np.ndarray, splits: Sequence[np.ndarray], draws: np.ndarray
) -> np.ndarray:
    """Return which test rows a logistic probe of each draw gets right, (draws, n_test)."""
    rows = [Rows(_joined(table, columns, index), labels[index]) for index in splits]
    return few_label_accuracy(*rows, draws=draws, columns=1 + int(labels.max()))[0]


def _headlines() -> tuple[Headline, ...]:
    shown: list[Headline] = []
    for per_class in PER_CLASS:
        names: Mapping[str, str] = {
            _named("pixels", per_class): "pixels",
            _named("the same untrained", per_class): "untrained",
            _named("best untrained layer", per_class): "best untrained layer",
        }
        shown.append(
            Headline(
                figure=_named("features", per_class),
                title=f"{per_class} labels a class",
                baselines=names,
                of="discriminator.dense1",
            )
        )
    shown.append(
        Headline(figure=ALL_LABELS, title="all labels, linear", baselines={f"{ALL_LABELS}, untrained": "untrained"})
    )
    return tuple(shown)


def _plain(*names: str) -> tuple[Headline, ...]:
    titles = {_named(name, per_class): f"{name}, {per_class} a class" for name in names for per_class in PER_CLASS}
    return tuple(Headline(figure=figure, title=title) for figure, title in titles.items())


PROTOCOL = Protocol(
    title="CIFAR-10, frozen features of the discriminator, 10 draws of labels",
    source="ours",
    dataset="cifar10",
    recipes={
        VIEWS: Recipe(about="features from two views alone; the game moves the discriminator's head", config=CONFIG),
        GAME_AND_VIEWS: Recipe(about="features from the game and from two views", config=CONFIG),
        GAME: Recipe(about="features from the game alone", config=CONFIG),
        PATCHES: Recipe(about="k-means patches (Coates & Ng) and raw pixels"),
        SUPERVISED: Recipe(about="a network of the discriminator's shape on the labels alone", seeds=1),
    },
    headlines={
        "": _headlines(),
        PATCHES: (
            *_plain(PATCHES, "pixels"),
            *(Headline(figure=f"{name}, {ALL_LABELS}", title=f"{name}, all labels") for name in (PATCHES, "pixels")),
        ),
        SUPERVISED: _plain(SUPERVISED, f"{SUPERVISED}, augmented"),
    },
    measure=measure,
)
