"""Encoders of other people's making: what they see, the columns they give, and what is refused."""

from __future__ import annotations

import hashlib
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_onnx import WEIGHTS, write_onnx
from torch import nn

from analysis import Embeddings
from latentgan import configure, from_arrays, train
from latentgan.errors import ConfigError
from latentgan.inference.encode import encode_table
from latentgan.inference.foreign import STATISTICS, open_all_foreign, open_foreign

RNG = np.random.default_rng(0)


def expected(images, side, normalisation="imagenet"):
    """The same by Pillow and a plain loop over patches: images (n, h, w, c) uint8."""
    mean, deviation = (np.array(values) for values in STATISTICS[normalisation])
    rows = []
    for image in images:
        colour = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
        if colour.shape[0] != side:
            colour = np.asarray(Image.fromarray(colour).resize((side, side), Image.Resampling.BILINEAR))
        x = (colour / 255 - mean) / deviation
        patches = x.reshape(side // 4, 4, side // 4, 4, 3).transpose(0, 2, 4, 1, 3)
        rows.append(np.maximum(np.einsum("ijchw,ochw->ijo", patches, WEIGHTS), 0).mean((0, 1)))
    return np.array(rows)


@pytest.fixture(scope="module")
def images():
    base = RNG.integers(0, 256, (60, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((16, 16))) for image in base])


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    source = from_arrays(images, np.arange(60) % 3)
    config = configure(
        "bigan",
        family={"latent": 4, "width": 4, "hidden": 8},
        training={"total_images": 64, "batch_size": 16, "device": "cpu"},
    )
    folder = train(config, tmp_path_factory.mktemp("foreign") / "run", source=source, show_progress=False)
    return folder, source


@pytest.mark.parametrize("normalisation", ["imagenet", "half", "none"])
def test_onnx_features_are_those_of_a_plain_loop(tmp_path, images, normalisation):
    encoder = open_foreign(f"onnx:{write_onnx(tmp_path / 'tiny.onnx')}", side=16, normalisation=normalisation)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(encoder(x).numpy(), expected(images, 16, normalisation), atol=2e-4)


def test_images_are_resized_as_pillow_does(tmp_path, images):
    encoder = open_foreign(f"onnx:{write_onnx(tmp_path / 'tiny.onnx', side=32)}")
    assert encoder.side == 32, "the file says so"
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(encoder(x).numpy(), expected(images, 32), atol=0.06)  # Pillow rounds to whole numbers


def test_grey_images_get_three_channels(tmp_path, images):
    encoder = open_foreign(f"onnx:{write_onnx(tmp_path / 'tiny.onnx')}", side=16)
    grey = images[..., :1]
    x = torch.from_numpy(grey).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(encoder(x).numpy(), expected(grey, 16), atol=2e-4)


def test_a_table_has_the_column_and_says_how_it_was_made(tmp_path, run, images):
    folder, source = run
    path = write_onnx(tmp_path / "tiny v2.onnx")
    encoders = open_all_foreign([f"onnx:{path}"], None, 16, "imagenet", "cpu")
    table = Embeddings(encode_table(folder, source, tmp_path / "codes.parquet", foreign=encoders))
    assert "foreign.tiny_v2" in table.representations
    np.testing.assert_allclose(table.vectors("foreign.tiny_v2"), expected(images, 16), atol=2e-4)
    (about,) = table.metadata["foreign"]
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert about["size"] == 16
    assert about["mean"] == [0.485, 0.456, 0.406]


def test_probes_show_it_beside_ours(tmp_path, run):
    from analysis.runner import run_study
    from analysis.table.study_options import Options

    folder, source = run
    encoders = open_all_foreign([f"onnx:{write_onnx(tmp_path / 'tiny.onnx')}"], None, 16, "imagenet", "cpu")
    table = Embeddings(encode_table(folder, source, tmp_path / "codes.parquet", foreign=encoders))
    result = run_study("probes", table, None, Options(), methods=("logistic",))
    ours = {probe.representation: probe.baseline for probe in result.probes}
    assert ours["foreign.tiny"] is False


