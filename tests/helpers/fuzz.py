"""Hundreds of malformed calls of every command, each in a process of its own: `make fuzz`, or python tests/fuzz.py.

A call is clean if it ends in time with exit code 0, 1 or 2 and, where it is refused, with one sentence of at most 600
printable characters, no traceback, no warning of Python's, and no file left behind or changed. Inputs are made once and
never written to; every call runs in an empty folder. Processes are forked from one that has imported everything, so
that a call costs what its command costs.

    python tests/fuzz.py --only verify --seed 3      # calls of a command, with other damage
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: forked processes have no threads of their parent
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from damage import damaged
from PIL import Image

TIMEOUT_SECONDS = 240
"""By the clock, after which a call counts as waiting for ever; the machine may be busy."""
CPU_SECONDS = 60
MEMORY_BYTES = 6 << 30
MAX_LINE = 600
SEVERAL_NAMES = "\u202egnp.exe\nfoo\x1b[31m\tbar"
LONG = "x" * 10_000
INTEGERS = ("abc", "", "-1", "0", "1.5", "nan", "9" * 40, str(2**63), "1000000000", "1e400", "0x10", "١٢")
NUMBERS = ("abc", "", "nan", "inf", "-inf", "1e400", "-1", "9" * 400)
TEXTS = ("", LONG, SEVERAL_NAMES, "nan", "../../etc", "a:b", "%s{}", "\udcff")


@dataclass(frozen=True)
class Call:
    """One command line, and whether it must be refused."""

    arguments: tuple[str, ...]
    module: str = "latentgan"
    refused: bool = False

    @property
    def command(self) -> str:
        """Its name, such as train."""
        return self.arguments[0] if self.arguments else ""


@dataclass
class Outcome:
    """What a call did."""

    code: int | None
    out: str
    err: str
    seconds: float
    left: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def faults(self, call: Call) -> list[str]:
        """Say what is not clean about it."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        tests = {
            "hangs": self.code is None,
            "traceback": "Traceback" in self.err or "Traceback" in self.out,
            "warning": "Warning:" in self.err,
            "accepted": call.refused and self.code == 0,
            f"exit code {self.code}": self.code not in (None, 0, 1, 2),
            "no sentence": self.code == 2
            and bool(call.arguments)
            and not (lines and lines[-1].startswith(("latentgan:", "analysis:"))),
            "long message": any(len(line) > MAX_LINE for line in lines),
            "control characters": any(c not in "\n\t" and not c.isprintable() for c in self.err),
            "left behind": bool(self.left),
            "changed its input": bool(self.changed),
        }
        return [name for name, holds in tests.items() if holds]


# Inputs -------------------------------------------------------------------------------------------


