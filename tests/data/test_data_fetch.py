"""Downloads from a server on loopback that truncates, stalls, corrupts and refuses ranges."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from latentgan.data.fetch import FetchError, Patience, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
QUICK = Patience(attempts=3, stall_seconds=0.4, backoff_seconds=0.01)


class Server(ThreadingHTTPServer):
    """Answers request after request as `script` says, the last word for all that follow; remembers the ranges."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[str] = ["whole"]
        self.ranges: list[str | None] = []
        self.stop = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are the point of these tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        script, wanted = self.server.script, self.headers["Range"]
        self.server.ranges.append(wanted)
        word = script.pop(0) if len(script) > 1 else script[0]
        if word.isdigit():
            self.send_error(int(word))
            return
        offset = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and word != "no-ranges" else 0
        if offset >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[offset:]
        self.send_response(206 if offset else 200)
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if word != "chunkless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if word == "corrupt":
            body = b"\0" * 1000 + body[1000:]
        if word in ("truncate", "stall", "no-ranges-truncate"):
            body = body[:100_000]
        self.wfile.write(body)
        self.wfile.flush()
        if word == "stall":
            self.server.stop.wait(5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.stop.set()
    running.shutdown()
    running.server_close()


def get(server: Server, target: Path, *, urls: tuple[str, ...] = (), checksum: str = MD5) -> bytes:
    fetch(urls or (server.url,), target, algorithm="md5", checksum=checksum, patience=QUICK, progress=False)
    assert not target.with_name(target.name + ".part").exists()
    return target.read_bytes()


def test_a_whole_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path / "file") == CONTENT
    assert get(server, tmp_path / "file") == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize("trouble", ["truncate", "stall"])
def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path, trouble: str) -> None:
    server.script = [trouble, trouble, "whole"]
    assert get(server, tmp_path / "file") == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_a_download_interrupted_yesterday_goes_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT[:250_000])
    assert get(server, tmp_path / "file") == CONTENT
    assert server.ranges == ["bytes=250000-"]


def test_a_server_without_ranges_sends_the_whole_file_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT[:250_000])
    server.script = ["no-ranges"]
    assert get(server, tmp_path / "file") == CONTENT


def test_a_part_that_is_whole_or_too_long_is_noticed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert get(server, tmp_path / "file") == CONTENT
    (tmp_path / "other.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path / "other") == CONTENT


def test_a_corrupt_file_is_fetched_again_from_the_start(server: Server, tmp_path: Path) -> None:
    server.script = ["corrupt", "whole"]
    assert get(server, tmp_path / "file") == CONTENT
    assert server.ranges == [None, None]


def test_a_part_of_another_file_is_given_up(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    assert get(server, tmp_path / "file") == CONTENT


def test_a_file_that_stays_corrupt_is_never_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"its md5 is not the published {'0' * 32}, twice"):
        get(server, tmp_path / "file", checksum="0" * 32)
    assert not list(tmp_path.glob("file")) and not list(tmp_path.glob("*.part"))


def test_busy_servers_are_asked_again(server: Server, tmp_path: Path) -> None:
    server.script = ["503", "429", "whole"]
    assert get(server, tmp_path / "file") == CONTENT


def test_a_broken_download_is_resumed_later(server: Server, tmp_path: Path) -> None:
    server.script = ["truncate", "503"]
    with pytest.raises(FetchError, match=r"answered 503 \(3 attempts\)") as caught:
        get(server, tmp_path / "file")
    assert server.url in str(caught.value)
    assert (tmp_path / "file.part").stat().st_size == 100_000


def test_a_silent_server_is_left_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/file"
        with pytest.raises(FetchError, match=r"nothing came for 0.4 s \(3 attempts\)"):
            fetch([url], tmp_path / "file", algorithm="md5", checksum=MD5, patience=QUICK, progress=False)
    with pytest.raises(FetchError, match="refused"):
        fetch([url], tmp_path / "file", algorithm="md5", checksum=MD5, patience=QUICK, progress=False)


def test_the_second_address_is_tried(server: Server, tmp_path: Path) -> None:
    server.script = ["404", "whole"]
    assert get(server, tmp_path / "file", urls=(server.url, server.url)) == CONTENT
    server.script = ["404"]
    with pytest.raises(FetchError, match=r"404.*404"):
        get(server, tmp_path / "more", urls=(server.url, server.url))


def test_a_length_that_is_not_told_is_judged_by_the_checksum(server: Server, tmp_path: Path) -> None:
    server.script = ["chunkless"]
    assert get(server, tmp_path / "file") == CONTENT


def test_two_at_once_fetch_it_once(server: Server, tmp_path: Path) -> None:
    threads = [threading.Thread(target=get, args=(server, tmp_path / "file")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() == CONTENT and len(server.ranges) == 1
