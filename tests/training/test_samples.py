"""Grids: which image stands where, in grey and in colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import TWO_MOVES, stripes, tiny
from torch import Tensor

from latentgan.data.load import load_source
from latentgan.families.base import configure
from latentgan.sampling import label_columns
from latentgan.training.ema import shadow_of
from latentgan.training.sample_grids import alternate, grid, sample_codes, write_grids
from latentgan.training.state import open_state


def flat(*values: float, size: int = 32, channels: int = 1) -> Tensor:
    """Images (n, channels, size, size), each of one value."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, channels, size, size)


def test_a_grid_is_filled_row_by_row() -> None:
    picture = np.asarray(grid(flat(-1, -0.5, 0, 0.5, 1), columns=2))
    assert picture.shape == (3 * 32 + 2, 2 * 32 + 1)
    centres = [picture[16 + 33 * row, 16 + 33 * column] for row in range(3) for column in range(2)]
    assert centres == [0, 64, 128, 191, 255, 0]
    assert (picture[32] == 0).all() and (picture[:, 32] == 0).all()
    assert picture[33 + 31, 33 + 31] == 191 and picture[2 * 33, 0] == 255


def test_colour_stays_colour_and_grey_is_one_channel() -> None:
    x = torch.stack([torch.ones(32, 32), torch.zeros(32, 32), -torch.ones(32, 32)])[None]
    picture = grid(x, columns=1)
    assert picture.mode == "RGB" and picture.getpixel((5, 5)) == (255, 128, 0)
    assert grid(flat(0.0), columns=1).mode == "L"


@pytest.mark.parametrize(("size", "side"), [(8, 32), (10, 40), (28, 56), (32, 32), (64, 64)])
def test_small_images_are_enlarged_by_whole_factors(size: int, side: int) -> None:
    assert grid(flat(0.0, size=size), columns=1).size == (side, side)


def test_enlarging_repeats_pixels() -> None:
    x = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    picture = np.asarray(grid(x, columns=1))
    assert picture.shape == (32, 32)
    assert (picture[:16, :16] == 0).all() and (picture[:16, 16:] == 255).all()


def test_an_image_need_not_be_square() -> None:
    assert grid(torch.zeros(3, 1, 8, 16), columns=3).size == (3 * 32 + 2, 16)


def test_values_beyond_the_range_are_clipped() -> None:
    assert np.asarray(grid(flat(-3.0, 3.0), columns=2))[0, [0, 40]].tolist() == [0, 255]


def test_rows_of_images_alternate_with_their_reconstructions() -> None:
    x, r = flat(0.1, 0.2, 0.3, 0.4), flat(-0.1, -0.2, -0.3, -0.4)
    values = alternate(x, r, columns=2)[:, 0, 0, 0].tolist()
    assert values == pytest.approx([0.1, 0.2, -0.1, -0.2, 0.3, 0.4, -0.3, -0.4])


def test_the_last_row_is_filled_with_black() -> None:
    values = alternate(flat(0.1, 0.2, 0.3), flat(-0.1, -0.2, -0.3), columns=2)[:, 0, 0, 0].tolist()
    assert values == pytest.approx([0.1, 0.2, -0.1, -0.2, 0.3, -1, -0.3, -1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mark_writes_named_pictures(channels: int, tmp_path: Path) -> None:
    state = open_state(tiny(), stripes(channels=channels))
    family = shadow_of(state.family)
    x = state.source.tensor(np.arange(40))
    write_grids(family, tmp_path, 1234, x)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001234-reconstructions.png", "000001234-samples.png"]
    with Image.open(tmp_path / "000001234-reconstructions.png") as picture:
        assert picture.size == (8 * 33 - 1, 8 * 33 - 1)  # 32 pairs
        assert picture.mode == ("L" if channels == 1 else "RGB")
        first = np.asarray(picture)[:32:4, :32:4].reshape(8, 8, channels)
    np.testing.assert_array_equal(first, state.source.images[0])
    with Image.open(tmp_path / "000001234-samples.png") as picture:
        assert picture.size == (8 * 33 - 1, 8 * 33 - 1)


def test_a_family_without_an_encoder_writes_samples_alone(tmp_path: Path) -> None:
    state = open_state(tiny(TWO_MOVES), stripes())
    write_grids(shadow_of(state.family), tmp_path, 8, state.source.tensor([0, 1]))
    assert [p.name for p in tmp_path.iterdir()] == ["000000008-samples.png"]


def test_two_marks_show_the_same_codes(tmp_path: Path) -> None:
    state = open_state(tiny(), stripes())
    family, x = shadow_of(state.family), state.source.tensor([0, 1, 2])
    write_grids(family, tmp_path, 8, x)
    torch.rand(5)
    write_grids(family, tmp_path, 16, x)
    assert (tmp_path / "000000008-samples.png").read_bytes() == (tmp_path / "000000016-samples.png").read_bytes()


@pytest.mark.parametrize("name", ["cgan", "aae_semi"])
def test_a_family_that_is_told_classes_shows_a_row_of_each(name: str, tmp_path: Path) -> None:
    source = load_source("digits")
    family = shadow_of(open_state(configure(name), source).family)
    columns = label_columns(family)
    assert columns is not None
    z, rows = sample_codes(family)
    assert rows == {"of": "class", "count": 10, "names": list("0123456789")} and z.shape == (80, family.prior.width)
    assert z[:, columns].argmax(1).tolist() == np.repeat(np.arange(10), 8).tolist()
    assert (z[:, columns].sum(1) == 1).all()
    rest = torch.cat([z[:, : columns.start], z[:, columns.stop :]], dim=1).view(10, 8, -1)
    assert (rest == rest[:1]).all() and len(rest[0].unique(dim=0)) == 8
    write_grids(family, tmp_path, 8, source.tensor(np.arange(40)))
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    with Image.open(tmp_path / "000000008-samples.png") as picture:
        assert picture.size == (8 * 33 - 1, 10 * 33 - 1)


@pytest.mark.parametrize(("components", "shown"), [(3, 3), (50, 16)])
def test_a_mixture_shows_a_row_of_each_component(components: int, shown: int, tmp_path: Path) -> None:
    source = load_source("digits")
    family = shadow_of(open_state(configure("deligan", family={"mixture": {"components": components}}), source).family)
    z, rows = sample_codes(family)
    names = [f"component {k + 1}" for k in range(shown)]
    assert rows == {"of": "component", "count": components, "names": names}
    assert family.prior.learned is not None
    means, deviations = family.prior.learned.mean[:shown, None], family.prior.learned.deviation[:shown, None]
    noise = (z.view(shown, 8, -1) - means) / deviations
    assert torch.allclose(noise, noise[:1].expand_as(noise), atol=1e-4) and len(noise[0].unique(dim=0)) == 8
    write_grids(family, tmp_path, 8, source.tensor(np.arange(40)))
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
