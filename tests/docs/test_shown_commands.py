"""Every command and every Python block that README and docs show is run, on small settings where it would take long.

A fenced block names its language: `bash` is run line by line, `python` is executed, `text` is output, `toml` is shown.
Documents share a workspace, where a command that several of them show is run once.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_onnx import write_onnx
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)
DOCUMENTS = {str(path.relative_to(ROOT)): path for path in (ROOT / "README.md", *PAGES)}
LANGUAGES = {"bash", "python", "text", "toml"}
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

SMALL_RUN = (
    "--set=training.total_images=256 --set=training.batch_size=64 --set=family.latent=4 --set=training.device=cpu"
)
CONVOLUTIONAL = f"{SMALL_RUN} --set=family.width=4 --set=family.hidden=16"
SMALL_SETTINGS = {
    "latentgan train bigan": CONVOLUTIONAL,
    "latentgan train cgan": f"{SMALL_RUN} --set=family.hidden=16",
    "latentgan train infogan": "--set=training.total_images=256 --set=family.width=4",
    "latentgan analyze": "--rows 120 --map pca",
    "latentgan probe": "--rows 150",
    "latentgan efficiency": "--rows 150 --draws 2 --few 2",
    "latentgan concepts": "--rows 150 --permutations 19",
    "latentgan interpolate": "--rows 60 --count 2 --steps 3",
    "latentgan mixture": "--rows 150 --components 2",
    "latentgan verify": "--images 10 --draws 2",
    "latentgan compare": "--rows 100",
    "latentgan fidelity": "--rows 100",
    "latentgan augment": "--per-class 3",
    "python -m analysis probe": "--rows 150",
    "python -m analysis geometry": "--rows 150",
}
"""First words of a shown command -> options that keep it short; they win over those that are shown."""

REPLACED = {
    "latentgan demo": "latentgan demo --help",
    "latentgan selfcheck": "latentgan selfcheck --help",
    "latentgan reproduce few-labels": "latentgan reproduce few-labels --help",
    "python examples/own_family.py": "python examples/own_family.py --help",
}
"""Commands that tests of their own run: here their options are looked up."""

SMALL_PYTHON = {"200_000": "256"}
"""Numbers in shown Python -> those that are used here."""

SOURCES = {
    "mnist": "little.npz",
    "digits": "little.npz",
    "clips": "clips",
    "faces": "faces",
    "cifar10": "photographs.npz",
}
"""Data sets that are shown -> 400 digits, or files of the workspace."""

ENVIRONMENT = ("python3 -m venv", "pip install", ". .venv/bin/activate", "pytest")
"""Lines that set up an environment or run the tests themselves: their parts are looked up, see `look_up`."""


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and text of each fenced block; MyST's directives are none."""
    for language, body in FENCE.findall(text):
        if not language.startswith("{"):
            yield language.strip(), body


RUNNABLE = [
    name
    for name, path in DOCUMENTS.items()
    if {"bash", "python"} & {language for language, _ in blocks(path.read_text(encoding="utf-8"))}
]


def commands(body: str) -> Iterator[str]:
    """Yield the commands of a block, a line each: continued lines joined, comments and empty lines left out."""
    for line in body.replace("\\\n", " ").splitlines():
        command = " ".join(shlex.split(line, comments=True, posix=False))
        yield from (part.strip() for part in command.split("&&") if part.strip())


