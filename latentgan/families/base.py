"""Base class of families, their capabilities, and how one is found by its name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from analysis.io.messages import listed
from latentgan.config import FamilyConfig, RunConfig, resolve
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.game import Player, Update
from latentgan.likelihoods import Likelihood
from latentgan.networks.blocks import Layers
from latentgan.priors import Part, Prior


class Family(nn.Module):
    """A game on images: networks as children, `players` who move them, `step` that says who moves when.

    Args:
        config: the family's settings.
        spec: shape of the images and names of the classes.
    """

    Config: ClassVar[type[FamilyConfig]] = FamilyConfig
    prior: Prior

    def __init__(self, config: FamilyConfig, spec: ImageSpec) -> None:
        super().__init__()
        self.config: Any = config
        self.spec = spec

    def players(self) -> dict[str, Player]:
        """Return the players by name; called once, after the networks are on their device."""
        raise NotImplementedError

    def initialise(self, images: Callable[[int], Tensor]) -> None:
        """Set weights by a look at training images, once, before iteration 0 (data-dependent start).

        Args:
            images: gives up to so many training images, (n, c, h, w) in [-1, 1].
        """

    def step(self, batches: Batches, update: Update) -> None:
        """Play one iteration: draw minibatches, compute terms, call `update` as often as the algorithm says.

        Args:
            batches: minibatches, by `next(batches)` or of a named stream.
            update: takes the terms of each player who moves.
        """
        raise NotImplementedError

    def represent(self, x: Tensor) -> Tensor | None:
        """Run the feature networks once.

        Hooks on the layers named by `feature_layers` see their outputs during this one pass.

        Args:
            x: images (n, c, h, w) in [-1, 1].

        Returns:
            Codes (n, d), or None where the family has no encoder.
        """
        return self.encode(x) if isinstance(self, Encodes) else None

    def critic(self) -> Scores | None:
        """Return who says how real an image is, if anybody does."""
        return self if isinstance(self, Scores) else None

    def rehearse(self, x: Tensor) -> None:
        """Run every network as an iteration would, without a move, on images and a draw from the prior.

        Batch norm's statistics are recomputed by this; a family whose other networks have batch norm overrides it.

        Args:
            x: images (n, c, h, w) in [-1, 1].
        """
        self.represent(x)
        if isinstance(self, Decodes):
            self.decode(self.prior.sample(len(x)))

    @property
    def uses_labels(self) -> bool:
        """Whether `step` gives any network the labels of images."""
        return False

    def frozen_networks(self) -> list[nn.Module]:
        """Return the networks that nothing may change, batch statistics included: always in evaluation mode."""
        return []

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for network in self.frozen_networks():
            network.eval()
        return self

    def callables(self) -> list[nn.Module]:
        """Return the modules that `step` calls, each compiled by itself, as a whole, under training.compile."""
        networks = [network for network in self.children() if not isinstance(network, Prior)]
        return [network for network in networks if any(True for _ in network.parameters())]

    def feature_networks(self) -> dict[str, Layers]:
        """Return the networks whose named layers are features of an image: prefix -> network."""
        return {}

    def feature_layers(self) -> dict[str, nn.Module]:
        """Return "network.layer" -> module for every feature that `represent` computes."""
        return {
            f"{prefix}.{name}": module
            for prefix, network in self.feature_networks().items()
            for name, module in network.named_children()
            if name not in ("whiten", "flat", "code", "logit")
        }


@runtime_checkable
class Encodes(Protocol):
    """Families that map images to codes."""

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, d)."""


