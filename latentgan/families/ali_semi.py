"""Semi-supervised ALI: a discriminator of (image, code) pairs that also names classes, from few labels and all images.

    l(x, z) = K class logits,  D(x, z) = Z / (Z + 1),  Z = Σ_k e^{l_k}
    L_D = ALI's + w E_(x, y) −log softmax(l(x, E(x)))_y,   encoder and generator as in ALI

Every image takes part in the game; labels enter only the last term, by a separate stream of labelled images. Pairs of
the generator belong to class K + 1, whose logit is 0. There is no feature matching: the generator's objective is ALI's.

Source: Dumoulin et al.: Adversarially Learned Inference, ICLR 2017 (arXiv:1606.00704), §4.3, with the K + 1 classes of
Salimans et al. 2016 (arXiv:1606.03498), §5.
"""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn.functional import cross_entropy

from latentgan.data.batches import Batches
from latentgan.data.source import ImageSpec
from latentgan.errors import ConfigError
from latentgan.families.ali import ALI
from latentgan.families.base import need_classes
from latentgan.game import Update


class ALISemi(ALI):
    """ALI whose discriminator learns classes from few labels (Dumoulin et al. 2016, arXiv:1606.00704, §4.3)."""

    class Config(ALI.Config):
        class_weight: PositiveFloat = 1.0
        """Weight w of the labelled term."""

    config: Config

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        need_classes(spec, "an ali_semi learns classes from labels", "ali learns without")
        if config.conditional:
            raise ConfigError(
                "family.conditional gives all networks the labels that an ali_semi is to learn: leave it out"
            )
        self.named_classes = len(spec.classes)
        super().__init__(config, spec)

    @property
    def uses_labels(self) -> bool:
        return True

    def naming(self, batches: Batches, update: Update) -> dict[str, Tensor]:
        """Return the discriminator's cross-entropy on a minibatch of labelled images, with codes drawn for them."""
        labelled = next(batches.labelled)
        assert labelled.label is not None
        with torch.no_grad():
            code = self.draw(labelled.image)
        features = self.discriminator.trunk(self.view(labelled.image, update.progress))
        logits = self.discriminator.classes(features, code).float()
        update.note(labelled_accuracy=(logits.argmax(1) == labelled.label).float().mean())
        return {"class": self.config.class_weight * cross_entropy(logits, labelled.label)}

    def classify(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) in [-1, 1] → p(y | x, E(x), real), (n, K)."""
        discriminator = self.discriminator
        return discriminator.classes(discriminator.trunk(x), self.encode(x)).float().softmax(1)