class Workspace:
    """A folder in which shown commands run, and which of them did."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, set[str]()
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / "tests").symlink_to(ROOT / "tests")
        self.make_data()

    def make_data(self) -> None:
        """Write 400 digits, a picture, clips with groups, and tables that are not latentgan's."""
        import pandas as pd
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.uint8(digits.images[:400] * 15.9)[..., None]
        np.savez(self.folder / "little.npz", images=images, labels=digits.target[:400])
        Image.fromarray(images[3, ..., 0]).save(self.folder / "image.png")
        (self.folder / "clips").mkdir()
        for index in range(120):
            Image.fromarray(images[index, ..., 0]).save(self.folder / "clips" / f"{index:03}.png")
        about = pd.DataFrame({"file": [f"{i:03}.png" for i in range(120)], "label": digits.target[:120]})
        about.assign(clip=[i // 4 for i in range(120)]).to_csv(self.folder / "clips" / "about.csv", index=False)
        (self.folder / "faces").mkdir()
        for index in range(300):
            Image.fromarray(images[index, ..., 0]).save(self.folder / "faces" / f"{index:03}.png")
        people = [f"p{index // 2}" for index in range(300)]
        faces = pd.DataFrame({"file": [f"{index:03}.png" for index in range(300)], "person": people})
        faces.assign(Smiling=np.arange(300) // 2 % 3 / 2).to_csv(self.folder / "faces" / "about.csv", index=False)
        photographs = np.random.default_rng(0).integers(0, 256, (200, 16, 16, 3), dtype=np.uint8)
        np.savez(self.folder / "photographs.npz", images=photographs, labels=np.arange(200) % 10)
        write_onnx(self.folder / "dinov2.onnx")
        codes = digits.data[:400, 10:16] / 16 + np.random.default_rng(0).normal(size=(400, 6)) / 10
        split = np.random.default_rng(1).choice(["train", "validation", "test"], 400, p=[0.6, 0.2, 0.2])
        frame = pd.DataFrame({"code": list(codes), "label": digits.target[:400], "split": split})
        frame["bright"] = codes[:, 0] > np.median(codes[:, 0])
        frame.assign(person=np.arange(400) // 2).to_parquet(self.folder / "anybody.parquet")
        frame.assign(split=np.repeat(["train", "validation", "test"], [240, 60, 100])).to_parquet(
            self.folder / "film.parquet"
        )

    def perform(self, command: str) -> None:
        """Run a shown command with small settings, once; fail where it does not end with 0."""
        if command in self.done:
            return
        self.done.add(command)
        start = next((start for start in REPLACED if command.startswith(start)), "")
        command = REPLACED.get(start, command)
        words = shlex.split(command)
        if command.startswith(ENVIRONMENT):
            look_up(command, words)
        elif words[0] == "make":
            assert_passes(["make", "-n", *words[1:]], ROOT)
        elif words[0] == "latentgan" or words[:3] == ["python", "-m", "analysis"]:
            self.run_cli(command)
        elif words[0] == "python":
            self.run_script(words)
        else:
            pytest.fail(f"no rule runs the shown command: {command}")

    def run_cli(self, command: str) -> None:
        """Run a command of latentgan, or of `python -m analysis`, in this process."""
        import typer

        import analysis.app
        from latentgan.cli.app import app

        analysis.app.register(analysis_app := typer.Typer())

        start = next((start for start in SMALL_SETTINGS if command.startswith(start)), "")
        application = app if command.startswith("latentgan ") else analysis_app
        arguments = shlex.split(command)[1 if application is app else 3 :]
        arguments = [SOURCES.get(text, text) if before in ("--data", "-d") else text
                     for before, text in zip(["", *arguments], arguments, strict=False)]  # fmt: skip
        if "--help" not in arguments:
            arguments += shlex.split(SMALL_SETTINGS.get(start, ""))
        result = CliRunner().invoke(application, arguments)
        if result.exit_code != 0:
            pytest.fail(f"{command}\n{result.output[-2000:]}\n{result.exception!r}", pytrace=False)

    def run_script(self, words: list[str]) -> None:
        """Run a script of the repository; an example with --quick."""
        script = ROOT / words[1]
        assert script.is_file(), f"{words[1]} is no file of the repository"
        quick = ["--quick"] if script.parent.name == "examples" and not {"--quick", "--help"} & {*words} else []
        assert_passes([sys.executable, *words[1:], *quick], self.folder)

    def execute(self, code: str, names: dict[str, object]) -> None:
        """Execute a shown block of Python."""
        for shown, small in SMALL_PYTHON.items():
            code = code.replace(shown, small)
        exec(compile(code, "shown", "exec"), names)


def look_up(command: str, words: list[str]) -> None:
    """Check what an installing line names: files, extras, markers."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if "-c" in words:
        assert (ROOT / words[words.index("-c") + 1]).is_file(), command
    for extra in re.findall(r"\.\[(\w+)\]", command):
        assert re.search(rf"^{extra} = \[", settings, re.MULTILINE), command
    if words[0] == "pytest":
        marker = words[words.index("-m") + 1].removeprefix("not ") if "-m" in words else "gpu"
        assert f'"{marker}: ' in settings, command


def assert_passes(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with what most documents start from: the run, the tables and the results of docs/start."""
    folder = tmp_path_factory.mktemp("shown")
    before = Path.cwd()
    made = Workspace(folder)
    os.chdir(folder)
    try:
        yield made
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


STARTS_FROM = (
    "latentgan train bigan --data digits --out runs/digits",
    "latentgan encode runs/digits --out codes.parquet",
    "latentgan encode runs/digits --out features.parquet --features encoder.dense1 --features discriminator.conv2",
    "latentgan analyze codes.parquet --out results",
)
"""Commands behind the names that documents share; docs/start and docs/guides show them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNABLE)
def test_shown_commands_run(name: str, workspace: Workspace) -> None:
    names: dict[str, object] = {}
    for language, body in blocks(DOCUMENTS[name].read_text(encoding="utf-8")):
        if language == "bash":
            for command in (*STARTS_FROM, *commands(body)):
                workspace.perform(command)
        elif language == "python":
            for command in STARTS_FROM:
                workspace.perform(command)
            workspace.execute(body, names)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_fenced_blocks_name_language(name: str) -> None:
    languages = {language for language, _ in blocks(DOCUMENTS[name].read_text(encoding="utf-8"))}
    assert languages <= LANGUAGES


@pytest.mark.parametrize("name", DOCUMENTS)
def test_shown_files_exist(name: str) -> None:
    text = DOCUMENTS[name].read_text(encoding="utf-8")
    shown = re.findall(r"(?<![\w/.])(?:latentgan|analysis|examples|tests|docs)/[\w/.-]+\.(?:py|toml|md|png)", text)
    assert [path for path in shown if "NAME" not in path and not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_inline_commands_are_known(name: str) -> None:
    import typer

    from latentgan.cli.app import app

    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    text = " ".join(DOCUMENTS[name].read_text(encoding="utf-8").split())
    named = re.findall(r"`latentgan ([a-z-]+)[^`]*`", text)
    assert set(named) <= commands


def test_readme_is_short_and_names_make_test() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert 110 <= len(text.splitlines()) <= 150
    assert len(text.encode()) <= 9 * 1024
    assert "make demo" in text and "make test" in text
