"""`latentgan sample --results`: images of a component or a class of the mixtures that were fitted to a run's codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker
from PIL import Image
from tiny_runs import stripes

from analysis import Embeddings, load
from analysis.runner import run_study
from analysis.table.study_options import Options
from latentgan import NumpyModel, configure, train
from latentgan.run_folder import read_model

LABELS = ("cat", "dog")


def fitted(folder: Path, *, sha256: str = "", width: int = 4, labels: bool = True, **metadata: Any) -> Path:
    """Results on a table of codes (240, width), whose classes lie at −2 and 2 in all columns."""
    rng, group = np.random.default_rng(0), np.arange(240) % 3 // 2
    codes = (rng.normal(size=(240, width)) * 0.3 + 4 * group[:, None] - 2).astype(np.float32)
    columns: dict[str, Any] = {"code": codes, "split": ["train"] * 150 + ["test"] * 90}
    if labels:
        columns["label"] = [LABELS[k] for k in group]
    parts = [{"name": "z", "kind": "normal", "start": 0, "width": width, "encoded": True}]
    about = {"format": 1, "parts": parts, **({"checkpoint": sha256} if sha256 else {}), **metadata}
    table = table_maker.write_table(folder / "t.parquet", columns, about)
    run_study("mixtures", Embeddings(table), None, Options(), out=folder / "results", components=(2,))
    return folder / "results"


def trained(folder: Path, name: str = "bigan", **family: Any) -> Path:
    settings = {"width": 4, "hidden": 16, **family}
    config = configure(name, family=settings, training={"total_images": 32, "batch_size": 16, "device": "cpu"})
    return train(config, folder / name, source=stripes(48), show_progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("fitted"), latent=4)


@pytest.fixture(scope="module")
def results(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("results"), sha256=read_model(run)[1]["sha256"])


def test_a_grid_has_a_row_a_component_and_repeats_itself(call, run, results, tmp_path):
    for name in ("a.png", "b.png"):
        code, _, err = call("sample", run, "--results", results, "-n", 5, "--seed", 4, "--out", tmp_path / name)
        assert code == 0 and "rows: components 1 to 2 of the mixture in" in err
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size == (3 * 33 - 1, 2 * 33 - 1)
    assert call("sample", run, "--results", results, "-n", 3, "--out", tmp_path / "any")[0] == 0
    assert len(list((tmp_path / "any").iterdir())) == 3


@pytest.mark.parametrize(
    ("asked", "group"), [(["--component", 1], 0), (["--component", 2], 1), (["--class", "dog"], 1)]
)
def test_fitted_draws_are_of_one_component(call, run, results, tmp_path, asked, group):
    assert call("sample", run, "--results", results, *asked, "-n", 4, "--seed", 7, "--out", tmp_path / "f")[0] == 0
    mixture, rng = load(results)["mixtures"], np.random.default_rng(7)
    by = {"label": "dog"} if "dog" in asked else {"component": group}
    codes = (mixture.by_class if "dog" in asked else mixture).draw(4, rng=rng, **by)
    assert (np.sign(codes) == 2 * group - 1).all()
    images = NumpyModel.load(run, device="cpu").decode(codes)
    shown = np.stack([np.array(Image.open(path)) for path in sorted((tmp_path / "f").iterdir())])
    assert np.abs(shown - 255 * images[..., 0]).max() <= 0.51


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--component", 3], "there is no component 3: those of the mixture in "),
        (["--class", "cow"], "has no mixture of a class 'cow'; known are: 'cat', 'dog'"),
        (["--class", "cta"], "did you mean 'cat'?"),
        (["--class", "cat", "--component", 1], "give --component or --class, not both"),
        (["--class", "cat", "--label", "cat"], "--label and --attribute draw from the prior"),
        (["--component", 1, "--attribute", "a=1"], "--label and --attribute draw from the prior"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(call, run, results, tmp_path, asked, sentence):
    code, out, err = call("sample", run, "--results", results, *asked, "--out", tmp_path / "x.png")
    assert code == 2 and out == "" and sentence in err and err.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_a_class_needs_results(call, run, tmp_path):
    code, _, err = call("sample", run, "--class", "cat", "--out", tmp_path / "x.png")
    assert code == 2 and "add --results RESULTS" in err and "by --label" in err and err.count("\n") == 1
    code, _, err = call("sample", run, "--component", 1, "--out", tmp_path / "x.png")
    assert code == 2 and "--results RESULTS draws from a mixture that was fitted to codes" in err


def test_results_of_other_codes_are_refused(call, run, tmp_path):
    def said(results: Path, *asked: Any, of: Path = run) -> str:
        code, _, err = call("sample", of, "--results", results, *asked, "--out", tmp_path / "x.png")
        assert code == 2 and err.count("\n") == 1 and not (tmp_path / "x.png").exists()
        return err

    for name in ("other", "wide", "bare"):
        (tmp_path / name).mkdir()
    assert "computed on codes of another model" in said(fitted(tmp_path / "other", sha256="0" * 64))
    assert "codes of 6 numbers" in said(fitted(tmp_path / "wide", width=6))
    assert "no mixtures of classes" in said(fitted(tmp_path / "bare", labels=False), "--class", "cat")
    assert "holds no mixture; run `latentgan mixture TABLE --out" in said(tmp_path / "nowhere")


def test_codes_that_are_not_whole_are_not_decoded(call, tmp_path):
    """What the encoder does not give cannot come from a mixture of what it gives."""
    infogan = trained(tmp_path, "infogan")
    width = NumpyModel.load(infogan, device="cpu").code_width
    (tmp_path / "i").mkdir()
    results = fitted(tmp_path / "i", width=width)
    code, _, err = call("sample", infogan, "--results", results, "--out", tmp_path / "x.png")
    assert code == 2 and "'noise', which the encoder does not give; `latentgan fit-encoder RUN`" in err
    conditional = trained(tmp_path, "ali", conditional=True, latent=4)
    (tmp_path / "a").mkdir()
    results = fitted(tmp_path / "a", width=7)
    code, _, err = call("sample", conditional, "--results", results, "--class", "cat", "--out", tmp_path / "x.png")
    assert code == 2 and "'label', which the encoder does not give; --label asks for a class" in err
