"""The gallery: three finished reports of real data, pictures of their sections, and what the examples print.

    python docs/gallery.py [--mirror FOLDER] [--only PART…] [--quick]

Reports go to build/gallery/site/reports, where `make docs` finds them; what examples print goes to docs/gallery, and
pictures of sections, which the pages of analyses show, to docs/_static/analyses. With `--quick` everything trains for
seconds, prints and pictures go to build/gallery/output, and reports say that nothing was learned.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from section_pictures import PICTURES, take_pictures

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "gallery"
REPORTS = BUILD / "site" / "reports"
WITH_A_REPORT = "own_folder"
"""The example whose folder of images and CSV becomes the third report."""


def call(*arguments: object) -> str:
    """Run python with arguments in the repository's root; return what it printed, or end with its error."""
    print("$ python", *arguments, flush=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def latentgan(*arguments: object) -> str:
    """Run a command of latentgan."""
    return call("-m", "latentgan", *arguments)


def fresh(name: str) -> Path:
    """Return an empty folder for what a part of the gallery makes."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def analyse(run: Path, folder: Path) -> Path:
    """Encode a run and analyse its table; return the folder of results."""
    latentgan("encode", run, "--out", folder / "codes.parquet")
    latentgan("analyze", folder / "codes.parquet", "--out", folder / "results")
    return folder / "results"


def write_report(results: Path, run: Path, name: str) -> None:
    """Write the report of a folder of results."""
    latentgan("report", results, "--run", run, "--out", REPORTS / f"{name}.html")


def digits(quick: bool) -> None:
    """The demo's report."""
    folder = fresh("digits")
    latentgan("demo", "--out", folder / "demo", *["--quick"] * quick)
    shutil.copy(folder / "demo" / "report.html", REPORTS / "digits.html")


def mnist(quick: bool, mirror: Path | None) -> None:
    """A BiGAN on MNIST by a configuration of examples/configs, with samples, edits and attacks looked at too."""
    folder = fresh("mnist")
    small = ["--set=training.total_images=1280", "--set=family.width=4"] if quick else []
    source = ["--data", "mnist", *(["--mirror", mirror] if mirror else [])]
    config = ROOT / "examples" / "configs" / "bigan_mnist.toml"
    latentgan("train", "bigan", "--config", config, *source, "--out", folder / "run", *small)
    run, table, layer = folder / "run", folder / "codes.parquet", "discriminator.dense1"
    results = analyse(run, folder)
    latentgan("sample", run, "-n", 5000, "--out", folder / "samples")
    latentgan("encode", run, "--data", folder / "samples", "--out", folder / "samples.parquet")
    latentgan("fidelity", table, folder / "samples.parquet", "--features", layer, "--out", results)
    latentgan("verify", run, "--results", results, *source[2:])
    latentgan("probe", table, "--code", layer, "--save", folder / "probe.npz")
    latentgan("adversarial", run, "--probe", folder / "probe.npz", "--out", results, *source[2:])
    write_report(results, run, "mnist")


def images_with_csv(quick: bool) -> None:
    """A folder of PNGs with a CSV of attributes, which the example draws and trains on; beside it a VAE of the same."""
    folder = fresh("folder")
    call(f"examples/{WITH_A_REPORT}.py", "--out", folder / "example", *["--quick"] * quick)
    run, other = folder / "example" / "run", folder / "vae"
    results = analyse(run, folder)
    small = ["--set=training.total_images=1280"] if quick else []
    latentgan("train", "vae", "--data", folder / "example" / "images", "--out", other, *small)
    latentgan("compare", run, other, "--out", results)
    write_report(results, run, "folder")


def examples(quick: bool, mirror: Path | None, names: Sequence[str]) -> None:
    """What examples print, and the pictures that they write beside their reports."""
    output = fresh("output") if quick else ROOT / "docs" / "gallery"
    output.mkdir(parents=True, exist_ok=True)
    for script in (ROOT / "examples" / f"{name}.py" for name in names):
        folder = fresh(f"examples/{script.stem}")
        takes_mirror = mirror is not None and "--mirror" in script.read_text(encoding="utf-8")
        given = ["--quick"] * quick + (["--mirror", mirror] if takes_mirror and not quick else [])
        text = call(script.relative_to(ROOT), "--out", folder / "out", *given)
        shown = text.replace(str(folder / "out"), f"runs/{script.stem.replace('_', '-')}").replace(f"{ROOT}/", "")
        (output / f"{script.stem}.txt").write_text(re.sub(str(mirror or "//"), "FOLDER", shown), encoding="utf-8")
        for picture in (folder / "out").glob("*.png"):
            shutil.copy(picture, output / f"{script.stem}-{picture.name}")


def pictures(quick: bool) -> None:
    """Pictures of sections: from MNIST's report, and from the others what that has none of."""
    folder = BUILD / "output" if quick else PICTURES
    taken: set[str] = set()
    for name in ("mnist", "folder", "digits"):
        if (report := REPORTS / f"{name}.html").is_file():
            taken |= set(take_pictures(report, folder, without=taken))


def main() -> None:
    """Make what is asked for."""
    scripts = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    parts = ("digits", "mnist", "folder", "pictures", *scripts)
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mirror", type=Path, help="folder with MNIST's files, instead of a download")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="reports, pictures and examples")
    parser.add_argument("--quick", action="store_true", help="train for seconds only")
    options = parser.parse_args()
    mirror = options.mirror.resolve() if options.mirror else None
    REPORTS.mkdir(parents=True, exist_ok=True)
    if "digits" in options.only:
        digits(options.quick)
    if "mnist" in options.only:
        mnist(options.quick, mirror)
    if "folder" in options.only:
        images_with_csv(options.quick)
    examples(options.quick, mirror, [name for name in options.only if name in scripts])
    if "pictures" in options.only:
        pictures(options.quick)
    print(f"reports: {REPORTS}; `make docs` links them")


if __name__ == "__main__":
    main()
