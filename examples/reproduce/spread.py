"""How much of a representation's variance is between classes, which is what a probe with few labels can use.

    python examples/reproduce/spread.py mnist.parquet

For every vector column of a table by `latentgan encode`, and for a PCA of its pixels with its own and with unit
variances, on the test rows: the share of the total variance that lies between the classes' means, and the participation
ratio (Σλ)²/Σλ² of the covariance's eigenvalues, the number of directions that the variance is spread over.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from analysis import Embeddings
from analysis.base.pca import fit_pca


def spread(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the share of variance between classes and the participation ratio of x (n, d) with labels y (n,)."""
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    means = np.stack([centred[y == label].mean(0) for label in np.unique(y)])
    shares = np.unique(y, return_counts=True)[1] / len(y)
    eigenvalues = np.linalg.eigvalsh(np.cov(centred.T))
    between = float((shares @ means**2).sum() / centred.var(0).sum())
    return between, float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def representations(table: Embeddings, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for name in table.vector_columns:
        if name != "pixels" and table.width(name) > 1024:
            continue
        values = table.vectors(name, rows)
        yield name, values
        if name == "pixels":
            pca = fit_pca(values, table.width(table.code), rng=np.random.default_rng(0))
            projected = pca.project(values)
            yield f"PCA {projected.shape[1]} of pixels", projected
            yield f"PCA {projected.shape[1]} of pixels, unit variances", projected / projected.std(0)


parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
parser.add_argument("table", help="Parquet table with labels, a test split and pixels")
table = Embeddings(parser.parse_args().table)
rows = table.rows("test")
rows = rows[table.column().codes[rows] >= 0]
labels = table.column().codes[rows]
print(f"{len(rows):,} test rows\n{'representation':44} {'between classes':>16} {'directions':>11}")
for name, values in representations(table, rows):
    between, directions = spread(values, labels)
    print(f"{name:44} {between:16.1%} {directions:11.1f}")
