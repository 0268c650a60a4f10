"""Results of comparisons for the report's tests, of real digits: with factors, samples and other models."""

from __future__ import annotations

import functools

import numpy as np

from analysis.concepts.targets import ConceptTarget
from analysis.disentanglement.evaluate import Disentanglement, disentangle
from analysis.disentanglement.metrics import Factor
from analysis.fidelity.distances import Fidelity, compare_samples, warnings_of
from analysis.fidelity.memorization import copying, count_modes, duplicate_threshold, duplicates
from analysis.model_comparison.similarity import Comparison, Comparisons, similarities, transfers


@functools.cache
def disentanglement(names: tuple[str, ...]) -> Disentanglement:
    """A PCA of digits with one number that is the ink, with the label and the ink as known factors."""
    from report_samples import digits, pca

    images, labels = digits()
    ink = images.mean(axis=(1, 2, 3)).astype(np.float64)
    codes = np.hstack([pca()[2][:, :4], (40 * ink[:, None])])
    turn = np.linalg.qr(np.ones((5, 5)) + np.eye(5))[0]
    factors = [
        Factor(name="label", values=labels.astype(float), discrete=True),
        Factor(name=f"ink {names[1 % len(names)]}", values=ink, discrete=False),
    ]
    return disentangle(
        codes,
        factors,
        rng=np.random.default_rng(0),
        rows=200,
        notes=("200 test rows",),
        baseline_codes={"PCA 4 of pixels": pca()[2][:, :4], "untrained.code": codes @ turn},
        numbers=tuple(f"{names[0]} {i + 1}" for i in range(5)),
    )


@functools.cache
def fidelity(features: str = "discriminator.dense1", copied: bool = False) -> Fidelity:
    """Samples of a PCA of digits, and 60 held-out ones: noisy and of two kinds, or train rows as they are."""
    from report_samples import LATENT, decode, pca, pixels

    rng = np.random.default_rng(0)
    codes = pca()[2]
    real, train = codes[:60], codes[60:600]
    made = train[:80] if copied else train[np.arange(80) % 2] + rng.normal(0, 0.01, (80, LATENT))
    distances, copies = compare_samples(real, made, rng=rng), copying(made, train, real, shown=4)
    threshold = duplicate_threshold(real)
    return Fidelity(
        features=features,
        samples=distances,
        baseline=compare_samples(real, train[:80], rng=rng),
        copying=copies,
        modes=count_modes(made, threshold=threshold),
        real_duplicates=duplicates(train[80:160], threshold=threshold),
        notes=("60 test rows", *warnings_of(distances)),
        shown=pixels(decode(made[copies.sample_rows])),
        real_pairs=np.stack([np.arange(4), np.arange(60, 64)], axis=1),
        real_distances=np.linspace(0.5, 0.8, 4),
    )


@functools.cache
def comparison(names: tuple[str, ...]) -> Comparisons:
    """A PCA of digits compared with itself rotated, with noise, and with pixels and an untrained map of them."""
    from report_samples import digits, pca

    rng = np.random.default_rng(0)
    images, labels = digits()
    flat, codes, labels = images[:500].reshape(500, -1), pca()[2][:500, :6], labels[:500]
    signs = [np.where(labels == k, 1, -1).astype(np.int64) for k in (0, 1)]
    targets = [ConceptTarget(name=f"label: {names[k]}", column="label", kind="class", signs=signs[k]) for k in (0, 1)]
    turned = codes @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 0.05 * rng.normal(size=(500, 6))
    pairs = []
    for name, other in ((f"turned {names[0]}", turned), ("noise", rng.normal(size=(500, 6)))):
        carried, left = transfers(codes, other, targets, rng=np.random.default_rng(2))  # halves with twenty of each
        alike = similarities(codes, other, rng=rng, shuffles=19)
        pairs.append(
            Comparison(
                names=("pca.parquet", name),
                widths=(6, 6),
                rows=500,
                similarities=alike,
                transfers=carried,
                notes=tuple(left),
            )
        )
    baselines = [
        Comparison(
            names=("pca.parquet", name),
            widths=(6, y.shape[1]),
            rows=500,
            similarities=similarities(codes, y, rng=rng, shuffles=19),
            transfers=(),
            notes=(),
        )
        for name, y in (("pixels", flat), ("untrained.code", flat @ rng.normal(size=(64, 6))))
    ]
    return Comparisons(pairs=tuple(pairs), baselines=tuple(baselines), notes=("500 common test rows",))
