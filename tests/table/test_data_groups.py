"""Images that belong together: a drawn split keeps them on one side, from training to the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.table.embeddings import Embeddings
from latentgan import configure, from_arrays, train
from latentgan.data.load import load_source
from latentgan.data.source import ImageSource
from latentgan.data.splits import torn_groups
from latentgan.errors import DataError
from latentgan.evaluation.attribute_classifier import find_heads
from latentgan.inference.importance_sampling import Annealing
from latentgan.inference.log_likelihood import Plan, chosen
from latentgan.inference.stages import encode

CLIPS = np.repeat(np.arange(40), 4)


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(CLIPS), 8, 8), dtype=np.uint8)


def source(**options: object) -> ImageSource:
    return from_arrays(images(), CLIPS % 2, attributes={"clip": CLIPS}, **options)  # type: ignore[arg-type]


def test_a_drawn_split_keeps_clips_whole() -> None:
    assert torn_groups(source(group="clip").split, CLIPS) == 0


def test_without_a_group_clips_are_torn() -> None:
    assert torn_groups(source().split, CLIPS) > 20


def test_a_fifth_of_the_clips_is_held_out() -> None:
    assert len(np.unique(CLIPS[source(group="clip").split == "test"])) == 8


def test_held_out_clips_are_of_both_classes() -> None:
    test = np.unique(CLIPS[source(group="clip").split == "test"])
    assert np.bincount(test % 2).tolist() == [4, 4]


def test_no_group_leaves_splits_as_they_were() -> None:
    assert source().split.tolist() == from_arrays(images(), CLIPS % 2).split.tolist()


def test_an_image_without_a_clip_stands_alone() -> None:
    clip = np.where(np.arange(len(CLIPS)) < 80, np.nan, CLIPS.astype(float))
    found = from_arrays(images(), CLIPS % 2, attributes={"clip": clip}, group="clip")
    assert {"train", "test"} <= set(found.split[:80].tolist())


def test_a_torn_official_split_is_said() -> None:
    split = np.resize(np.array(["train", "train", "train", "test"]), len(CLIPS))
    found = source(split=split, group="clip")
    assert any("40 groups of 'clip' have images in more than one split" in note for note in found.notes)


def test_an_unknown_group_is_one_sentence() -> None:
    with pytest.raises(DataError, match=r"no column .person.*it has .clip."):
        source(group="person")


def test_a_named_set_has_no_groups() -> None:
    with pytest.raises(DataError, match="--group names a column, and digits has none"):
        load_source("digits", group="clip")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    np.savez(tmp_path / "clips.npz", images=images(), labels=CLIPS % 2, clip=CLIPS)
    return tmp_path / "clips.npz"


def trained(data: Path, out: Path, group: str | None) -> Path:
    config = configure(
        "bigan",
        family={"latent": 4, "width": 4, "hidden": 16},
        data={"source": str(data), "group": group},
        training={"total_images": 32, "batch_size": 16, "device": "cpu"},
    )
    return train(config, out, show_progress=False)


def test_the_table_knows_the_group_of_training(data: Path, tmp_path: Path) -> None:
    run = trained(data, tmp_path / "run", "clip")
    table = Embeddings(encode(run, tmp_path / "t.parquet", features=["none"], device="cpu"))
    assert (table.group_name, table.straddling, int(table.groups.max()) + 1) == ("clip", 0, 40)


def test_encode_keeps_the_split_of_training(data: Path, tmp_path: Path) -> None:
    run = trained(data, tmp_path / "run", None)
    path = encode(run, tmp_path / "t.parquet", options={"group": "clip"}, features=["none"], device="cpu")
    assert Embeddings(path)._written_split.tolist() == load_source(data).split.tolist()


def test_encode_writes_the_group_that_it_is_given(data: Path, tmp_path: Path) -> None:
    run = trained(data, tmp_path / "run", None)
    path = encode(run, tmp_path / "t.parquet", options={"group": "clip"}, features=["none"], device="cpu")
    assert Embeddings(path).group_name == "clip"


def test_scored_images_are_one_of_each_clip() -> None:
    found = source(group="clip")
    rows = found.one_of_each(found.rows("test"), np.random.default_rng(0))
    assert np.unique(CLIPS[rows], return_counts=True)[1].tolist() == [1] * 8


def test_a_likelihood_is_averaged_over_clips() -> None:
    found = source(group="clip")
    assert (
        len(
            chosen(
                found,
                Plan(
                    images=100,
                    samples=5,
                    annealed_images=0,
                    annealing=Annealing(temperatures=1, chains=3, leapfrog=1),
                    binarise=None,
                    seed=0,
                ),
            )
        )
        == 8
    )


def test_no_judge_learns_which_clip_it_is() -> None:
    found = source(group="clip")
    assert [name for _, name in find_heads(found, {"clip": "clip"})] == [""]
