"""Formulas used by two or more families, as functions of discriminator logits d (never of probabilities).

With D = σ(d):  -log D = softplus(-d)  and  -log(1 - D) = softplus(d), exact for any d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize, relu, softplus

from latentgan.config import ObjectiveName
from latentgan.devices import full_precision
from latentgan.errors import ConfigError


@dataclass(frozen=True)
class Objective:
    """How logits become terms: one side for the discriminator, one for whoever fools it.

    `real(d)` asks the discriminator to call the logits real, `fake(d)` to call them fake. `as_real(d)` and
    `as_fake(d)` are the same wishes of the players that want it fooled; for the hinge they are linear, so
    that their gradient does not vanish where the discriminator is sure. All take logits of any shape and
    return a scalar mean.

    Args:
        name: "bce" (Goodfellow et al. 2014, non-saturating), "hinge" (Miyato et al. 2018, arXiv:1802.05957),
            "least-squares" (Mao et al. 2017, arXiv:1611.04076), "wasserstein" (Arjovsky et al. 2017), "relativistic"
            (Jolicoeur-Martineau 2019, arXiv:1807.00734; with R1 and R2 it is R3GAN's, Huang et al. 2024,
            arXiv:2501.05441, eq. 2): a fake is compared with the real sample of its row, not with a fixed threshold.
        smoothing: one-sided label smoothing, the target 1 - smoothing for real logits of "bce", in the
            discriminator only (Salimans et al. 2016, §3.4): smoothing fakes as well would reward present fakes.
    """

    name: ObjectiveName = "bce"
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in get_args(ObjectiveName):
            raise ConfigError(f"objective {self.name!r} is not known; known are: {', '.join(get_args(ObjectiveName))}")
        if self.smoothing and self.name != "bce":
            raise ConfigError(f"label smoothing is defined for the bce objective, not for {self.name!r}: leave one out")

    @property
    def paired(self) -> bool:
        """Whether a term needs a real and a fake logit at once."""
        return self.name == "relativistic"

    def discriminator(self, real: Tensor, fake: Tensor, names: tuple[str, str] = ("real", "fake")) -> dict[str, Tensor]:
        """Return the discriminator's terms.

        Args:
            real: logits (n,) of real samples.
            fake: logits (n,) of fake samples; a paired objective compares row i with row i.
            names: what the two terms are called; that of pairs is called after both.

        Returns:
            One term for each side, or one of the pairs, E softplus(−Δ) with Δ = d(real) − d(fake).
        """
        if self.paired:
            return {f"{names[0]}_over_{names[1]}": softplus(-_difference(real, fake)).mean()}
        return {names[0]: self.real(real), names[1]: self.fake(fake)}

    def generator(self, fake: Tensor, real: Callable[[], Tensor]) -> Tensor:
        """Return the term of a player that wants fake samples to look real.

        Args:
            fake: logits (n,).
            real: gives logits (n,) of real samples, for a paired objective alone; no gradient goes through them.

        Returns:
            A scalar; of pairs E softplus(Δ).
        """
        if self.paired:
            with torch.no_grad():
                others = real()
            return softplus(_difference(others.detach(), fake)).mean()
        return self.as_real(fake)

    def exchanged(self, real: Tensor, fake: Tensor, names: tuple[str, str] = ("real", "fake")) -> dict[str, Tensor]:
        """Return the terms of a player who makes both sides, and wants each to look like the other.

        BiGAN's encoder and generator are one: real pairs are (x, E(x)), fake ones (G(z), z).

        Args:
            real: logits (n,) of real samples.
            fake: logits (n,) of fake samples.
            names: what the two terms are called.

        Returns:
            One term for each side, or one of the pairs, E softplus(Δ), whose gradient goes through both.
        """
        if self.paired:
            return {f"{names[0]}_over_{names[1]}": softplus(_difference(real, fake)).mean()}
        return {names[0]: self.as_fake(real), names[1]: self.as_real(fake)}

    def real(self, logits: Tensor) -> Tensor:
        """Discriminator's term for logits of real samples."""
        d = logits.float()
        match self.name:
            case "bce":
                present = softplus(-d).mean()
                return present if not self.smoothing else torch.lerp(present, softplus(d).mean(), self.smoothing)
            case "hinge":
                return relu(1 - d).mean()
            case "least-squares":
                return 0.5 * (d - 1).square().mean()
            case "wasserstein":
                return -d.mean()
            case "relativistic":
                raise _no_side()

    def fake(self, logits: Tensor) -> Tensor:
        """Discriminator's term for logits of fake samples."""
        d = logits.float()
        match self.name:
            case "bce":
                return softplus(d).mean()
            case "hinge":
                return relu(1 + d).mean()
            case "least-squares":
                return 0.5 * d.square().mean()
            case "wasserstein":
                return d.mean()
            case "relativistic":
                raise _no_side()

    def as_real(self, logits: Tensor) -> Tensor:
        """Term of a player that wants these logits to look real."""
        d = logits.float()
        match self.name:
            case "bce":
                return softplus(-d).mean()
            case "least-squares":
                return 0.5 * (d - 1).square().mean()
            case "hinge" | "wasserstein":
                return -d.mean()
            case "relativistic":
                raise _no_side()

    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """Discriminator accuracy: share of real and fake logits (n,) on the correct side of the decision threshold.

        The threshold is 0; for least squares it is ½, between its targets 1 and 0, and for Wasserstein, whose logits
        have no zero, the middle between the two means. Of pairs it is the share in which the real one has the larger
        logit.
        """
        match self.name:
            case "relativistic":
                return (real > fake).mean(dtype=torch.float32)
            case "least-squares":
                return accuracy(real, fake, 0.5)
            case "wasserstein":
                return accuracy(real, fake, (real.detach().mean() + fake.detach().mean()) / 2)
            case "bce" | "hinge":
                return accuracy(real, fake)

    def as_fake(self, logits: Tensor) -> Tensor:
        """Term of a player that wants these logits to look fake (BiGAN's encoder, on real images)."""
        d = logits.float()
        match self.name:
            case "bce":
                return softplus(d).mean()
            case "least-squares":
                return 0.5 * d.square().mean()
            case "hinge" | "wasserstein":
                return d.mean()
            case "relativistic":
                raise _no_side()


