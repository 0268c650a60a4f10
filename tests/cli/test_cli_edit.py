"""Editing along several concepts, preserving others, and verifying, as a user types it, on a run of a moment."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.editing.image_measures import measure
from analysis.editing.preserved_directions import preserve_directions
from analysis.editing.select_directions import select_directions, select_with_strength
from analysis.editing.study import edit_directions
from analysis.editing.verification import EditDirection
from analysis.errors import AnalysisError
from analysis.results import load_one, save
from analysis.table.embeddings import Embeddings

NAMES = ["label: 3", "label: 7", "thickness", "slant", "a=b"]
COLUMNS = ["label", "label", "thickness", "slant", "a=b"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a run on digits that were measured, its results, and one picture."""
    from analysis.runner import run_study
    from analysis.table.study_options import Options
    from latentgan import NumpyModel, Plan, configure, encode_table, load_source, train

    folder, digits = tmp_path_factory.mktemp("edit"), load_source("digits")
    measured = dict(zip(("thickness", "slant"), measure(digits.images, names=("thickness", "slant")).T, strict=True))
    np.savez(
        folder / "measured.npz", images=digits.images[..., 0], labels=digits.labels, split=digits.split, **measured
    )
    source = load_source(folder / "measured.npz")
    config = configure(
        "aae",
        family={"latent": 6, "width": 4, "hidden": 16},
        data={"source": str(folder / "measured.npz")},
        training={"total_images": 6400, "batch_size": 64, "average_halflife_images": 500},
    )
    run = train(config, folder / "run", source=source, show_progress=False)
    table = encode_table(run, source, folder / "t.parquet", Plan(baselines=False))
    model = NumpyModel.load(run)
    run_study("concepts", Embeddings(table), model, Options(shown=1), out=folder / "results", permutations=19)
    Image.fromarray(digits.images[1, :, :, 0]).save(folder / "one.png")
    return folder


def written(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in folder.iterdir()}


def test_each_concept_is_edited_by_its_strength(call, made, tmp_path):
    from latentgan import NumpyModel

    options = ["--concept", "thickness=2", "--concept", "label: 3=-1", "--strength", "1", "--strength", "0"]
    code, _, err = call(
        "edit", made / "run", made / "one.png", *options, "--results", made / "results", "--out", tmp_path
    )
    assert code == 0, err
    files = written(tmp_path)
    assert set(files) == {f"one_thickness+2_label--3-1_{end}.png" for end in ("+1", "+0", "strip")}
    table, model = load_one(made / "results", "concepts"), NumpyModel.load(made / "run")
    names = [concept.name for concept in table.concepts]
    z = model.encode(np.asarray(Image.open(made / "one.png"))[None, ..., None])
    step = sum(
        weight * table.concepts[i].scale * table.directions[i]
        for name, weight in (("thickness", 2), ("label: 3", -1))
        for i in [names.index(name)]
    )
    expected = np.rint(255 * model.decode(np.concatenate([z + step, z]).astype(np.float32))).astype(np.uint8)[..., 0]
    assert np.abs(files["one_thickness+2_label--3-1_+1.png"].astype(int) - expected[0]).max() <= 1
    strip, frames = files["one_thickness+2_label--3-1_strip.png"].astype(int), expected.repeat(4, 1).repeat(4, 2)
    assert strip.shape == (32, 2 * 32 + 1) and not strip[:, 32].any(), "enlarged like a grid of samples, and apart"
    assert np.abs(np.delete(strip, 32, axis=1) - np.hstack(frames)).max() <= 1


def test_preserved_concepts_stay(call, made, tmp_path):
    options = ["--concept", "thickness", "--strength", "3", "--results", made / "results", "--out", tmp_path]
    assert call("edit", made / "run", made / "one.png", *options)[0] == 0
    assert (
        call("edit", made / "run", made / "one.png", *options, "--preserve", "slant", "--preserve", "label: 3")[0] == 0
    )
    files = written(tmp_path)
    assert set(files) == {
        f"one_thickness{preserved}_{end}.png"
        for preserved in ("", "_preserve-slant_preserve-label--3")
        for end in ("+3", "strip")
    }
    far = call("edit", made / "run", made / "one.png", *options, "--strength", "1e6")
    assert far[0] == 0 and "1e+06 standard deviations from an image there are no real images" in far[2]
    assert (files["one_thickness_+3.png"] != files["one_thickness_preserve-slant_preserve-label--3_+3.png"]).any()
    table = load_one(made / "results", "concepts")
    names = [concept.name for concept in table.concepts]
    at = [names.index(name) for name in ("thickness", "slant", "label: 3")]
    [regressed], [projected] = (
        preserve_directions(table, edit_directions(table), at[:1], at[1:], by=by).directions
        for by in ("regression", "projection")
    )
    np.testing.assert_allclose(projected.vector @ table.directions[at[1:]].T, 0, atol=1e-9)
    for move in (regressed, projected):
        np.testing.assert_allclose(np.linalg.norm(move.vector), 1)
    with np.load(made / "measured.npz") as images:
        train = np.isin(np.arange(len(images["split"])), table.joint.fitted)
        slant, thick, three = images["slant"], images["thickness"], images["labels"] == 3
    z = Embeddings(made / "t.parquet").vectors("code", np.flatnonzero(train))
    design = np.column_stack([thick, slant, three, np.ones(len(three))])[train]
    expected = np.linalg.lstsq(design, z, rcond=None)[0][0]
    assert regressed.vector @ expected / np.linalg.norm(expected) > 0.9999, "the coefficient of all together"
    assert regressed.length == pytest.approx((z @ regressed.vector).std(), rel=1e-3)