@runtime_checkable
class Decodes(Protocol):
    """Families that map codes to images."""

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, d) → images (n, c, h, w) in [-1, 1]."""


@runtime_checkable
class Draws(Protocol):
    """Families whose encoder is a distribution q(z|x)."""

    def draw(self, x: Tensor) -> Tensor:
        """Draw one code (n, d) for each image x (n, c, h, w)."""


@runtime_checkable
class Explains(Protocol):
    """Families with a likelihood p(x|z) and the prior N(0, I), whose marginal likelihood p(x) can be estimated.

    Everywhere x is what was observed of images, (n, c, h, w): see `likelihood.observed`.
    """

    likelihood: Likelihood
    prior: Prior

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """x; z: (n, d) → log p(x|z) (n,) in nats."""

    def proposal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x → mean (n, d) and lower triangular root (n, d, d) of a Gaussian near the posterior."""

    def bound(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x → log p(x|z) (n,) of a draw z from q(z|x), and what training takes for KL(q(z|x) ‖ p(z)), (n,)."""


@runtime_checkable
class Scores(Protocol):
    """Families whose discriminator scores how real a generated image is, given its condition."""

    def score(self, x: Tensor, z: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1], made of codes z (n, d) → logits (n,): the higher, the more real."""


@runtime_checkable
class Classifies(Protocol):
    """Families that name the class, or cluster, of an image."""

    def classify(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → probabilities (n, K)."""


def condition_parts(spec: ImageSpec) -> list[Part]:
    """Return a part of the code for each conditioning attribute, under its name unless that is taken."""
    taken = ("z", "label")
    return [
        Part(
            name=f"attribute_{attribute.name}" if attribute.name in taken else attribute.name,
            kind="condition",
            width=attribute.width,
            encoded=False,
        )
        for attribute in spec.attributes
    ]


def need_classes(spec: ImageSpec, why: str, otherwise: str) -> None:
    """Raise ConfigError where images have fewer than two classes.

    Args:
        spec: of the images.
        why: the family needs them.
        otherwise: which families do without, as a clause.
    """
    if len(spec.classes) == 1:
        raise ConfigError(
            f"{why}, and these images have a single one, {spec.classes[0]!r}: add images of another, or choose another "
            f"column with --label; {otherwise}"
        )
    if not spec.classes:
        raise ConfigError(
            f"{why}, and these images have none: name the label's column with --label or use a folder with a "
            f"sub-folder a class; {otherwise}"
        )


def family_names() -> list[str]:
    """Return the names of the families that this installation has, sorted."""
    import latentgan.families as package

    return sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and not m.name.startswith("_")
    )


def load_family(name: str) -> type[Family]:
    """Return the family of a name.

    Args:
        name: a file of latentgan/families, or "my_lab.models:MyGAN" for a foreign class.

    Returns:
        The class.

    Raises:
        ConfigError: no such family; names the nearest and lists the known ones.
    """
    if ":" in name:
        return _foreign(name)
    names = family_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no family is called {name!r}; {hint}known are: {listed(names)}")
    module = importlib.import_module(f"latentgan.families.{name}")
    result: list[type[Family]] = [v for v in vars(module).values() if _defined_there(v, module.__name__)]
    if len(result) != 1:
        raise ConfigError(f"families/{name}.py defines {len(result)} families; a file defines exactly one")
    return result[0]


def configure(name: str, tables: Mapping[str, Any] | None = None, /, **more: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a run of family `name`; what is not given takes its default.

        configure("bigan", family={"latent": 16}, training={"total_images": 64_000})

    Args:
        name: of the family, or "my_lab.models:MyGAN".
        tables: settings by table, as a TOML file has them.
        **more: further tables, which go before `tables`: family, training, data.

    Returns:
        The configuration, complete and checked.

    Raises:
        ConfigError: an unknown family or setting, or a value out of range.
    """
    return resolve(name, load_family(name).Config, {**(tables or {}), **more})


def _defined_there(value: object, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, Family) and value.__module__ == module


def _foreign(name: str) -> type[Family]:
    module_name, _, attribute = name.partition(":")
    try:
        result: Any = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot import {name!r}: {error}; write it as package.module:ClassName") from error
    if not (isinstance(result, type) and issubclass(result, Family)):
        raise ConfigError(f"{name!r} is not a latentgan.Family")
    return result
