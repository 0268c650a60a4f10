"""Latent regressor: an encoder that learns to undo a generator, from generated images alone.

    min_E E_z ℓ(z, E(G(z)))

BiGAN's two baselines, and a way to give any family an encoder. The regression follows another family's game: without
influence on it (weight 0, the latent regressor), with a share in its generator's objective (the joint latent
regressor), or after it has ended, on a generator that stands still (`latentgan fit-encoder RUN`). E never sees a real
image, which is what BiGAN is better at.

ℓ by the kind of each part of the code: sigmoid cross-entropy with z mapped to (0, 1) for uniform ones, as in the
authors' code; ½(z − E)² for normal ones; cross-entropy for categorical ones.

Source: Donahue, Krähenbühl, Darrell: Adversarial Feature Learning, ICLR 2017 (arXiv:1605.09782), §4.1 and appendix C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, cast

import torch
from pydantic import Field, PositiveInt, SerializeAsAny, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from latentgan.config import FamilyConfig, NotNegative, OptimizerConfig, validated
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.base import Decodes, Encodes, Family, Scores, load_family
from latentgan.game import Player, Terms, Update
from latentgan.losses import gaussian_error
from latentgan.networks.blocks import Layers
from latentgan.networks.dcgan import conv_encoder
from latentgan.networks.mlp import mlp_encoder
from latentgan.networks.resnet import residual_encoder
from latentgan.priors import Part


class LatentRegressor(Family):
    """Encoder that undoes another family's generator (BiGAN's baselines; Donahue et al. 2017, arXiv:1605.09782)."""

    class Config(FamilyConfig):
        of: str = "dcgan"
        """The family whose generator is undone."""
        base: SerializeAsAny[FamilyConfig] = Field(default_factory=dict, validate_default=True)
        """That family's settings: family.base.latent=16, for example; `latentgan families` has them under its name."""
        frozen: bool = False
        """Whether its networks stand still, as after `latentgan fit-encoder`."""
        generator_weight: NotNegative = 0.25
        """Weight of the regression in the generator's objective: 0.25 is the paper's joint latent regressor, 0 its
        latent regressor. The authors found 1 to be degenerate."""
        network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
        """The encoder's: convolutions sized to the image, residual blocks, or the authors' MLP."""
        width: PositiveInt = 32
        """Channels of the encoder's first convolution; each further one has twice as many."""
        hidden: PositiveInt | None = None
        """Width of the encoder's dense layers: 256 for dcgan, 1024 for mlp unless given."""
        encoder: OptimizerConfig = OptimizerConfig()
        """The encoder's optimiser."""

        def conditioned_on(self) -> tuple[str, ...]:
            return self.base.conditioned_on()

        @field_validator("of")
        @classmethod
        def _of_this_package(cls, value: str) -> str:
            if ":" in value:
                raise ValueError("it should be a family of latentgan, since a file never names code to import")
            return value

        @field_validator("base", mode="before")
        @classmethod
        def _of_the_family(cls, value: Any, info: ValidationInfo) -> Any:
            if isinstance(value, Mapping) and "of" in info.data:
                return validated(load_family(info.data["of"]).Config, value, "family.base")
            return value

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.base = load_family(config.of)(config.base, spec)
        complete = isinstance(self.base, Encodes) and all(part.encoded for part in self.base.prior.parts)
        if complete or not isinstance(self.base, Decodes):
            reason = "has an encoder of its whole code already" if complete else "has no generator"
            raise ConfigError(f"family.of={config.of!r} {reason}, so there is nothing to fit; name another, as dcgan")
        self.prior = self.base.prior.whole()
        self.made = _Made()
        if not config.frozen:
            self._generator().register_forward_hook(self.made.keep)
        latent, shape, hidden = self.prior.width, spec.shape, config.hidden
        if config.network == "mlp":
            self.encoder = mlp_encoder(shape, latent, hidden=hidden or 1024)
        elif config.network == "resnet":
            self.encoder = residual_encoder(shape, latent, width=config.width, hidden=hidden or 256)
        else:
            self.encoder = conv_encoder(shape, latent, width=config.width, hidden=hidden or 256, norm="batch", std=0.02)

    @property
    def uses_labels(self) -> bool:
        return self.base.uses_labels and not self.config.frozen

    def frozen_networks(self) -> list[nn.Module]:
        return [self.base] if self.config.frozen else []

    def initialise(self, images: Callable[[int], Tensor]) -> None:
        if not self.config.frozen:  # the weights of a finished game are given
            self.base.initialise(images)

    def players(self) -> dict[str, Player]:
        game = {} if self.config.frozen else self.base.players()
        if not self.config.frozen and "generator" not in game:
            raise ConfigError(f"{self.config.of!r} has no player named generator, so there is no game to go along with")
        return {**game, "encoder": Player({"encoder": self.encoder}, self.config.encoder)}

    def step(self, batches: Batches, update: Update) -> None:
        """Play the other family's iteration; where its generator moves, the encoder moves too, on the same images."""
        if self.config.frozen:
            n = len(next(batches))  # no real image is looked at; the stream counts what the run has done
            with torch.no_grad():
                z = self.prior.sample(n)
                image = self.decode(z)
            update(encoder=self._regression(self.encoder(image), z))
            return
        self.base.step(batches, cast(Update, _Along(update, self._regress, self.config.generator_weight)))

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, latent): each part in its prior's range, classes as probabilities."""
        raw, parts = self.encoder(x), []
        for part, a, b in self._columns():
            if part.kind == "uniform":
                parts.append(torch.tanh(raw[:, a:b] / 2))  # the authors' 2σ(l) − 1
            else:
                parts.append(raw[:, a:b].softmax(1) if part.kind == "categorical" else raw[:, a:b])
        return torch.cat(parts, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1], by the other family's generator."""
        image: Tensor = self.base.decode(z)  # type: ignore[operator]
        return image

    def critic(self) -> Scores | None:
        return self.base.critic()

    def represent(self, x: Tensor) -> Tensor:
        self.base.represent(x)
        return self.encode(x)

    def rehearse(self, x: Tensor) -> None:
        """As in an iteration, the encoder sees generated images."""
        self.base.rehearse(x)
        self.encode(self.decode(self.prior.sample(len(x))))

    def callables(self) -> list[nn.Module]:
        return [*self.base.callables(), self.encoder]

    def feature_networks(self) -> dict[str, Layers]:
        return {**self.base.feature_networks(), "encoder": self.encoder}

    def _columns(self) -> Iterator[tuple[Part, int, int]]:
        """Yield each part of the code with its first column and its end."""
        start = 0
        for part in self.prior.parts:
            yield part, start, start + part.width
            start += part.width

    def _generator(self) -> nn.Module:
        """Return the network of the other game that turns codes into images."""
        network = getattr(self.base, "generator", None)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{self.config.of!r} has no network named generator to follow")
        return network

    def _regress(self) -> dict[str, Tensor]:
        """Return the regression's terms on what the generator has just made."""
        z, image = self.made.take()
        return self._regression(self.encoder(image), z)

    def _regression(self, raw: Tensor, z: Tensor) -> dict[str, Tensor]:
        """Return the terms by the part's name; for parts of several columns the mean over them.

        Args:
            raw: the encoder's outputs, (n, latent).
            z: the codes that made the images, same shape.
        """
        terms = {}
        for part, a, b in self._columns():
            predicted, target = raw[:, a:b].float(), z[:, a:b]
            if part.kind == "uniform":
                terms[part.name] = binary_cross_entropy_with_logits(predicted, (target + 1) / 2)
            elif part.kind == "categorical":
                terms[part.name] = cross_entropy(predicted, target)
            else:
                terms[part.name] = gaussian_error(predicted, target) / part.width
        return terms


