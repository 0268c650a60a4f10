"""The report: results and a run folder in, one self-contained interactive HTML file out."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_report"]
