"""Any model, any table: `analysis` on a PCA's codes, in a Parquet file that latentgan did not make. No torch needed.

    python examples/foreign_model.py --out runs/foreign-model [--quick]      # half a minute; quick leaves out UMAP

Expect: a line for each analysis, a logistic probe of the code with an accuracy of 0.880 ± 0.033 (on pixels 0.953
[0.927, 0.970]), and report.html with decoded paths and edits.
"""

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from analysis import AnalysisError
from analysis.app import analyze_table, write_report


class Model(PCA):
    """Any object will do that has `decode`: codes (n, d) to images (n, h, w, c) in [0, 1]."""

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return np.clip(self.inverse_transform(codes), 0, 1).reshape(-1, 8, 8, 1)


parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
parser.add_argument("--quick", action="store_true", help="leave out what takes long")
parser.add_argument("--out", type=Path, default=Path("runs/foreign-model"), help="folder for everything")
options = parser.parse_args()
options.out.mkdir(parents=True, exist_ok=True)

# 1. A table: vectors as lists, pictures as PNG, a label under a name of its own, an attribute with unknown values.
pixels, digit = load_digits(return_X_y=True)
split = np.random.default_rng(0).choice(["train", "validation", "test"], len(pixels), p=[0.7, 0.1, 0.2])
model = Model(10, whiten=True, random_state=0).fit(pixels[split == "train"] / 16)
pictures = [io.BytesIO() for _ in pixels]
for file, image in zip(pictures, pixels.reshape(-1, 8, 8), strict=True):
    Image.fromarray(np.uint8(15 * image)).save(file, "PNG")
columns = {"embedding": list(model.transform(pixels / 16)), "pixels": list(pixels / 16), "digit": digit, "split": split}
columns |= {"ink": [None if i % 9 == 0 else row.mean() for i, row in enumerate(pixels)]}
table = pa.table({**columns, "thumbnail": [file.getvalue() for file in pictures]})
shape = {"latentgan": json.dumps({"pixels_shape": [8, 8, 1]})}  # optional: without it nothing is compared with pixels
pq.write_table(table.replace_schema_metadata(shape), path := options.out / "table.parquet")

# 2. Every analysis, and the report. What cannot be done is an AnalysisError whose text says why.
quick = {"projection": {"methods": ("pca",)}, "label_efficiency": {"draws": 5}, "concepts": {"permutations": 199}}
settings = quick if options.quick else None
results = analyze_table(path, options.out / "results", model=model, settings=settings, code="embedding", label="digit")
for kind, result in results.items():
    print(f"{kind}: {result if isinstance(result, AnalysisError) else 'done'}")
for probe in results["probes"].probes:
    print(f"  {probe.target:6} from {probe.representation:10} by {probe.method:9} {probe.metric} {probe.score.plain()}")
print(f"report: {write_report(options.out / 'results', options.out / 'report.html')}")
print("torch was imported:", "torch" in sys.modules)
