"""What an analysis may ask of a model: numpy in, numpy out. A PCA is one; so is latentgan's NumpyModel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from .arrays import Singles

Score = Callable[[Singles, Singles], Singles]
"""Codes (n, d) and images (n, h, w, c) in [0, 1], theirs or others -> the discriminator's logits (n,)."""


@runtime_checkable
class Model(Protocol):
    """A decoder of codes."""

    def decode(self, codes: Singles, /) -> Singles:
        """Map codes to images.

        Args:
            codes: (n, d).

        Returns:
            Images (n, h, w, c) in [0, 1].
        """
        ...


@runtime_checkable
class Encoder(Protocol):
    """The map the other way; optional."""

    def encode(self, images: Singles, /) -> Singles:
        """Map (n, h, w, c) images in [0, 1] to (n, d) codes."""
        ...


@runtime_checkable
class ReadsLinearly(Protocol):
    """A decoder whose first step is linear; optional."""

    def first_layer(self) -> Singles | None:
        """Weights (rows, d) of the linear layers that read a code (n, d) as it is; None where none does."""
        ...


@runtime_checkable
class Samples(Protocol):
    """A model that draws codes from its prior; optional."""

    def draw(self, n: int, /, *, seed: int = 0) -> Singles:
        """Return (n, d) codes; the same for the same seed."""
        ...


@runtime_checkable
class Critic(Protocol):
    """A discriminator; optional."""

    @property
    def scores(self) -> bool:
        """Whether there is one."""
        ...

    def score(self, codes: Singles, images: Singles, /) -> Singles:
        """Say how real images (n, h, w, c) in [0, 1] look beside codes (n, d): logits (n,), the higher the more."""
        ...


def score_of(model: object) -> Score | None:
    """The discriminator of a model, if it has one."""
    return model.score if isinstance(model, Critic) and model.scores else None
