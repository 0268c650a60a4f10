"""Runs of a fraction of a second that tests train, kill, resume and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from latentgan.config import RunConfig
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.families.base import configure
from latentgan.run_folder import read_checkpoint

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "convolutional BiGAN with spectral norm": ("bigan", {"width": 4, "hidden": 16, "spectral": True}),
    "MLP BiGAN with batch norm": ("bigan", {"network": "mlp", "spectral": False, "hidden": 16}),
    "GAN with two discriminator moves": ("gan", {"discriminator_moves": 2, "hidden": 16}),
}
CONVOLUTIONAL, MLP, TWO_MOVES = CASES


def stripes(n: int = 96, *, channels: int = 1, size: int = 8) -> ImageSource:
    """Noisy stripes of three slants, a class each."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    slant = np.arange(n) % 3
    waves = np.sin(across[None] * slant[:, None, None] + down[None] * (1 + rng.random((n, 1, 1))))
    images = (waves[..., None] * 100 + 128 + rng.integers(-20, 20, (n, size, size, channels))).astype(np.uint8)
    return from_arrays(images, slant, name="stripes")


def tiny(case: str = CONVOLUTIONAL, *, family: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    """A run of 12 batches of 8 images with a checkpoint after every fourth."""
    name, settings = CASES[case]
    schedule = {"total_images": 96, "batch_size": 8, "log_images": 16, "checkpoint_images": 32, "device": "cpu"}
    return configure(
        name,
        family={"latent": 4, **settings, **(family or {})},
        training={**schedule, "average_halflife_images": 20, "seed": 3, **training},
    )


def metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def read_json(run: Path, name: str) -> dict[str, Any]:
    """diagnostics.json, summary.json, …"""
    content: dict[str, Any] = json.loads((run / name).read_text())
    return content


def everything(run: Path) -> dict[str, Any]:
    """All that a run leaves, but for the clock: two runs that are the same have equal dictionaries."""
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    clock = ("seconds", "images_per_second", "sha256")
    left: dict[str, Any] = {f"state/{k}": v for k, v in checkpoint.state.items() if k not in clock}
    left |= {f"tensor/{k}": v.numpy().tobytes() for k, v in checkpoint.tensors.items()}
    left |= {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*.png")}
    left |= {name: (run / name).read_bytes() for name in ("model/model.safetensors", "model/config.json")}
    left |= {name: (run / name).read_bytes() for name in ("untrained.safetensors", "diagnostics.json", "latest")}
    left["metrics"] = [{k: v for k, v in line.items() if k not in clock} for line in metrics(run)]
    return left


def differences(run: Path, other: Path) -> list[str]:
    """Names of what differs between two runs."""
    a, b = everything(run), everything(other)
    return sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))
