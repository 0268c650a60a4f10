"""What a folder holds."""

from __future__ import annotations

from pathlib import Path


def everything(folder: Path) -> dict[str, bytes]:
    """Files below a folder, and folders as b"/"."""
    return {str(p.relative_to(folder)): b"/" if p.is_dir() else p.read_bytes() for p in sorted(folder.rglob("*"))}
