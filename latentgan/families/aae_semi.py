"""Semi-supervised adversarial autoencoder: a code of class and style, on which two discriminators keep an eye.

    reconstruction and regularisation, of all images: see latentgan/class_and_style.py
    classification   min_E −E log q(y|x) on labelled images

Every image takes part in the first two; labels reach the third alone, a stream of labelled images of its own.

Source: Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders, 2015 (arXiv:1511.05644), §5.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, mse_loss

from latentgan.config import OptimizerConfig
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.families._class_style import ClassAndStyle, ClassAndStyleConfig
from latentgan.families.base import need_classes
from latentgan.game import Player, Update


class AAESemi(ClassAndStyle):
    """Autoencoder with a code of class and style that learns classes from few labels (arXiv:1511.05644, §5)."""

    class Config(ClassAndStyleConfig):
        classifier: OptimizerConfig = OptimizerConfig(learning_rate=1e-3)
        """The encoder's optimiser on labelled images."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        need_classes(spec, "an aae_semi learns classes from labels", "aae and aae_cluster learn without")
        super().__init__(config, spec, classes=len(spec.classes), part="class")

    @property
    def uses_labels(self) -> bool:
        return True

    def players(self) -> dict[str, Player]:
        encoder = {"encoder": self.encoder, "head": self.head}
        return {**super().players(), "classifier": Player(encoder, self.config.classifier)}

    def step(self, batches: Batches, update: Update) -> None:
        """All players move at once, on a minibatch of all images and one of labelled images, in one pass.

        Where there is a consistency term, labelled images are seen as views too, and so is the minibatch once more.
        """
        x, labelled, consistent = next(batches).image, next(batches.labelled), self.config.consistency_weight > 0
        assert labelled.label is not None
        n = len(x)
        logits, styles = self.split(torch.cat([x, self.augment(labelled.image), *[self.augment(x)] * consistent]))
        y, z, labelled_logits = logits[:n].softmax(1), styles[:n], logits[n : n + len(labelled)].float()
        discriminator_terms, encoder_terms = self.adversarial_terms(y, z, update)
        rebuilding = {"reconstruction": mse_loss(self.decoder(torch.cat([y, z], dim=1)), x)}
        if consistent:
            rebuilding["consistency"] = self.consistency(logits[:n], logits[n + len(labelled) :])
        update(
            autoencoder=rebuilding,
            discriminator=discriminator_terms,
            encoder=encoder_terms,
            classifier={"cross_entropy": cross_entropy(labelled_logits, labelled.label)},
        )
        update.note(labelled_accuracy=(labelled_logits.argmax(1) == labelled.label).float().mean())