class _Made:
    """The codes and images of a generator's last pass with gradients: one pass serves the game and the regression."""

    def __init__(self) -> None:
        self.last: tuple[Tensor, Tensor] | None = None

    def keep(self, _generator: nn.Module, inputs: tuple[Tensor, ...], image: Tensor) -> None:
        """Remember a pass, as a forward hook."""
        if torch.is_grad_enabled():
            self.last = inputs[0].detach(), image  # a learned prior is not moved so that its codes are predicted easily

    def take(self) -> tuple[Tensor, Tensor]:
        """Return codes (n, d) and images (n, c, h, w) of the last pass, and forget them with their graph."""
        assert self.last is not None, "a generator moves after it has made images"
        made, self.last = self.last, None
        return made


class _Along:
    """An update that adds the regression to the move in which the generator moves."""

    def __init__(self, update: Update, regress: Callable[[], Terms], weight: float) -> None:
        self.update, self.regress, self.weight = update, regress, weight

    def __call__(self, **objectives: Terms) -> None:
        if "generator" in objectives:
            terms = objectives["encoder"] = self.regress()
            if self.weight:
                share = self.weight * torch.stack(list(terms.values())).sum()
                objectives["generator"] = {**objectives["generator"], "regression": share}
        self.update(**objectives)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.update, name)