def encoded(kind: str, seed: int, size: int = 8) -> bytes:
    """Return a random grey image as a file."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


JUNK: tuple[Any, ...] = (None, True, -1, 10**30, 1e308, "", "x", [], [[]], {}, {"a": 1}, LONG, float("nan"))


def changed_json(text: str, rng: random.Random) -> str:
    """Replace, remove or add one value anywhere in a JSON document."""
    tree = json.loads(text)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in pairs:
            places.append((node, key))
            walk(value)

    walk(tree)
    if not places:
        return json.dumps(rng.choice(JUNK))
    node, key = rng.choice(places)
    if rng.random() < 0.3:
        del node[key]
    else:
        node[key] = rng.choice(JUNK)
    return json.dumps(tree)


class World:
    """Good inputs, and bad ones made of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng = folder, random.Random(seed)
        self.good, self.bad = folder / "good", folder / "bad"
        self.good.mkdir()
        self.bad.mkdir()

    def path(self, name: str) -> str:
        """Return a good input's path."""
        return str(self.good / name)

    def make_good(self) -> None:
        """Make a set of images in every form, a run, its table, results and a probe, by the commands themselves."""
        photos = self.good / "photos"
        for name in "ab":
            (photos / name).mkdir(parents=True)
            for row in range(60):
                (photos / name / f"{row}.png").write_bytes(encoded("PNG", row + 60 * (name == "b")))
        images = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
        labels = np.arange(120, dtype=np.uint8) % 3
        np.savez_compressed(self.good / "set.npz", images=images, labels=labels)
        np.save(self.good / "set.npy", images)
        (self.good / "idx").mkdir()
        idx = struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes()
        (self.good / "idx" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
        (self.good / "idx" / "train-labels-idx1-ubyte").write_bytes(
            struct.pack(">HBBI", 0, 8, 1, 120) + labels.tobytes()
        )
        cells = pa.table({"image": [encoded("PNG", row) for row in range(40)], "label": [row % 2 for row in range(40)]})
        pq.write_table(cells, self.good / "set.parquet")
        sheet = "file,label,size\n" + "".join(f"a/{row}.png,{'xy'[row % 2]},{row}\n" for row in range(60))
        (self.good / "sheet.csv").write_text(sheet)
        config = 'name = "bigan"\n[family]\nlatent = 4\n[training]\nbatch_size = 16\n'
        (self.good / "settings.toml").write_text(config)
        for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
            (self.good / f"one.{kind.lower()}").write_bytes(encoded(kind, 1))
        small = ["family.latent=4", "family.width=4", "family.hidden=8", "training.batch_size=16"]
        short = [f"--set={setting}" for setting in (*small, "training.total_images=64")]
        run, table, results = self.path("run"), self.path("codes.parquet"), self.path("results")
        for arguments in (
            ["train", "bigan", "--data", self.path("set.npz"), "--out", run, *short],
            ["train", "dcgan", "--data", self.path("set.npz"), "--out", self.path("plain"), short[1], *short[3:]],
            ["train", "vae", "--data", self.path("set.npz"), "--out", self.path("vae"), short[0], *short[3:]],
            ["encode", run, "--out", table],
            ["concepts", table, "--out", results, "--permutations", "19"],
            ["mixture", table, "--out", results, "--components", "2"],
            ["geometry", table, "--out", results],
            ["probe", table, "--save", self.path("probe.npz")],
        ):
            outcome = perform(Call(tuple(arguments)), self.good)
            if outcome.code != 0:
                raise SystemExit(f"{arguments} failed: {outcome.err}")

    def odd_places(self) -> list[str]:
        """Return what is no regular file, or none that one wants, under any suffix."""
        places = {"folder": Path.mkdir, "empty": Path.touch, "pipe": os.mkfifo}
        places |= {f"pipe{suffix}": os.mkfifo for suffix in (".png", ".parquet", ".npz", ".html", ".toml", ".csv")}
        for name, make in places.items():
            if not (self.bad / name).exists():
                make(self.bad / name)
        if not (self.bad / "loop").is_symlink():
            (self.bad / "loop").symlink_to(self.bad / "loop")
            (self.bad / "gone").symlink_to(self.bad / "nowhere")
            (self.bad / "noise").write_bytes(self.rng.randbytes(999))
            (self.bad / "latin").write_bytes("é=1\n".encode("latin-1"))
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as door:
                here = Path.cwd()
                os.chdir(self.bad)
                door.bind("socket")
                os.chdir(here)
        names = ("folder", "empty", "pipe", "loop", "gone", "noise", "latin", "socket", "nowhere")
        return [*(str(self.bad / name) for name in names), "/dev/zero", "/dev/null", LONG, SEVERAL_NAMES, "", "a\udcff"]

    def spoiled(self, name: str, suffix: str, content: bytes) -> str:
        """Write a bad file and return its path."""
        path = self.bad / f"{name}{suffix}"
        path.write_bytes(content)
        return str(path)

    def spoiled_copy(self, folder: str, file: str, number: int, content: bytes | None) -> str:
        """Copy a good folder with one file in it replaced, or removed, and return the copy."""
        copy = self.bad / f"{folder}-{file.replace('/', '-')}-{number}"
        shutil.copytree(self.good / folder, copy)
        target = copy / file
        if target.is_dir():
            shutil.rmtree(target)
        elif target.exists():
            target.unlink()
        if content is not None:
            target.write_bytes(content)
        return str(copy)


# Calls --------------------------------------------------------------------------------------------


def base_calls(world: World) -> dict[str, tuple[str, ...]]:
    """Return a call of each command whose options are spoiled one by one; none is meant to be quick but to start."""
    run, table, results = world.path("run"), world.path("codes.parquet"), world.path("results")
    picture, probe, data = world.path("one.png"), world.path("probe.npz"), world.path("set.npz")
    tables = (
        "probe",
        "efficiency",
        "neighbours",
        "concepts",
        "mixture",
        "geometry",
        "prior",
        "map",
        "codes",
        "disentanglement",
        "interpolate",
        "reconstruction",
        "analyze",
    )
    quick = {
        "analyze": ("--out", "made"),
        "probe": ("--rows", "50"),
        "concepts": ("--permutations", "19", "--rows", "50"),
        "mixture": ("--components", "1", "--rows", "50"),
        "map": ("--method", "pca", "--rows", "50"),
        "neighbours": ("--rows", "50"),
        "geometry": ("--rows", "50"),
    }
    return {
        "train": ("train", "bigan", "--data", data, "--dry-run"),
        "fit-encoder": ("fit-encoder", world.path("plain"), "--set", "training.total_images=16"),
        "families": ("families", "bigan"),
        "demo": ("demo", "--quick"),
        "encode": ("encode", run, "--out", "made.parquet"),
        "likelihood": ("likelihood", world.path("vae"), "--images", "2", "--samples", "2", "--annealed", "0"),
        "sample": ("sample", run, "--out", "made.png", "-n", "4"),
        "augment": ("augment", run, "--per-class", "2", "--out", "made"),
        "classify": ("classify", run, picture, "--probe", probe),
        "adversarial": ("adversarial", run, "--probe", probe, "-n", "4", "--steps", "1"),
        "edit": ("edit", run, picture, "--concept", "pca1", "--results", results, "--out", "made"),
        "verify": ("verify", run, "--results", results, "--concept", "pca1", "--images", "10", "--draws", "2"),
        "reproduce": ("reproduce",),
        "selfcheck": ("selfcheck",),
        "compare": ("compare", table, table),
        "fidelity": ("fidelity", table, table, "--features", "code"),
        "report": ("report", results, "--out", "made.html"),
        **{name: (name, table, *quick.get(name, ())) for name in tables},
    }


SLOW = {"demo", "reproduce", "selfcheck", "analyze", "efficiency"}
"""Commands that take minutes where they are not refused: they are only given what must be refused."""


def option_calls(world: World, commands: dict[str, Any]) -> Iterator[Call]:
    """Spoil every option of every command by values of the wrong kind."""
    odd = world.odd_places()
    for name, base in base_calls(world).items():
        for kind, option in options_of(commands[name]):
            values = {"integer": INTEGERS, "number": NUMBERS, "path": odd, "choice": ("xyz", "", LONG)}.get(kind, TEXTS)
            picked = world.rng.sample(list(values), min(len(values), 5))
            if option in ("--out", "--save"):
                picked += [str(world.bad / f"pipe{suffix}") for suffix in (".png", ".parquet", ".npz", ".html")]
            for value in picked:
                call = (*base, f"{option}={value}" if option.startswith("--") else option)
                certain = kind in ("integer", "number", "choice") and value in ("abc", "", "xyz", "1e400", LONG)
                if certain or name not in SLOW:
                    yield Call(call, refused=certain)


def options_of(command: Any) -> Iterator[tuple[str, str]]:
    """Yield kind and name of every option of a function that is a command."""
    import inspect
    import typing
    from typing import Annotated, get_args, get_origin

    for parameter, hint in typing.get_type_hints(command, include_extras=True).items():
        if parameter in ("return", "self") or get_origin(hint) is not Annotated:
            continue
        inner, info = get_args(hint)[:2]
        if type(info).__name__ != "OptionInfo":
            continue
        names = [candidate for candidate in (info.default, *(info.param_decls or ())) if isinstance(candidate, str)]
        name = next(
            (candidate for candidate in names if candidate.startswith("--")),
            f"--{parameter.strip('_').replace('_', '-')}",
        )
        kinds = [inner, *get_args(inner), *(a for b in get_args(inner) for a in get_args(b))]
        if (inspect.isclass(inner) and inner is bool) or bool in kinds:
            continue
        kind = next((k for t, k in ((int, "integer"), (float, "number"), (Path, "path")) if t in kinds), "text")
        literal = any(get_origin(candidate) is typing.Literal for candidate in kinds)
        yield ("choice" if literal else kind), name


def argument_calls(world: World) -> Iterator[Call]:
    """Give every command no argument, too many, unknown options, and odd places for its first argument."""
    odd = world.odd_places()
    for name, base in base_calls(world).items():
        yield Call((name, "--nonsense"), refused=True)
        yield Call((*base, "--nonsense=1", "surplus", LONG), refused=True)
        if name in ("families", "reproduce"):
            yield from (Call((name, value), refused=True) for value in (LONG, SEVERAL_NAMES, "base", "../x", "os"))
            continue
        if len(base) > 1 and not base[1].startswith("-") and name != "train":
            yield from (Call((name, place, *base[2:]), refused=True) for place in odd)
        if name in ("edit", "classify"):
            yield from (Call((name, base[1], place, *base[3:]), refused=True) for place in odd)
    yield from (
        Call(("train", family, "--dry-run"), refused=True) for family in (*TEXTS, "os:system", "base", ":", "x:")
    )
    for arguments in ((), ("nonsense",), (LONG,), (SEVERAL_NAMES,), ("--nonsense",), ("train", "--help", "--nonsense")):
        yield Call(tuple(arguments))


def setting_calls(world: World) -> Iterator[Call]:
    """Spoil settings: --set and TOML files."""
    values = ("-1", "0", "nan", "inf", "1e400", "9" * 5000, "10000000000", "[]", "{}", "true", "'x'", "[" * 3000, LONG)
    keys = (
        "family.latent",
        "family.width",
        "training.batch_size",
        "training.seed",
        "training.total_images",
        "family.discriminator.learning_rate",
        "data.size",
        "data.source",
        "family.network",
        "x",
        "family",
        "..",
        "",
    )
    base = ("train", "bigan", "--data", world.path("set.npz"), "--dry-run")
    for key in keys:
        for value in world.rng.sample(values, 4):
            yield Call((*base, "--set", f"{key}={value}"))
    for latent in (10**7, 10**9, 10**12, 10**18):
        for key in ("latent", "hidden", "width"):
            yield Call((*base, "--set", f"family.{key}={latent}"), refused=True)
    yield Call((*base, "--set", f"training.batch_size={10**12}"), refused=True)
    yield Call((*base, "--size", "100000"), refused=True)
    toml = (world.good / "settings.toml").read_bytes()
    texts = [
        b"",
        b"\xff\xfe",
        b"name = 3",
        b"name = 'os:system'",
        b"family = 3",
        b"[family",
        b"a = " + b"[" * 9999,
        b"name = 'bigan'\nname = 'bigan'",
        b"training = [1]",
        b"x = " + b"9" * 9999,
        b"family = {latent = 1e999}",
        b"name = 'bigan'\n[data]\nsource = '/dev/zero'",
        b"name = 'bigan'\n[data]\nsource = 'a\\u0000b'",
        b"name = 'bigan'\n[data]\nmirror = 3",
        b"name = 'bigan'\n[training]\ndevice = 'cuda:99'",
        b"\x00" * 99,
    ]
    texts += [damaged(toml, world.rng) for _ in range(8)]
    for number, text in enumerate(texts):
        path = world.spoiled(f"settings-{number}", ".toml", text)
        yield Call(("train", "--config", path, "--data", world.path("set.npz"), "--dry-run"))


def data_calls(world: World) -> Iterator[Call]:
    """Spoil images in every form."""
    rng, files = world.rng, []
    for name, suffix in (
        ("set.npz", ".npz"),
        ("set.npy", ".npy"),
        ("set.parquet", ".parquet"),
        ("idx/train-images-idx3-ubyte.gz", "-images-idx3-ubyte.gz"),
    ):
        content = (world.good / name).read_bytes()
        for number in range(8):
            files.append(world.spoiled(f"data-{number}", suffix, damaged(content, rng)))
        files.append(world.spoiled("data-empty", suffix, b""))
        files.append(world.spoiled("data-other", suffix, (world.good / "one.png").read_bytes()))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    files.append(world.spoiled("huge", ".npy", header.getvalue()))
    for name, content in (("huge", header.getvalue()), ("text", b"x"), ("none", b"")):
        with zipfile.ZipFile(world.bad / f"{name}.npz", "w") as archive:
            archive.writestr("images.npy", content)
        files.append(str(world.bad / f"{name}.npz"))
    huge = struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**10, 2**10)
    files.append(world.spoiled("huge", "-images-idx3-ubyte.gz", gzip.compress(huge + bytes(1 << 16))))
    bomb = zlib.compress(bytes(1 << 26))
    files.append(world.spoiled("bomb", ".png", encoded("PNG", 0)[:33] + bomb))
    arrays: dict[str, dict[str, Any]] = {
        "nan": {"images": np.full((9, 4, 4), np.nan)},
        "flat": {"images": np.zeros(9)},
        "same": {"images": np.zeros((9, 4, 4))},
        "few": {"images": np.zeros((1, 4, 4), np.uint8)},
        "short": {"images": np.eye(8)[None].repeat(9, 0), "labels": [1]},
        "texts": {"images": np.array([["a"]])},
        "nothing": {"images": np.zeros((0, 4, 4), np.uint8)},
        "complex": {"images": np.ones((9, 4, 4)) * 1j},
        "label": {"images": np.eye(8)[None].repeat(9, 0), "labels": np.arange(9) / 2},
        "dates": {"images": np.zeros((9, 4, 4), "M8[s]")},
        "void": {"images": np.zeros((9, 4, 4), "V3")},
    }
    for name, members in arrays.items():
        np.savez(world.bad / f"array-{name}.npz", **members)
        files.append(str(world.bad / f"array-{name}.npz"))
    tables: dict[str, Any] = {
        "no-image": {"label": [1, 2, 3]},
        "empty": {"image": pa.array([], pa.binary())},
        "null": {"image": pa.array([None] * 4, pa.binary())},
        "absolute": {"image": [{"bytes": None, "path": "/dev/zero"}] * 4},
        "up": {"image": [{"bytes": None, "path": "../x.png"}] * 4},
        "nested": {"image": [{"bytes": b"", "path": "x"}] * 4, "label": [[1], [2], [3], [4]]},
        "two": {"image": [b"a"] * 4, "img": [b"b"] * 4},
        "texts": {"image": ["a", "b"]},
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), world.bad / f"table-{name}.parquet")
        files.append(str(world.bad / f"table-{name}.parquet"))
    for path in files:
        yield Call(("train", "bigan", "--dry-run", "--data", path))
    for number, path in enumerate(world.rng.sample(files, 12)):
        yield Call(("encode", world.path("run"), "--out", "t.parquet", "--data", path), refused=number < 0)
    yield from image_calls(world)


