"""ALI: BiGAN's game with an encoder that draws: q(z|x) is a Gaussian, not a point.

    V(D, E, G) = E_x,ε log D(x, μ(x) + σ(x) ε) + E_z log(1 − D(G(z), z)),    ε ~ N(0, I)

Gradients reach μ and σ by reparameterisation. In logits, discriminator: sp(−d_q) + sp(d_p); encoder and generator:
sp(d_q) + sp(−d_p). Conditional on a label y, generator, encoder and discriminator are given y.

Networks are BiGAN's, sized to the image. The paper's, for 32×32 in colour, have LeakyReLU 0.1 where these have 0.2, and
in the discriminator two-piece maxout, dropout and two layers on z before it joins; they ran 6,475 epochs of batches of
100.

Source: Dumoulin et al.: Adversarially Learned Inference, ICLR 2017 (arXiv:1606.00704), eq. 2 and 5, §2.6 and
appendix A; reconstruction terms: Li et al.: ALICE, NeurIPS 2017 (arXiv:1709.01215).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from latentgan.config import OptimizerConfig, Share
from latentgan.data.batches import Batch
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.bigan import BiGAN
from latentgan.networks.blocks import Layers
from latentgan.networks.conditional import label_or_unknown, unknown_label
from latentgan.networks.posterior import Posterior, reparameterise
from latentgan.priors import Part


class ALI(BiGAN):
    """BiGAN whose encoder draws codes, on request conditional on labels (Dumoulin et al. 2016, arXiv:1606.00704)."""

    class Config(BiGAN.Config):
        prior: Literal["uniform", "normal"] = "normal"
        """p(z): N(0, 1) in the paper, or U(-1, 1), which the encoder matches by tanh."""
        conditional: bool = False
        """Condition generator, encoder and discriminator on the label of each image (the conditional variant of the
        paper). The discriminator's features then hold labels too: fit no probe of few labels on them."""
        hidden_labels: Share = 0.5
        """Share of the labels that conditional training hides, as an unlabelled image hides its own: then all networks
        see 1/K for each of the K classes, and learn that this means any of them. `encode`, which has no label, is
        thereby defined, and its codes hold no label that a probe could recover. 0 leaves `encode` undefined where
        every image has a label."""
        discriminator: OptimizerConfig = OptimizerConfig(learning_rate=1e-4)
        """The discriminator's optimiser (paper: Adam 1e-4 with beta1 0.5)."""
        encoder_generator: OptimizerConfig = OptimizerConfig(learning_rate=1e-4)
        """The optimiser of encoder and generator (paper: the same)."""

    config: Config

    @property
    def uses_labels(self) -> bool:
        return bool(self.config.conditional)

    def parts(self, spec: ImageSpec) -> list[Part]:
        """Return z, and for a conditional model the label."""
        config, classes = self.config, len(spec.classes)
        z = Part(name="z", kind=config.prior, width=config.latent)
        if not config.conditional:
            return [z]
        if classes == 0:
            raise ConfigError(
                "a conditional ali needs classes, and these images have none: name the label's column with --label, "
                "use a folder with a sub-folder a class, or set family.conditional=false"
            )
        return [z, Part(name="label", kind="categorical", width=classes, encoded=False)]

    def build(self, spec: ImageSpec) -> int:
        features = super().build(spec)
        layers = dict(self.encoder.named_children())
        code = layers.pop("code")
        assert isinstance(code, nn.Linear)
        self.encoder = Layers(layers)
        labels = self.prior.width - self.config.latent
        self.posterior = Posterior(code.in_features, self.config.latent, labels=labels)
        return features

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return codes drawn from q(z|x) and from the prior, (n, d) each; a conditional model's share their labels."""
        z = self.prior.sample(len(batch))
        if not self.config.conditional:
            return self.draw(batch.image), z
        y = self.condition(batch)
        return self.draw(batch.image, y), torch.cat([z[:, : self.config.latent], y], dim=1)

    def condition(self, batch: Batch) -> Tensor:
        """Return the networks' condition on each label, (n, K): one-hot, or 1/K where it is hidden or unknown."""
        return label_or_unknown(batch.image, batch.label, len(self.spec.classes), hidden=self.config.hidden_labels)

    def draw(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Draw one code (n, d) for each image from q(z|x), or q(z|x, y).

        Args:
            x: (n, c, h, w) in [-1, 1].
            y: of a conditional model, (n, K), one-hot; by default the label is unknown. It becomes part of the code.
        """
        return self._code(reparameterise(*self._moments(x, y)), x, y)

    def encode(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → codes (n, d), the mean of q(z|x): the same at every call, see `draw`.

        Of a conditional model the label is unknown, in the encoder and as the code's last K columns (1/K each); set
        these to one-hot before `decode` to ask for a class.
        """
        return self._code(self._moments(x, None)[0], x, None)

    def rehearse(self, x: Tensor) -> None:
        labels = torch.randint(max(1, len(self.spec.classes)), (len(x),), device=x.device)
        code, z = self.codes(Batch(image=x, label=labels, index=labels))
        self.discriminator(x, code)
        self.discriminator(self.generator(z), z)

    def callables(self) -> list[nn.Module]:
        return [*super().callables(), self.posterior]

    def _moments(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.config.conditional and y is None:
            y = self._unknown(x)
        mean, log_deviation = self.posterior(self.encoder(x), y)
        return mean, log_deviation

    def _code(self, z: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        z = self.squash(z)
        return torch.cat([z, self._unknown(x) if y is None else y], dim=1) if self.config.conditional else z

    def _unknown(self, x: Tensor) -> Tensor:
        return unknown_label(x, len(self.spec.classes))
