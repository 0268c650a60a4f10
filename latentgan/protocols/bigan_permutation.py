"""BiGAN on permutation-invariant MNIST: 1-NN on the encoder's penultimate layer, and what a code keeps of its image.

An untrained encoder's penultimate layer gives nearly as much (the authors' log: 96.84 %), and so do raw pixels: both
stand beside it, and the reconstruction ratio tells what 1-NN cannot.

Source: Donahue, Krähenbühl, Darrell: Adversarial Feature Learning, ICLR 2017 (arXiv:1605.09782), table 1; the ratio is
EGr / EGr_b of the authors' training log.
"""

from __future__ import annotations

import time
from dataclasses import replace

from analysis.study_decoded import study_reconstruction
from analysis.study_probes import study_probes
from latentgan.adapter import NumpyModel

from .base import Headline, Job, Outcome, Protocol, Recipe

LAYER = "encoder.dense2"


def measure(job: Job) -> Outcome:
    """Train, encode the penultimate layer, read it by 1-NN with all training rows, and reconstruct the test images."""
    run = job.trained()
    table = job.encoded(run, [LAYER])
    job.say("1-NN and reconstructions")
    started = time.perf_counter()
    probes = study_probes(table, None, replace(job.options, methods=("knn",), per_class=())).probes
    reconstruction = study_reconstruction(table, NumpyModel.load(run, device=job.device), job.options)
    job.timed("read", started)
    named = {f"1-NN, {probe.representation}": probe for probe in probes if probe.target == "label"}
    return Outcome(
        {name: probe.score for name, probe in named.items() if not probe.baseline}
        | {"reconstruction ratio": reconstruction.ratio},
        {name: probe.score for name, probe in named.items() if probe.baseline}
        | {f"reconstruction ratio, {b.name}": b.figure for b in reconstruction.baselines},
    )


PROTOCOL = Protocol(
    title="BiGAN, permutation-invariant MNIST",
    source="Donahue et al. 2017 (arXiv:1605.09782), table 1; ratio: the authors' log, 400 epochs",
    dataset="mnist",
    recipes={
        "ours": Recipe("the explicit ALICE term beside the paper's objective", "bigan_mnist_mlp_ours.toml"),
        "paper": Recipe("the paper's objective and networks, a tenth of its epochs", "bigan_mnist_mlp.toml", own=False),
    },
    headlines={
        "": (
            Headline(
                f"1-NN, {LAYER}",
                "1-NN on the penultimate layer",
                "97.39 %",
                yardsticks={"1-NN, pixels": "pixels", f"1-NN, untrained.{LAYER}": "untrained"},
            ),
            Headline("reconstruction ratio", "reconstruction ratio (less is better)", "0.62", percent=False),
        )
    },
    measure=measure,
)
