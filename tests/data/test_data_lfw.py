"""Labeled Faces in the Wild, out of an archive and unpacked, whole people on one side of a split."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from analysis import Embeddings
from latentgan.data.formats.lfw import ARCHIVE, BOX
from latentgan.data.load import load_source
from latentgan.data.named import SETS
from latentgan.errors import DataError


def jpeg(seed: int, side: int = 250) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((side, side)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


PHOTOGRAPHS = {f"P_{k // 3:02d}/P_{k // 3:02d}_{k % 3 + 1:04d}.jpg": jpeg(k) for k in range(60)}


def write_archive(path, photographs):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**photographs, "pairs.txt": b"0"}.items():
            member = tarfile.TarInfo(f"lfw_funneled/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def folder(tmp_path):
    write_archive(tmp_path / ARCHIVE, PHOTOGRAPHS)
    return tmp_path


def test_faces_are_cut_out_of_photographs(folder):
    source = load_source("lfw", mirror=folder)
    assert source.images.shape == (60, 64, 64, 3)
    first = (
        Image.open(io.BytesIO(PHOTOGRAPHS["P_00/P_00_0001.jpg"])).crop(BOX).resize((64, 64), Image.Resampling.LANCZOS)
    )
    np.testing.assert_array_equal(source.images[0], np.asarray(first))
    assert source.ids[0] == "P_00_0001"


def test_people_are_never_torn_apart(folder):
    source = load_source("lfw", mirror=folder)
    assert source.group == "person"
    people = source.attributes["person"]
    for person in set(people):
        assert len(set(source.split[people == person])) == 1
    assert set(source.split) == {"train", "validation", "test"}


def test_unpacked_files_are_the_same(folder, tmp_path):
    with tarfile.open(folder / ARCHIVE) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked, packed = (load_source("lfw", mirror=place) for place in (tmp_path / "unpacked", folder))
    np.testing.assert_array_equal(unpacked.images, packed.images)


def test_the_digest_is_scikit_learns():
    from sklearn.datasets import _lfw

    assert SETS["lfw"].files[ARCHIVE] == _lfw.FUNNELED_ARCHIVE.checksum
    assert SETS["lfw"].bases == (_lfw.FUNNELED_ARCHIVE.url,)


def test_a_damaged_archive_is_refused(folder):
    whole = (folder / ARCHIVE).read_bytes()
    (folder / ARCHIVE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is truncated or damaged; fetch it again"):
        load_source("lfw", mirror=folder)


def test_photographs_of_another_size_are_refused(tmp_path):
    write_archive(tmp_path / ARCHIVE, {"A/A_0001.jpg": jpeg(0, 100)})
    with pytest.raises(DataError, match=r"A/A_0001\.jpg has 100×100 pixels"):
        load_source("lfw", mirror=tmp_path)


def test_a_folder_without_it_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds neither lfw-funneled\.tgz nor a folder lfw_funneled"):
        load_source("lfw", mirror=tmp_path)


def test_a_table_needs_no_option_to_keep_people_together(folder, tmp_path, call):
    words = ["--set", "family.latent=4", "--set", "family.width=4", "--set", "training.total_images=32"]
    words += ["--set", "training.batch_size=16", "--mirror", folder, "--out", tmp_path / "run"]
    code, _, err = call("train", "bigan", "--data", "lfw", *words)
    assert code == 0, err
    code, out, err = call("encode", tmp_path / "run", "--out", tmp_path / "codes.parquet")
    assert code == 0, err
    assert "train with --group" not in out + err
    table = Embeddings(tmp_path / "codes.parquet")
    assert table.group_name == "person"
    assert load_source("lfw", mirror=folder, group="person").group == "person"
    with pytest.raises(DataError, match="--group names a column"):
        load_source("lfw", mirror=folder, group="age")
