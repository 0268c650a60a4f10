"""What all tests share: one thread (tiny networks are faster so, and two cores may run two tests), and a data set."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from latentgan import NumpyModel
    from latentgan.data.source import ImageSource

SLOW_SECONDS = 1800
"""Limit of a slow test, by the clock on the wall: where other work had the cores, 10 s of the processor took 183."""

for library in ("OMP", "OPENBLAS", "MKL"):  # before any of them is loaded, and for what tests start
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent / "helpers"))  # imported by their names


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> ImageSource:
    """1,797 scanned digits of 8×8."""
    from latentgan.data.load import load_source

    return load_source("digits")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[NumpyModel, Path]:
    """A BiGAN that saw 640 digits, in the folder "run", and beside it its table: the code and two layers."""
    import latentgan

    folder = tmp_path_factory.mktemp("trained")
    config = latentgan.configure(
        "bigan",
        family={"latent": 5, "width": 4, "hidden": 16},
        data={"source": "digits"},
        training={"total_images": 640, "device": "cpu"},
    )
    source = latentgan.load_source("digits")
    run = latentgan.train(config, folder / "run", source=source, show_progress=False)
    plan = latentgan.Plan(features=("encoder.dense1", "discriminator.conv2"), pool=1)
    table = latentgan.encode_table(run, source, folder / "codes.parquet", plan, device="cpu")
    return latentgan.NumpyModel.load(run, device="cpu"), table


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; return exit code, standard output, standard error."""

    from latentgan.cli import app as cli

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["latentgan", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run
