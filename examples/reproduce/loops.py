"""Training loops written by hand, against which `bench.py` measures latentgan: what a careful author types.

`by_hand(state)` plays the state's own networks with torch alone: uint8 images in memory, one forward pass where one
will do, gradients of each player's parameters only, fused Adam; no averages, no log, no checks.

`script_infogan` is the loop of the well-known PyTorch-GAN collection's InfoGAN script, written anew from its
description: its layers, its three optimisers and three backward passes a batch, its data loader that resizes and
normalises image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus
from torch.nn.utils import parametrize

from latentgan.data.source import ImageSource, ImageSpec
from latentgan.families.infogan import InfoGAN
from latentgan.networks.blocks import Layers
from latentgan.networks.discriminators import Discriminator
from latentgan.training.state import TrainingState

Iteration = Callable[[], None]


def by_hand(state: TrainingState) -> Iteration:
    """Return a function that plays one iteration of the state's family, with optimisers of its own."""
    family, config = state.family, state.config
    rows = state.source.rows("train")
    images = torch.from_numpy(np.ascontiguousarray(state.source.images[rows]))
    labels = torch.from_numpy(np.ascontiguousarray(state.source.labels[rows]))
    n = config.training.batch_size
    adams = {
        name: torch.optim.Adam(p.parameters, p.settings.learning_rate, (p.settings.beta1, 0.999), fused=True)
        for name, p in state.update.players.items()
    }
    parameters = {name: p.parameters for name, p in state.update.players.items()}

    def draw() -> Tensor:
        return draw_labelled()[0]

    def draw_labelled() -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(images), (n,))
        return images[rows].permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5), labels[rows]

    def move(name: str, loss: Tensor, keep: bool = False) -> tuple[str, tuple[Tensor, ...]]:
        return name, torch.autograd.grad(loss, parameters[name], retain_graph=keep, allow_unused=True)

    def step(*moves: tuple[str, tuple[Tensor, ...]]) -> None:
        for name, gradients in moves:
            for parameter, gradient in zip(parameters[name], gradients, strict=True):
                parameter.grad = gradient
            adams[name].step()

    plays = {"bigan": _pairs, "ali": _pairs, "gan": _gan, "dcgan": _gan, "infogan": _infogan, "aae": _aae}
    plays |= {"latent_regressor": _regressed, "aae_semi": _aae_semi, "vae": _vae, "avb": _avb, "deligan": _deligan()}
    play = plays[config.name]
    drawing = draw_labelled if config.name == "aae_semi" else draw

    def iteration() -> None:
        with parametrize.cached():
            play(family, drawing, move, step)

    return iteration


def _real(d: Tensor) -> Tensor:
    return softplus(-d).mean()


def _fake(d: Tensor) -> Tensor:
    return softplus(d).mean()


def _pairs(family: Any, draw: Any, move: Any, step: Any) -> None:
    """BiGAN and ALI: both players on one batch."""
    x, mixture = draw(), family.prior.mixture
    z = family.prior.sample(len(x)) if mixture is None else _mixed(mixture, len(x))
    pull = 0 if mixture is None else 0.333 * (1 - mixture.deviation).square().mean()
    code = family.draw(x) if hasattr(family, "draw") else family.encode(x)
    encoded, generated = family.discriminator(x, code), family.discriminator(family.generator(z), z)
    step(
        move("discriminator", _real(encoded) + _fake(generated), keep=True),
        move("encoder_generator", _fake(encoded) + _real(generated) + pull),
    )


def _mixed(mixture: Any, n: int) -> Tensor:
    components, width = mixture.mean.shape
    i = torch.randint(components, (n,))
    return mixture.mean[i] + mixture.deviation[i] * torch.randn(n, width)


def _gan(family: Any, draw: Any, move: Any, step: Any) -> None:
    """GAN and DCGAN: the discriminator, then the generator."""
    x = draw()
    with torch.no_grad():
        image = family.generator(family.prior.sample(len(x)))
    step(move("discriminator", _real(family.discriminator(x)) + _fake(family.discriminator(image))))
    step(move("generator", _real(family.discriminator(family.generator(family.prior.sample(len(x)))))))


def _deligan() -> Any:
    """DeLiGAN: on each batch five moves, of the generator where its loss is above a threshold, else of the other."""
    threshold, run = 1.0, {"generator": 0, "discriminator": 0}

    def play(family: Any, draw: Any, move: Any, step: Any) -> None:
        nonlocal threshold
        x, mixture = draw(), family.prior.mixture
        if run["generator"] > 3:
            threshold, run["generator"] = min(threshold + 0.003, 1.0), 0
        if run["discriminator"] > 1:
            threshold, run["discriminator"] = max(threshold - 0.003, 0.7), 0
        for _ in range(5):
            fake = family.discriminator(family.generator(_mixed(mixture, len(x))))
            loss = _real(fake)
            if loss.item() > threshold:
                run["generator"], run["discriminator"] = run["generator"] + 1, 0
                step(move("generator", loss + 0.333 * (1 - mixture.deviation).square().mean()))
            else:
                run["generator"], run["discriminator"] = 0, run["discriminator"] + 1
                step(move("discriminator", _real(family.discriminator(x)) + _fake(fake)))

    return play


