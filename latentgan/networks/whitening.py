"""A first layer that whitens small patches: edges and colours at one scale, though photographs are smooth.

Neighbouring pixels of photographs agree, so that nearly all variance of a patch lies in a few smooth patterns, and a
network spends its first thousand iterations on finding the others. Filters W = Λ^(−½) Vᵀ of the patches' covariance
V Λ Vᵀ bring all patterns to one scale at once. They are fitted to training images before iteration 0 and stand still.

Source: Coates, Ng, Lee 2011, §3.2.2; as a network's first layer Jordan 2024 (arXiv:2404.00498), §3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, unfold

EPSILON = 5e-4
"""Added to variances of patches of pixels in [-1, 1]."""
IMAGES = 5_000
"""Images that filters are fitted to."""


class PatchWhitening(nn.Module):
    """x → whitened patches and their negatives, (n, c, h, w) → (n, 2 c s², h, w).

    Both signs are there since what follows a rectifier cannot ask for a negative one. Before `fit` the patterns are the
    patch's own pixels.

    Args:
        channels: c of an image.
        side: s, pixels of a patch each way; odd, so that a patch has a middle.
    """

    filters: Tensor

    def __init__(self, channels: int, side: int = 3) -> None:
        super().__init__()
        width = channels * side * side
        self.side, self.width = side, 2 * width
        self.register_buffer("filters", torch.eye(width).view(width, channels, side, side))

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, c, h, w) → (n, 2 c s², h, w); outside an image there is its mean, 0."""
        patterns = conv2d(x, self.filters.to(x.dtype), padding=self.side // 2)
        return torch.cat([patterns, -patterns], dim=1)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Whiten the patches of images.

        Args:
            x: training images, (n, c, h, w) in [-1, 1].
        """
        patches = unfold(x.float(), self.side).transpose(1, 2).flatten(0, 1).double()
        variances, patterns = torch.linalg.eigh(torch.cov(patches.T))
        white = patterns / (variances.clamp_min(0) + EPSILON).sqrt()
        self.filters.copy_(white.T.reshape(self.filters.shape))
