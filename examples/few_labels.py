"""Ten labels a class: a BiGAN's features, learned without any label, compared with pixels and the untrained network.

    python examples/few_labels.py --out runs/few-labels            # half a minute on one core
    python examples/few_labels.py --out runs/few-labels --quick    # seconds: everything works, little is learned

Expect: the accuracy of a logistic regression on ten labelled digits a class, mean of twenty draws of labels with its
95 % interval, and paired differences from the baselines, which are what to look at. On one CPU core, torch 2.13:
discriminator.dense1 92.1 % ± 2.9, which is 2.7 ± 1.6 points above pixels and 6.0 ± 1.9 above the same layer untrained.
"""

import argparse
from pathlib import Path

import latentgan
from analysis import Embeddings
from analysis.runner import run_study
from analysis.table.study_options import Options
from latentgan.inference.encode import default_features

parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
parser.add_argument("--quick", action="store_true", help="train for seconds only")
parser.add_argument("--out", type=Path, default=Path("runs/few-labels"), help="new folder for everything")
options = parser.parse_args()

# Two settings make the discriminator's features good where labels are few: the matching term asks it which code
# belongs to which image, and random affine maps in front of it stand for the variety that few images lack.
source = latentgan.load_source("digits")
config = latentgan.configure(
    "bigan",
    family={
        "latent": 16,
        "width": 4 if options.quick else 16,
        "norm": "encoder",
        "spectral": True,
        "reconstruction_weight": 20.0,
        "matching_weight": 1.0,
        "augment": {"rotation": 15.0, "scale": 0.15, "shift": 0.0714, "shear": 0.2},
        "discriminator": {"learning_rate": 1.2e-3, "schedule": "linear"},
    },
    data={"source": "digits"},
    training={"total_images": 6_400 if options.quick else 128_000, "average_halflife_images": 5_000},
)
run = latentgan.train(config, options.out / "run", source=source)

# The table holds the last layer of every network, the same layers untrained, and the pixels; labels only split it.
model = latentgan.NumpyModel.load(run)
plan = latentgan.Plan(features=default_features(model))
table = Embeddings(latentgan.encode_table(run, source, options.out / "codes.parquet", plan))

# Without per_class the curve goes from one label a class to all.
draws = 3 if options.quick else 20
results = options.out / "results"
curve = run_study("label_efficiency", table, model, Options(), out=results, per_class=(10,), draws=draws).curve
print(f"{'representation':30} {'10 labels a class':>18} {'minus pixels':>14} {'minus untrained':>16}")
point = curve[0]
for name, score in zip(point.representations, point.scores, strict=True):
    gains = {pair.baseline: pair.difference.percent() for pair in point.differences if pair.representation == name}
    differences = [gains.get(baseline, "") for baseline in ("pixels", f"untrained.{name}")]
    print(f"{name:30} {score.percent():>18} {differences[0]:>14} {differences[1]:>16}")
print(point.note)
