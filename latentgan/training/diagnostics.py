"""Diagnostics of a run: indicators that are measured at every log mark, and warnings when they cross a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from latentgan.families.base import Classifies, Decodes, Encodes, Family

ENCODER_IDLE = 0.98
"""Reconstruction error over the error with shuffled pairs: at 1 the code says nothing about its image."""


DISCRIMINATOR_WON = 0.995
"""Mean accuracy of the discriminator over a log interval."""


ADVERSARY_LOST = 1.6
"""Mean loss in nats, over a log interval, of an adversary whose logits the others read as log-ratios; a guess has
2 log 2 = 1.39."""


DUPLICATE_SHARE = 0.25
"""Share of samples that have a near-duplicate among a few hundred others."""


NOTED_INDICATORS = "discriminator_accuracy", "adversary_loss"
"""Indicators that families record themselves, as means over a log interval."""


WARMUP = 0.1
"""Share of the run before which no warning is raised."""


@dataclass(frozen=True)
class TrainingWarning:
    """One thing that looks wrong.

    Args:
        name: stable identifier.
        sentence: the observation, what it means and what to try.
        images: number of images seen when it was last true.
        resolved: whether a later log mark no longer showed it.
    """

    name: str
    sentence: str
    images: int
    resolved: bool = False


class Diagnostics:
    """Collects warnings over a run; its state travels in checkpoints.

    Args:
        total_images: length of the run; warnings start after a tenth of it.
    """

    def __init__(self, total_images: int) -> None:
        self.total_images = total_images
        self.warnings: dict[str, TrainingWarning] = {}
        self.status = "ok"

    def observe(self, images: int, indicators: Mapping[str, float]) -> list[TrainingWarning]:
        """Check the indicators of one log mark and return the warnings that are new."""
        if images < WARMUP * self.total_images:
            return []
        present = {w.name: w for w in find_warnings(images, indicators)}
        new = [w for name, w in present.items() if name not in self.warnings or self.warnings[name].resolved]
        for name, old in self.warnings.items():
            if name not in present:
                self.warnings[name] = replace(old, resolved=True)
        self.warnings.update(present)
        self.status = "warning" if any(not w.resolved for w in self.warnings.values()) else "ok"
        return new

    def state(self) -> dict[str, Any]:
        """Return {"status", "warnings"} as plain JSON."""
        return {"status": self.status, "warnings": [asdict(w) for w in self.warnings.values()]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.status = state["status"]
        self.warnings = {w["name"]: TrainingWarning(**w) for w in state["warnings"]}


WARNING_INDICATORS = ("reconstruction_ratio", "discriminator_accuracy", "adversary_loss", "duplicate_share")
"""What warnings are about: shares, and the adversary's loss in nats."""


def find_warnings(images: int, indicators: Mapping[str, float]) -> list[TrainingWarning]:
    """Return the warnings that the indicators of one log mark give, see WARNING_INDICATORS.

    Args:
        images: images seen so far.
        indicators: by name; one that is absent gives no warning.
    """
    ratio, accuracy, loss, share = (indicators.get(name, 0.0) for name in WARNING_INDICATORS)
    rules = (
        (
            ratio >= ENCODER_IDLE,
            "encoder_not_learning",
            f"The encoder is not learning: reconstructions are as far from their images as from other images "
            f"(ratio {ratio:.2f}; below 0.98 expected). Train longer, or (bigan, ali) set "
            "family.reconstruction_weight above 0.",
        ),
        (
            accuracy >= DISCRIMINATOR_WON,
            "discriminator_has_won",
            f"The discriminator has won: its accuracy is {accuracy:.1%}, so the other players learn little. "
            "Lower its learning rate, add family.augment, or switch family.spectral.",
        ),
        (
            loss >= ADVERSARY_LOST,
            "adversary_lost_the_encoder",
            f"The adversary has lost the encoder: its loss is {loss:.2f} nats where a guess has 1.39, so that the "
            "divergence and the bound that it gives are none. Lower family.autoencoder.learning_rate, or set "
            "family.adaptive_contrast.",
        ),
        (
            share >= DUPLICATE_SHARE,
            "samples_collapsed",
            f"Samples have collapsed: {share:.0%} of them have a near-duplicate among a few hundred others, "
            "where images of the data have none. Train longer, or balance the learning rates.",
        ),
    )
    return [TrainingWarning(name, sentence, images) for holds, name, sentence in rules if holds]


@torch.no_grad()
def measure(family: Family, x: Tensor, labels: Tensor | None = None, *, seed: int = 0) -> dict[str, float]:
    """Return the indicators that need networks: reconstruction_ratio and duplicate_share.

    Families that learn classes from labels add validation_accuracy, over validation_labels images. There is no ratio
    where the encoder leaves out parts of the code that the decoder needs, as InfoGAN's leaves out its noise.

    Args:
        family: in evaluation mode.
        x: held-out images, (n, c, h, w) in [-1, 1], n at least 2.
        labels: theirs, (n,), -1 where there is none; None where they are not held out.
        seed: of the samples.
    """
    indicators: dict[str, float] = {}
    if labels is not None and bool((labels >= 0).any()) and family.uses_labels and isinstance(family, Classifies):
        right = (family.classify(x).argmax(1) == labels)[labels >= 0].float()
        indicators |= {"validation_accuracy": float(right.mean()), "validation_labels": float(len(right))}
    complete = all(part.encoded for part in family.prior.parts)
    if isinstance(family, Encodes) and isinstance(family, Decodes) and complete:
        indicators["reconstruction_ratio"] = reconstruction_ratio(x, family.decode(family.encode(x)))
    if isinstance(family, Decodes):
        z = family.prior.sample(len(x), generator=torch.Generator().manual_seed(seed))
        indicators["duplicate_share"] = duplicate_share(family.decode(z), x)
    return indicators


def reconstruction_ratio(x: Tensor, reconstructed: Tensor) -> float:
    """Return mean ‖x_i − r_i‖ over mean ‖x_i − r_(i+1)‖: below 1 if a reconstruction is of its own image.

    Args:
        x: images (n, …).
        reconstructed: their reconstructions, same shape.
    """
    x, r = x.flatten(1).float(), reconstructed.flatten(1).float()
    paired = torch.linalg.vector_norm(x - r, dim=1).mean()
    shuffled = torch.linalg.vector_norm(x - r.roll(1, 0), dim=1).mean()
    return float(paired / shuffled.clamp_min(1e-12))


def duplicate_share(samples: Tensor, images: Tensor) -> float:
    """Return the share of samples with a near-duplicate: a neighbour a quarter as far as images' neighbours are.

    A generator of few modes repeats itself in a small sample (the birthday test of Arora & Zhang 2017,
    arXiv:1706.08224); the distance that counts as a repetition is taken from the images themselves.

    Args:
        samples: (n, …).
        images: real ones, (m, …); as many, so that neighbours are equally dense.
    """
    return float((_nearest(samples) < 0.25 * _nearest(images).median()).float().mean())


def _nearest(x: Tensor) -> Tensor:
    flat = x.flatten(1).float()
    distances = torch.cdist(flat, flat)
    distances.fill_diagonal_(torch.inf)
    return distances.min(dim=1).values
