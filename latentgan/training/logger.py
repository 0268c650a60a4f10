"""A run's records: metrics.jsonl, diagnostics.json, summary.json, and what a person watches while it runs."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from analysis.io.messages import printable
from analysis.io.paths import shortened, without_paths
from analysis.io.reading import irregular, parse_json, read_text, validated
from analysis.io.writing import append_text, replace_text, sweep
from latentgan.errors import CheckpointError
from latentgan.io.file_models import LogLine, SummaryFile
from latentgan.networks.blocks import count_parameters
from latentgan.run_folder import writing
from latentgan.training.diagnostics import NOTED_INDICATORS
from latentgan.version import __version__

if TYPE_CHECKING:
    from latentgan.training.state import TrainingState


class RunLogger:
    """Writes a run's records and draws its progress; used as a context around the game.

    Args:
        out: the run folder.
        state: where the run continues from; records after that point are cut.
        command: what the user typed.
        show_progress: draw a bar on standard error (in a log file one line at the end).
    """

    def __init__(self, out: Path, state: TrainingState, *, command: str, show_progress: bool) -> None:
        self.out, self.state, self.command = out, state, command
        self._marks = (state.seconds, state.images)
        self._progress = Progress(
            TextColumn("[bold]{task.fields[title]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("·"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}"),
            console=Console(stderr=True),
            disable=not show_progress,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> RunLogger:
        with writing(self.out, self.out):
            cut_back(self.out, self.state.images)
            self._write_summary("running")
        title = f"{self.state.config.name} on {escape(printable(self.state.source.name))}"
        total = self.state.config.training.total_images
        self._progress.start()
        for note in self.state.source.notes:  # where labels come from, what was left out
            self._progress.console.print(f"[dim]{escape(printable(note))}[/]", highlight=False)
        if self.state.family.uses_labels:
            rows = len(self.state.batches.rows)
            self._progress.console.print(
                f"[dim]labels: the networks use those of {self.state.labels:,} of {rows:,} train images[/]",
                highlight=False,
            )
            if missing := self.state.classes_without_labels:
                names = " or ".join(map(repr, missing[:3])) + f" or {len(missing) - 3:,} others" * (len(missing) > 3)
                self._progress.console.print(
                    f"[yellow]warning[/]: no train image is labelled {escape(names)}, so the networks cannot learn "
                    "that class",
                    highlight=False,
                )
        self._task = self._progress.add_task(
            title, total=total, completed=min(self.state.images, total), title=title, rate="", terms=""
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, state: TrainingState) -> None:
        """Advance the bar after an iteration."""
        if self._task is not None:
            total = state.config.training.total_images
            self._progress.update(self._task, completed=min(state.images, total))

    def log(self, state: TrainingState, indicators: dict[str, float]) -> None:
        """Append a line to metrics.jsonl, check the indicators and show both."""
        means = state.update.drain()
        seconds, images = self._marks
        rate = (state.images - images) / max(state.seconds - seconds, 1e-9)
        self._marks = (state.seconds, state.images)
        indicators = {**indicators, **{k: v for k, v in means["notes"].items() if k in NOTED_INDICATORS}}
        line = {
            "iteration": state.iteration,
            "images": state.images,
            "seconds": round(state.seconds, 3),
            "images_per_second": round(rate, 1),
            **means,
            "indicators": indicators,
        }
        append_text(self.out / "metrics.jsonl", json.dumps(line) + "\n")
        for warning in state.diagnostics.observe(state.images, indicators):
            self._progress.console.print(f"[yellow]warning[/]: {escape(warning.sentence)}")
        self._write_diagnostics()
        if self._task is not None:
            self._progress.update(self._task, rate=f"{rate:,.0f} images/s", terms=_brief(means["terms"], indicators))

    def finish(self, status: str, sentence: str = "") -> None:
        """Write the last records: "finished", "stopped", or "diverged" with the sentence that says why."""
        with writing(self.out, self.out / "summary.json"):
            self._write_diagnostics(sentence)
            self._write_summary(status)

    def _write_diagnostics(self, sentence: str = "") -> None:
        record: dict[str, Any] = self.state.diagnostics.state()
        if sentence:
            failure = {
                "name": "diverged",
                "sentence": sentence,
                "images": self.state.images,
                "resolved": False,
            }
            record["warnings"] = [failure, *record["warnings"]]
        replace_text(self.out / "diagnostics.json", json.dumps(record, indent=1))

    def _write_summary(self, status: str) -> None:
        state = self.state
        path = self.out / "summary.json"
        # A resumed run is the work of its first command.
        command = read_summary(self.out).get("command", self.command)
        networks = {name: count_parameters(child) for name, child in state.family.named_children()}
        summary = {
            "status": status,
            "command": command,
            "family": state.config.name,
            "source": (type(state.family).__doc__ or "").strip().split("\n")[0],
            "data": state.source.name,
            "data_summary": state.source.summary,
            "provenance": {key: shortened(value) for key, value in state.source.provenance.items()},
            "notes": [without_paths(note) for note in state.source.notes],
            "images": state.images,
            "iterations": state.iteration,
            "labels": state.labels,
            "seconds": round(state.seconds, 3),
            "device": str(state.batches.device),
            "threads": torch.get_num_threads(),
            "parameters": {name: count for name, count in networks.items() if count},
            "versions": {
                "latentgan": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }
        replace_text(path, json.dumps(summary, indent=1))


def read_summary(out: Path) -> dict[str, Any]:
    """Return summary.json of a run folder; empty where there is none yet, CheckpointError where it is damaged."""
    path = out / "summary.json"
    if irregular(path) == "missing":
        return {}
    summary = parse_json(read_text(path, error=CheckpointError), path, error=CheckpointError)
    validated(summary, SummaryFile, path, error=CheckpointError)
    return dict(summary)


_GRID = re.compile(
    r"(?P<unfinished>\.)?(?P<images>\d{9,})-(samples|reconstructions|posteriors)\.png(?(unfinished)\.tmp)"
)
"""A grid, or what a killed run of an earlier version left of one."""


def cut_back(out: Path, images: int) -> None:
    """Drop log lines and sample grids of more than `images` images, which a killed run wrote after its checkpoint."""
    metrics = out / "metrics.jsonl"
    if irregular(metrics) != "missing":
        replace_text(metrics, "".join(_lines_until(metrics, images)))
    for folder in (out, out / "samples", out / "model", out / "checkpoints"):
        if not folder.is_symlink():
            sweep(folder)
    if (out / "samples").is_symlink() or not (out / "samples").is_dir():
        return
    for picture in list((out / "samples").iterdir()):
        name = _GRID.fullmatch(picture.name)
        if name and (int(name["images"]) > images or name["unfinished"]):
            picture.unlink()


def _lines_until(path: Path, images: int) -> list[str]:
    lines = []
    for number, line in enumerate(read_text(path, error=CheckpointError).split("\n")[:-1], 1):
        # What follows the last line break was being written when the run was killed.
        position = f"{path}, line {number}"
        record = validated(parse_json(line, position, error=CheckpointError), LogLine, position, error=CheckpointError)
        if record.images <= images:
            lines.append(line + "\n")
    return lines


def _brief(terms: dict[str, float], indicators: dict[str, float]) -> str:
    players: dict[str, float] = {}
    for name, value in terms.items():
        player = name.split("/")[0]
        players[player] = players.get(player, 0.0) + value
    parts = [f"{player.replace('_', '+')} {value:.2f}" for player, value in players.items()]
    if "reconstruction_ratio" in indicators:
        parts.append(f"ratio {indicators['reconstruction_ratio']:.2f}")
    return "  ".join(parts)