def image_calls(world: World) -> Iterator[Call]:
    """Spoil image files and the table in their folder."""
    for kind in ("jpeg", "png", "gif", "bmp", "tiff", "webp"):
        content = (world.good / f"one.{kind}").read_bytes()
        for number in range(4):
            path = world.spoiled(f"image-{number}", f".{kind}", damaged(content, world.rng))
            yield Call(("classify", world.path("run"), path, "--probe", world.path("probe.npz"), "--crop"))
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    for content in (postscript, b"P6 8 8 255\n" + bytes(192), b"<svg/>", b"\x89PNG\r\n\x1a\n", b"GIF89a"):
        path = world.spoiled(f"odd-{zlib.crc32(content)}", ".png", content)
        yield Call(("classify", world.path("run"), path, "--probe", world.path("probe.npz")), refused=True)
    sheet = (world.good / "sheet.csv").read_bytes()
    texts = [
        b"",
        b"file\n",
        b"\xff\xfe\x00",
        b"a,b\n1,2\n",
        b"file,file\na,b\n",
        b'file\n"a',
        b"file,x\n" + b"a" * 300_000,
        b"file,label\n/etc/passwd,1\n../../x.png,2\n",
        b"\x00" * 99,
    ]
    texts += [damaged(sheet, world.rng) for _ in range(8)]
    for number, text in enumerate(texts):
        path = world.spoiled(f"sheet-{number}", ".csv", text)
        yield Call(("train", "bigan", "--dry-run", "--data", world.path("photos"), "--attributes", path))
    for place in ("pipe", "loop", "gone", "socket"):
        folder = world.bad / f"photos-{place}"
        shutil.copytree(world.good / "photos", folder)
        target = folder / "a" / "odd.png"
        os.mkfifo(target) if place == "pipe" else target.symlink_to(world.bad / place)
        yield Call(("train", "bigan", "--dry-run", "--data", str(folder)), refused=True)