def _difference(real: Tensor, fake: Tensor) -> Tensor:
    """Return Δ_i = d(real_i) − d(fake_i), (n,)."""
    return real.float() - fake.float()


def _no_side() -> ConfigError:
    return ConfigError("the relativistic objective compares real and fake samples: neither side has a term alone")


def minimax_generator(fake: Tensor) -> Tensor:
    """Return E log(1 - D(G(z))), the generator's minimax loss (Goodfellow et al. 2014, eq. 1).

    Its gradient vanishes where the discriminator is sure; `Objective("bce").as_real` is the non-saturating form.

    Args:
        fake: logits of generated images, (n,).
    """
    return -softplus(fake.float()).mean()


def feature_matching(real: Tensor, made: Tensor) -> Tensor:
    """Return the mean square, over features, of E f(x) − E f(G(z)): expectations first, over each minibatch.

    ‖E f(x) − E f(G(z))‖² of the paper, divided by the number of features as in the authors' MNIST code. E f(x) is a
    target: no gradient goes through it.

    Source:
        Salimans et al. 2016 (arXiv:1606.03498), §3.1.

    Args:
        real: features of real images, (n, …).
        made: features of generated images, (m, …).
    """
    return (real.detach().float().mean(0) - made.float().mean(0)).square().mean()


def conditional_entropy_bound(x: Tensor, reconstructed: Tensor) -> Tensor:
    """Return E ‖x − G(E(x))‖², summed over an image and averaged over images, per pixel.

    Up to constants this bounds the conditional entropy H(x|z) that BiGAN and ALI leave free
    (ALICE; Li et al. 2017, arXiv:1709.01215, eq. 7, Gaussian likelihood). It is divided by the number of
    values in an image, so that a weight means the same at any size.

    Args:
        x: images, (n, c, h, w) in [-1, 1].
        reconstructed: their reconstructions, same shape.
    """
    return mse_loss(reconstructed, x)


def contrastive(similarity: Tensor) -> Tensor:
    """Return the mean cross-entropy, over rows and columns, of naming each one's partner on the diagonal.

    −½ E_i [log softmax_j(s_ij)]_{j=i} − ½ E_j [log softmax_i(s_ij)]_{i=j}; log n where all are alike, 0 at best
    (InfoNCE, van den Oord et al. 2018, arXiv:1807.03748, eq. 4, symmetric).

    Args:
        similarity: (n, n), row i and column i belong together.
    """
    partner = torch.arange(len(similarity), device=similarity.device)
    return 0.5 * (cross_entropy(similarity.float(), partner) + cross_entropy(similarity.float().T, partner))


