"""Attributes that a cgan is told: exactly their values reach the networks, are asked for and written beside images."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from latentgan import NumpyModel, configure, from_arrays, load_family, load_source, resume, train
from latentgan.cli import app as cli
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource
from latentgan.data.synthetic import shapes
from latentgan.errors import ConfigError, DataError
from latentgan.inference.generate_dataset import Plan, write_images
from latentgan.run_folder import read_checkpoint
from latentgan.selfcheck.checks.base import Recorder
from latentgan.training.loop import state_iterations
from latentgan.training.sample_grids import sample_codes
from latentgan.training.state import open_state

N, LATENT = 90, 4
INKS = np.array(["blue", "red", "black"], dtype=object)
ALL = ("slant", "bold", "ink")
SMALL = {"latent": LATENT, "width": 4, "hidden": 16, "embedding": 5}


def columns() -> dict[str, Any]:
    """A number, a boolean and a text; each is unknown in some rows. `slant` follows the class, see `pictures`."""
    rng, ink = np.random.default_rng(1), INKS[np.random.default_rng(2).integers(0, 3, N)]
    slant, bold = rng.normal(3, 0.5, N) + 10 * (np.arange(N) % 3), (rng.random(N) < 0.4).astype(object)
    slant[::10], bold[1::10], ink[2::10] = np.nan, None, None
    return {"slant": slant, "bold": bold, "ink": ink}


def pictures(split: str = "train") -> ImageSource:
    x = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 1), dtype=np.uint8)
    return from_arrays(x, np.arange(N) % 3, classes=("a", "b", "c"), attributes=columns(), split=[split] * N)


def family(attributes: tuple[str, ...] = ALL, **settings: Any) -> tuple[Any, Batches]:
    config = configure("cgan", family={**SMALL, "attributes": attributes, **settings}).family
    torch.manual_seed(0)
    source = pictures().conditioned_on(config.conditioned_on())
    built = load_family("cgan")(config, source.spec)
    batches = Batches(source, batch_size=16, seed=0, device="cpu")
    built.prior.store_attributes(batches.attributes, batches.labels)
    return built, batches


TRAIN = pictures().rows("train")


def expected(rows: np.ndarray) -> np.ndarray:
    """What is told of rows, computed anew: slant standardised, bold as -1 or 1, ink as one-hot in alphabetic order."""
    held = columns()
    slant = (held["slant"] - np.nanmean(held["slant"][TRAIN])) / np.nanstd(held["slant"][TRAIN])
    ink = np.array([[cell == name for name in sorted(INKS)] for cell in held["ink"]])
    return np.column_stack([slant[rows], [1 if held["bold"][row] else -1 for row in rows], ink[rows]])


@pytest.mark.parametrize("label", [False, True])
@pytest.mark.parametrize("condition", ["concatenation", "embedding", "projection"])
def test_exactly_the_told_values_reach_both_networks(condition, label):
    model, batches = family(condition=condition, label=label)
    model.together = False
    judged: list[tuple[Tensor, Tensor]] = []
    codes: list[Tensor] = []
    model.discriminator.register_forward_hook(lambda _, given, out: judged.append(given))
    model.generator.register_forward_hook(lambda _, given, out: codes.append(given[0]))
    x = batches.source.tensor(range(N))
    seen = set()
    for _ in range(8):
        judged.clear(), codes.clear()
        model.step(batches, Recorder().as_update())
        (real, y), (_, asked), (_, fooling) = judged
        rows = np.array([int((x - image).flatten(1).abs().sum(1).argmin()) for image in real])
        seen |= set(rows.tolist())
        k = 3 if label else 0
        assert np.abs(y[:, k:].numpy() - expected(rows)).max() < 1e-6
        assert not label or (y[:, :3].argmax(1).numpy() == rows % 3).all()
        assert torch.equal(asked, y) and torch.equal(fooling, y)
        assert all(torch.equal(code[:, LATENT:], y) for code in codes)
    held = columns()
    whole = {
        i
        for i in TRAIN.tolist()
        if held["slant"][i] == held["slant"][i] and None not in (held["bold"][i], held["ink"][i])
    }
    assert seen == whole, "an image that lacks a value takes no part"
    assert model.uses_labels is label


def test_a_projection_of_real_values_is_the_formula_in_float64():
    model, batches = family(("slant",), network="mlp", spectral=False)
    model = model.double().eval().requires_grad_(False)
    x, y = batches.source.tensor(range(9)).double(), torch.linspace(-2, 2, 9).double()[:, None]
    phi, head = model.discriminator.trunk(x).flatten(1).numpy(), model.discriminator.logit
    v, w, b = head.embedding.weight.numpy(), head.psi.weight.numpy()[0], float(head.psi.bias)
    found = model.discriminator(x, y).numpy()
    assert np.abs(found - [f @ v @ t + w @ f + b for f, t in zip(phi, y.numpy(), strict=True)]).max() < 1e-12


def test_conditions_are_of_one_training_image():
    model, batches = family(label=True)
    numpy = NumpyModel(model)
    codes = numpy.draw(300, seed=1)
    whole = {tuple(np.round(row, 4)) for row in batches.attributes if not np.isnan(row[0])}
    assert {tuple(np.round(row, 4)) for row in codes[:, LATENT + 3 :]} <= whole
    assert (
        np.floor(np.array(numpy.attribute_values(codes)["slant"]) / 10) == codes[:, LATENT : LATENT + 3].argmax(1)
    ).mean() > 0.99
    of_b = numpy.attribute_values(numpy.draw(50, seed=1, label="b"))["slant"]
    assert min(of_b) > 10 and max(of_b) < 17


def test_values_are_asked_for_in_their_own_units():
    numpy = NumpyModel(family()[0])
    codes = numpy.draw(5, seed=3, attributes={"slant": "2.5", "bold": "true", "ink": "red"})
    assert numpy.attribute_values(codes) == {"slant": [2.5] * 5, "bold": [True] * 5, "ink": ["red"] * 5}
    assert np.array_equal(codes[:, :LATENT], numpy.draw(5, seed=3)[:, :LATENT])
    for wrong, sentence in [
        ({"slent": "1"}, r"no attribute is called 'slent'; did you mean 'slant'\?"),
        ({"slant": "steep"}, "is a number"),
        ({"slant": "inf"}, "is a number"),
        ({"bold": "perhaps"}, "true or false"),
        ({"ink": "gold"}, "never 'gold'.*'black', 'blue', 'red'"),
    ]:
        with pytest.raises(ConfigError, match=sentence):
            numpy.draw(1, attributes=wrong)
    plain = NumpyModel(load_family("cgan")(configure("cgan", family=SMALL).family, pictures().spec))
    with pytest.raises(ConfigError, match=r"not conditioned on attributes.*family\.attributes"):
        plain.draw(1, attributes={"slant": "1"})


def test_a_row_of_the_grid_varies_the_first_attribute_alone():
    model, _ = family()
    z, rows = sample_codes(model)
    z = z.reshape(8, 8, -1)
    assert rows == {} and (z[:, :1].expand_as(z) == z)[..., [*range(LATENT), *range(LATENT + 1, LATENT + 5)]].all()
    slant = columns()["slant"][TRAIN]
    found = np.array(NumpyModel(model).attribute_values(z[0].numpy())["slant"])
    assert np.allclose(found, np.linspace(*np.nanpercentile(slant, (5, 95)), 8), rtol=1e-4)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("slent",), r"no attribute 'slent'; did you mean 'slant'\?"),
        (("flat",), "attribute 'flat' is 7.0 wherever it is known in the training images"),
        (("empty",), "attribute 'empty' is unknown in the training images"),
        (("words",), f"{len(TRAIN)} different texts in {len(TRAIN)} training images: they are no categories"),
    ],
)
def test_a_constant_attribute_is_refused(names, sentence):
    held = {**columns(), "flat": np.full(N, 7.0), "empty": np.full(N, np.nan), "words": [f"w{i}" for i in range(N)]}
    source = from_arrays(pictures().images, attributes=held, split=["train"] * N)
    with pytest.raises(DataError, match=sentence):
        open_state(configure("cgan", family={**SMALL, "attributes": names}, training={"device": "cpu"}), source)


def test_settings_that_tell_nothing_or_twice_are_refused():
    with pytest.raises(ConfigError, match="leaves no condition"):
        configure("cgan", family={"label": False})
    with pytest.raises(ConfigError, match="named twice"):
        configure("cgan", family={"attributes": ("slant", "slant")})
    with pytest.raises(DataError, match=r"has no attributes.*--attributes"):
        pictures_without = from_arrays(pictures().images)
        pictures_without.conditioned_on(("slant",))


def run_of(folder: Path, total: int = 96, **settings: Any) -> Path:
    training = {"total_images": total, "batch_size": 16, "device": "cpu", "checkpoint_images": 32}
    config = configure("cgan", family={**SMALL, "attributes": ALL, **settings}, training=training)
    return train(config, folder, source=pictures(), show_progress=False)


def test_a_conditioned_run_resumes_bit_for_bit(tmp_path, monkeypatch):
    straight, half = run_of(tmp_path / "straight"), run_of(tmp_path / "half", total=48)
    text = (half / "run.toml").read_text().replace("total_images = 48", "total_images = 96")
    (half / "run.toml").write_text(text)
    resume(half, source=pictures(), show_progress=False)
    one, two = (read_checkpoint(run).tensors for run in (straight, half))
    weights = [name for name in one if name.startswith("family/")]
    assert weights and all(torch.equal(one[name], two[name]) for name in weights)
    first, second = (NumpyModel.load(run, device="cpu") for run in (straight, half))
    assert [c.name for c in first.attributes] == list(ALL) and first.attributes == second.attributes
    assert (
        np.array_equal(first.draw(20, seed=1), second.draw(20, seed=1))
        and len(np.unique(first.draw(20)[:, LATENT])) > 5
    )
    monkeypatch.setattr(
        "sys.argv",
        [
            "latentgan",
            "sample",
            str(half),
            "--attribute",
            "slant=2.5",
            "--attribute",
            "bold=true",
            "-n",
            "4",
            "--out",
            str(tmp_path / "asked.png"),
            "--device",
            "cpu",
        ],
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
        raise SystemExit(0)
    assert stop.value.code == 0
    asked = first.sample(4, attributes={"slant": "2.5", "bold": "true"})
    assert np.array_equal(asked, second.sample(4, attributes={"slant": "2.5", "bold": "true"}))
    assert np.asarray(Image.open(tmp_path / "asked.png")).shape == (65, 65)


def test_a_far_number_is_drawn_with_a_doubt():
    slant, bold, _ = family()[0].spec.attributes
    assert slant.doubt("2.5") is None and slant.doubt("20") is None and bold.doubt("true") is None
    far = f"{slant.mean + 10 * slant.deviation:.9g}"
    assert f"slant={far} is 10 standard deviations from the mean of the training images" in (slant.doubt(far) or "")


@pytest.mark.parametrize("label", [False, True])
@pytest.mark.parametrize("table", [False, True])
def test_what_augment_writes_is_read_back_with_its_attributes(tmp_path, label, table):
    numpy = NumpyModel(family(label=label)[0])
    out = write_images(numpy, tmp_path / ("set.parquet" if table else "set"), Plan(6))
    source = load_source(out, progress=False)
    n = 18 if label else 6
    assert len(source) == n and {"slant", "bold", "ink"} <= set(source.attributes)
    assert [source.attribute_kinds[name] for name in ALL] == ["numeric", "boolean", "text"]
    if label:
        assert source.spec.classes == ("a", "b", "c")
        assert (np.floor(source.attributes["slant"] / 10) == source.labels).all()
    slants = columns()["slant"]
    assert all(np.nanmin(abs(slants - value)) < 1e-3 for value in source.attributes["slant"])
    if not table:
        with (out / "attributes.csv").open(newline="") as sheet:
            assert next(csv.reader(sheet)) == ["file", *(["label"] if label else []), *ALL]


def position_asked_and_drawn(model: Any) -> float:
    """Correlation of the position that is told and that of the drawn shape's weight, over 400 draws."""
    numpy = NumpyModel(model)
    codes = numpy.draw(400, seed=1)
    light = numpy.decode(codes)[..., 0].sum(1)
    drawn = light @ np.linspace(-1, 1, 8) / light.sum(1)
    model.requires_grad_(True).train()
    return float(np.corrcoef(numpy.attribute_values(codes)["x"], drawn)[0, 1])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_position_is_drawn_where_it_is_asked_for(seed):
    settings = {"attributes": ("x",), "latent": 8, "hidden": 32, "network": "mlp"}
    training = {"total_images": 12_000, "batch_size": 64, "seed": seed, "device": "cpu"}
    state = open_state(configure("cgan", family=settings, training=training), shapes(2000, size=8))
    untrained = position_asked_and_drawn(state.family)
    for _ in state_iterations(state):
        if state.images >= 12_000:
            break
    assert abs(untrained) < 0.5 and position_asked_and_drawn(state.family) > 0.8
