"""A process that reads a table of codes with little memory: `python little_memory.py TABLE BYTES` prints figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from analysis import Embeddings
from analysis.base.chunked import Stream
from analysis.base.nearest import nearest
from analysis.base.parallel import one_blas_thread
from analysis.base.pca import fit_pca
from analysis.io.memory import _numbers
from analysis.mixtures.model_selection import fit_mixture
from analysis.probes.study import study as study_probes
from analysis.table.study_options import Options


def figures(table: Embeddings, *, streamed: bool) -> dict[str, Any]:
    """Means, components, neighbours, a mixture and probes of all train rows."""
    train, test, rng = table.rows("train"), table.rows("test"), np.random.default_rng(1)
    x = table.matrix("code", train)
    assert isinstance(x, Stream) == streamed
    with one_blas_thread():
        pca = fit_pca(x, 3, rng=rng, sample=None)
        mixture = fit_mixture(x[:, :20], rng=rng, components=(3,), covariances=("diag",), restarts=1, search=2000)
        near = nearest(table.vectors("code", test[:50]), x, k=3)[0]
        probes = study_probes(table, None, Options().full(), methods=("logistic",))
    return {
        "mean": x.mean(0, dtype=np.float64)[:5].tolist(),
        "variances": pca.variances.tolist(),
        "weights": mixture.gaussians.weights.tolist(),
        "near": near.tolist(),
        "probes": [probe.score.value for probe in probes.probes],
    }


def limit(table: Embeddings, headroom: int) -> None:
    """Let the process take `headroom` bytes more than it has, once what every analysis needs is loaded."""
    import resource

    import scipy.linalg
    import scipy.optimize
    import scipy.stats

    scipy.linalg.eigh(np.eye(300))  # both BLAS libraries take 32 MB when first used
    table.vectors("code", np.arange(300)) @ np.ones((table.width("code"), 300), np.float32)
    _ = table.split, table.column()
    most = int(_numbers(Path("/proc/self/status"))["VmData"]) + headroom
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        np.ones((table.n, table.width("code")), np.float32)
    except MemoryError:
        return
    raise SystemExit("the limit does not bite: the code column fits")


if __name__ == "__main__":
    opened = Embeddings(sys.argv[1])
    limit(opened, int(sys.argv[2]))
    print(json.dumps(figures(opened, streamed=True)))
