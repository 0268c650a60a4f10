"""Records of reproduced figures: a JSON file a seed, and the table "paper / ours" that is made from them."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.io.reading import irregular, parse_json, read_text, validated
from analysis.io.writing import check_outputs, replace_text
from latentgan.errors import DataError
from latentgan.io.file_models import RecordFile
from latentgan.io.writing import write_failures

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one seed of one recipe of one protocol gave."""

    protocol: str
    """Name of the protocol."""
    recipe: str
    """Name of the recipe."""
    seed: int
    """Seeds weights, batches and noise."""
    status: str
    """"finished", or "failed"."""
    reason: str
    """Why it failed; empty where it finished."""
    command: str
    """Command that makes the record."""
    seconds: dict[str, float]
    """Seconds of each step: train, encode, …; and "total"."""
    figures: dict[str, dict[str, float]]
    """Figures by name, each with value, low and high (95 %), and n."""
    baselines: dict[str, dict[str, float]]
    """Baselines by name, as `figures`."""
    settings: dict[str, Any]
    """The resolved configuration, without paths."""
    hardware: dict[str, Any]
    """What the seconds depend on, see `hardware`."""
    version: str
    """Version of latentgan."""
    date: str
    """Day of the measurement, in ISO 8601."""

    @property
    def minutes(self) -> float:
        """Of training and reading: by the clock, or of the processor where that is less, as on a busy machine."""
        seconds = self.seconds["total"]
        return float(min(seconds, self.hardware.get("processor_seconds", seconds))) / 60


def hardware(device: str) -> dict[str, Any]:
    """Return what the figure's seconds depend on."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    gpu = {"gpu": torch.cuda.get_device_name()} if device.startswith("cuda") else {}
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "device": device,
        "torch": torch.__version__,
        **gpu,
    }


def record_path(folder: Path, protocol: str, recipe: str, seed: int) -> Path:
    """Return the file of a record.

    Args:
        folder: of all records.
        protocol: the protocol's name.
        recipe: the recipe's name.
        seed: the seed.
    """
    return folder / protocol / f"{recipe}-{seed}.json"


def write_record(folder: Path, record: Record) -> Path:
    """Write a record, whole or not at all."""
    path = record_path(folder, record.protocol, record.recipe, record.seed)
    check_outputs([path], "record", error=DataError)
    with write_failures(path):
        replace_text(path, json.dumps({"format": FORMAT, **asdict(record)}, indent=1, ensure_ascii=False) + "\n")
    return path


def read_record(path: Path) -> Record | None:
    """Read a record; None where there is no file.

    Raises:
        DataError: it is not a record.
    """
    if irregular(path) == "missing":
        return None
    try:
        tree = parse_json(read_text(path, error=DataError), path, error=DataError)
        validated(tree, RecordFile, path, error=DataError)
    except DataError as error:
        raise DataError(f"{path} is not a record of `latentgan reproduce` ({error}); remove it") from error
    return Record(**{key: value for key, value in tree.items() if key != "format"})


def is_quick(record: Record) -> bool:
    """Return whether a record is of a few iterations on embedded digits, whose figures mean nothing."""
    return record.command.endswith(" --quick")


def read_records(folder: Path, protocol: str, recipe: str) -> list[Record]:
    """Return the records of a recipe, sorted by seed."""
    result = [read_record(path) for path in (folder / protocol).glob(f"{recipe}-*.json")]
    of_recipe = [record for record in result if record is not None and record.recipe == recipe]
    return sorted(of_recipe, key=lambda record: record.seed)


@dataclass(frozen=True)
class Summary:
    """A figure over seeds."""

    values: tuple[float, ...]
    """The figure of each seed that has it."""

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds (n − 1); 0 for one seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def text(self, *, percent: bool, count: bool = False) -> str:
        """Write as "97.4 % ± 0.1", or as "24.3 ± 0.6" where things are counted; one seed without ±."""
        spread = written(self.deviation, percent=percent, count=count).removesuffix(" %")
        return written(self.mean, percent=percent, count=count) + (f" ± {spread}" if len(self.values) > 1 else "")

    def seeds(self, *, percent: bool, count: bool = False) -> str:
        """Write every seed's figure: "97.4, 97.3, 97.5", or "24, 25, 24"."""
        if count:
            return ", ".join(f"{value:.0f}" for value in self.values)
        return ", ".join(written(value, percent=percent).removesuffix(" %") for value in self.values)


def written(value: float, *, percent: bool, count: bool = False) -> str:
    """Write a figure.

    Args:
        value: the figure.
        percent: written as "97.4 %"; else as "0.620".
        count: the mean of a count, written as "24.3"; then `percent` does not matter.
    """
    if count:
        return f"{value:.1f}"
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"


def summarise(records: Iterable[Record], name: str, *, baseline: bool = False) -> Summary | None:
    """Summarise a figure over seeds.

    Args:
        records: of one recipe.
        name: of the figure.
        baseline: whether it is one of the baselines.

    Returns:
        The figure of the seeds that have it; None where none has.
    """
    tables: Iterable[Mapping[str, Mapping[str, float]]]
    tables = [record.baselines if baseline else record.figures for record in records]
    values = tuple(float(table[name]["value"]) for table in tables if name in table)
    return Summary(values) if values else None
