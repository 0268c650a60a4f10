"""Results beside something else for the report's tests: known factors, samples, other models; of real digits."""

from __future__ import annotations

import functools

import numpy as np

from analysis.dci import Factor
from analysis.disentanglement import Disentanglement, disentangle


@functools.cache
def disentanglement(names: tuple[str, ...]) -> Disentanglement:
    """A PCA of digits with one number that is the ink, beside the label and the ink as known factors."""
    from report_samples import digits, pca

    images, labels = digits()
    ink = images.mean(axis=(1, 2, 3)).astype(np.float64)
    codes = np.hstack([pca()[2][:, :4], (40 * ink[:, None])])
    turn = np.linalg.qr(np.ones((5, 5)) + np.eye(5))[0]
    factors = [Factor("label", labels.astype(float), True), Factor(f"ink {names[1 % len(names)]}", ink, False)]
    return disentangle(
        codes, factors, rng=np.random.default_rng(0), rows=200, notes=("200 test rows",),
        beside={"PCA 4 of pixels": pca()[2][:, :4], "untrained.code": codes @ turn},
        numbers=tuple(f"{names[0]} {i + 1}" for i in range(5)),
    )  # fmt: skip
