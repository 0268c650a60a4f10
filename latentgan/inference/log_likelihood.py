"""Log-likelihood of held-out images, log p(x) in nats, with the training criterion and independent pixels to compare.

For families with a decoder p(x|z), a prior N(0, I) and a q(z|x) to draw from. `importance_sampling` has the two
estimates; they are written to likelihood.json in the run folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analysis.io.writing import check_outputs, replace_text
from latentgan.data.source import ImageSource
from latentgan.devices import seeded
from latentgan.errors import ConfigError, DataError
from latentgan.families.base import Explains
from latentgan.inference.importance_sampling import Annealing, LogLikelihood, annealed, importance_weights
from latentgan.inference.numpy_model import NumpyModel
from latentgan.io.writing import write_failures
from latentgan.likelihoods import Binarisation, Likelihood, log_normal
from latentgan.version import __version__

FILE = "likelihood.json"


BATCH = 100
"""Images of importance sampling at once."""


CHAINS_AT_ONCE = 1000
"""Annealed chains at once."""


CRITERION_DRAWS = 16


PIXEL_IMAGES = 20_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Numbers of images and samples; equal plans and seeds use the same images, binarised alike.

    Args:
        images: of the test split, drawn by the seed; all if there are fewer.
        samples: of importance sampling for each image.
        annealed_images: the first so many of them are annealed too; 0 leaves that out.
        annealing: temperatures, chains and transitions.
        binarise: how Bernoulli pixels are made; None is as in training, where grey ones count as drawn.
        seed: of images, binarisation and samples.
    """

    images: int = 1000
    samples: int = 500
    annealed_images: int = 100
    annealing: Annealing = field(default_factory=Annealing)
    binarise: Binarisation | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over images in nats, with the standard error over these images."""

    value: float
    """Mean in nats an image."""
    standard_error: float
    """Standard error over images; NaN for a single one."""
    n: int
    """Number of images."""

    @classmethod
    def of(cls, values: Tensor) -> Estimate:
        """Return the mean of values (n,)."""
        n = len(values)
        error = float(values.double().std()) / math.sqrt(n) if n > 1 else math.nan
        return cls(value=float(values.double().mean()), standard_error=error, n=n)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % by the normal distribution."""
        return self.value - 1.96 * self.standard_error, self.value + 1.96 * self.standard_error


@dataclass(frozen=True, kw_only=True)
class HeldOutLikelihood:
    """log p(x) of held-out images, each figure in nats an image."""

    pixels: str
    """The likelihood, and how images were binarised."""
    importance: Estimate
    """log p(x) by importance sampling with `Plan.samples` samples an image."""
    effective: float
    """Median over images of the number of samples that carry the weight."""
    bound: Estimate
    """E log w: the variational bound of the proposal."""
    criterion: Estimate
    """The criterion that training maximises; it is no bound where an adversary estimates the divergence."""
    independent: Estimate
    """log p(x) of the same images under independent pixels fitted to training images: the baseline."""
    annealed: Estimate | None
    """log p(x) of the first `Plan.annealed_images` images by annealing; None where it is left out."""
    paired: Estimate | None
    """log p(x) by importance sampling on these images alone."""
    acceptance: float | None
    """Share of accepted moves of the chains, in [0, 1]."""


def held_out_likelihood(
    model: NumpyModel,
    source: ImageSource,
    plan: Plan | None = None,
    *,
    advance: Callable[[int], None] = lambda images: None,
) -> HeldOutLikelihood:
    """Estimate log p(x) of test images.

    Args:
        model: a trained model.
        source: its images, with a test split that it was not trained on.
        plan: how many images and samples.
        advance: called with the number of images done since the last call, `work(plan, source)` in all.

    Raises:
        ConfigError: the family gives no likelihood, or Gaussian pixels are to be binarised.
        DataError: there is no test image.
    """
    plan = plan or Plan()
    family, likelihood = evaluated_likelihood(model, plan)
    rows = chosen(source, plan)
    x = _observed(source, rows, likelihood, plan.seed).to(model.device)
    with seeded(model.device, plan.seed):
        criterion, result = _sampled(family, x, plan, advance)
    log_marginal, bound, effective = (torch.cat(column) for column in zip(*result, strict=True))
    few, acceptance = _annealed(family, x[: plan.annealed_images], plan, advance)
    return HeldOutLikelihood(
        pixels=likelihood.text,
        importance=Estimate.of(log_marginal),
        effective=float(effective.median()),
        bound=Estimate.of(bound),
        criterion=Estimate.of(criterion),
        independent=Estimate.of(_independent(source, x, likelihood, plan.seed)),
        annealed=None if few is None else Estimate.of(few),
        paired=None if few is None else Estimate.of(log_marginal[: len(few)]),
        acceptance=acceptance,
    )