def run_calls(world: World) -> Iterator[Call]:
    """Spoil the files of a run."""
    run = world.good / "run"
    state = next(run.glob("checkpoints/*/state.json")).relative_to(run).as_posix()
    uses = {
        "run.toml": ("resume", "report"),
        "latest": ("resume",),
        state: ("resume",),
        state.replace(".json", ".safetensors"): ("resume",),
        "metrics.jsonl": ("resume", "report"),
        "summary.json": ("resume", "report"),
        "diagnostics.json": ("report",),
        "training_images.npy": ("encode-other",),
        "untrained.safetensors": ("encode",),
        "model/config.json": ("encode", "sample", "classify", "verify", "fit", "compare"),
        "model/model.safetensors": ("encode", "sample"),
        "samples/rows.json": ("report",),
        "likelihood.json": ("report",),
    }
    for file, commands in uses.items():
        path = run / file
        content = path.read_bytes() if path.exists() else b'{"of": "class", "count": 2, "names": ["a", "b"]}'
        contents: list[bytes | None] = [
            None,
            b"",
            b"\xff\xfe\x00",
            damaged(content, world.rng),
            damaged(content, world.rng),
        ]
        if path.suffix == ".json":
            text = content.decode()
            contents += [changed_json(text, world.rng).encode() for _ in range(5)]
            contents += [b"[" * 99_999, b"3", b"[]", b'{"a": ' * 200 + b"1" + b"}" * 200]
        if path.suffix == ".jsonl":
            lines = content.decode().splitlines()
            contents += [("\n".join([changed_json(lines[0], world.rng), *lines[1:]]) + "\n").encode() for _ in range(4)]
        if path.suffix == ".safetensors":
            contents += [struct.pack("<Q", 2**62) + content[8:], content[:100], struct.pack("<Q", 2) + b"{}"]
        for number, spoiled in enumerate(contents):
            folder = world.spoiled_copy("run", file, number, spoiled)
            for command in commands if number < 4 else commands[:2]:
                yield Call(use_of_run(world, command, folder))
        piped = world.spoiled_copy("run", file, 99, None)
        os.mkfifo(Path(piped) / file)
        yield Call(use_of_run(world, commands[0], piped), refused=commands[0] != "resume")