def test_directions_without_labels_have_names(call, made, tmp_path):
    from latentgan import NumpyModel

    options = ["--concept", "pca2=-1", "--strength", "2", "--results", made / "results", "--out", tmp_path]
    assert call("edit", made / "run", made / "one.png", *options)[0] == 0
    preserved = ["--preserve", "slant", "--preserve", "sefa1"]
    code, _, err = call("edit", made / "run", made / "one.png", *options, *preserved)
    assert code == 0, err
    files, [pca, sefa] = written(tmp_path), load_one(made / "results", "concepts").unsupervised
    assert set(files) == {
        f"one_pca2-1{k}_{end}.png" for k in ("", "_preserve-slant_preserve-sefa1") for end in ("+2", "strip")
    }
    model = NumpyModel.load(made / "run")
    z = model.encode(np.asarray(Image.open(made / "one.png"))[None, ..., None])
    moved = model.decode((z - 2 * pca.axes[1].scale * pca.directions[1]).astype(np.float32))
    assert np.abs(files["one_pca2-1_+2.png"].astype(int) - np.rint(255 * moved[0, ..., 0])).max() <= 1
    table = load_one(made / "results", "concepts")
    moves = edit_directions(table)
    names = [move.name for move in moves]
    [free] = preserve_directions(
        table, moves, [names.index("pca2")], [names.index("slant"), names.index("sefa1")], by="regression"
    ).directions
    preserved_axes = np.stack([moves[names.index("slant")].vector, sefa.directions[0]])
    np.testing.assert_allclose(free.vector @ preserved_axes.T, 0, atol=1e-9)
    assert "no label defines 'pca2'" in " ".join(err.split())
    code, _, err = call("edit", made / "run", made / "one.png", *options, "--concept", "pca9")
    assert code == 2 and "no concept is called 'pca9'; did you mean 'pca" in err and "and 14 more" in err
    code, _, err = call("edit", made / "run", made / "one.png", *options, "--preserve", "pca2")
    assert code == 2 and "'pca2' cannot be both edited and preserved" in err


def test_help_names_directions(call):
    for command in ("edit", "verify"):
        code, out, _ = call(command, "--help")
        assert code == 0 and "pca1" in out and "sefa2" in out, out


def test_what_cannot_be_edited_is_one_sentence(call, made, tmp_path):
    edit = ["edit", made / "run", made / "one.png", "--results", made / "results", "--out", tmp_path]
    for extra, sentence in (
        (["--concept", "thicknes=2"], "no concept is called 'thicknes'; did you mean 'thickness'?"),
        (["--concept", "thicknes=thin"], "no concept is called 'thicknes=thin'; did you mean 'thickness'?"),
        (["--concept", "slant=abc"], "after = comes a strength in standard deviations, and 'abc' is no number"),
        (["--concept", "thickness", "--preserve", "slnt"], "no concept is called 'slnt'; did you mean 'slant'?"),
        (["--concept", "slant", "--preserve", "slant"], "cannot be both edited and preserved"),
        (["--concept", "label: 3", "--preserve", "3"], "cannot be both edited and preserved"),
        (["--concept", "label: 3", "--preserve", "label"], "'label: 3' cannot be both edited and preserved"),
        (["--concept", "slant", "--concept", "slant=2"], "can be edited once"),
        (["--concept", "slant=nan"], "must be a finite number"),
        (["--concept", "slant", "--preserve", "label", "--preserve-by", "projection"], "'slant' cannot change while"),
    ):
        code, _, err = call(*edit, *extra)
        assert code == 2 and sentence in err and err.count("\n") == 1, (extra, err)


