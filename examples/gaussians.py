"""ALI on the 25 Gaussians of its paper: how many of them it covers as it learns, and the authors' figure.

    python examples/gaussians.py --out runs/gaussians            # two minutes on one core
    python examples/gaussians.py --out runs/gaussians --quick    # seconds: a twentieth of the training

Expect: all 25 modes covered from 1,000,000 of the 2,500,000 points on (the authors' models reached 13.4 ± 5.8), and
gaussians.png: points of the data, samples, and held-out points that went through encoder and generator.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from latentgan.data.synthetic import grid_of_gaussians, modes_covered
from latentgan.reproduction.protocols.ali_gaussians import configured, rebuilt
from latentgan.training.toy_loop import play, sampled

parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
parser.add_argument("--quick", action="store_true", help="train for seconds only")
parser.add_argument("--out", type=Path, default=Path("runs/gaussians"), help="folder for the picture")
options = parser.parse_args()


def scatter(points: np.ndarray, *, side: int = 320, reach: float = 5.0) -> np.ndarray:
    """Points (n, 2) as a white picture (side, side) that grows darker where more of them are."""
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=side, range=[[-reach, reach]] * 2)
    return (255 * np.exp(-counts[::-1] / 2)).astype(np.uint8)


# A game on points has no pictures to write and no run folder: `play` yields the averaged networks as it goes.
grid = grid_of_gaussians()
config = configured("ours", {"training": {"total_images": 125_000}} if options.quick else {})
print(f"{'points seen':>12} {'covered':>8} {'reached':>8} {'near a mode':>12}")
for points_seen, family in play(config, grid.source, marks=5 if options.quick else 10):
    modes = modes_covered(sampled(family, 10_000), grid)
    print(f"{points_seen:12,} {modes.covered:8} {modes.reached:8} {modes.share:12.1%}", flush=True)
print("covered: a twentieth of the fair share of 10,000 samples within 4 standard deviations; of 25")
print("reached: nearest to any sample; Dumoulin et al. 2017 (arXiv:1606.00704): ALI 13.4 ± 5.8, GAN 10.4 ± 9.2")

# The picture: points of the data, samples, and points that went through encoder and generator.
x = grid.source.tensor(grid.source.rows("test")[:10_000])
panels = [x.flatten(1).numpy(), sampled(family, 10_000), rebuilt(family, x)]
options.out.mkdir(parents=True, exist_ok=True)
Image.fromarray(np.concatenate([np.pad(scatter(p), 4) for p in panels], axis=1)).save(options.out / "gaussians.png")
print(f"data, samples, rebuilt points: {options.out / 'gaussians.png'}")