def use_of_run(world: World, command: str, run: str) -> tuple[str, ...]:
    """Return a call that reads a run folder."""
    table, probe = world.path("codes.parquet"), world.path("probe.npz")
    return {
        "resume": ("train", "--resume", run),
        "report": ("report", world.path("results"), "--run", run, "--out", "r.html"),
        "encode": ("encode", run, "--out", "t.parquet"),
        "encode-other": ("encode", run, "--out", "t.parquet", "--data", world.path("set.npy")),
        "sample": ("sample", run, "--out", "s.png", "-n", "4"),
        "classify": ("classify", run, world.path("one.png"), "--probe", probe),
        "verify": ("verify", run, "--results", world.path("results"), "--concept", "pca1", "--images", "10"),
        "fit": ("fit-encoder", run, "--out", "f"),
        "compare": ("reconstruction", table, "--model", run),
    }[command]


def result_calls(world: World) -> Iterator[Call]:
    """Spoil results, fitted probes and tables of codes."""
    rng = world.rng
    for file in (
        "overview.json",
        "concepts.json",
        "mixtures.json",
        "geometry.json",
        "overview.npz",
        "mixtures.npz",
        "concepts.npz",
    ):
        content = (world.good / "results" / file).read_bytes()
        contents: list[bytes | None] = [None, b"", damaged(content, rng), damaged(content, rng)]
        if file.endswith(".json"):
            contents += [changed_json(content.decode(), rng).encode() for _ in range(6)]
            contents += [b"[" * 99_999, b"3", b'{"kind": "x"}']
        for number, spoiled in enumerate(contents):
            folder = world.spoiled_copy("results", file, number, spoiled)
            yield Call(("report", folder, "--out", "r.html"))
            if file.startswith("mixture"):
                yield Call(("sample", world.path("run"), "--results", folder, "--out", "s.png", "-n", "4"))
            if file.startswith("concepts"):
                edit = ("edit", world.path("run"), world.path("one.png"), "--concept", "pca1", "--out", "e")
                yield Call((*edit, "--results", folder))
    probe = (world.good / "probe.npz").read_bytes()
    for number in range(8):
        path = world.spoiled(f"probe-{number}", ".npz", damaged(probe, rng))
        yield Call(("classify", world.path("run"), world.path("one.png"), "--probe", path))
    yield from table_calls(world)


