"""Edits along labels that are coin flips are never verified, and edits along real ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.editing.multiple_testing import family_wise, leaking
from analysis.results import load_one
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.evaluation.three_way_split import edited_and_classifier_rows


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with digits whose 12 attributes are coin flips beside their labels, a run and its table."""
    from latentgan import Plan, configure, encode_table, load_source, train

    folder, digits = tmp_path_factory.mktemp("coins"), load_source("digits")
    rng = np.random.default_rng(0)
    coins = {f"coin{i}": rng.random(len(digits)) < 0.5 for i in range(12)}
    coins["round"] = np.isin(digits.labels, (0, 6, 8, 9))
    np.savez(folder / "coins.npz", images=digits.images[..., 0], labels=digits.labels, split=digits.split, **coins)
    source = load_source(folder / "coins.npz")
    config = configure(
        "aae",
        family={"latent": 8, "width": 8, "hidden": 32},
        data={"source": str(folder / "coins.npz")},
        training={"total_images": 40_000, "batch_size": 64, "average_halflife_images": 1000},
    )
    run = train(config, folder / "run", source=source, show_progress=False)
    encode_table(run, source, folder / "t.parquet", Plan(baselines=False))
    return folder


@pytest.mark.slow
def test_coin_flips_on_digits_are_not_verified(call, flipped):
    results = flipped / "results"
    assert call("concepts", flipped / "t.parquet", "--out", results, "--model", flipped / "run")[0] == 0
    code, out, err = call("verify", flipped / "run", "--results", results)
    assert code == 0, err
    result = load_one(results, "editing")
    verified = {response.name for response in result.verified}
    assert not {name for name in verified if name.startswith("coin")}, verified
    figures = [(response.name, response.p_value, response.effect) for response in result.responses]
    assert len(verified) >= 4, (verified, figures)
    coins = [i for i, response in enumerate(result.responses) if response.name.startswith("coin")]
    coin_scores = [j for j, score in enumerate(result.scores) if score.name.startswith("coin")]
    assert len(coins) == 12 and not result.leaks[coins].any() and not result.leaks[:, coin_scores].any()
    assert "not significant" in out and any("never count" in note for note in result.notes)


@pytest.mark.slow
def test_edit_shows_evidence_and_warns(call, flipped, tmp_path):
    from PIL import Image

    results = flipped / "results"
    if not (results / "concepts.json").is_file():
        assert call("concepts", flipped / "t.parquet", "--out", results, "--model", flipped / "run")[0] == 0
    with np.load(flipped / "coins.npz") as stored:
        Image.fromarray(stored["images"][0]).save(tmp_path / "one.png")
    table = load_one(results, "concepts")
    arguments = [flipped / "run", tmp_path / "one.png", "--results", results, "--out", tmp_path / "out"]
    for name, warned in (("round", False), ("coin3", True)):
        code, _, err = call("edit", *arguments, "--concept", name)
        printed, concept = " ".join(err.split()), next(concept for concept in table.concepts if concept.name == name)
        assert code == 0 and f"AUC {concept.auc.plain()}" in printed and "by mean difference" in printed, printed
        assert concept.method == "mean difference" and ("is not significant" in printed) == warned, printed


def test_three_sets_of_images_share_no_row():
    rng = np.random.default_rng(0)
    split = np.array(["train"] * 700 + ["validation"] * 100 + ["test"] * 200)
    images = rng.integers(0, 255, (1000, 4, 4, 1)).astype(np.uint8)
    source: ImageSource = from_arrays(images, rng.integers(0, 2, 1000), split=split, name="rows")
    for fitted in (None, np.arange(700), np.arange(0, 700, 2), np.arange(0, 1000, 3)):
        held, learned = edited_and_classifier_rows(source, fitted, edited=100, most=5000, rng=rng)
        used = np.arange(700) if fitted is None else fitted
        assert not np.intersect1d(held, learned).size and not np.intersect1d(held, used).size
        assert not np.intersect1d(learned, used).size and (source.split[held] == "test").all()
        assert len(held) >= 66 and len(learned) >= 150


def test_p_counts_each_shuffle_s_largest_effect():
    rng = np.random.default_rng(1)
    null = rng.normal(size=(3, 20, 2)) * [1, 50]
    effects = np.array([[9.0, 0], [0, 9.0], [-9.0, 0]])
    p = family_wise(effects, null, [0, 1, 0])
    assert p[0] == pytest.approx(1 / 21) and p[1] > 0.5 and p[2] == 1, "a score's own unit, and one side"
    null[1, :5] = np.nan
    assert family_wise(effects * [1, 100], null, [0, 1, -1])[1] == pytest.approx(6 / 21), (
        "unknown ones count against it"
    )
    assert np.isnan(family_wise(effects, null, [0, 1, -1])[2])
    blind = leaking(effects * 20, np.nan_to_num(null), [-1, -1, -1], np.array([False, True]))
    assert not blind[:, 0].any(), "a score at chance marks nothing"
