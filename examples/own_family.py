"""A family of your own in one file outside of the package: a least-squares GAN (Mao et al. 2017, arXiv:1611.04076).

    python examples/own_family.py --out runs/own-family [--quick]      # ten seconds on one core, or less

Expect: the terms of a game played by hand, then a run folder with logs, samples and checkpoints, and images from its
model. With this folder on the PYTHONPATH the command line takes it too: latentgan train own_family:MyGAN ...
"""

import argparse
from itertools import islice

from torch import Tensor, manual_seed, nn

from latentgan import Batches, Family, NumpyModel, Player, Update, configure, iterations, load_source, train
from latentgan.config import FamilyConfig, OptimizerConfig
from latentgan.data.source import ImageSpec
from latentgan.networks.blocks import dense
from latentgan.priors import Part, Prior


class MyGAN(Family):  # for features, also override `represent` and `feature_networks`; for batch norm, `rehearse`
    class Config(FamilyConfig):
        optimizer: OptimizerConfig = OptimizerConfig(learning_rate=5e-4)  # --set family.optimizer.learning_rate=1e-4

    def __init__(self, config: FamilyConfig, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        size, self.prior = spec.channels * spec.height * spec.width, Prior([Part(name="z", kind="normal", width=16)])
        image = [nn.Linear(256, size), nn.Tanh(), nn.Unflatten(1, spec.shape)]
        self.generator = nn.Sequential(dense(16, 256), dense(256, 256), *image)
        self.discriminator = nn.Sequential(nn.Flatten(), dense(size, 256), dense(256, 256), nn.Linear(256, 1))

    def players(self) -> dict[str, Player]:
        return {name: Player(getattr(self, name), self.config.optimizer) for name in ("discriminator", "generator")}

    def step(self, batches: Batches, update: Update) -> None:  # one iteration: the paper's algorithm, move by move
        x = next(batches).image
        real, fake = self.discriminator(x), self.discriminator(self.decode(self.prior.sample(len(x))))
        update(discriminator={"real": 0.5 * (real - 1).square().mean(), "fake": 0.5 * fake.square().mean()})
        fooled = self.discriminator(self.decode(self.prior.sample(len(x))))
        update(generator={"fake": 0.5 * (fooled - 1).square().mean()})

    def decode(self, z: Tensor) -> Tensor:  # codes (n, 16) → images (n, c, h, w) in [-1, 1]
        return self.generator(z)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="train for seconds only")
    parser.add_argument("--out", default="runs/own-family", help="new run folder")
    options, source = parser.parse_args(), load_source("digits")
    # By hand: `iterations` is the endless game, and logging or early stopping is a line in this loop ...
    manual_seed(0)  # of the weights
    family, batches = MyGAN(MyGAN.Config(), source.spec), Batches(source, batch_size=128, seed=0, device="cpu")
    update = Update(family.players())
    for iteration in islice(iterations(family, batches, update, seed=0, total_images=12_800), 100):
        if iteration % 50 == 0:
            print(f"iteration {iteration}:", {name: round(value, 3) for name, value in update.drain()["terms"].items()})
    # ... or with everything around it. A foreign family is named whenever it is loaded: a file never names code.
    config = configure("own_family:MyGAN", training={"total_images": 6_400 if options.quick else 128_000})
    model = NumpyModel.load(train(config, options.out, source=source), family="own_family:MyGAN")
    print(f"{model.sample(64).shape[0]} samples of {model.spec.shape}; grids of them are in {options.out}/samples")