def evaluated_likelihood(model: NumpyModel, plan: Plan) -> tuple[Explains, Likelihood]:
    """Return a model's family and the likelihood of pixels that is evaluated.

    Raises:
        ConfigError: the family gives no likelihood, or Gaussian pixels are to be binarised.
    """
    if not isinstance(model.family, Explains):
        raise ConfigError(
            f"family {model.about.get('name', '?')!r} has no likelihood of images, so log p(x) cannot be estimated; "
            "avb and vae have one"
        )
    return model.family, evaluated(model.family.likelihood, plan.binarise)


def evaluated(likelihood: Likelihood, binarise: Binarisation | None) -> Likelihood:
    """Return the likelihood that is asked for: as in training, but for real-valued pixels, whose training is the mean
    over draws, so that a draw of each image is what it gives probabilities of."""
    if binarise is not None:
        return replace(likelihood, binarise=binarise)
    if likelihood.kind == "bernoulli" and likelihood.binarise == "none":
        return replace(likelihood, binarise="stochastic")
    return likelihood


def chosen(source: ImageSource, plan: Plan) -> np.ndarray:
    """Return the rows that are evaluated: of the test split, one of each group, mixed by the seed."""
    rows = source.rows("test")
    if len(rows) == 0:
        raise DataError(f"{source.name} has no test images, so that none are held out")
    rng = np.random.default_rng(plan.seed)
    return rng.permutation(source.one_of_each(rows, rng))[: plan.images]


def work(plan: Plan, source: ImageSource) -> int:
    """Return how many images `held_out_likelihood` will tell of."""
    n = len(chosen(source, plan))
    return n + min(plan.annealed_images, n)


def write_likelihood(run: Path, model: NumpyModel, source: ImageSource, plan: Plan, result: HeldOutLikelihood) -> Path:
    """Write likelihood.json into a run folder.

    Args:
        run: the run folder.
        model: its model.
        source: the images.
        plan: what was measured.
        result: the estimates.
    """
    about = {"checkpoint": model.about.get("sha256", ""), "images_seen": model.about.get("images_seen", 0)}
    tree = {"format": 1, "version": __version__, **about, "data": source.name, "split": "test", "unit": "nats an image"}
    path = run / FILE
    check_outputs([path], "likelihood", error=DataError)
    with write_failures(path):
        replace_text(path, json.dumps({**tree, "plan": asdict(plan), **_plain(result)}, indent=1, ensure_ascii=False))
    return path


def _plain(result: HeldOutLikelihood) -> dict[str, Any]:
    """Return plain values for JSON, which has no NaN: the standard error of a single image is null."""
    return {
        name: {key: None if part != part else part for key, part in value.items()} if isinstance(value, dict) else value
        for name, value in asdict(result).items()
    }


def as_rows(result: HeldOutLikelihood, plan: Plan) -> list[tuple[str, Estimate, str]]:
    """Return the rows of the table: a name, the figure, and how it was estimated.

    Args:
        result: the estimates.
        plan: what was measured.
    """
    samples = f"{plan.samples} samples, of which {result.effective:.0f} carry the weight"
    rows = [("log p(x), importance sampling", result.importance, samples)]
    if result.annealed is not None and result.paired is not None:
        a = plan.annealing
        chains = f"{a.chains} chains, {a.temperatures} temperatures, {result.acceptance:.0%} accepted"
        rows.append(("log p(x), annealed", result.annealed, chains))
        rows.append(("these images, importance sampling", result.paired, samples))
    rows.append(("variational bound of the proposal", result.bound, "the Gaussian that is sampled from"))
    rows.append(("criterion of training", result.criterion, "no bound where an adversary estimates it"))
    return [*rows, ("independent pixels", result.independent, "fitted to training images")]