def test_verified_edits_join_the_report(call, made, tmp_path):
    results = made / "results"
    given = ["verify", made / "run", "--results", results, "--images", "30", "--draws", "3"]
    options = ["--concept", "thickness", "--concept", "label: 3"]
    code, out, err = call(*given, *options)
    assert code == 0 and "an attribute classifier was trained" in err, err
    assert "30 held-out images" in out and "random directions" in out and "[" in out
    verification = load_one(results, "editing")
    assert [response.name for response in verification.responses] == ["thickness", "label: 3"]
    scores = {score.name: score for score in verification.scores}
    assert scores["thickness"].about == "measured, in pixels" and scores["label: 3"].metric == "AUC"
    assert scores["label: 3"].quality.value > 0.9, "a classifier of digits predicts digits"
    with np.load(made / "measured.npz") as images:
        thickness, test = images["thickness"], int((images["split"] == "test").sum())
    assert verification.accuracy.n == (test + 1) // 2 or verification.accuracy.n == test // 2, (
        "the classifier was trained on the other half"
    )
    assert verification.n == 30 and verification.draws == verification.shuffles == 3
    assert scores["thickness"].spread == pytest.approx(thickness.std(), rel=0.2)
    assert {"attribute_classifier.json", "attribute_classifier.safetensors", "editing.json"} <= {
        file.name for file in results.iterdir()
    }
    preserved = ["--concept", "thickness", "--preserve", "slant"]
    code, out, err = call(*given, *preserved, "--preserve-by", "projection", "--json")
    body = json.loads(out)
    assert code == 0 and "is used again" in " ".join(err.split()) and body["kind"] == "editing" and body["n"] == 30
    assert any("'slant' preserved" in note for note in body["notes"])
    renewed = load_one(results, "editing")
    at = [concept.name for concept in load_one(results, "concepts").concepts].index("slant")
    np.testing.assert_allclose(renewed.directions @ load_one(results, "concepts").directions[at], 0, atol=1e-9)
    assert call("report", results, "--out", tmp_path / "r.html")[0] == 0
    assert "Edits verified" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_directions_without_labels_are_verified(call, made, tmp_path):
    results = made / "results"
    given = ["verify", made / "run", "--results", results, "--images", "20", "--draws", "2"]
    code, out, err = call(*given, "--concept", "pca", "--concept", "sefa1", "--preserve", "slant")
    assert code == 0, err
    verification, [pca, sefa] = load_one(results, "editing"), load_one(results, "concepts").unsupervised
    assert [response.name for response in verification.responses] == [*pca.names, "sefa1"] and "pca6" in pca.names
    for response, axis in zip(verification.responses, (*pca.axes, sefa.axes[0]), strict=True):
        assert response.length == axis.scale and verification.scores[response.score].name == axis.concept
        assert (
            np.isfinite(response.effect.value)
            and np.isfinite(response.effect_random.value)
            and response.curve.shape == (3, 7)
        )
    assert verification.leakage.shape == (7, len(verification.scores)) and f"pca1 ({pca.axes[0].concept})" in out
    assert any(f"'pca1' by '{pca.axes[0].concept}'" in note for note in verification.notes)
    assert call("report", results, "--out", tmp_path / "r.html")[0] == 0
    assert "pca1" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_preserved_concepts_are_not_verified(call, made):
    results = made / "results"
    given = ["verify", made / "run", "--results", results, "--images", "10", "--draws", "2"]
    for preserved, out_of in ((["--preserve", "8"], "label: 8"), (["--preserve", "slant"], "slant")):
        code, _, err = call(*given, *preserved)
        assert code == 0, err
        edited = [response.name for response in load_one(results, "editing").responses]
        names = dict.fromkeys(concept.name for concept in load_one(results, "concepts").concepts)
        assert any("p is 0.33" in note and "20 are enough" in note for note in load_one(results, "editing").notes)
        assert out_of in names and edited == [name for name in names if name != out_of]
    options = [option for name in names for option in ("--preserve", name)]
    code, _, err = call(*given, *options)
    assert code == 2 and "every concept is preserved" in err


def test_a_verified_column_is_not_preserved(call, made):
    given = ["verify", made / "run", "--results", made / "results", "--images", "10", "--draws", "2"]
    code, _, err = call(*given, "--concept", "label", "--preserve", "label")
    assert code == 2 and err.count("\n") == 1, err
    assert "'label: 0' cannot be both edited and preserved: leave one of the two out" in err
    code, _, err = call(*given, "--preserve", "label", "--preserve-by", "projection")
    assert code == 2 and "cannot change while" in err and "'label: " not in err.split(" cannot")[0], "label is left out"