def _regressed(family: Any, draw: Any, move: Any, step: Any) -> None:
    """DCGAN with the joint latent regressor: the encoder undoes the generator on the images that are to fool."""
    game, x = family.base, draw()
    with torch.no_grad():
        image = game.generator(game.prior.sample(len(x)))
    step(move("discriminator", _real(game.discriminator(x)) + _fake(game.discriminator(image))))
    z = game.prior.sample(len(x))
    image = game.generator(z)
    regression = binary_cross_entropy_with_logits(family.encoder(image), (z + 1) / 2)
    generator_loss = _real(game.discriminator(image)) + family.config.generator_weight * regression
    step(move("generator", generator_loss, keep=True), move("encoder", regression))


def _infogan(family: Any, draw: Any, move: Any, step: Any) -> None:
    """InfoGAN: both players on one batch, the information in both objectives."""
    x = draw()
    z = family.prior.sample(len(x))
    image, noise, k = family.generator(z), family.config.noise, family.config.categorical[0]
    real_features, fake_features = family.discriminator.trunk(x), family.discriminator.trunk(image)
    real, fake = family.discriminator.logit(real_features), family.discriminator.logit(fake_features)
    q = family.recogniser(fake_features)
    information = cross_entropy(q[:, :k], z[:, noise : noise + k])
    information = information + 0.5 * (q[:, k:] - z[:, noise + k :]).square().sum(1).mean()
    step(
        move("discriminator", _real(real) + _fake(fake) + information, keep=True),
        move("generator", _real(fake) + information),
    )


def _aae(family: Any, draw: Any, move: Any, step: Any) -> None:
    """AAE: reconstruction and game on one draw of the codes."""
    x = draw()
    z = family.draw(x)
    logits = family.discriminator(torch.cat([family.prior.sample(len(x)), z]))
    real, fake = logits[: len(x)], logits[len(x) :]
    reconstruction, encoder_loss, weight = (
        (x - family.decoder(z)).square().mean(),
        _real(fake),
        family.config.adversarial_weight,
    )
    discriminator_loss = _real(real) + _fake(fake)
    if weight:
        step(
            move("autoencoder", reconstruction + weight * encoder_loss, keep=True),
            move("discriminator", discriminator_loss),
        )
    else:
        step(
            move("autoencoder", reconstruction, keep=True),
            move("discriminator", discriminator_loss, keep=True),
            move("encoder", encoder_loss),
        )


def _explained(family: Any, x: Tensor, z: Tensor) -> Tensor:
    """E log p(x|z) of Gaussian pixels, but for a constant."""
    return -0.5 * ((x - family.decoder(z).tanh()) / family.config.deviation).square().sum((1, 2, 3)).mean()


def _vae(family: Any, draw: Any, move: Any, step: Any) -> None:
    """VAE: one draw of z an image, and the divergence of two Gaussians."""
    x = draw()
    mean, log_deviation = family.head(family.encoder(x))
    z = mean + log_deviation.exp() * torch.randn_like(mean)
    kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).sum(1).mean()
    step(move("autoencoder", kl - _explained(family, x, z)))


def _avb(family: Any, draw: Any, move: Any, step: Any) -> None:
    """AVB: all networks on one draw of z an image; without adaptive contrast T alone is the divergence."""
    x, contrast = draw(), family.config.adaptive_contrast
    z, mean, s = family.encoder(x)
    shown = (z - mean) / s if contrast else z
    inferred, drawn = family.adversary(x, shown, torch.randn_like(z))
    rest = 0.5 * (z.square() - shown.square()).sum(1) - s.log().sum(1) if contrast else 0
    kl = (inferred + rest).mean()
    step(
        move("autoencoder", kl - _explained(family, x, z), keep=True),
        move("adversary", _real(inferred) + _fake(drawn)),
    )


def _aae_semi(family: Any, draw_labelled: Any, move: Any, step: Any) -> None:
    """Semi-supervised AAE: all images and labelled ones in one pass, a discriminator of classes and one of styles."""
    (x, _), (labelled, label), k = draw_labelled(), draw_labelled(), family.classes
    n = len(x)
    out = family.head(family.encoder(torch.cat([x, labelled])))
    y, z, drawn = out[:n, :k].softmax(1), out[:n, k:], family.prior.sample(n)
    classes = family.class_discriminator(torch.cat([drawn[:, :k], y]))
    styles = family.discriminator(torch.cat([drawn[:, k:], z]))
    discriminator_loss = _real(classes[:n]) + _fake(classes[n:]) + _real(styles[:n]) + _fake(styles[n:])
    step(
        move("autoencoder", (x - family.decoder(torch.cat([y, z], 1))).square().mean(), keep=True),
        move("discriminator", discriminator_loss, keep=True),
        move("encoder", _real(classes[n:]) + _real(styles[n:]), keep=True),
        move("classifier", cross_entropy(out[n:, :k], label)),
    )


