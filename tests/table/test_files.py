"""What is written is whole or not there, over nothing that is not ours, through no link; what fails leaves nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folder_contents import everything
from PIL import Image

from analysis.errors import AnalysisError
from analysis.io.writing import (
    Writing,
    allowing,
    append_text,
    check_outputs,
    exclusive,
    npz_bytes,
    png_bytes,
    remove_known,
    replace_bytes,
    replace_text,
    staged,
    sweep,
    wrote,
)

CALLS = ("mkdir", "fsync", "replace", "rename")


def failing_at(step: int, patch: pytest.MonkeyPatch, kind: type[BaseException] = OSError) -> dict[str, int]:
    """Let the call number `step`, from 0, of those that make, sync and rename files fail; count them."""
    seen = {"n": 0}

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen["n"] += 1
            if seen["n"] - 1 == step:
                raise kind(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        patch.setattr(os, name, watched(getattr(os, name)))
    return seen


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_an_error_at_any_step_of_two_files_leaves_none(
    many: bool, kind: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(40):
        with monkeypatch.context() as patch:
            seen = failing_at(step, patch, kind)
            try:
                with Writing(many=many) as files:
                    files.write(tmp_path / "a/b/one", b"1")
                    files.write(tmp_path / "a/two", b"2")
            except kind:
                pass
        if seen["n"] <= step:
            break
        assert everything(tmp_path) == {}, step
    assert step > 6
    assert everything(tmp_path) == {"a": b"/", "a/b": b"/", "a/b/one": b"1", "a/two": b"2"}


def test_an_error_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_text(tmp_path / "kept", "before")
    for step in range(2):
        with monkeypatch.context() as patch, pytest.raises(OSError):
            failing_at(step, patch)
            replace_text(tmp_path / "kept", "after")
        assert everything(tmp_path) == {"kept": b"before"}


def test_a_folder_takes_its_name_at_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in range(20):
        with monkeypatch.context() as patch:
            seen = failing_at(step, patch)
            try:
                with staged(tmp_path / "deep/final") as folder:
                    (folder / "sub").mkdir()
                    (folder / "sub/file").write_text("x")
            except OSError:
                pass
        if seen["n"] <= step:
            break
        assert everything(tmp_path) == {}, step
    assert set(everything(tmp_path)) == {"deep", "deep/final", "deep/final/sub", "deep/final/sub/file"}
    with pytest.raises(OSError), staged(tmp_path / "deep/final"):
        pass
    assert set(everything(tmp_path)) == {"deep", "deep/final", "deep/final/sub", "deep/final/sub/file"}


def test_a_file_past_its_size_limit_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    replace_bytes(tmp_path / "log", b"one\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError):
            replace_bytes(tmp_path / "new/file", bytes(5000))
        with pytest.raises(OSError):
            append_text(tmp_path / "log", "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert everything(tmp_path) == {"log": b"one\n"}


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    left, foreign = tmp_path / ".report.html.latentgan-0123456789abcdef.tmp", tmp_path / "report.html.tmp"
    left.write_bytes(b"half")
    foreign.write_bytes(b"mine")
    (tmp_path / ".theirs.0123456789abcdef.tmp").write_bytes(b"mine")
    folder = tmp_path / ".out.latentgan-0123456789abcdef.tmp"
    folder.mkdir()
    (folder / "x").write_bytes(b"half")
    with Writing() as files:
        handle = files.open(tmp_path / "other")
        sweep(tmp_path)  # another process, while this one is at work
        handle.write(b"whole")
    assert everything(tmp_path) == {
        ".theirs.0123456789abcdef.tmp": b"mine",
        "other": b"whole",
        "report.html.tmp": b"mine",
    }


def test_links_under_temporary_names_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"thesis")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0123456789abcdef")
    (tmp_path / ".out.latentgan-0123456789abcdef.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        replace_bytes(tmp_path / "out", b"new")
    with pytest.raises(FileExistsError):
        exclusive(tmp_path / ".out.latentgan-0123456789abcdef.tmp")
    (tmp_path / "log").symlink_to(victim)
    with pytest.raises(OSError):
        append_text(tmp_path / "log", "more")
    assert victim.read_bytes() == b"thesis"


def test_only_known_names_are_removed_and_never_through_links(tmp_path: Path) -> None:
    elsewhere, mine = tmp_path / "elsewhere", tmp_path / "mine"
    for folder in (elsewhere, mine):
        folder.mkdir()
        (folder / "state.json").write_text("{}")
        (folder / "thesis").write_text("x")
    (tmp_path / "link").symlink_to(elsewhere)
    remove_known(tmp_path / "link", ["state.json"])
    remove_known(mine, ["state.json"])
    assert set(everything(elsewhere)) == {"state.json", "thesis"} and set(everything(mine)) == {"thesis"}
    (mine / "thesis").unlink()
    remove_known(mine, ["state.json"])
    assert not mine.exists()


# What must not be written over


def picture(path: Path, *, ours: bool) -> Path:
    image = Image.fromarray(np.zeros((4, 4), np.uint8))
    path.write_bytes(png_bytes(image)) if ours else image.save(path)
    return path


def test_pictures_of_ours_are_known_from_others(tmp_path: Path) -> None:
    assert wrote(picture(tmp_path / "ours.png", ours=True), "picture")
    assert not wrote(picture(tmp_path / "theirs.png", ours=False), "picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "ours.png").read_bytes()[:20])
    assert not wrote(tmp_path / "cut.png", "picture")


@pytest.mark.parametrize(
    "kind",
    [
        "report",
        "picture",
        "codes",
        "images",
        "probe",
        "result probes",
        "arrays probes",
        "record",
        "likelihood",
        "attribute_classifier",
        "weights",
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"my thesis",
        b"PAR1PAR1",
        b"\x89PNG\r\n\x1a\n",
        b"PK\x05\x06",
        b"<!doctype html><p>mine",
        bytes(64),
        b"\xff" * 64,
    ],
)
def test_files_of_others_are_never_taken_for_ours(kind: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not wrote(tmp_path / "file", kind)
    with pytest.raises(AnalysisError, match="--force"):
        check_outputs([tmp_path / "file"], kind)
    with allowing(overwrite=True):
        check_outputs([tmp_path / "file"], kind)


def test_no_output_is_an_input_by_whatever_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    original = picture(data / "one.png", ours=True)
    (tmp_path / "hard.png").hardlink_to(original)
    (tmp_path / "soft.png").symlink_to(original)
    for out in (original, tmp_path / "hard.png", tmp_path / "soft.png", data / "../data/one.png"):
        for inputs in ([original], [data], [None, str(data)]):
            with allowing(overwrite=True), pytest.raises(AnalysisError, match="is read by this command"):
                check_outputs([out], "picture", inputs=inputs)
    check_outputs([original], "picture", inputs=[tmp_path / "elsewhere"])


def test_what_is_no_regular_file_is_never_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for out, what in (
        (tmp_path / "pipe", "no regular file"),
        (tmp_path, "a folder"),
        (Path("/dev/null"), "no regular"),
    ):
        with allowing(overwrite=True), pytest.raises(AnalysisError, match=what):
            check_outputs([out], "report")


def test_an_npz_is_known_by_its_arrays(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz_bytes({"probes.rows": np.zeros(3)}))
    assert wrote(tmp_path / "a.npz", "arrays probes") and not wrote(tmp_path / "a.npz", "arrays maps")
    assert not wrote(tmp_path / "a.npz", "probe")
