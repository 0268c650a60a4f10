"""What an analysis may ask of a model: numpy in, numpy out. A PCA is one; so is latentgan's NumpyModel."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from .arrays import Singles


@runtime_checkable
class Model(Protocol):
    """A decoder of codes."""

    def decode(self, codes: Singles, /) -> Singles:
        """Map (n, d) codes to (n, h, w, c) images in [0, 1]."""
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