class ScriptGenerator(nn.Module):
    """Linear to 8×8×128, then twice: up-sample, 3×3 convolution, batch norm, LeakyReLU; 3×3 convolution, tanh."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.first = nn.Linear(latent, 128 * 8 * 8)
        self.rest = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.BatchNorm2d(128, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, padding=1),
            nn.BatchNorm2d(64, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """z: (n, latent) → images (n, 1, 32, 32)."""
        image: Tensor = self.rest(self.first(z).view(len(z), 128, 8, 8))
        return image


def script_trunk() -> nn.Sequential:
    """Four 3×3 convolutions of stride 2 with LeakyReLU, dropout and batch norm: (n, 1, 32, 32) → (n, 512)."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.25)]
        layers += [nn.BatchNorm2d(outputs, 0.8)] if inputs > 1 else []
    return nn.Sequential(*layers, nn.Flatten())


def script_infogan(source: ImageSource, *, batch: int, noise: int = 62, classes: int = 10, codes: int = 2) -> Iteration:
    """Return a function that plays one batch of the script: generator, then discriminator, then information."""
    generator, trunk = ScriptGenerator(noise + classes + codes), script_trunk()
    logit, aux, latent = nn.Linear(512, 1), nn.Sequential(nn.Linear(512, classes), nn.Softmax(1)), nn.Linear(512, codes)
    discriminator = nn.ModuleList([trunk, logit, aux, latent])
    everything = [*generator.parameters(), *discriminator.parameters()]
    adams = [
        torch.optim.Adam(list(p), lr=2e-4, betas=(0.5, 0.999))
        for p in (generator.parameters(), discriminator.parameters(), everything)
    ]
    loader = _script_loader(source, batch)

    def iteration() -> None:
        x, _ = next(loader)
        valid, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        z = torch.tensor(np.random.normal(0, 1, (len(x), noise)), dtype=torch.float32)
        label = _one_hot(np.random.randint(0, classes, len(x)), classes)
        code = torch.tensor(np.random.uniform(-1, 1, (len(x), codes)), dtype=torch.float32)
        adams[0].zero_grad()
        images = generator(torch.cat([z, label, code], 1))
        loss = nn.functional.mse_loss(logit(trunk(images)), valid)
        loss.backward()
        adams[0].step()
        adams[1].zero_grad()
        real = nn.functional.mse_loss(logit(trunk(x)), valid)
        generated = nn.functional.mse_loss(logit(trunk(images.detach())), fake)
        ((real + generated) / 2).backward()
        adams[1].step()
        adams[2].zero_grad()
        wanted = torch.from_numpy(np.random.randint(0, classes, len(x)))
        z = torch.tensor(np.random.normal(0, 1, (len(x), noise)), dtype=torch.float32)
        code = torch.tensor(np.random.uniform(-1, 1, (len(x), codes)), dtype=torch.float32)
        features = trunk(generator(torch.cat([z, _one_hot(wanted.numpy(), classes), code], 1)))
        information = cross_entropy(aux(features), wanted) + 0.1 * nn.functional.mse_loss(latent(features), code)
        information.backward()
        adams[2].step()
        # The script prints its losses after every batch, so it reads them.
        loss.item(), real.item(), generated.item(), information.item()

    return iteration


class _ScriptSet(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images one by one through PIL: resize to 32×32, to [0, 1], normalise."""

    def __init__(self, source: ImageSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.source.images[row, :, :, 0]).resize((32, 32), Image.Resampling.BILINEAR)
        unit = torch.from_numpy(np.array(picture)).unsqueeze(0).float().div(255)
        return (unit - 0.5) / 0.5, int(self.source.labels[row])


def _script_loader(source: ImageSource, batch: int) -> Iterator[Any]:
    while True:
        yield from torch.utils.data.DataLoader(_ScriptSet(source), batch_size=batch, shuffle=True)


def _one_hot(labels: np.ndarray, classes: int) -> Tensor:
    table = np.zeros((len(labels), classes))
    table[range(len(labels)), labels] = 1.0
    return torch.tensor(table, dtype=torch.float32)


class ScriptInfoGAN(InfoGAN):
    """latentgan's InfoGAN on the script's layers, so that the two loops play the same networks (arXiv:1606.03657)."""

    def __init__(self, config: InfoGAN.Config, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.generator = ScriptGenerator(self.prior.width)
        self.discriminator = Discriminator(Layers({"conv": script_trunk()}), 512)
        self.recogniser = nn.Sequential(nn.Linear(512, sum(config.categorical) + config.continuous))