def view_contrast(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Return the mean cross-entropy of finding each view's partner among all other views of the minibatch.

    −E_i log [exp(s_ip / τ) / Σ_{j ≠ i} exp(s_ij / τ)] over the 2n views i, p the other view of the same image, s the
    cosine; log(2n − 1) where all are alike.

    Source: NT-Xent of Chen et al. 2020 (arXiv:2002.05709), eq. 1.

    Args:
        first: one view's projections, (n, d).
        second: the other's, row by row of the same images, (n, d).
        temperature: τ.

    Returns:
        A scalar in nats.
    """
    views = normalize(torch.cat([first, second]).float(), dim=1)
    with full_precision(views.device.type):  # autocast takes products in bf16, whose steps are 0.04 of a logit of 10
        similarity = views @ views.T / temperature
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return cross_entropy(similarity.masked_fill(itself, -torch.inf), partner)


def joint_embedding(first: Tensor, second: Tensor) -> Tensor:
    """Return VICReg's loss: views of an image agree, columns keep their variance, and no two say the same.

    25 · mean (z − z')² + 25 · [v(z) + v(z')] / 2 + [c(z) + c(z')], with v the mean over columns of
    max(0, 1 − √(Var + 10⁻⁴)), and c the sum of squared covariances off the diagonal over the number of columns. Unlike
    the contrast it needs no other images to be unlike.

    Source: Bardes, Ponce, LeCun 2022 (arXiv:2105.04906), eq. 1 to 6 and the authors' code, which halves v.

    Args:
        first: one view's projections, (n, d), n ≥ 2.
        second: the other's, row by row of the same images, (n, d).

    Returns:
        A scalar.
    """
    first, second = first.float(), second.float()
    variance, covariance = first.new_zeros(()), first.new_zeros(())
    with full_precision(first.device.type):
        for view in (first, second):
            centred = view - view.mean(0)
            between = centred.T @ centred / (len(view) - 1)
            variances = between.diagonal()
            variance = variance + relu(1 - (variances + 1e-4).sqrt()).mean() / 2
            covariance = covariance + (between.square().sum() - variances.square().sum()) / view.shape[1]
    return 25 * mse_loss(first, second) + 25 * variance + covariance


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """Return InfoGAN's bound on I(c; G(z, c)) for a categorical code, in nats: E log Q(c|x) + log K ≤ log K.

    Source:
        Chen et al. 2016 (arXiv:1606.03657), eq. 5; H(c) = log K for K equally likely classes.

    Args:
        logits: Q's, of the images that the code made, (n, K).
        code: one-hot, (n, K).
    """
    return math.log(code.shape[1]) - cross_entropy(logits.float(), code.float())


def gaussian_error(mean: Tensor, code: Tensor) -> Tensor:
    """Return −E log Q(c|x) up to a constant where Q is a Gaussian of standard deviation 1: E Σ_j ½ (c_j − μ_j)².

    Source:
        Chen et al. 2016 (arXiv:1606.03657), eq. 5 and appendix C.1, with the authors' fixed deviation.

    Args:
        mean: Q's, of the images that the codes made, (n, d).
        code: (n, d).
    """
    return 0.5 * (mean.float() - code.float()).square().sum(1).mean()


@torch.no_grad()
def uniform_information(mean: Tensor, code: Tensor) -> Tensor:
    """Return the bound on I(c; G(z, c)) in nats for codes U(-1, 1) with the best fixed deviation, summed over codes.

    log 2 − ½ log(2πe · MSE) for each code: H(c) is log 2, and −E log Q is least where σ² is the mean square error. It
    is below zero where the mean says nothing, and has no upper bound.

    Args:
        mean: Q's, (n, d).
        code: (n, d).
    """
    error = (mean.float() - code.float()).square().mean(0)
    return (math.log(2) - 0.5 * (2 * math.pi * math.e * error).log()).sum()


def paired_information(first: Tensor, second: Tensor, *, balance: float = 1.0) -> Tensor:
    """Return the mutual information in nats of the classes that two views of the same images are given.

    P = mean_i softmax(first_i) softmax(second_i)ᵀ, symmetrised; I = Σ_jk P_jk log(P_jk / (P_j P_k)). It is log K where
    every class is as frequent and both views agree for certain, 0 where they have nothing to do with each other.
    In I = H_j + H_k − H_jk, `balance` multiplies the classes' own entropies H_j and H_k: above 1 it asks harder for
    equally frequent classes than for views that agree.

    Source:
        Ji, Henriques, Vedaldi 2019 (arXiv:1807.06653), eq. 3; the weight is the entropy coefficient of the authors'

    code.

    Args:
        first: logits of one view, (n, K).
        second: logits of the other, row by row of the same images, (n, K).
        balance: weight of the entropies; 1 is the mutual information.
    """
    with full_precision(first.device.type):  # autocast takes products in bf16, in which 1/K² and its neighbours are one
        joint = first.float().softmax(1).T @ second.float().softmax(1) / len(first)
    joint = ((joint + joint.T) / 2).clamp_min(1e-8)
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    return (joint * (joint.log() - balance * (rows.log() + columns.log()))).sum()


@torch.no_grad()
def accuracy(real: Tensor, fake: Tensor, threshold: float | Tensor = 0.0) -> Tensor:
    """Return the discriminator's accuracy on logits (n,) of real and fake samples; 1 means it has won.

    Args:
        real: (n,) logits of real samples.
        fake: (n,) logits of fake samples.
        threshold: above it a logit means real.
    """
    return 0.5 * ((real > threshold).mean(dtype=torch.float32) + (fake < threshold).mean(dtype=torch.float32))
