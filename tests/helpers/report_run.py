"""A run folder made by hand, as latentgan train writes it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from report_samples import digits, pixels


def write_run(
    folder: Path, *, command: str = "latentgan train bigan --data digits --out runs/digits", marks: int = 12
) -> Path:
    """A run folder as latentgan train writes it, with grids of real digits that come out of noise."""
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    (folder / "run.toml").write_text(
        'name = "bigan"\n\n[family]\nlatent = 16\n\n[training]\ntotal_images = 320000\nseed = 0\n'
    )
    summary = {
        "status": "finished",
        "command": command,
        "family": "bigan",
        "data": "digits",
        "notes": ["label column: target"],
        "images": 320000,
        "iterations": 2500,
        "seconds": 133.4,
        "device": "cpu",
        "threads": 2,
        "parameters": {"generator": 210432, "encoder": 205312, "discriminator": 251000},
        "versions": {"latentgan": "0.1.0", "torch": "2.13.0", "python": "3.11.2"},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    warning = {
        "name": "samples_collapsed",
        "sentence": "Samples have collapsed: 31% of them have a near-duplicate.",
        "images": 64000,
        "resolved": True,
    }
    (folder / "diagnostics.json").write_text(json.dumps({"status": "ok", "warnings": [warning]}))
    rng = np.random.default_rng(0)
    images, _ = digits()
    lines = []
    for mark in range(marks):
        share, images_seen = mark / (marks - 1), round(320000 * (mark + 1) / marks)
        jitter = rng.normal(0, 0.02, 6)
        lines.append(
            json.dumps(
                {
                    "iteration": images_seen // 128,
                    "images": images_seen,
                    "seconds": 133 * share,
                    "images_per_second": 2400 + 900 * jitter[0],
                    "terms": {
                        "discriminator/encoded": 0.55 + jitter[1],
                        "discriminator/generated": 0.6 + jitter[2],
                        "encoder_generator/encoded": 1.1 - 0.2 * share + jitter[3],
                        "encoder_generator/generated": 1.0 + jitter[4],
                        "encoder_generator/reconstruction": 0.5 * np.exp(-3 * share) + 0.1,
                    },
                    "gradient_norm": {"discriminator": 1.2 + jitter[1], "encoder_generator": 0.6 + jitter[2]},
                    "notes": {"discriminator_accuracy": 0.8 + jitter[5]},
                    "indicators": {
                        "reconstruction_ratio": 0.4 + 0.6 * np.exp(-4 * share),
                        "duplicate_share": max(0.0, 0.3 - share),
                        "discriminator_accuracy": 0.8 + jitter[5],
                    },
                }
            )
        )
        for kind in ("samples", "reconstructions"):
            noisy = share * images[:64] + (1 - share) * rng.random((64, 8, 8, 1))
            (folder / "samples" / f"{images_seen:09d}-{kind}.png").write_bytes(grid_png(noisy))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"iteration": 2500, "ima')
    return folder


def grid_png(images: np.ndarray) -> bytes:
    """64 pictures as one grid, four times their size."""
    from PIL import Image

    sheet = pixels(images[..., 0]).reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(64, 64).repeat(4, 0).repeat(4, 1)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return buffer.getvalue()
