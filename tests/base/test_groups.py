"""Rows that belong together: groups are held out whole and counted once, and what is not said is warned about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from analysis.base.groups import (
    draw_of_groups,
    folds_of,
    independent_rows,
    on_one_side,
    one_of_each,
    shuffled_whole,
    split_whole,
    straddling,
)
from analysis.concepts.concept_table import concept_vector
from analysis.concepts.joint_regression import joint_of
from analysis.concepts.stability import Resamples
from analysis.concepts.study import study as study_concepts
from analysis.concepts.targets import ConceptTarget
from analysis.errors import AnalysisError
from analysis.report_builder import write_report
from analysis.runner import run_all, run_study
from analysis.table.dependence import dependence_warnings, near_copies
from analysis.table.embeddings import Embeddings
from analysis.table.selection import draw_sample, held_out
from analysis.table.study_options import Options
from latentgan.data.formats.arrays import from_arrays
from latentgan.evaluation.three_way_split import edited_and_classifier_rows

CLIPS = 60


def smooth(n: int, width: int, rng: np.random.Generator, keep: float = 0.95) -> np.ndarray:
    """A stationary autoregression of order 1, (n, width)."""
    x = rng.normal(size=(n, width))
    for t in range(1, n):
        x[t] = keep * x[t - 1] + np.sqrt(1 - keep**2) * x[t]
    return x


def film(rng: np.random.Generator, clips: int = CLIPS) -> tuple[np.ndarray, np.ndarray]:
    """Frames of clips of 10 to 30 frames, (n, 12), and the clip of each, (n,)."""
    lengths = rng.integers(10, 31, clips)
    return np.concatenate([smooth(n, 12, rng) for n in lengths]), np.repeat(np.arange(clips), lengths)


def write(path: Path, codes: np.ndarray, metadata: dict | None = None, **columns: np.ndarray) -> Path:
    code = pa.FixedSizeListArray.from_arrays(pa.array(codes.astype(np.float32).ravel()), codes.shape[1])
    table = pa.table({"code": code} | {name: pa.array(values) for name, values in columns.items()})
    if metadata is not None:
        table = table.replace_schema_metadata({"latentgan": json.dumps(metadata)})
    pq.write_table(table, path)
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def clips(tmp_path: Path, rng: np.random.Generator) -> Path:
    codes, clip = film(rng)
    noise = {f"coin{k}": (rng.random(CLIPS) < 0.5)[clip] for k in range(4)}
    return write(tmp_path / "clips.parquet", codes, clip=np.char.add("clip", clip.astype(str)), **noise)


def names(result: object) -> set[str]:
    return {concept.name for concept in result.best if concept.significant}  # type: ignore[attr-defined]


# The rules ------------------------------------------------------------------------------------------


def test_a_drawn_split_tears_no_group_apart(clips: Path) -> None:
    table = Embeddings(clips, group="clip")
    assert straddling(table.split, table.groups) == 0


def test_a_drawn_split_holds_out_every_class(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(100), 3)
    split = split_whole(groups, groups % 4, {"test": 0.2}, rng=rng)
    assert np.bincount(groups[split == "test"] % 4).tolist() == [15, 15, 15, 15]


def test_scored_rows_are_one_of_each_group(clips: Path) -> None:
    table = Embeddings(clips, group="clip")
    rows, *_ = held_out(table, None, Options(), least=1000)
    assert len(rows) == CLIPS


def test_test_rows_share_no_group_with_train(clips: Path) -> None:
    table = Embeddings(clips, group="clip")
    sample = draw_sample(table, Options())
    train, test = sample.train, sample.test
    assert not np.isin(table.groups[test], table.groups[train]).any()


def test_fitted_rows_are_all_frames(clips: Path) -> None:
    table = Embeddings(clips, group="clip")
    train = draw_sample(table, Options()).train
    assert len(train) == len(table.rows("train")) > 10 * len(np.unique(table.groups[train]))


def test_rows_without_a_group_stand_alone(tmp_path: Path) -> None:
    who = np.array(["a", "a", None, None] * 20, object)
    table = Embeddings(
        write(tmp_path / "t.parquet", np.random.default_rng(0).normal(size=(80, 3)), who=who), group="who"
    )
    assert int(table.groups.max()) + 1 == 41


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_rows_of_no_group_are_each_their_own(missing: object) -> None:
    """numpy writes a list of texts and NaN as texts, of which "nan" would be a group."""
    for groups in (["a", missing, "a", missing], pd.Series(["a", missing, "a", missing], dtype=object)):
        assert len(independent_rows(groups)) == 3


def test_independent_rows_are_one_of_each_group() -> None:
    rows = independent_rows(["a", "b", "a", None, None, "b"], rng=1)
    assert (len(rows), {3, 4} <= set(rows.tolist())) == (4, True)


def test_same_pixels_are_copies_too(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = np.repeat(rng.random((300, 9)), 3, axis=0).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 9)
    path = write(tmp_path / "t.parquet", rng.normal(size=(900, 12)), pixels=column)
    assert any("of them the very same" in text for text in dependence_warnings(Embeddings(path)))


def test_numbers_name_groups_too(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "t.parquet", rng.normal(size=(90, 3)), who=np.repeat(np.arange(30), 3))
    assert Embeddings(path, group="who").groups.tolist() == np.repeat(np.arange(30), 3).tolist()


def test_a_group_column_is_no_attribute(clips: Path) -> None:
    assert "clip" not in Embeddings(clips, group="clip").attributes


def test_encode_may_name_the_group(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "t.parquet", rng.normal(size=(90, 3)), {"group": "who"}, who=np.repeat(np.arange(30), 3))
    assert Embeddings(path).group_name == "who"


def test_blocks_are_contiguous(clips: Path) -> None:
    groups = Embeddings(clips, blocks=20).groups
    assert np.unique(np.diff(groups), return_counts=True)[1].tolist() == [len(groups) - 20, 19]


def test_a_block_is_scored_by_its_middle(clips: Path) -> None:
    table = Embeddings(clips, blocks=20)
    rows = one_of_each(np.arange(table.n), table.groups, table.representatives(0))
    assert np.abs(rows - (np.arange(20) + 0.5) * table.n / 20).max() <= 1


def test_a_resample_weighs_a_group_as_one(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(30), 4)
    counts = Resamples(rng.normal(size=(120, 3)), rng=rng, groups=groups).counts
    assert (counts.reshape(30, 4, -1) == counts.reshape(30, 4, -1)[:, :1]).all()


def test_folds_hold_groups_whole(rng: np.random.Generator) -> None:
    groups = rng.integers(0, 40, 300)
    fold = folds_of(groups, 5, groups % 2, rng=rng)
    assert len(np.unique(groups * 5 + fold)) == len(np.unique(groups))


def test_few_labels_are_of_different_groups(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(12), 5)
    assert len(np.unique(groups[draw_of_groups(np.arange(60), 12, groups, rng=rng)])) == 12


def test_more_labels_than_groups_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(AnalysisError, match="12 groups"):
        draw_of_groups(np.arange(60), 13, np.repeat(np.arange(12), 5), rng=rng)


def test_a_shuffle_keeps_labels_of_groups(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(50), 3)
    mixed = shuffled_whole((groups % 2).astype(np.float64), groups, rng=rng)
    assert (mixed.reshape(50, 3) == mixed.reshape(50, 3)[:, :1]).all()


# A split of the user's own --------------------------------------------------------------------------


def test_a_torn_group_stays_on_one_side(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(50), 6)
    split = rng.permutation(np.resize(np.array(["train", "train", "test"], "U10"), 300))
    assert straddling(on_one_side(split, groups), groups) == 0


def test_no_row_changes_its_split(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(50), 6)
    split = rng.permutation(np.resize(np.array(["train", "train", "test"], "U10"), 300))
    kept = on_one_side(split, groups)
    assert (kept[kept != ""] == split[kept != ""]).all()


def test_torn_groups_are_warned_about(tmp_path: Path, rng: np.random.Generator) -> None:
    codes, clip = film(rng)
    split = np.where(rng.random(len(codes)) < 0.3, "test", "train")
    path = write(tmp_path / "t.parquet", codes, clip=clip, split=split)
    assert any("in more than one split" in text for text in dependence_warnings(Embeddings(path, group="clip")))


# What is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"group": "clop"}, "nearest is 'clip'"),
        ({"group": "code"}, "choose one with --group"),
        ({"blocks": 5}, "--blocks"),
    ],
)
def test_a_wrong_group_is_one_sentence(clips: Path, asked: dict, what: str) -> None:
    with pytest.raises(AnalysisError, match=what):
        Embeddings(clips, **asked)


def test_the_split_is_no_group(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "t.parquet", rng.normal(size=(60, 3)), split=np.resize(np.array(["train", "test"]), 60))
    with pytest.raises(AnalysisError, match="is the split"):
        Embeddings(path, group="split")


def test_few_groups_are_not_split(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "t.parquet", rng.normal(size=(60, 3)), who=np.repeat(np.arange(4), 15))
    with pytest.raises(AnalysisError, match="4 groups"):
        _ = Embeddings(path, group="who").split


# What is claimed ------------------------------------------------------------------------------------


def test_noise_of_clips_stands_without_groups(clips: Path) -> None:
    assert names(study_concepts(Embeddings(clips), None, Options(), permutations=199)) & {f"coin{k}" for k in range(4)}


def test_noise_of_clips_stands_not_with_them(clips: Path) -> None:
    assert names(study_concepts(Embeddings(clips, group="clip"), None, Options(), permutations=199)) == set()


def test_a_clips_own_concept_stands(tmp_path: Path, rng: np.random.Generator) -> None:
    codes, clip = film(rng, 120)
    bright = rng.random(120) < 0.5
    codes[:, 0] += 4 * bright[clip]
    path = write(tmp_path / "t.parquet", codes, clip=clip, bright=bright[clip])
    assert names(study_concepts(Embeddings(path, group="clip"), None, Options(), permutations=199)) == {"bright"}


def test_one_direction_counts_groups(rng: np.random.Generator) -> None:
    codes, clip = film(rng)
    concept, _ = concept_vector(codes, (rng.random(CLIPS) < 0.5)[clip], groups=clip, permutations=99)
    assert (concept.auc.n, concept.significant) == (CLIPS, False)


def test_one_direction_of_clips_is_found(rng: np.random.Generator) -> None:
    codes, clip = film(rng)
    bright = rng.permutation(np.arange(CLIPS) % 2 == 0)[clip]
    codes[:, 0] += 3 * bright
    assert concept_vector(codes, bright, groups=clip, permutations=99)[0].significant


def test_shuffled_directions_are_of_whole_groups(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(40), 5)
    codes = rng.normal(size=(40, 6))[groups]
    asked = [
        ConceptTarget(name="coin", column="coin", kind="boolean", signs=np.where(rng.random(40) < 0.5, 1, -1)[groups])
    ]
    sizes = [
        np.square(joint_of(codes, asked, np.arange(200), rng=rng, mask=np.ones(6, bool), groups=some).shuffled).mean()
        for some in (groups, None)
    ]
    assert sizes[0] > 3 * sizes[1]


def test_fitted_rows_are_whole_groups(tmp_path: Path, rng: np.random.Generator) -> None:
    codes, clip = film(rng, 120)
    split = np.where(rng.random(len(codes)) < 0.3, "test", "train")
    path = write(tmp_path / "t.parquet", codes, clip=clip, split=split, coin=(rng.random(120) < 0.5)[clip])
    joint = study_concepts(Embeddings(path, group="clip"), None, Options(), permutations=99).joint
    assert set(np.unique(clip[joint.fitted])) == set(clip) - set(clip[np.setdiff1d(np.arange(len(clip)), joint.fitted)])


def test_a_judge_shares_no_group_with_edits() -> None:
    clips = np.repeat(np.arange(60), 5)
    source = from_arrays(
        np.zeros((300, 8, 8), np.uint8) + np.arange(300, dtype=np.uint8)[:, None, None],
        attributes={"clip": clips},
        group="clip",
    )
    fitted = source.rows("train")[:100]
    edited, learned = edited_and_classifier_rows(
        source, fitted, edited=10, most=50, rng=np.random.default_rng(0), groups=clips
    )
    assert not np.isin(clips[edited], clips[learned]).any()


def test_figures_count_groups(clips: Path) -> None:
    table = Embeddings(clips, group="clip")
    found = run_study("concepts", table, None, Options(), permutations=199)
    assert all(concept.auc.n <= CLIPS for concept in found.concepts)


def test_a_result_says_that_it_counts_groups(clips: Path) -> None:
    found = run_study("geometry", Embeddings(clips, group="clip"), None, Options())
    assert any("60 groups by 'clip'" in note for note in found.notes)


# What is warned about -------------------------------------------------------------------------------


def tripled(rng: np.random.Generator) -> np.ndarray:
    return np.repeat(rng.normal(size=(300, 12)), 3, axis=0)


def shuffled_clips(rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(film(rng)[0])


@pytest.mark.parametrize("dependent", [tripled, shuffled_clips])
def test_near_copies_across_splits_are_counted(tmp_path: Path, rng: np.random.Generator, dependent) -> None:
    path = write(tmp_path / "t.parquet", dependent(rng))
    assert any("near-copy" in text for text in dependence_warnings(Embeddings(path)))


def heavy(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(3, size=(900, 12))


def clusters(rng: np.random.Generator) -> np.ndarray:
    return 4 * rng.normal(size=(10, 12))[rng.integers(10, size=900)] + rng.normal(size=(900, 12))


def plane(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(size=(900, 2)) @ rng.normal(size=(2, 12))


@pytest.mark.parametrize("independent", [heavy, clusters, plane])
def test_independent_rows_are_not_warned_about(tmp_path: Path, rng: np.random.Generator, independent) -> None:
    path = write(tmp_path / "t.parquet", independent(rng), coin=rng.random(900) < 0.5)
    assert dependence_warnings(Embeddings(path)) == ()


def test_rows_sorted_by_class_are_no_drift(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.argsort(labels, kind="stable")
    path = write(tmp_path / "t.parquet", images[order], label=labels[order].astype(str))
    assert dependence_warnings(Embeddings(path)) == ()


def test_identical_rows_are_told_from_near_ones(rng: np.random.Generator) -> None:
    train = rng.normal(size=(600, 12))
    asked = np.concatenate([train[:5], train[5:10] + 1e-3, rng.normal(size=(90, 12))])
    identical, near = near_copies(asked, train, rng=rng)
    assert (identical.sum(), near[:10].sum(), near[10:].sum() <= 5) == (5, 10, True)


def test_drift_in_time_is_warned_about(tmp_path: Path, rng: np.random.Generator) -> None:
    codes = smooth(2000, 12, rng, 0.98) + rng.normal(size=(2000, 12))
    path = write(tmp_path / "t.parquet", codes, drifting=smooth(2000, 1, rng, 0.98)[:, 0] > 0)
    assert any("order of the rows" in text for text in dependence_warnings(Embeddings(path)))


def test_blocks_grow_until_they_are_independent(tmp_path: Path, rng: np.random.Generator) -> None:
    drifting = smooth(4000, 1, rng, 0.98)[:, 0] > 0
    path = write(tmp_path / "t.parquet", smooth(4000, 12, rng, 0.98), drifting=drifting)
    assert Embeddings(path, blocks=320).n_blocks in (20, 40)


def test_blocks_of_coins_in_drift_stay(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "t.parquet", smooth(4000, 12, rng, 0.98), coin=rng.random(4000) < 0.5)
    assert Embeddings(path, blocks=320).n_blocks == 320


def test_a_drift_of_the_whole_table_is_warned_about(tmp_path: Path, rng: np.random.Generator) -> None:
    walks = np.cumsum(rng.normal(size=(4000, 13)), axis=0)
    path = write(tmp_path / "t.parquet", walks[:, :12], late=np.arange(4000) > 2000)
    assert any("are not independent" in text for text in dependence_warnings(Embeddings(path, blocks=40)))


def test_long_blocks_are_not_warned_about(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "t.parquet", smooth(2000, 12, rng, 0.9), drifting=smooth(2000, 1, rng, 0.9)[:, 0] > 0)
    assert dependence_warnings(Embeddings(path, blocks=40)) == ()


@pytest.fixture
def analysed(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:

    monkeypatch.setattr("analysis.catalogue.ANALYZE", ("geometry",))
    assert len(list(run_all(Embeddings(clips), None, Options(), out=tmp_path / "results"))) == 1
    return tmp_path / "results"


def test_the_report_says_it_in_its_lead(analysed: Path, tmp_path: Path) -> None:
    page = write_report(analysed, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "near-copy" in page[page.index('class="lead"') :][:800]


def test_analyze_says_it_first(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from analysis import app as cli

    monkeypatch.setattr("analysis.catalogue.ANALYZE", ("geometry",))
    app = typer.Typer()
    cli.register(app)
    printed = CliRunner().invoke(app, ["analyze", str(clips), "--out", str(tmp_path / "results")]).stdout
    assert printed.startswith("warning: ")


def test_the_command_line_takes_a_group(clips: Path) -> None:
    import typer

    from analysis import app as cli

    app = typer.Typer()
    cli.register(app)
    printed = CliRunner().invoke(app, ["geometry", str(clips), "--group", "clip", "--json"]).stdout
    assert any("60 rows" in note for note in json.loads(printed)["notes"])
