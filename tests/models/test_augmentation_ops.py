"""Random changes of images, each against a plain computation, and that gradients pass."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from latentgan.augmentation import YIQ, Augmentation, blurred, random_affine, random_cutout, recoloured
from latentgan.config import AugmentConfig
from latentgan.errors import ConfigError

CPU = torch.device("cpu")
RANGES = {
    "rotation": 20.0,
    "scale": 0.2,
    "shift": 0.1,
    "shear": 0.1,
    "flip": 0.5,
    "crop": 0.5,
    "blur": 1.0,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "hue": 0.2,
    "grey": 0.5,
    "cutout": 0.5,
}


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(6, 3, 12, 10, dtype=torch.float64) * 2 - 1


def factors(*values):
    return [torch.full((6,), value, dtype=torch.float64) for value in values]


def test_a_flip_mirrors_left_and_right(x):
    torch.testing.assert_close(Augmentation(AugmentConfig(flip=1.0))(x), x.flip(3).float(), atol=1e-5, rtol=0)


def test_flips_are_as_often_as_asked(x):
    torch.manual_seed(1)
    many = x[:1].expand(2000, -1, -1, -1)
    out = Augmentation(AugmentConfig(flip=0.3))(many)
    share = ((out - x[:1].flip(3)).abs().amax((1, 2, 3)) < 1e-4).double().mean().item()
    assert 0.26 < share < 0.34


def test_a_crop_is_a_part_of_the_image():
    """On a ramp of positions, the cut part's edges lie inside, and its area is within the range asked for."""
    torch.manual_seed(0)
    maps = random_affine(4000, AugmentConfig(crop=0.75), CPU)
    across, down = maps[:, 0, 0], maps[:, 1, 1]
    assert (maps[:, 0, 2].abs() + across <= 1 + 1e-6).all()
    assert (maps[:, 1, 2].abs() + down <= 1 + 1e-6).all()
    area = across * down
    assert 0.2 < area.min() < 0.27
    assert area.max() <= 1
    assert (across / down).max() <= 4 / 3 + 1e-5


def test_brightness_multiplies_pixels(x):
    out = recoloured(x, *factors(1.3, 1.0, 1.0, 0.0))
    torch.testing.assert_close((out + 1) / 2, 1.3 * (x + 1) / 2, atol=1e-3, rtol=0)


def test_contrast_is_about_the_mean_luma(x):
    unit = (x + 1) / 2
    luma = (unit * unit.new_tensor(YIQ[0]).view(3, 1, 1)).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    out = (recoloured(x, *factors(1.0, 0.6, 1.0, 0.0)) + 1) / 2
    torch.testing.assert_close(out, luma + 0.6 * (unit - luma), atol=1e-3, rtol=0)


def test_no_saturation_leaves_luma(x):
    unit = (x + 1) / 2
    luma = (unit * unit.new_tensor(YIQ[0]).view(3, 1, 1)).sum(1, keepdim=True)
    out = (recoloured(x, *factors(1.0, 1.0, 0.0, 0.0)) + 1) / 2
    torch.testing.assert_close(out, luma.expand_as(out), atol=2e-3, rtol=0)


def test_hue_turns_chroma_as_colorsys_defines_it(x):
    angle = 0.7
    unit = ((x + 1) / 2).numpy()
    out = ((recoloured(x, *factors(1.0, 1.0, 1.0, angle)) + 1) / 2).numpy()
    for k in range(4):
        y, i, q = colorsys.rgb_to_yiq(*unit[k, :, 3, 4])
        turned = complex(i, q) * complex(np.cos(angle), np.sin(angle))
        back = np.linalg.inv(np.array(YIQ)) @ np.array([y, turned.real, turned.imag])
        np.testing.assert_allclose(out[k, :, 3, 4], back, atol=6e-3)  # colorsys rounds its matrix to two digits


def test_grey_images_have_brightness_alone():
    x = torch.rand(6, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(recoloured(x, *factors(1.2, 1.0, 0.3, 2.0)), 1.2 * (x + 1) - 1)


def test_planes_that_are_no_colours_are_refused():
    with pytest.raises(ConfigError, match="one channel or three, not of 5"):
        Augmentation(AugmentConfig(hue=0.1))(torch.zeros(2, 5, 8, 8))


def test_blur_is_scipys_gaussian(x):
    deviations = torch.tensor([0.0, 0.5, 0.8, 1.0, 1.2, 1.5], dtype=torch.float64)
    out = blurred(x, deviations, largest=1.5)
    torch.testing.assert_close(out[0], x[0])
    for k in range(1, 6):
        sigma = float(deviations[k])
        expected = gaussian_filter(x[k].numpy(), (0, sigma, sigma), mode="mirror", radius=(0, 5, 5))
        np.testing.assert_allclose(out[k].numpy(), expected, atol=1e-6)


def test_cutout_hides_a_square():
    torch.manual_seed(0)
    masks = random_cutout(300, 0.5, (16, 16), CPU)
    hidden = (masks == 0).squeeze(1)
    rows, columns = hidden.any(2).sum(1), hidden.any(1).sum(1)
    assert set(rows.tolist()) <= set(range(4, 9))
    assert torch.equal(hidden.sum((1, 2)), rows * columns), "one rectangle"
    assert (hidden.float().mean(0) > 0).all(), "anywhere"


@pytest.mark.parametrize("name", RANGES)
def test_each_change_is_its_own_and_differentiable(name, x):
    config = AugmentConfig(**{name: RANGES[name]})
    torch.manual_seed(0)
    one = x[:1].repeat(8, 1, 1, 1).float().requires_grad_()
    out = Augmentation(config)(one)
    assert out.shape == one.shape
    assert (out[0] - out[1:]).abs().amax((1, 2, 3)).gt(1e-3).any(), "images differ by their draws"
    (gradient,) = torch.autograd.grad(out.square().sum(), one)
    assert gradient.flatten(1).abs().sum(1).gt(0).all()


def test_ranges_of_zero_change_nothing(x):
    assert Augmentation(AugmentConfig())(x) is x


def test_real_and_fake_have_one_distribution(x):
    """Twice the same images through the same augmentation: means and spreads of pixels agree."""
    augment = Augmentation(AugmentConfig(**RANGES))
    torch.manual_seed(0)
    many = x.repeat(200, 1, 1, 1)
    first, second = augment(many), augment(many)
    assert (first.mean() - second.mean()).abs() < 0.03
    assert (first.std() / second.std() - 1).abs() < 0.03