def test_a_concept_may_be_called_pca1(call, made, tmp_path):
    table = load_one(made / "results", "concepts")
    names = {"slant": "pca1", "thickness": "sefa2"}
    renamed = [replace(concept, name=names.get(concept.name, concept.name)) for concept in table.concepts]
    shutil.copytree(made / "results", tmp_path / "results")
    save(replace(table, concepts=tuple(renamed)), tmp_path / "results")
    edit = ["edit", made / "run", made / "one.png", "--results", tmp_path / "results", "--out", tmp_path / "out"]
    for options, sentence in (
        (["--concept", "pca1=2"], "note: 'pca1' is a concept of the table; the direction goes by 'PCA of codes 1'"),
        (["--concept", "pca2", "--preserve", "sefa2"], "the direction goes by 'first layer (SeFa) 2'"),
    ):
        code, _, err = call(*edit, *options)
        assert code == 0 and sentence in " ".join(err.split()), err
    code, _, err = call(*edit, "--concept", "PCA of codes 1")
    assert code == 0 and "is a concept of the table" not in err


def test_verifying_needs_concepts_and_names_them(call, made, tmp_path):
    code, _, err = call("verify", made / "run", "--results", made / "results", "--concept", "thicknes")
    assert code == 2 and "did you mean 'thickness'?" in err
    (tmp_path / "empty").mkdir()
    code, _, err = call("verify", made / "run", "--results", tmp_path / "empty")
    assert code == 2 and "holds no concepts" in err


def test_verify_takes_the_attributes_of_encode(call, tmp_path):
    from latentgan import Plan, configure, encode_table, load_source, train

    digits, folder = load_source("digits").images[:500, :, :, 0], tmp_path / "images"
    folder.mkdir()
    for i, image in enumerate(digits):
        Image.fromarray(image).save(folder / f"{i:04d}.png")
    bold = digits.mean((1, 2)) > np.median(digits.mean((1, 2)))
    lines = [f"{i:04d}.png,{value}" for i, value in enumerate(bold)]
    (tmp_path / "more.csv").write_text("\n".join(["file,bold", *lines]), encoding="utf-8")
    config = configure(
        "aae",
        family={"latent": 4, "width": 4, "hidden": 16},
        data={"source": str(folder)},
        training={"total_images": 640, "batch_size": 64},
    )
    run = train(config, tmp_path / "run", source=load_source(folder), show_progress=False)
    source = load_source(folder, attributes=tmp_path / "more.csv")
    table = encode_table(run, source, tmp_path / "t.parquet", Plan(baselines=False))
    code, _, err = call("concepts", table, "--out", tmp_path / "res", "--permutations", "19", "--model", run)
    assert code == 0, err
    given = ["verify", run, "--results", tmp_path / "res", "--images", "10", "--draws", "2", "--concept", "bold"]
    assert call(*given)[0] == 0
    notes = " ".join(load_one(tmp_path / "res", "editing").notes)
    assert "no evaluator for 'bold'" in notes and "by --attributes FILE" in notes
    code, _, err = call(*given, "--attributes", tmp_path / "more.csv")
    assert code == 0, err
    verification = load_one(tmp_path / "res", "editing")
    assert [edit.name for edit in verification.scored] == ["bold"]
    assert not any("no evaluator" in note for note in verification.notes)


def test_concepts_beyond_the_first_are_counted(call, made, monkeypatch):
    monkeypatch.setattr("latentgan.cli.edit.MAX_CONCEPTS", 3)
    assert call("verify", made / "run", "--results", made / "results", "--images", "10", "--draws", "2")[0] == 0
    verification = load_one(made / "results", "editing")
    assert (
        len(verification.responses) == 3
        and verification.left_out == 9
        and any("first 3 of 12" in note for note in verification.notes)
    )


def named_directions():
    axis = np.eye(len(NAMES))
    return [
        EditDirection(name=name, column=column, kind="class", vector=axis[i], length=1.0)
        for i, (name, column) in enumerate(zip(NAMES, COLUMNS, strict=True))
    ]


@pytest.mark.parametrize(
    ("wanted", "place", "strength"),
    [
        ("thickness", 2, None),
        ("thickness=-1.5", 2, -1.5),
        ("3=2", 0, 2.0),
        ("label: 7=2", 1, 2.0),
        ("a=b", 4, None),
        ("a=b=3", 4, 3.0),
    ],
)
def test_names_may_have_strengths(wanted, place, strength):
    assert select_with_strength(named_directions(), wanted) == (place, strength)


def test_a_strength_is_a_number():
    with pytest.raises(AnalysisError, match="thickness=much"):
        select_with_strength(named_directions(), "thickness=much")


@pytest.mark.parametrize(("wanted", "places"), [(["label"], [0, 1]), (["7"], [1]), (["7", "label"], [1, 0])])
def test_directions_are_selected_by_name_or_column(wanted, places):
    assert select_directions(named_directions(), wanted) == places