def show(result: HeldOutLikelihood, plan: Plan, *, as_json: bool = False) -> None:
    """Print the estimates as a table, or as JSON.

    Args:
        result: the estimates.
        plan: what was measured.
        as_json: whether to print JSON.
    """
    from rich.console import Console
    from rich.table import Table

    if as_json:
        print(json.dumps({"plan": asdict(plan), **_plain(result)}, indent=1, ensure_ascii=False))
        return
    table = Table("nats an image", box=None, header_style="bold")
    for column in ("mean", "± standard error", "images"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for name, e, rests in as_rows(result, plan):
        table.add_row(
            name, f"{e.value:.2f}", f"{e.standard_error:.2f}" if e.n > 1 else "–", f"{e.n:,}", f"[dim]{rests}[/]"
        )
    Console().print(table)
    Console().print(f"[dim]{result.pixels}[/]", highlight=False)


def _observed(source: ImageSource, rows: np.ndarray, likelihood: Likelihood, seed: int) -> Tensor:
    return likelihood.observed(source.tensor(rows), torch.Generator().manual_seed(seed))


def explained(family: Explains, x: Tensor) -> LogLikelihood:
    """Return z (k, n, d) → log p(x|z) (k, n) of what was observed of n images."""

    def log_likelihood(z: Tensor) -> Tensor:
        repeated = x.expand(len(z), *x.shape).reshape(-1, *x.shape[1:])
        return family.log_likelihood(repeated, z.flatten(0, 1)).view(z.shape[:2])

    return log_likelihood


@torch.no_grad()
def _sampled(
    family: Explains, x: Tensor, plan: Plan, advance: Callable[[int], None]
) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Return the criterion (n,), and log p(x), bound and effective samples of each batch."""
    generator, criterion, result = torch.Generator().manual_seed(plan.seed), [], []
    for part in torch.split(x, BATCH):
        pairs = [family.bound(part) for _ in range(CRITERION_DRAWS)]
        criterion.append(torch.stack([likelihood - kl for likelihood, kl in pairs]).mean(0))
        weights = importance_weights(
            explained(family, part), *family.proposal(part), samples=plan.samples, generator=generator
        )
        result.append((weights.log_marginal, weights.bound, weights.effective))
        advance(len(part))
    return torch.cat(criterion), result


def _annealed(
    family: Explains, x: Tensor, plan: Plan, advance: Callable[[int], None]
) -> tuple[Tensor | None, float | None]:
    if len(x) == 0:
        return None, None
    generator, result, accepted = torch.Generator().manual_seed(plan.seed), [], 0.0
    for part in torch.split(x, max(1, CHAINS_AT_ONCE // plan.annealing.chains)):
        latent = family.prior.width
        logs, rate = annealed(
            explained(family, part), len(part), latent, plan.annealing, like=part, generator=generator
        )
        result.append(logs)
        accepted += rate * len(part) / len(x)
        advance(len(part))
    return torch.cat(result), accepted


def _independent(source: ImageSource, x: Tensor, likelihood: Likelihood, seed: int) -> Tensor:
    """Return log p(x) (n,) under pixels that know nothing of each other, fitted to training images."""
    rows = source.rows("train")
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:PIXEL_IMAGES])
    x, count = x.double().cpu().flatten(1), len(rows)
    total, square = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    for start in range(0, count, 2000):
        part = _observed(source, rows[start : start + 2000], likelihood, seed + start).double().flatten(1)
        total, square = total + part.sum(0), square + part.square().sum(0)
    mean = total / count
    if likelihood.kind == "bernoulli":
        share = (count * (mean + 1) / 2 + 1) / (count + 2)  # no pixel is impossible that was never seen
        return ((x + 1) / 2 * share.log() + (1 - x) / 2 * (1 - share).log()).sum(1)
    deviation = (square / count - mean**2).clamp_min(likelihood.deviation**2).sqrt()
    return log_normal(x, mean, deviation)
