"""DeLiGAN on 500 images of MNIST: what a learned mixture adds to a GAN of few and diverse images.

50 training images of each digit are all that the GAN sees. It is trained twice from the same seed, with the mixture and
without, and a classifier of digits, trained on all other training images, evaluates 5,000 images of each.

The paper's score, m-IS, is high where images that are given one class differ. The same is true of images that are no
digits at all: those of an untrained network, or of a GAN that fails. Hence the table also gives m-IS of real test
images, which is hardly above 1, and three more figures: the inception score, the classifier's mean confidence, and how
varied the images of a class are, as their standard deviation over that of real ones.

Source: Gurumurthy, Sarvadevabhatla, Babu: DeLiGAN, CVPR 2017 (arXiv:1706.02071), §5.3, whose result is a picture; m-IS
is of §5.1, and the paper gives it for CIFAR-10 and sketches.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from analysis.base.statistics import Interval, bootstrap_mean, mean_interval, proportion
from analysis.fidelity.inception_score import inception_score, modified_inception_score
from latentgan.data.source import ImageSource
from latentgan.devices import pick_device
from latentgan.evaluation.classifiers import Classifier, train_classifier
from latentgan.families.base import Decodes, Family
from latentgan.reproduction.protocols.augmentation import alone
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe
from latentgan.training.state import open_source
from latentgan.training.toy_loop import play

PER_CLASS = 50


SAMPLES = 5_000


STEPS = 800
"""Of the classifier, in batches of 128."""


BATCH = 500


MIS, IS = "m-IS", "inception score"


SURE, VARIETY, NEAR = "confidence", "variety of a class", "distance to a training image"


RIGHT = "test images that the classifier names right"


MIXED, PLAIN, UNTRAINED, REAL = "with the mixture", "without", "untrained", "real test images"


def measure(job: Job) -> Outcome:
    """Train the classifier and both GANs, and evaluate samples of both and real images."""
    source = open_source(job.configured())
    rows, rest = drawn(source, seed=job.seed)
    evaluator = Evaluator.trained(job, source, rows, rest)
    families: dict[str, Family] = {}
    for name, changes in ((MIXED, {}), (PLAIN, {"mixture": {"components": 0}})):
        started = time.perf_counter()
        config = job.configured(family=changes)
        job.settings[name] = {**config.as_dict(), "data": {"source": config.data.source}}
        job.say(f"{name}: {config.training.total_images:,} images")
        (_, untrained), *_, (_, families[name]) = play(config, alone(source, rows))
        families.setdefault(UNTRAINED, untrained)
        job.timed(name, started)
    started = time.perf_counter()
    rows = source.rows("test")[:SAMPLES]
    test = source.tensor(rows, evaluator.device)
    samples = ((name, made(family, seed=job.seed)) for name, family in families.items())
    result = {name: evaluator.figures(x, evaluator.named(x)) for name, x in samples}
    named = evaluator.named(test)
    result[REAL] = evaluator.figures(test, named)
    job.timed("judge", started)
    right = proportion(named.argmax(1) == source.labels[rows])
    others = {name: figures for name, figures in result.items() if name != MIXED}
    baselines = {f"{figure}, {name}": value for name, figures in others.items() for figure, value in figures.items()}
    return Outcome(result[MIXED], {**baselines, RIGHT: right})


def drawn(source: ImageSource, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw 50 training images of each class; return their rows and the other labelled training rows."""
    train = source.rows("train")
    train, rng = train[source.labels[train] >= 0], np.random.default_rng(seed)
    classes = range(len(source.spec.classes))
    of = [rng.choice(train[source.labels[train] == k], PER_CLASS, replace=False) for k in classes]
    rows = np.sort(np.concatenate(of))
    return rows, np.setdiff1d(train, rows)


