"""The training loop of pythae's Adversarial_AE, and its default networks as a family of latentgan.

pythae (Chadebec et al. 2022, arXiv:2206.08309) is the library of autoencoders that most people take. It is not among
latentgan's requirements:

    pip install --no-deps pythae && pip install cloudpickle
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from latentgan.data.source import ImageSpec
from latentgan.families.aae import AAE
from latentgan.networks.blocks import Layers, UnitRange
from latentgan.networks.posterior import Posterior
from latentgan.training.state import TrainingState

NEEDS = ("pythae", "cloudpickle", "tqdm")


def missing() -> list[str]:
    """Return the packages that pythae's loop needs and that are not installed."""
    return [name for name in NEEDS if find_spec(name) is None]


class PythaeAAE(AAE):
    """latentgan's AAE on pythae's default networks, one hidden layer each (arXiv:1511.05644)."""

    def __init__(self, config: AAE.Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        c, h, w = spec.shape
        first = nn.Sequential(nn.Flatten(), UnitRange(), nn.Linear(c * h * w, 512), nn.ReLU())
        self.encoder, self.head = Layers({"dense1": first}), Posterior(512, config.latent)
        self.decoder = PythaeDecoder(config.latent, spec.shape)
        self.discriminator = PythaeDiscriminator(config.latent)


class PythaeDecoder(nn.Sequential):
    """z → 512 units → sigmoid image, then to [-1, 1]."""

    def __init__(self, latent: int, shape: tuple[int, int, int]) -> None:
        c, h, w = shape
        super().__init__(
            nn.Linear(latent, 512), nn.ReLU(), nn.Linear(512, c * h * w), nn.Sigmoid(), nn.Unflatten(1, shape)
        )

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, c, h, w) in [-1, 1]."""
        return 2 * super().forward(z) - 1


class PythaeDiscriminator(nn.Sequential):
    """z → 256 units → logit (n,)."""

    def __init__(self, latent: int) -> None:
        super().__init__(nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, 1), nn.Flatten(0))


def pythae_aae(state: TrainingState, *, iterations: int) -> Callable[[], Any]:
    """Return a function that trains pythae's model by its own trainer for one epoch of `iterations` batches.

    Encoder, decoder, discriminator, batch size and optimisers are those of the state, of family aae with a Gaussian
    posterior (pythae's encoders give a mean and a log variance). Adam is as its trainer makes it; the progress bar that
    it draws is left out.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models import Adversarial_AE, Adversarial_AE_Config
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig
    from pythae.trainers.training_callbacks import CallbackHandler, TrainingCallback

    family, batch = state.family, state.config.training.batch_size

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.head = family.encoder, family.head

        def forward(self, x: Tensor) -> Any:
            mean, log_deviation = self.head(self.network(x).flatten(1))
            return ModelOutput(embedding=mean, log_covariance=2 * log_deviation)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = family.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.network(z))

    class Discriminator(BaseDiscriminator):
        def __init__(self) -> None:
            super().__init__()
            self.network = family.discriminator

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(embedding=torch.sigmoid(self.network(z)))

    shape, rows = state.source.spec.shape, state.source.rows("train")[: iterations * batch]
    model = Adversarial_AE(
        Adversarial_AE_Config(input_dim=shape, latent_dim=family.config.latent), Encoder(), Decoder(), Discriminator()
    )
    players = state.update.players
    adam = {name: {"betas": (p.settings.beta1, p.settings.beta2)} for name, p in players.items()}
    config = AdversarialTrainerConfig(
        output_dir=tempfile.gettempdir(),  # nothing is written there before an epoch ends in its own `train`
        per_device_train_batch_size=batch,
        autoencoder_learning_rate=players["autoencoder"].settings.learning_rate,
        autoencoder_optimizer_params=adam["autoencoder"],
        discriminator_learning_rate=players["discriminator"].settings.learning_rate,
        discriminator_optimizer_params=adam["discriminator"],
        no_cuda=True,
    )
    data = BaseDataset(state.source.tensor(rows), torch.zeros(len(rows)))
    trainer = AdversarialTrainer(model, data, training_config=config)
    trainer.set_autoencoder_optimizer()
    trainer.set_discriminator_optimizer()
    trainer.callback_handler = CallbackHandler([TrainingCallback()], model)
    return lambda: trainer.train_step(1)
