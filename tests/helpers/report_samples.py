"""Results of every kind made by hand for the report's tests: real digits, a PCA as the model."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import report_asked
import report_codes

from analysis.base.columns import Column
from analysis.base.statistics import Baseline, Interval
from analysis.code_parts.code_parts import Codes
from analysis.concepts.concept_table import Concept, ConceptTable, Edits
from analysis.editing.verification import EditDirection, Score, Verification, verify_edits
from analysis.geometry.intrinsic_dimension import Geometry, null_shape, shape_of
from analysis.interpolation.interpolate import Interpolations
from analysis.label_efficiency.curves import Efficiency, LabelsNeeded
from analysis.mixtures.mixture import Agreement, Mixture
from analysis.mixtures.model_selection import Candidate
from analysis.neighbours.neighbours import Neighbours, NeighbourTable
from analysis.prior_match.prior_comparison import PriorComparison, compare_with_prior
from analysis.probes.few_labels import Difference, FewLabels
from analysis.probes.linear_probe import Probe, ProbeTable
from analysis.projection.projection import Map, Maps
from analysis.reconstruction.reconstruction import Reconstruction
from analysis.robustness.attacks import Robustness, accuracy_under_attack, linear_target
from analysis.table.overview import Overview, Summary

HOSTILE = (
    "</script><script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=2">',
    "<b>bold</b> &amp; 'quoted' \u2028\u2029 \x00 \ud800 ${x} %{y}",
    "<!--<script>",
    "]]> </style><a href='javascript:window.pwned=3'>x</a>",
)
LATENT = 16


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Real scans (1797, 8, 8, 1) in [0, 1] and their labels."""
    from sklearn.datasets import load_digits

    dataset = load_digits()
    return (dataset.images / 16).astype(np.float32)[..., None], dataset.target.astype(np.int64)