@torch.no_grad()
def made(family: Family, *, seed: int) -> Tensor:
    """Return 5,000 images of a family, (n, c, h, w) in [-1, 1]."""
    assert isinstance(family, Decodes)
    z = family.prior.sample(SAMPLES, generator=torch.Generator().manual_seed(seed))
    return torch.cat([family.decode(part) for part in torch.split(z, BATCH)])


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """A classifier of real images, the images that the GANs saw, and how varied real images of a class are."""

    network: nn.Module
    training_images: Tensor
    """(m, c · h · w), of the GANs."""
    spread: float
    """Of real images of a class."""
    device: str
    seed: int

    @classmethod
    def trained(cls, job: Job, source: ImageSource, rows: np.ndarray, rest: np.ndarray) -> Evaluator:
        """Train the classifier on the rows `rest`."""
        started, device = time.perf_counter(), str(pick_device(job.device))
        steps = 50 if job.quick else STEPS
        job.say(f"classifier: {steps} steps on {len(rest):,} images")
        *_, network = train_classifier(source, rest, Classifier(), marks=[steps], seed=job.seed, device=device)
        job.timed("classifier", started)
        x, labels = source.tensor(rest[:SAMPLES], device), source.labels[rest[:SAMPLES]]
        training_images = source.tensor(rows, device).flatten(1)
        return cls(
            network=network,
            training_images=training_images,
            spread=spread_within(x, labels),
            device=device,
            seed=job.seed,
        )

    @torch.no_grad()
    def named(self, x: Tensor) -> np.ndarray:
        """Return the probabilities of classes (n, K) of images (n, c, h, w) in [-1, 1]."""
        parts = [self.network(part.to(self.device)).softmax(1) for part in torch.split(x, BATCH)]
        p: np.ndarray = torch.cat(parts).cpu().double().numpy()
        return p

    @torch.no_grad()
    def figures(self, x: Tensor, p: np.ndarray) -> dict[str, Interval]:
        """Return every figure of images (n, c, h, w) in [-1, 1] with probabilities p (n, K)."""
        x = x.to(self.device)
        nearest = torch.cat(
            [torch.cdist(part.flatten(1), self.training_images).amin(1) for part in torch.split(x, BATCH)]
        )
        rng, given = np.random.default_rng(self.seed), p.argmax(1)
        parts = np.array_split(rng.permutation(len(x)), 10)
        return {
            MIS: modified_inception_score(p, rng=rng),
            IS: inception_score(p, rng=rng),
            SURE: bootstrap_mean(p.max(1), rng=rng),
            VARIETY: mean_interval(np.array([spread_within(x[part], given[part]) for part in parts]) / self.spread),
            NEAR: bootstrap_mean(nearest.cpu().double().numpy(), rng=rng),
        }


def spread_within(x: Tensor, labels: np.ndarray) -> float:
    """Return the root mean square distance of images (n, …) to the mean of their class, over all classes."""
    flat, of = x.flatten(1).double(), torch.from_numpy(labels).to(x.device)
    groups = [flat[of == k] for k in torch.unique(of)]
    left = sum(float((group - group.mean(0)).square().sum()) for group in groups)
    free = max(1, len(flat) - len(groups))
    return float((left / free) ** 0.5)


def _baselines(figure: str) -> dict[str, str]:
    return {f"{figure}, {name}": name for name in (PLAIN, UNTRAINED, REAL)}


PROTOCOL = Protocol(
    title="DeLiGAN from 500 images of MNIST",
    source="Gurumurthy et al. 2017 (arXiv:1706.02071), §5.3 (a picture) and §5.1",
    dataset="mnist",
    recipes={"ours": Recipe(about="DCGAN's networks, of the authors' width", config="deligan_mnist_500.toml", seeds=5)},
    headlines={
        "": (
            Headline(
                figure=MIS,
                title="m-IS (the paper: high is varied; not if no digits)",
                percent=False,
                baselines=_baselines(MIS),
            ),
            Headline(figure=IS, title="inception score", percent=False, baselines=_baselines(IS)),
            Headline(
                figure=SURE,
                title="the classifier's mean confidence",
                baselines=_baselines(SURE) | {RIGHT: "it names right, of test images"},
            ),
            Headline(
                figure=VARIETY, title="variety of a class, real is 1", percent=False, baselines=_baselines(VARIETY)
            ),
            Headline(
                figure=NEAR, title="distance to the nearest training image", percent=False, baselines=_baselines(NEAR)
            ),
        )
    },
    measure=measure,
)
