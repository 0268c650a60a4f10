"""Passwords and tokens are nowhere in what is written; absolute paths are in no table and no report, unless kept."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.io.credentials import clean_argument, split_address, without_credentials
from analysis.io.paths import distinct, find_named, relative_name, shortened, without_paths
from analysis.io.writing import allowing
from latentgan.data import named
from latentgan.io.credentials import take_off

Call = Callable[..., tuple[int, str, str]]
SETTINGS = (
    "--device",
    "cpu",
    "--set",
    "training.total_images=256",
    "--set",
    "training.batch_size=16",
    "--set",
    "family.width=4",
    "--set",
    "family.hidden=16",
    "--set",
    "family.latent=4",
)


@pytest.mark.parametrize(
    ("address", "clean", "user", "query"),
    [
        ("https://alice:secret@host/d", "https://host/d", "alice:secret", ""),
        ("https:/alice:secret@host:8080/d/", "https://host:8080/d/", "alice:secret", ""),
        ("http://alice:p@ss@host", "http://host", "alice:p@ss", ""),
        ("http://alice:pa/ss@host/d", "http://host/d", "alice:pa/ss", ""),
        ("https://host/d?token=secret&x=1#part", "https://host/d", "", "token=secret&x=1"),
        ("mnist=https://alice:secret@host/d", "https://host/d", "alice:secret", ""),
        ("https://host:8080/@scope/d", "https://host:8080/@scope/d", "", ""),
        ("http://[::1]:80/d", "http://[::1]:80/d", "", ""),
        ("https://host/d#token=secret", "https://host/d", "", ""),
        ("mnist=alice:secret@host:80/d", "", "", ""),
        ("//alice:secret@host.org/d", "", "", ""),
        ("/home/alice/d", "", "", ""),
        ("mnist", "", "", ""),
    ],
)
def test_an_address_is_parted_from_its_credentials(address: str, clean: str, user: str, query: str) -> None:
    assert split_address(address)[1:] == (clean, user, query)
    assert "secret" not in clean_argument(f"--set=data.mirror={address}")
    assert "secret" not in without_credentials(f"cannot fetch {address}: 404, and {address!r}")
    assert "secret" not in take_off(address)


def test_what_only_looks_like_credentials_stays() -> None:
    for text in ("see https://host/d#section", "label: 3@x.y", "alice@host.org", "module:Class=run", "at 10:30, a@b/c"):
        assert without_credentials(text, mark="***") == clean_argument(text) == text


@pytest.fixture
def locked_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A small set under MNIST's names, behind an address that asks for a user, a password and a token."""
    folder, rng = tmp_path / "mirror", np.random.default_rng(0)
    folder.mkdir()
    for prefix, n in (("train", 64), ("t10k", 32)):
        arrays = {"images-idx3": rng.integers(0, 256, (n, 8, 8), dtype=np.uint8), "labels-idx1": np.arange(n) % 4}
        for name, array in arrays.items():
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    right = "Basic " + base64.b64encode(b"alice:hunter2").decode()

    class Locked(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self.headers["Authorization"] != right or not self.path.endswith("?token=t0ken"):
                self.send_error(401)
            else:
                super().do_GET()

    known = named.SETS["mnist"]
    files = {file: hashlib.md5((folder / file).read_bytes()).hexdigest() for file in known.files}
    monkeypatch.setitem(named.SETS, "mnist", dataclasses.replace(known, files=files))
    monkeypatch.setenv("LATENTGAN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Locked, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def texts(folder: Path) -> str:
    """All that files below a folder hold, as text."""
    found = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    found += [str((pq.read_schema(path).metadata or {}).values()) for path in folder.rglob("*.parquet")]
    return "\n".join([*found, *map(str, folder.rglob("*"))])


@pytest.mark.parametrize("way", ["option", "name", "set", "file"])
def test_a_mirrors_password_opens_it_and_is_kept_nowhere(
    way: str, locked_mirror: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, address = tmp_path / "work", f"http://alice:hunter2@{locked_mirror}?token=t0ken"
    work.mkdir()
    monkeypatch.chdir(work)
    (tmp_path / "config.toml").write_text(f'[data]\nsource = "mnist"\nmirror = "{address}"\n')
    given = {
        "option": ("--data", "mnist", "--mirror", address),
        "name": ("--data", f"mnist={address}"),
        "set": ("--data", "mnist", "--set", f"data.mirror={address}"),
        "file": ("--config", str(tmp_path / "config.toml")),
    }[way]
    said = [call("train", "bigan", *given, *SETTINGS, "--out", "run")]
    assert said[0][0] == 0, said[0][2]
    if way == "option":
        said.append(call("encode", "run", *given, "--out", "codes.parquet", "--device", "cpu"))
        said.append(call("geometry", "codes.parquet", "--out", "results", "--rows", "50"))
        said.append(call("report", "results", "--run", "run"))
        said.append(call("train", "bigan", *given, *SETTINGS, "--dry-run"))
    assert [code for code, _, _ in said] == [0] * len(said), said
    for secret in ("hunter2", "t0ken", base64.b64encode(b"alice:hunter2").decode(), "alice"):
        assert secret not in texts(work) and secret not in texts(tmp_path / "cache")
        assert not any(secret in out + err for _, out, err in said)


def test_a_mirror_that_refuses_is_named_without_its_password(locked_mirror: str, tmp_path: Path, call: Call) -> None:
    address = f"http://alice:wr0ng@{locked_mirror}?token=t0ken"
    code, out, err = call(
        "train", "bigan", "--data", "mnist", "--mirror", address, *SETTINGS, "--out", tmp_path / "run"
    )
    assert code == 2 and "401" in err and locked_mirror.rstrip("/") in err
    assert not any(secret in out + err for secret in ("wr0ng", "t0ken", "alice")) and not (tmp_path / "run").exists()


# Paths


def test_paths_are_shortened_by_where_one_is_and_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    (work / "runs").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    assert shortened(work / "runs/a") == "runs/a" and shortened("runs/a") == "runs/a" and shortened(work) == "."
    assert shortened(home / "runs/a") == "~/runs/a" and shortened(home) == "~"
    assert shortened("/home/alice/secret/faces") == "~/secret/faces" and shortened("/mnt/x") == "…/x"
    assert shortened("/mnt/disk/alice/secret/faces") == "…/secret/faces"
    assert (
        without_paths("cannot read '/home/alice/a b/c', /m/01g317 or 1/2") == "cannot read '~/a b/c', /m/01g317 or 1/2"
    )
    spaced = Path("/srv/big disk/alice faces/set one")
    assert without_paths(f"read from {spaced}; done", [spaced]) == "read from …/alice faces/set one; done"
    with allowing(keep_paths=True):
        assert shortened(home / "runs/a") == str(home / "runs/a")
        assert without_paths("/home/alice/x") == "/home/alice/x"


def test_a_folder_is_found_from_beside_what_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, data = tmp_path / "users/alice", tmp_path / "data"
    for folder in (home / "run", data / "run", data / "tables/deep"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert relative_name(data / "run", data / "tables/deep") == "../../run"
    assert relative_name(home / "run", data) == "~/run" and relative_name(home / "run", home) == "run"
    for run, folder in ((data / "run", data / "tables/deep"), (home / "run", data), (home / "run", home)):
        found = find_named(relative_name(run, folder), folder)
        assert found is not None and found.samefile(run)
    monkeypatch.chdir(data)
    assert find_named("run", data / "tables") == Path("run"), "as an earlier version named it"
    assert find_named("gone", data) is None and find_named("~nobody/x", data) is None


def test_runs_of_one_name_are_told_apart_without_whole_paths() -> None:
    paths = [Path("/mnt/d/a/x/run"), Path("/mnt/d/b/x/run"), Path("/mnt/d/c"), Path("/mnt/d/a/x/run")]
    assert distinct(paths) == ["…/x/run (1)", "…/x/run (2)", "c", "…/x/run (1)"]


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of digits with a table of their labels, somewhere private."""
    from sklearn.datasets import load_digits

    folder, digits = tmp_path_factory.mktemp("private") / "alice smith" / "faces", load_digits()
    folder.mkdir(parents=True)
    for i, image in enumerate(digits.images[:200]):
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{i:03d}.png")
    lines = ["file,label", *(f"{i:03d}.png,{label % 2}" for i, label in enumerate(digits.target[:200]))]
    (folder.parent / "labels.csv").write_text("\n".join(lines))
    return folder.parent


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
def test_no_absolute_path_is_in_a_table_or_a_report_unless_kept(
    kept: bool, private: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    work, keep = private / f"work {kept}", ("--keep-paths",) if kept else ()
    table, results = work / "codes.parquet", work / "deep/results"
    for arguments in (
        (
            "train",
            "bigan",
            "--data",
            private / "faces",
            "--attributes",
            private / "labels.csv",
            *SETTINGS,
            "--out",
            work / "run",
        ),
        ("encode", work / "run", "--out", table, "--device", "cpu"),
        ("reconstruction", table, "--rows", "50", "--out", results),  # decodes by the run that the table names
        ("compare", table, work / "run", "--rows", "50", "--out", results, "--device", "cpu"),
        ("report", results, "--out", work / "report.html"),  # finds the run that the results name
    ):
        code, _, said = call(*arguments, *keep)
        assert code == 0, said
    metadata = json.loads(pq.read_schema(table).metadata[b"latentgan"])
    report = (work / "report.html").read_text()
    written = [json.dumps(metadata, ensure_ascii=False), report]
    written += [path.read_text() for path in results.glob("*.json")]
    assert "run.toml" in report and "labels.csv" in report, "the run is in the report"
    assert any(str(private) in text for text in written) == kept
    assert metadata["run"] == (str(work / "run") if kept else "run")
    if not kept:
        (work / "moved").mkdir()
        for name in ("run", "codes.parquet"):
            (work / name).rename(work / "moved" / name)
        code, _, said = call("reconstruction", work / "moved/codes.parquet", "--rows", "50")
        assert code == 0, "a folder that was moved as a whole still finds its run"


def test_the_typed_command_is_kept_short_and_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentgan.cli.options import command_line

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    typed: list[Any] = [
        "train",
        "--data",
        tmp_path / "home/my faces",
        "--set",
        "data.mirror=https://u:pw@host/d?t=1",
        f"--out={tmp_path}/runs/a",
        "--label",
        "it's",
    ]
    monkeypatch.setattr("sys.argv", ["latentgan", *map(str, typed)])
    assert command_line() == (
        "latentgan train --data 'home/my faces' --set data.mirror=https://host/d --out=runs/a --label 'it'\"'\"'s'"
    )
    monkeypatch.chdir("/")
    assert "--data ~/'my faces'" in command_line()
