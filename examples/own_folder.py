"""Your own images: a folder of PNGs and a CSV of their attributes, a trained model, and edits along a concept.

    python examples/own_folder.py --out runs/own-folder [--quick]      # a minute on one core, or seconds

Expect: the columns of the CSV, concepts with held-out figures (bold: AUC 1.00 [0.97, 1.00]; writer, which is random:
0.50 ± 0.06), and edits.png: digits bolder and bolder from left to right.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

import latentgan
from analysis import Embeddings
from analysis.runner import run_study
from analysis.table.study_options import Options

parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
parser.add_argument("--quick", action="store_true", help="train for seconds only")
parser.add_argument("--out", type=Path, default=Path("runs/own-folder"), help="new folder for everything")
options = parser.parse_args()

# 1. A folder like yours (then leave this out): image files, and a CSV with a column `file`. Empty cells are unknown.
(folder := options.out / "images").mkdir(parents=True)
digits, rng = load_digits(), np.random.default_rng(0)
bold = rng.random(len(digits.images)) < 0.5
pages = np.clip(digits.images / 16 * np.where(bold, 1.6, 0.6)[:, None, None], 0, 1)
slant = (pages * np.multiply.outer(np.arange(8) - 3.5, 3.5 - np.arange(8))).mean((1, 2))
columns = {"ink": pages.mean((1, 2)), "slant": slant, "bold": bold, "writer": rng.choice(["Ada", "Carl"], len(bold))}
about = pd.DataFrame(columns).mask(rng.random((len(bold), 4)) < 0.1)
about = about.assign(file=[f"{i:04}.png" for i in range(len(bold))], label=digits.target)
about.to_csv(folder / "about.csv", index=False)
for name, page in zip(about["file"], pages, strict=True):
    Image.fromarray((255 * page).astype(np.uint8)).resize((16, 16)).save(folder / name)

# 2. Read, train, encode. `attributes=` names a CSV that lies elsewhere; `size=` and `crop=` fit odd images.
source = latentgan.load_source(folder)
print(source.summary, *source.notes, f"attributes: {source.attribute_kinds}", sep="\n")
game = {"norm": "encoder", "spectral": True, "reconstruction_weight": 20.0, "width": 4 if options.quick else 16}
length = {"total_images": 6_400 if options.quick else 128_000, "average_halflife_images": 5_000}
config = latentgan.configure("bigan", family=game, data={"source": str(folder)}, training=length)
run = latentgan.train(config, options.out / "run", source=source)
table = latentgan.encode_table(run, source, options.out / "codes.parquet", latentgan.Plan())

# 3. Concepts: fitted to train images, scored on test images; q is p corrected for all tries, stability a cosine.
concepts = run_study("concepts", Embeddings(table), None, Options(), permutations=199, out=options.out / "results")
for concept in (concept for concept in concepts.best if concept.kind != "class"):
    score, stability, q = concept.score.plain(2), concept.stability.plain(2), concept.q_value
    figures = f"{concept.metric:3} {score}, q {'< 0.001' if q < 0.001 else f'= {q:.3f}'}, stability {stability}"
    print(f"{concept.name:13} {figures}")

# 4. Edit: encode, move in standard deviations along the direction, decode. The first column is the image itself.
step = next(c.scale * v for c, v in zip(concepts.concepts, concepts.directions, strict=True) if c.name == "bold")
model, images = latentgan.NumpyModel.load(run), source.images[source.rows("test")[:6]]
frames = [model.decode(model.encode(images) + strength * step) for strength in (-3, -2, -1, 0, 1, 2, 3)]
rows = np.concatenate([images / 255, *frames], axis=2).reshape(-1, 8 * 16)
Image.fromarray(np.uint8(255 * rows)).resize((512, 384), 0).save(options.out / "edits.png")
print("mean brightness by strength:", *(f"{frame.mean():.2f}" for frame in frames), options.out / "edits.png")
