"""Held-out log-likelihood of variational families with eight-dimensional codes: MNIST, binarised.

Every iteration draws the images' pixels anew, black or white with their grey as probability; the test images are drawn
once, by the seed, the same for all recipes. (The published code of the paper reads grey images and draws nowhere, and
the paper's networks are convolutions that were trained for 2.5 million iterations; the recipes have the dense layers of
the authors' smallest networks and 18,000.) Both estimates are lower bounds in the mean; their standard errors are over
images.

Source: Mescheder, Nowozin, Geiger: Adversarial Variational Bayes, ICML 2017 (arXiv:1701.04722), table of held-out
log-likelihoods by annealed importance sampling: AVB −91.2 ± 0.6, with adaptive contrast −89.6 ± 0.6, VAE −90.9. These
three figures are given from memory of the paper and were not looked up again.
"""

from __future__ import annotations

import time

from analysis.base.statistics import Interval
from latentgan.inference.image_files import load_images
from latentgan.inference.importance_sampling import Annealing
from latentgan.inference.log_likelihood import Estimate, Plan, held_out_likelihood, write_likelihood
from latentgan.inference.numpy_model import NumpyModel
from latentgan.reproduction.protocols.base import Headline, Job, Outcome, Protocol, Recipe

IMPORTANCE, ANNEALED = "log p(x), importance sampling", "log p(x), annealed"


ERROR, PIXELS, CRITERION = "standard error", "independent pixels", "criterion of training"


PAIRED = f"{IMPORTANCE}, of the annealed images"


def measure(job: Job) -> Outcome:
    """Train, and estimate log p(x) of test images in both ways."""
    run = job.trained()
    model = NumpyModel.load(run, device=job.device)
    source = load_images(model.about["data"], None, {})
    plan = Plan(seed=job.seed, annealed_images=400, annealing=Annealing(temperatures=400, chains=3, pilot=1))
    if job.quick:
        plan = Plan(
            images=20,
            samples=20,
            annealed_images=10,
            annealing=Annealing(temperatures=10, chains=2, leapfrog=2),
            seed=job.seed,
        )
    job.say("log p(x) of test images")
    started = time.perf_counter()
    result = held_out_likelihood(model, source, plan)
    write_likelihood(run, model, source, plan, result)
    job.timed("read", started)
    assert result.annealed is not None and result.paired is not None
    return Outcome(
        {IMPORTANCE: _interval(result.importance), ANNEALED: _interval(result.annealed)},
        {
            f"{ERROR}, {IMPORTANCE}": _error(result.importance),
            f"{ERROR}, {ANNEALED}": _error(result.annealed),
            PAIRED: _interval(result.paired),
            PIXELS: _interval(result.independent),
            CRITERION: _interval(result.criterion),
        },
    )


def _interval(e: Estimate) -> Interval:
    return Interval(e.value, *e.interval, e.n)


def _error(e: Estimate) -> Interval:
    return Interval(e.standard_error, e.standard_error, e.standard_error, e.n)


def _headlines(published: str) -> tuple[Headline, ...]:
    baselines = {PIXELS: PIXELS, CRITERION: CRITERION}
    return (
        Headline(
            figure=ANNEALED,
            title="held-out log p(x), annealed importance sampling, nats",
            paper=published,
            percent=False,
            baselines={f"{ERROR}, {ANNEALED}": ERROR, PAIRED: "the same images, importance sampling"},
        ),
        Headline(
            figure=IMPORTANCE,
            title="held-out log p(x), importance sampling, nats",
            percent=False,
            baselines={f"{ERROR}, {IMPORTANCE}": ERROR, **baselines},
        ),
    )


PROTOCOL = Protocol(
    title="Held-out log-likelihood of eight-dimensional codes, binarised MNIST",
    source="Mescheder et al. 2017 (arXiv:1701.04722), log-likelihoods on binary MNIST; 2.5 million iterations",
    dataset="mnist",
    recipes={
        "avb": Recipe(about="dense networks, no adaptive contrast", config="avb_mnist.toml"),
        "avb-ac": Recipe(about="dense networks, adaptive contrast", config="avb_mnist_ac.toml"),
        "vae": Recipe(about="the same networks, a Gaussian encoder", config="vae_mnist.toml"),
    },
    headlines={
        "avb": _headlines("−91.2 ± 0.6 (unconfirmed)"),
        "avb-ac": _headlines("−89.6 ± 0.6 (unconfirmed)"),
        "vae": _headlines("−90.9 (unconfirmed)"),
    },
    measure=measure,
)
