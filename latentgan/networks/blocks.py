"""Layers that several architectures are made of, and what is done to a finished network."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from latentgan.networks.minibatch import MinibatchDiscrimination, VirtualBatchNorm

Norm = Literal["none", "batch", "batch-plain", "virtual"]
"""batch: with gain and bias; batch-plain: without, as in the BiGAN authors' code; virtual: see networks.companions."""


Activation = Literal["none", "relu", "leaky", "softplus"]


Affine = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
"""Layers with weights and a bias."""


class Layers(nn.Sequential):
    """A feature network: a chain whose children have names (conv1, conv2, dense1, …) that features are read by."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(OrderedDict(layers))


class UnitRange(nn.Module):
    """Map images from [-1, 1] to [0, 1], as networks expect whose papers trained on that range."""

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape."""
        return (x + 1) / 2


class Reshape(nn.Module):
    """View (n, …) as (n, *shape); planes (c, h, w) get their channels innermost in memory, as behind convolutions."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, …) with as many values as the shape."""
        shaped = x.reshape(len(x), *self.shape)
        return shaped.contiguous(memory_format=torch.channels_last) if len(self.shape) == 3 else shaped


class LaidOut(nn.Module):
    """Planes as they are, whose gradient comes back with channels innermost in memory where they have them so.

    Behind the last convolution planes are flattened, and the gradient of that has channels outermost: the activation's
    backward pass then reads one in one order and one in the other, which takes seven times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w)."""
        if not x.requires_grad or x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
            return x
        out: Tensor = _LaidOut.apply(x)  # type: ignore[no-untyped-call]
        return out


class _LaidOut(torch.autograd.Function):
    """x → x, whose gradient gets its channels innermost."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous(memory_format=torch.channels_last)


class Maxout(nn.Module):
    """The largest of each unit's pieces, h_i = max_j (xᵀW_ij + b_ij): an activation that the layer before it learns.

    Source:
        Goodfellow et al.: Maxout Networks, ICML 2013 (arXiv:1302.4389), §3.

    Args:
        pieces: k, the number of channels next to each other that one output is the largest of.
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, width · pieces, …) → (n, width, …)."""
        return x.reshape(len(x), -1, self.pieces, *x.shape[2:]).amax(2)


class PixelDropout(nn.Module):
    """Dropout on images in [-1, 1]: a dropped pixel is black, as where papers have images in [0, 1], not grey.

    Args:
        share: of the pixels that are dropped; the others' distance from black grows by 1 / (1 − share).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, …) in [-1, 1] → the same shape."""
        return dropout(x + 1, self.share) - 1 if self.training else x


def dense(
    fan_in: int, width: int, *, norm: Norm = "none", activation: Activation = "relu", pieces: int = 1, drop: float = 0.0
) -> nn.Sequential:
    """Return linear → norm → activation → dropout, (n, fan_in) → (n, width).

    Args:
        fan_in: values of an input.
        width: values of an output.
        norm: on the linear layer's output.
        activation: gives way to maxout where there are pieces.
        pieces: of each maxout unit; 1 is none.
        drop: share of the outputs that are dropped in training.
    """
    layer = nn.Linear(fan_in, width * pieces, bias=norm == "none")
    return _block(layer, norm, width * pieces, activation, nn.BatchNorm1d, pieces, drop)


def conv(
    channels_in: int,
    channels: int,
    *,
    norm: Norm = "none",
    activation: Activation = "leaky",
    pieces: int = 1,
    drop: float = 0.0,
) -> nn.Sequential:
    """Return a 4×4 convolution of stride 2 → norm → activation → dropout: (n, in, h, w) → (n, out, h/2, w/2).

    Args:
        as of `dense`.
    """
    layer = nn.Conv2d(channels_in, channels * pieces, 4, stride=2, padding=1, bias=norm == "none")
    return _block(layer, norm, channels * pieces, activation, nn.BatchNorm2d, pieces, drop)


def deconv(channels_in: int, channels: int, *, norm: Norm = "batch", activation: Activation = "relu") -> nn.Sequential:
    """Return a 4×4 transposed convolution of stride 2 → norm → activation: (n, in, h, w) → (n, out, 2h, 2w).

    Args:
        channels_in: channels of an input.
        channels: channels of an output.
        norm: on the convolution's output.
        activation: of the outputs.
    """
    layer = nn.ConvTranspose2d(channels_in, channels, 4, stride=2, padding=1, bias=norm == "none")
    return _block(layer, norm, channels, activation, nn.BatchNorm2d)