@functools.cache
def pca() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (64,), axes (LATENT, 64) and codes (1797, LATENT)."""
    flat = digits()[0].reshape(-1, 64)
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:LATENT]
    return mean, axes, (flat - mean) @ axes.T


def decode(codes: np.ndarray) -> np.ndarray:
    """(…, LATENT) → (…, 8, 8, 1) in [0, 1]."""
    mean, axes, _ = pca()
    return np.clip(codes @ axes + mean, 0, 1).reshape(*codes.shape[:-1], 8, 8, 1)


def pixels(images: np.ndarray) -> np.ndarray:
    return np.rint(images * 255).astype(np.uint8)


def near(value: float, half: float, n: int) -> Interval:
    return Interval(value, value - half, value + half, n)


def results(n: int = 600, names: tuple[str, ...] = tuple("0123456789")) -> dict[str, Any]:
    """One result of every kind over the first `n` digits."""
    return {
        "overview": overview(n, names),
        "fidelity": report_asked.fidelity(f"discriminator.dense1 {names[0]}"),
        "code_parts": codes(names),
        "probes": probes(names),
        "label_efficiency": efficiency(),
        "robustness": adversarial(names),
        "neighbours": neighbours(n),
        "concepts": concepts(n, names),
        "interpolation": interpolation(n, names),
        "disentanglement": report_asked.disentanglement(names),
        "mixtures": mixture(n, names),
        "geometry": geometry(),
        "prior_match": prior(),
        "model_comparison": report_asked.comparison(names),
        "projection": maps(n),
        "reconstruction": reconstruction(n, names),
        "editing": verification(n, names),
    }


def adversarial(names: tuple[str, ...]) -> Robustness:
    """Class means as classifiers: one of smoothed images, one of pixels."""
    images, labels = digits()
    means = np.stack([images[labels == k].mean(0).ravel() for k in range(10)])
    smooth = (means.reshape(10, 4, 2, 4, 2).mean((2, 4), keepdims=True) * np.ones((1, 1, 2, 1, 2))).reshape(10, 64)
    bias = [-(weights**2).sum(1) / 2 for weights in (smooth, means)]
    targets = [
        linear_target("code", smooth.T, bias[0]),
        linear_target("pixels", means.T, bias[1], baseline=True),
    ]
    return accuracy_under_attack(
        targets,
        images[:60],
        labels[:60],
        epsilons=(0.05, 0.2),
        rng=np.random.default_rng(0),
        steps=3,
        shown=3,
        classes=names,
    )


def overview(n: int, names: tuple[str, ...]) -> Overview:
    images, labels = digits()
    ink = images[:n].mean(axis=(1, 2, 3)).astype(np.float64)
    ink[::17] = np.nan
    metadata = {
        "format": 1,
        "family": "bigan",
        "data": "digits",
        "checkpoint": "3f9a" * 16,
        "images_seen": 320000,
        "image": {"height": 8, "width": 8, "channels": 1},
        "command": "latentgan encode runs/digits --out digits.parquet",
    }
    counts = tuple(int(k) for k in np.bincount(labels, minlength=10))
    return Overview(
        table="digits.parquet",
        n=1797,
        splits=(("train", 1294), ("validation", 143), ("test", 360)),
        representations=(("code", LATENT), ("encoder.dense1", 256), ("pixels", 64)),
        summaries=(
            Summary(
                name="label",
                kind="class",
                present=1797,
                missing=0,
                categories=names,
                counts=counts,
                low=np.nan,
                mean=np.nan,
                high=np.nan,
            ),
            Summary(
                name="ink",
                kind="numeric",
                present=1691,
                missing=106,
                categories=(),
                counts=(),
                low=0.12,
                mean=0.31,
                high=0.52,
            ),
        ),
        rows=np.arange(n),
        ids=np.array([f"scan-{i:04d}" for i in range(n)]),
        split=np.array((["train"] * 7 + ["validation"] + ["test"] * 2) * n)[:n],
        columns=(
            Column(name="label", kind="class", values=labels[:n].astype(float), categories=names),
            Column(name="ink", kind="numeric", values=ink, categories=()),
        ),
        thumbnails=pixels(images[:n]),
        metadata=json.dumps(metadata),
        notes=(),
    )


def codes(names: tuple[str, ...]) -> Codes:
    values, labels = pca()[2], digits()[1]
    means = np.array([values[labels == k].mean(axis=0) for k in range(10)])
    return report_codes.codes(names, means, values, decode)


LAYERS = {
    "discriminator.conv2": (0.972, False),
    "encoder.dense1": (0.961, False),
    "code": (0.925, False),
    "pixels": (0.958, True),
    f"PCA {LATENT} of pixels": (0.931, True),
    "untrained.discriminator.conv2": (0.942, True),
    "untrained.code": (0.812, True),
}


def efficiency() -> Efficiency:
    needed = LabelsNeeded(
        representation="discriminator.conv2", baseline="pixels", per_class=10, needed=Interval(14.2, 11.6, 19.3, 20)
    )
    return Efficiency(
        target="label", curve=tuple(few(k, LAYERS) for k in (1, 2, 5, 10)), needed=(needed,), n_labels_used=0, notes=()
    )


def probes(names: tuple[str, ...]) -> ProbeTable:
    layers = LAYERS
    confusion = np.diag(np.full(10, 35)) + (np.arange(100).reshape(10, 10) % 7 == 3)
    rows = tuple(
        Probe(
            representation=name,
            baseline=baseline,
            method=method,
            target="label",
            metric="accuracy",
            score=near(score - drop, 0.016, 360),
            shuffled=None if baseline else near(0.1, 0.03, 360),
            setting=1.0,
            width=64,
            used=64,
            n_train=1294,
            n_validation=143,
            classes=names,
            confusion=confusion,
            note="",
        )
        for method, drop in (("logistic", 0.0), ("svm", 0.006), ("knn", 0.012))
        for name, (score, baseline) in layers.items()
    )
    ridge = tuple(
        Probe(
            representation=name,
            baseline=name == "pixels",
            method="ridge",
            target="ink",
            metric="R2",
            score=near(score, 0.01, 360),
            shuffled=None,
            setting=1.0,
            width=64,
            used=64,
            n_train=1294,
            n_validation=143,
            classes=(),
            confusion=None,
            note="",
        )
        for name, score in (("code", 0.93), ("pixels", 0.99))
    )
    return ProbeTable(
        target="label",
        probes=(*rows, *ridge),
        protocol="features are standardised on the train split; C from five values by validation accuracy",
        notes=(),
    )


def few(per_class: int, layers: dict[str, tuple[float, bool]]) -> FewLabels:
    score = {name: value - 0.32 / np.sqrt(per_class) for name, (value, _) in layers.items()}
    drawn = np.array(list(score.values()))[:, None] + np.linspace(-0.03, 0.03, 20)
    gap = near(score["discriminator.conv2"] - score["pixels"], 0.006, 20)
    return FewLabels(
        per_class=per_class,
        representations=tuple(layers),
        baselines=tuple(y for _, y in layers.values()),
        accuracy=drawn,
        scores=tuple(near(s, 0.01, 20) for s in score.values()),
        deviations=(0.018,) * len(layers),
        differences=(Difference(representation="discriminator.conv2", baseline="pixels", difference=gap),),
        settings=(1.0,) * len(layers),
        n_test=360,
        note="20 balanced draws, C fixed at 1",
    )


def neighbours(n: int) -> Neighbours:
    _, _, codes = pca()
    flat = digits()[0].reshape(-1, 64)
    queries = np.arange(9, n, max(1, n // 9))[:8]
    tables = []
    for name, baseline, values in (("code", False, codes), ("pixels", True, flat)):
        distance = np.linalg.norm(values[queries][:, None] - values[None, :n], axis=2)
        rows = np.argsort(distance, axis=1)[:, 1:7]
        nearest = np.take_along_axis(distance, rows, axis=1)
        tables.append(
            NeighbourTable(
                representation=name, baseline=baseline, rows=rows, distances=nearest, agreement=near(0.93, 0.02, 360)
            )
        )
    return Neighbours(queries=queries, k=6, chance=0.1, tables=tuple(tables), notes=())


def concepts(n: int, names: tuple[str, ...]) -> ConceptTable:
    _, _, codes = pca()
    labels = digits()[1]
    chosen = range(len(names))
    class_concepts, directions = [], []
    for k in chosen:
        v = codes[labels == k].mean(axis=0) - codes[labels != k].mean(axis=0)
        directions.append(v / np.linalg.norm(v))
        class_concepts.append(
            Concept(
                name=f"label: {names[k]}",
                column="label",
                kind="class",
                method="mean difference",
                auc=Interval(0.995 - 0.012 * k, 0.985 - 0.014 * k, 1 - 0.01 * k, 360),
                r2=None,
                p_value=0.001 if k < 9 else 0.21,
                q_value=0.0011 if k < 9 else 0.21,
                permutations=999,
                baselines=(
                    Baseline(name="pixels", figure=near(0.985 - 0.01 * k, 0.01, 360)),
                    Baseline(name="untrained", figure=near(0.88, 0.02, 360)),
                    Baseline(name="shuffled", figure=near(0.52, 0.05, 360)),
                    Baseline(name="random direction", figure=near(0.61, 0.05, 20)),
                ),
                stability=Interval(0.97 - 0.02 * k, 0.9 - 0.05 * k, 0.99, 40),
                shuffled_stability=Interval(0.02, -0.4, 0.45, 40),
                scale=0.9,
                positive=130,
                negative=1164,
                agreement=0.83,
                chosen=True,
                note="",
            )
        )
    strengths = np.linspace(-3, 3, 9)
    rows = np.arange(0, min(n, 60), 8)[:6]
    moved = codes[rows][None, :, None] + strengths[None, None, :, None] * 0.6 * np.array(directions)[:, None, None]
    edits = Edits(concepts=tuple(chosen), strengths=strengths, rows=rows, frames=pixels(decode(moved)))
    return ConceptTable(
        concepts=tuple(class_concepts),
        directions=np.array(directions),
        cosines=np.array(directions) @ np.array(directions).T,
        edits=edits,
        notes=(),
    )


def interpolation(n: int, names: tuple[str, ...]) -> Interpolations:
    _, _, codes = pca()
    labels = digits()[1]
    pairs = np.array([(i, i + 13) for i in range(0, min(n - 14, 70), 12)])
    at = np.linspace(0, 1, 11)
    path = codes[pairs[:, 0]][:, None] * (1 - at)[None, :, None] + codes[pairs[:, 1]][:, None] * at[None, :, None]
    ends = np.array([[names[labels[a]], names[labels[b]]] for a, b in pairs])
    base = (
        Baseline(name="pixel blend", figure=near(1.62, 0.06, 40)),
        Baseline(name="other real images", figure=near(1.21, 0.04, 40)),
    )
    return Interpolations(
        along="lerp",
        reason="the prior is uniform, where straight lines stay inside",
        at=at,
        pairs=pairs,
        labels=ends,
        frames=pixels(decode(path)),
        midpoint=near(1.38, 0.05, 40),
        baselines=base,
        notes=(),
    )


def mixture(n: int, names: tuple[str, ...]) -> Mixture:
    _, _, codes = pca()
    labels = digits()[1]
    means = np.array([codes[labels == k].mean(axis=0) for k in range(10)])
    distance = np.linalg.norm(codes[:n, None] - means[None], axis=2)
    owner = distance.argmin(axis=1)
    counts = np.array([[int(np.sum((owner == k) & (labels[:n] == c))) for c in range(10)] for k in range(10)])
    nearest = np.argsort(distance, axis=0)[:8].T
    rng = np.random.default_rng(0)
    drawn = pixels(decode(means[:, None] + rng.normal(0, 0.35, (10, 6, LATENT))))
    weights = np.sort(np.bincount(owner, minlength=10) / n)[::-1]
    tried = tuple(
        Candidate(components=k, covariance=kind, bic=9e4 + 900 * (np.log2(k) - at) ** 2, held_out=-31.0, degenerate=0)
        for kind, at in (("full", 3.2), ("diag", 4.4))
        for k in (1, 2, 4, 8, 16, 32)
    )
    agreement = Agreement(
        nmi=near(0.78, 0.02, 360),
        ari=near(0.71, 0.03, 360),
        purity=near(0.86, 0.02, 360),
        shuffled_nmi=0.03,
        shuffled_ari=0.0,
        shuffled_purity=0.17,
        counts=counts,
        classes=names,
        baselines=(
            Baseline(name="pixels", figure=near(0.72, 0.03, 360)),
            Baseline(name="untrained", figure=near(0.41, 0.03, 360)),
        ),
    )
    return Mixture(
        components=10,
        covariance="full",
        weights=weights,
        means=means,
        covariances=np.tile(np.eye(LATENT), (10, 1, 1)),
        candidates=tried,
        fitted_on=1797,
        rows=np.arange(n),
        assignments=owner.astype(np.int64),
        confidence=np.ones(n, np.float32),
        agreement=agreement,
        nearest=nearest.astype(np.int64),
        samples=drawn,
        notes=(),
    )


def geometry() -> Geometry:
    """Measured on the codes of all digits, and on pixels."""
    rng = np.random.default_rng(0)
    codes, flat = pca()[2], digits()[0].reshape(-1, 64)
    shapes = (
        shape_of(codes, rng=rng),
        shape_of(flat, rng=rng, representation="pixels", baseline=True),
        shape_of(flat @ rng.normal(size=(64, LATENT)), rng=rng, representation="untrained.code", baseline=True),
    )
    return Geometry(shapes=shapes, null=null_shape(codes, rng=rng), notes=("1,797 test rows",))


def prior() -> PriorComparison:
    """The codes of all digits, of unequal spread, compared with N(0, 1), and numbers that are N(0, 1) themselves."""
    rng = np.random.default_rng(0)
    parts = {"z": pca()[2], "noise": rng.normal(size=(1797, 3))}
    comparisons = [
        compare_with_prior(codes, kind="normal", rng=rng, name=name, rows=200) for name, codes in parts.items()
    ]
    return PriorComparison(parts=tuple(comparisons), rows=1797, notes=("1,797 test rows",))


def maps(n: int) -> Maps:
    _, _, codes = pca()
    labels = digits()[1][:n]
    rng = np.random.default_rng(1)
    angle = 2 * np.pi * labels / 10
    umap = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 6 + codes[:n, 2:4] * 0.9 + rng.normal(0, 0.25, (n, 2))
    made = [("umap", umap, ()), ("pca", codes[:n, :2], (0.15, 0.13))]
    return Maps(
        rows=np.arange(n),
        maps=tuple(
            Map(
                method=method,
                representation="code",
                xy=xy.astype(np.float32),
                k=10,
                trustworthiness=near(0.975, 0.004, n),
                shuffled_trustworthiness=0.5,
                accuracy=near(0.951, 0.01, n),
                full_accuracy=near(0.972, 0.008, n),
                explained=explained,
                note="seed 0",
            )
            for method, xy, explained in made
        ),
        notes=(),
    )


def reconstruction(n: int, names: tuple[str, ...]) -> Reconstruction:
    images, labels = digits()
    _, _, codes = pca()
    made = decode(codes[:n])
    errors = np.linalg.norm((images[:n] - made).reshape(n, -1), axis=1)
    shuffled = np.linalg.norm((images[:n] - np.roll(made, 1, axis=0)).reshape(n, -1), axis=1)
    order = np.argsort(errors)
    shown = np.stack([order[:8], order[n // 2 - 4 : n // 2 + 4], order[-8:][::-1]])
    ratio = float(errors.mean() / shuffled.mean())
    return Reconstruction(
        rows=np.arange(n),
        errors=errors.astype(np.float32),
        shuffled=shuffled.astype(np.float32),
        ratio=near(ratio, 0.01, n),
        error=near(float(errors.mean()), 0.02, n),
        baselines=(
            Baseline(name=f"PCA {LATENT}", figure=near(0.33, 0.01, n)),
            Baseline(name="mean image", figure=near(0.82, 0.01, n)),
        ),
        by_class=np.array([errors[labels[:n] == k].mean() / shuffled.mean() for k in range(10)]),
        classes=names,
        shown=shown,
        groups=np.array(["best", "typical", "worst"]),
        originals=pixels(images[shown]),
        reconstructions=pixels(made[shown]),
        shown_errors=errors[shown].astype(float),
        notes=(),
    )


def verification(n: int, names: tuple[str, ...]) -> Verification:
    """Two of the concepts, edited and scored: ink by measuring, a digit by the nearest mean in pixels."""
    images, labels = digits()
    centres = np.stack([images[labels == k].reshape(-1, 64).mean(0) for k in range(10)])

    def evaluate(shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = np.asarray(shown, np.float64).reshape(-1, 64)
        near = -np.square(flat[:, None] - centres).sum(2)
        return np.stack([flat.mean(1), 1 / (1 + np.exp(near.max(1) - near[:, 3] - 1))], axis=1), near.argmax(1)

    table, real = concepts(n, names), evaluate(images[:n])
    inks = np.linspace(-1, 1, LATENT)
    three = min(3, len(names) - 1)
    moves = [
        EditDirection(name="ink", column="ink", kind="numeric", vector=inks / np.linalg.norm(inks), length=0.4),
        EditDirection(
            name=f"label: {names[three]}",
            column="label",
            kind="class",
            vector=table.directions[three],
            length=table.concepts[three].scale,
        ),
    ]
    scores = [
        Score(name="ink", about="measured, in [0, 1]", spread=float(real[0][:, 0].std())),
        Score(
            name=f"label: {names[three]}",
            about="probability by a network",
            spread=float(real[0][:, 1].std()),
            threshold=0.5,
            metric="AUC",
            quality=near(0.97, 0.02, n),
        ),
    ]
    return verify_edits(
        decode,
        evaluate,
        scores,
        pca()[2][:40],
        moves,
        rng=np.random.default_rng(0),
        real=real[1][:40],
        accuracy=near(0.9, 0.02, n),
        notes=("only two of the concepts",),
        shown=3,
    )
