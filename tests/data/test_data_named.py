"""Named sets: mirrors, the cache, a distribution's package, the network, and none of them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from latentgan.data import named
from latentgan.data.fetch import Patience
from latentgan.data.formats import cifar
from latentgan.data.load import load_source
from latentgan.errors import DataError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A small set under the file names of MNIST."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for prefix, n in (("train", 50), ("t10k", 20)):
        images = RNG.integers(0, 256, (n, 4, 4), dtype=np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx((np.arange(n) % 5).astype(np.uint8)))
    return folder


@pytest.fixture
def published(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The mirror behind an address, its digests published in place of MNIST's; gives the address."""
    mnist = named.SETS["mnist"]
    files = {file: hashlib.md5((mirror / file).read_bytes()).hexdigest() for file in mnist.files}
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(mirror)))
    base = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setitem(named.SETS, "mnist", dataclasses.replace(mnist, files=files, bases=(base,)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield base
    server.shutdown()
    server.server_close()


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_source(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_mirror_is_taken_as_it_is_in_both_spellings(mirror: Path) -> None:
    first, second = load_source(f"mnist={mirror}"), load_source("mnist", mirror=mirror)
    assert first.fingerprint == second.fingerprint and first.name == "mnist"
    assert first.spec.classes == tuple("0123456789") and (first.split == "test").sum() == 20
    assert "as it is" in first.provenance["checksum"] and any(str(mirror) in note for note in first.notes)


def test_a_mirror_may_be_laid_out_as_torchvision_does(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "root" / "MNIST").mkdir(parents=True)
    mirror.rename(tmp_path / "root" / "MNIST" / "raw")
    assert len(load_source(f"mnist={tmp_path / 'root'}")) == 70


def test_class_names_come_with_the_name(mirror: Path) -> None:
    assert load_source(f"fashion-mnist={mirror}").spec.classes[4] == "Coat"
    assert load_source(f"kmnist={mirror}").spec.classes[4] == "na"


def test_a_set_is_fetched_checked_kept_and_then_needs_no_network(published: str, cache: Path) -> None:
    source = load_source("mnist", progress=False)
    assert source.provenance == {"from": str(cache / "mnist"), "checksum": "md5 as published"}
    assert source.notes == ()
    assert load_source("mnist", download=False).fingerprint == source.fingerprint


def test_an_address_may_stand_in_for_the_mirror(published: str) -> None:
    assert len(load_source(f"mnist={published}", progress=False)) == 70


def test_cached_files_are_taken_and_named(mirror: Path, cache: Path) -> None:
    cache.mkdir()
    mirror.rename(cache / "mnist")
    source = load_source("mnist", download=False)
    assert any("not the published one" in note for note in source.notes)


def test_without_a_network_the_way_out_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = dataclasses.replace(named.SETS["mnist"], bases=("http://127.0.0.1:9/",))
    monkeypatch.setitem(named.SETS, "mnist", unreachable)
    with pytest.raises(DataError) as caught:
        named.read_named("mnist", patience=Patience(2, 0.2, 0.01), progress=False)
    message = str(caught.value)
    assert "train-images-idx3-ubyte.gz" in message and str(cache / "mnist") in message and "mnist=FOLDER" in message
    assert "downloads are off" in refused("kmnist", download=False)


def test_a_cache_that_cannot_be_made_is_named(published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "file"))
    assert "LATENTGAN_DATA" in refused("mnist", progress=False)


def test_the_package_of_a_distribution_is_found(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = dataclasses.replace(named.SETS["fashion-mnist"], system=(mirror,))
    monkeypatch.setitem(named.SETS, "fashion-mnist", packaged)
    source = load_source("fashion-mnist", download=False)
    assert source.provenance["from"] == str(mirror)


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    assert "must hold train-images" in refused(f"mnist={tmp_path}")
    assert "is no folder" in refused(f"mnist={tmp_path / 'gone'}")
    assert "goes with a named set" in refused(tmp_path, mirror=tmp_path)
    assert "--label" in refused("mnist", label="digit")


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from latentgan.data.cache import cache_folder

    monkeypatch.setenv("LATENTGAN_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/latentgan")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("~/.cache/latentgan").expanduser()


class TestCifar:
    @pytest.fixture
    def files(self) -> dict[str, bytes]:
        rows = RNG.integers(0, 256, (24, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(24) % 10
        rows[0, 1:1025], rows[0, 1025:2049], rows[0, 2049:] = 10, 20, 30
        rows[20:, 0] = [0, 1, 2, 3]
        names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
        return {name: rows[4 * k : 4 * k + 4].tobytes() for k, name in enumerate(names)}

    def check(self, source: Any) -> None:
        assert source.images.shape == (24, 32, 32, 3) and source.images[0, 5, 5].tolist() == [10, 20, 30]
        assert source.spec.classes[source.labels[1]] == "automobile" and (source.split[20:] == "test").all()

    def test_unpacked_and_archived_files_are_the_same(self, files: dict[str, bytes], tmp_path: Path) -> None:
        folder = tmp_path / "cifar-10-batches-bin"
        folder.mkdir()
        with tarfile.open(tmp_path / cifar.ARCHIVE, "w:gz") as archive:
            for name, content in files.items():
                (folder / name).write_bytes(content)
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        self.check(load_source(f"cifar10={tmp_path}"))
        self.check(load_source(folder))
        for path in folder.iterdir():
            path.unlink()
        self.check(load_source(f"cifar10={tmp_path}"))
        (tmp_path / cifar.ARCHIVE).write_bytes((tmp_path / cifar.ARCHIVE).read_bytes()[:5000])
        assert "truncated or damaged" in refused(f"cifar10={tmp_path}")

    def test_what_is_broken_is_named(self, files: dict[str, bytes], tmp_path: Path) -> None:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "data_batch_3.bin").write_bytes(files["data_batch_3.bin"][:-1])
        assert "data_batch_3.bin has 12,291 bytes" in refused(f"cifar10={tmp_path}")
        (tmp_path / "data_batch_3.bin").unlink()
        assert "no data_batch_3.bin" in refused(f"cifar10={tmp_path}")

    def test_the_python_version_is_never_read(self, tmp_path: Path) -> None:
        (tmp_path / "cifar-10-batches-py").mkdir()
        (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x02")
        assert "pickle, which is never read" in refused(f"cifar10={tmp_path}")


class TestSvhn:
    def write(self, folder: Path, **changed: Any) -> None:
        for name, n in (("train_32x32.mat", 20), ("test_32x32.mat", 10)):
            images = RNG.integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
            images[3, 7, :, 0] = [10, 20, 30]
            labels = (np.arange(n) % 10 + 1).astype(np.uint8)[:, None]
            scipy.io.savemat(folder / name, {"X": images, "y": labels, **changed})

    def test_images_stand_upright_and_ten_is_the_digit_0(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        source = load_source(f"svhn={tmp_path}")
        assert source.images.shape == (30, 32, 32, 3) and source.images[0, 3, 7].tolist() == [10, 20, 30]
        assert source.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] * 3
        assert (source.split[20:] == "test").all() and (source.split[:20] != "test").all()

    def test_what_is_broken_is_named(self, tmp_path: Path) -> None:
        assert "no train_32x32.mat" in refused(f"svhn={tmp_path}")
        self.write(tmp_path, X=np.zeros((32, 32, 3, 7), np.uint8))
        assert "X (32, 32, 3, 7) and y (20,)" in refused(f"svhn={tmp_path}")
        self.write(tmp_path, X=np.zeros((32, 32, 3, 2), np.uint8), y=np.array([[1], [11]], np.uint8))
        assert "label 11" in refused(f"svhn={tmp_path}")
        self.write(tmp_path)
        file = tmp_path / "train_32x32.mat"
        file.write_bytes(file.read_bytes()[:3000])
        assert "truncated, damaged" in refused(f"svhn={tmp_path}")
        file.write_bytes(b"\x80\x02 no such thing")
        assert "truncated, damaged" in refused(f"svhn={tmp_path}")
