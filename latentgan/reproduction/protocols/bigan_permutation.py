"""BiGAN on permutation-invariant MNIST: 1-NN on the encoder's penultimate layer, and what a code keeps of its image.

An untrained encoder's penultimate layer gives nearly as much (the authors' log: 96.84 %), and so do raw pixels: both
are baselines, and the reconstruction ratio shows what 1-NN cannot.

Source: Donahue, Krähenbühl, Darrell: Adversarial Feature Learning, ICLR 2017 (arXiv:1605.09782), table 1; the ratio is
EGr / EGr_b of the authors' training log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from analysis.base.arrays import Singles
from analysis.base.nearest import nearest
from analysis.base.pca import fit_pca
from analysis.base.statistics import Interval, proportion
from analysis.reconstruction.study import study as study_reconstruction
from analysis.table.embeddings import Embeddings
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe

LAYER = "encoder.dense2"


def measure(job: Job) -> Outcome:
    """Train, encode the penultimate layer, classify it by 1-NN among all training images, reconstruct test images."""
    run = job.trained()
    table = job.encoded(run, [LAYER])
    job.say("1-NN and reconstructions")
    started = time.perf_counter()
    accuracies = {f"1-NN, {name}": figure for name, figure in _one_nearest(table, job)}
    reconstruction = study_reconstruction(table, NumpyModel.load(run, device=job.device), job.options)
    job.timed("read", started)
    figures = {name: accuracies.pop(name) for name in ("1-NN, code", f"1-NN, {LAYER}")}
    return Outcome(
        figures | {"reconstruction ratio": reconstruction.ratio},
        accuracies | {f"reconstruction ratio, {b.name}": b.figure for b in reconstruction.baselines},
    )


def _one_nearest(table: Embeddings, job: Job) -> Iterator[tuple[str, Interval]]:
    """Yield the accuracy of 1-NN on test images for every representation and baseline.

    Nothing is chosen, so no image is set aside for choosing: neighbours are all images but the test split's.
    """
    labels, test = table.column().codes, table.rows("test")
    labelled = np.concatenate([table.rows("train"), table.rows("validation")])

    def accuracy(candidates: Singles, queries: Singles) -> Interval:
        return proportion(labels[labelled][nearest(queries, candidates, k=1)[0][:, 0]] == labels[test])

    for name in table.vector_columns:
        candidates, queries = table.vectors(name, labelled), table.vectors(name, test)
        yield name, accuracy(candidates, queries)
        if name == "pixels":
            pca = fit_pca(candidates, table.width("code"), rng=job.options.rng("probes"))
            yield f"PCA {len(pca.axes)} of pixels", accuracy(pca.project(candidates), pca.project(queries))


PROTOCOL = Protocol(
    title="BiGAN, permutation-invariant MNIST",
    source="Donahue et al. 2017 (arXiv:1605.09782), table 1; ratio: the authors' log, 400 epochs",
    dataset="mnist",
    recipes={
        "ours": Recipe(
            about="the explicit ALICE term beside the paper's objective", config="bigan_mnist_mlp_ours.toml"
        ),
        "paper": Recipe(
            about="the paper's objective and networks, a hundredth of its epochs",
            config="bigan_mnist_mlp.toml",
            seeds=1,
            is_ours=False,
        ),
    },
    headlines={
        "": (
            Headline(
                figure=f"1-NN, {LAYER}",
                title="1-NN on the penultimate layer",
                paper="97.39 %",
                baselines={
                    "1-NN, pixels": "pixels",
                    "1-NN, PCA 50 of pixels": "PCA 50",
                    f"1-NN, untrained.{LAYER}": "untrained",
                },
            ),
            Headline(
                figure="reconstruction ratio",
                title="reconstruction ratio (less is better)",
                paper="0.62",
                percent=False,
                baselines={"reconstruction ratio, PCA 50 of pixels": "PCA 50"},
            ),
        )
    },
    measure=measure,
)