def test_torchscript_is_read(tmp_path, images):
    class Tokens(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled = x.mean((2, 3))
            return torch.stack([pooled, pooled * 0], dim=1)

    path = tmp_path / "tokens.pt"
    torch.jit.trace(Tokens(), torch.zeros(2, 3, 16, 16)).save(str(path))
    encoder = open_foreign(f"torchscript:{path}", side=16, normalisation="none")
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(encoder(x).numpy(), images.mean((1, 2)) / 255, atol=1e-5)


def test_timm_takes_local_weights_alone(tmp_path, monkeypatch, images):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.Flatten(2))
    asked = []
    timm = types.ModuleType("timm")
    timm.create_model = lambda name, **options: (
        asked.append((name, options)) or nn.Sequential(nn.Conv2d(3, 6, 8, stride=8))
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    weights = tmp_path / "weights.safetensors"
    save_file({"0.weight": network[0].weight.detach(), "0.bias": network[0].bias.detach()}, weights)
    encoder = open_foreign("timm:vit_tiny.dino", weights=weights, side=16, normalisation="half")
    assert asked == [("vit_tiny.dino", {"pretrained": False, "num_classes": 0})]
    assert encoder.name == "vit_tiny_dino"
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.testing.assert_close(encoder(x), network[0](x).mean((2, 3)), atol=1e-5, rtol=1e-4)
    save_file({"0.weight": network[0].weight.detach()}, weights)
    with pytest.raises(ConfigError, match=r"lacks weights of timm's vit_tiny\.dino: 0\.bias"):
        open_foreign("timm:vit_tiny.dino", weights=weights)


@pytest.mark.parametrize(
    ("spec", "options", "sentence"),
    [
        ("dinov2.onnx", {}, "is not of the form KIND:FILE; kinds are onnx, torchscript, timm"),
        ("pickle:x.pt", {}, "is not of the form KIND:FILE"),
        ("onnx:", {}, "is not of the form KIND:FILE"),
        ("onnx:missing.onnx", {}, "there is no file missing.onnx"),
        ("onnx:{garbage}", {}, "is no ONNX model that onnxruntime can read"),
        ("torchscript:{garbage}", {}, "is no TorchScript archive that torch can read"),
        ("timm:vit", {}, "needs --weights FILE.safetensors: nothing is downloaded"),
        ("timm:vit", {"weights": "{garbage}"}, "should be .safetensors"),
        ("onnx:{garbage}", {"weights": "{garbage}"}, "--weights go with --with timm:NAME"),
    ],
)
def test_what_cannot_be_opened_gets_one_sentence(tmp_path, spec, options, sentence):
    garbage = tmp_path / "garbage.bin"
    garbage.write_bytes(b"\x08not a model")
    options = {key: type(garbage)(value.format(garbage=garbage)) for key, value in options.items()}
    with pytest.raises(ConfigError, match=sentence) as caught:
        open_foreign(spec.format(garbage=garbage), **options)
    assert "\n" not in str(caught.value)


def test_a_size_that_the_file_contradicts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="takes images of 32×32: leave --with-size 16 out"):
        open_foreign(f"onnx:{write_onnx(tmp_path / 'tiny.onnx', side=32)}", side=16)


def test_two_files_of_one_name_get_two_columns(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_onnx(tmp_path / folder / "net.onnx")
    specs = [f"onnx:{tmp_path / folder / 'net.onnx'}" for folder in ("a", "b")]
    assert [encoder.name for encoder in open_all_foreign(specs, None, 16, "half", "cpu")] == ["net", "net_2"]


def test_the_command_writes_and_resumes(tmp_path, run, call):
    folder, source = run
    np.savez(tmp_path / "images.npz", images=np.asarray(source.images), labels=np.asarray(source.labels))
    path, out = write_onnx(tmp_path / "tiny.onnx"), tmp_path / "codes.parquet"
    words = ["encode", folder, "--data", tmp_path / "images.npz", "--with", f"onnx:{path}", "--out", out]
    for _ in range(2):
        code, _, err = call(*words, "--with-size", 16)
        assert code == 0, err
    assert Embeddings(out).width("foreign.tiny") == 5
    code, _, err = call(*words, "--with-size", 24, "--with", "onnx:nowhere.onnx")
    assert (code, err.count("\n")) == (2, 1), err
    assert "there is no file nowhere.onnx" in err