def table_calls(world: World) -> Iterator[Call]:
    """Spoil tables of codes, for latentgan and for python -m analysis."""
    table = pq.read_table(world.good / "codes.parquet")
    content = (world.good / "codes.parquet").read_bytes()
    about = json.loads((table.schema.metadata or {})[b"latentgan"])
    tables = [world.spoiled(f"codes-{number}", ".parquet", damaged(content, world.rng)) for number in range(8)]

    def written(name: str, made: Any) -> None:
        path = world.bad / f"codes-{name}.parquet"
        pq.write_table(made, path)
        tables.append(str(path))

    for number in range(12):
        text = changed_json(json.dumps(about), world.rng)
        written(f"about-{number}", table.replace_schema_metadata({b"latentgan": text.encode()}))
    for name, text in (("list", b"[]"), ("bytes", b"\xff"), ("deep", b"[" * 99_999), ("text", b'"x"')):
        written(f"about-{name}", table.replace_schema_metadata({b"latentgan": text}))
    codes = np.stack(table["code"].to_pylist()).astype(np.float32)
    for name, values in {"nan": codes * np.nan, "inf": codes * np.inf, "huge": codes * 1e38, "zero": codes * 0}.items():
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        written(name, table.set_column(table.schema.get_field_index("code"), "code", column))
    written("rows", table.slice(0, 0))
    written("one", table.slice(0, 1))
    written("ragged", pa.table({"code": [[1.0], [1.0, 2.0]] * 40}))
    written("nothing", pa.table({"x": [1, 2]}))
    written("nulls", pa.table({"code": pa.array([None] * 60, pa.list_(pa.float32(), 3))}))
    written(
        "twice",
        pa.Table.from_arrays([table["code"].combine_chunks(), table["code"].combine_chunks()], names=["code", "code"]),
    )
    postscript = pa.array([b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"] * len(table))
    written("eps", table.set_column(table.schema.get_field_index("thumbnail"), "thumbnail", postscript))
    small = ("--rows", "50")
    commands = (
        ("probe", *small),
        ("neighbours", *small),
        ("geometry", *small),
        ("reconstruction", *small),
        ("codes", *small),
        ("mixture", "--components", "1", *small, "--out", "m"),
        ("concepts", "--permutations", "19", *small, "--out", "c"),
        ("prior",),
        ("map", "--method", "pca"),
        ("disentanglement", *small),
        ("interpolate", *small),
    )
    for number, path in enumerate(tables):
        for command, *options in world.rng.sample(commands, 2):
            yield Call((command, path, *options), module=("latentgan", "analysis")[number % 2])


# Doing --------------------------------------------------------------------------------------------


def perform(call: Call, folder: Path) -> Outcome:
    """Run a call in a process of its own in `folder`."""
    out, err = folder.parent / "stdout", folder.parent / "stderr"
    started = time.monotonic()
    child = os.fork()
    if not child:
        _in_child(call, folder, out, err)
    code, deadline = None, started + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    return Outcome(code, *texts, time.monotonic() - started)


def _in_child(call: Call, folder: Path, out: Path, err: Path) -> None:
    code = 99
    try:
        os.chdir(folder)
        for number, path, flags in ((0, Path(os.devnull), os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
            os.dup2(os.open(path, flags | (os.O_CREAT | os.O_TRUNC if number else 0)), number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = [call.module, *call.arguments]
        main: Callable[[], None]
        if call.module == "latentgan":
            from latentgan.cli.app import main
        else:
            from analysis.app import main
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 3
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of everything in a folder."""
    entries = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            stat = os.lstat(f"{place}/{name}")
            entries[f"{place}/{name}"] = (stat.st_size, stat.st_mtime_ns)
    return entries


def all_calls(world: World) -> list[Call]:
    """Return every malformed call."""
    from latentgan.cli.app import app

    commands = {
        info.name or info.callback.__name__.replace("_", "-"): info.callback for info in app.registered_commands
    }
    made = [
        option_calls(world, commands),
        argument_calls(world),
        setting_calls(world),
        data_calls(world),
        run_calls(world),
        result_calls(world),
    ]
    calls = list(dict.fromkeys(call for calls in made for call in calls))
    lacking = set(commands) - {call.command for call in calls}
    assert not lacking, f"no call of {lacking}"
    tables = [
        call for call in calls if call.module == "latentgan" and world.path("codes.parquet") in call.arguments[1:2]
    ]
    return calls + [
        Call(call.arguments, "analysis", call.refused) for call in world.rng.sample(tables, min(60, len(tables)))
    ]


def preload() -> None:
    """Import what commands import, so that forked processes need not."""
    import importlib

    for name in (
        "torch",
        "scipy.stats",
        "scipy.optimize",
        "scipy.linalg",
        "sklearn.linear_model",
        "sklearn.svm",
        "sklearn.datasets",
        "pyarrow.compute",
        "rich.progress",
        "latentgan.cli.app",
        "latentgan.training.loop",
        "latentgan.inference.stages",
        "latentgan.inference.numpy_model",
        "latentgan.inference.encode",
        "analysis.runner",
        "analysis.report_builder",
        "analysis.report.html",
        "analysis.app",
        "analysis.app",
        "analysis.fidelity.study",
        "latentgan.families.bigan",
        "latentgan.reproduction.protocols.base",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main() -> int:
    """Perform all calls; 1 if any is not clean."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    parser.add_argument("--only", default="", help="calls whose words contain this")
    parser.add_argument("--every", type=int, default=1, help="only each n-th call")
    parser.add_argument("--first", type=int, default=0, help="the first of them, from 0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="latentgan-fuzz-") as name:
        folder = Path(name)
        os.environ["LATENTGAN_DATA"] = str(folder / "cache")
        preload()
        world = World(folder, options.seed)
        world.make_good()
        calls = [call for call in all_calls(world) if options.only in f"{call.module} {' '.join(call.arguments)}"]
        return perform_all(calls[options.first :: options.every], folder)


def perform_all(calls: list[Call], folder: Path) -> int:
    """Perform calls one after the other, print those that are not clean, and count."""
    faults, codes, started = Counter[str](), Counter[str](), time.monotonic()
    place = folder / "here"
    inputs = (folder / "good", folder / "bad")
    for number, call in enumerate(calls, 1):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for odd in ("folder", "nowhere"):  # where calls may write
            shutil.rmtree(inputs[1] / odd, ignore_errors=True)
        (inputs[1] / "folder").mkdir()
        resuming = "--resume" in call.arguments
        before = {} if resuming else {**snapshot(inputs[0]), **snapshot(inputs[1])}
        outcome = perform(call, place)
        if outcome.code != 0:
            outcome.left = sorted(name.removeprefix(f"{place}/") for name in snapshot(place))
            after = before if resuming else {**snapshot(inputs[0]), **snapshot(inputs[1])}
            outcome.changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        codes[str(outcome.code)] += 1
        if number % 50 == 0 or outcome.seconds > 20:
            words = " ".join(call.arguments)[-80:]
            print(f"{number} of {len(calls)}; the last took {outcome.seconds:.0f} s: {words!r}", flush=True)
        if call_faults := outcome.faults(call):
            faults.update(call_faults)
            words = " ".join(word if len(word) < 200 else f"{word[:40]}…" for word in call.arguments)
            print(f"\n{number}: {', '.join(call_faults)}: {call.module} {words!r}", flush=True)
            print(
                "\n".join(f"    {line[:300]!r}" for line in (outcome.err or outcome.out).splitlines()[-6:]), flush=True
            )
            print("".join(f"    left {name!r}\n" for name in (outcome.left + outcome.changed)[:4]), end="", flush=True)
    minutes = (time.monotonic() - started) / 60
    print(
        f"\n{len(calls)} calls in {minutes:.1f} minutes; exit codes {dict(codes)}; not clean: {dict(faults) or 'none'}"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