def initialise(network: nn.Module, std: float = 0.02) -> None:
    """Draw weights from N(0, std²), norm gains from N(1, std²), zero biases (DCGAN; Radford et al. 2016, §3)."""
    for module in network.modules():
        if isinstance(module, Affine):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, std)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def initialise_he(network: nn.Module, *, last: float | None) -> None:
    """Draw weights from N(0, 2 / (1.04 · fan in)), zero biases, and the last layer's weights from N(0, last²) if given.

    Without batch norm this keeps the scale of activations through LeakyReLU 0.2 (He et al. 2015, arXiv:1502.01852,
    eq. 15); the last layer starts small, so that tanh is not saturated. Residual blocks start as the identity.
    """
    layers = [m for m in network.modules() if isinstance(m, Affine)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, a=0.2, nonlinearity="leaky_relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for module in network.modules():
        if isinstance(module, StartsAsIdentity):
            module.start_as_identity()
    if last is not None:
        nn.init.normal_(layers[-1].weight, 0.0, last)


@runtime_checkable
class StartsAsIdentity(Protocol):
    """Blocks x + F(x) that begin with F(x) = 0."""

    def start_as_identity(self) -> None:
        """Set the last weights of F to zero."""

    def start_at_random(self) -> None:
        """Draw the last weights of F, for norms that divide a weight by its size."""


def add_spectral_norm(network: nn.Module) -> None:
    """Divide every weight of `network` by its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    Residual blocks then start at random: a weight of zero cannot be divided by its size.
    """
    for module in list(network.modules()):
        if isinstance(module, StartsAsIdentity):
            module.start_at_random()
        if isinstance(module, Affine):
            spectral_norm(module)


def has_batch_statistics(network: nn.Module) -> bool:
    """Return whether an output of `network` depends on the rest of its batch in training mode."""
    mixing = (nn.modules.batchnorm._BatchNorm, MinibatchDiscrimination)
    return any(isinstance(m, mixing) for m in network.modules())


@torch.no_grad()
def fold_batch_norm(network: nn.Module) -> None:
    """Multiply batch norms into the linear layers and convolutions right before them, for evaluation only.

    In evaluation mode a batch norm is a fixed affine map of each channel, so the two layers are one (up to rounding).
    Left as they are: layers under a spectral norm, grouped transposed convolutions, norms without running statistics.

    Args:
        network: changed in place; a folded batch norm becomes an identity.
    """
    for chain in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        for (_, layer), (name, norm) in itertools.pairwise(list(chain.named_children())):
            if (
                isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
                and norm.running_mean is not None
                and norm.running_var is not None
                and isinstance(layer, Affine)
                and not (isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1)
                and not parametrize.is_parametrized(layer)  # a spectral norm: its weight is computed anew each time
            ):
                scale = torch.rsqrt(norm.running_var + norm.eps)
                _scale(layer, norm, scale, -norm.running_mean * scale)
                setattr(chain, name, nn.Identity())


def _scale(layer: Affine, norm: nn.BatchNorm1d | nn.BatchNorm2d, scale: Tensor, shift: Tensor) -> None:
    if norm.affine:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    layer.weight.mul_(scale.view([-1 if i == outputs else 1 for i in range(layer.weight.ndim)]))
    layer.bias = nn.Parameter(shift if layer.bias is None else layer.bias * scale + shift)


def _block(
    layer: nn.Module,
    norm: Norm,
    width: int,
    activation: Activation,
    batch_norm: type[nn.Module],
    pieces: int = 1,
    drop: float = 0.0,
) -> nn.Sequential:
    parts: list[nn.Module] = [layer]
    if norm == "batch":
        parts.append(batch_norm(width))
    elif norm == "batch-plain":
        parts.append(batch_norm(width, eps=1e-8, affine=False))
    elif norm == "virtual":
        parts.append(VirtualBatchNorm(width))
    if pieces > 1:
        parts.append(Maxout(pieces))
    elif activation == "relu":
        parts.append(nn.ReLU(inplace=True))
    elif activation == "leaky":
        parts.append(nn.LeakyReLU(0.2, inplace=True))
    elif activation == "softplus":
        parts.append(nn.Softplus())
    if drop:
        parts.append(nn.Dropout(drop))
    return nn.Sequential(*parts)


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def settle(network: nn.Module, *, tolerance: float = 1e-6, limit: int = 1000) -> None:
    """Run the power iterations of every spectral norm in `network` until its largest singular value has converged.

    A fixed number is not enough: where the two largest singular values are close, 15 leave half a per cent.

    Args:
        network: changed in place, its modes kept.
        tolerance: largest relative change by one iteration that counts as still.
        limit: iterations after which it is left as it is.
    """
    for module in network.modules():
        if isinstance(module, nn.utils.parametrize.ParametrizationList):
            training, size = module.training, module.original.norm()
            module.train()
            with torch.no_grad():
                value, before = float(size / module().norm()), 0.0
                for _ in range(limit):
                    if abs(value - before) <= tolerance * value:
                        break
                    value, before = float(size / module().norm()), value
            module.train(training)
