"""Every analysis of a table of 70,000 × 64 codes: seconds of each, and how far memory grows over the table's size.

The table has the codes and what `latentgan encode` writes with them: pixels of 8 × 8 and an untrained network's codes.
A linear decoder stands for the model.

    python examples/reproduce/table_bench.py [--rows 70000] [--full]

Called by bench.py. Without `--full` analyses look at samples of 10,000 rows, as `latentgan analyze` does.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

WIDTH, GROUPS = 64, 10
SECONDS, TIMES = 480, 3


class Model:
    """A linear decoder of 8 × 8 images."""

    weights = np.random.default_rng(1).standard_normal((WIDTH, 64)).astype(np.float32) / 64

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Map (n, 64) codes to (n, 8, 8, 1) images in [0, 1]."""
        return np.clip(0.5 + codes @ self.weights, 0, 1).astype(np.float32).reshape(-1, 8, 8, 1)


def write_table(path: Path, n: int) -> int:
    """Write n codes of ten groups with a label, two attributes, a split and baselines; return the vectors' bytes."""
    rng = np.random.default_rng(0)
    group, slant = rng.integers(GROUPS, size=n), rng.standard_normal(n)
    codes = rng.standard_normal((GROUPS, WIDTH))[group] + rng.standard_normal((n, WIDTH))
    codes += slant[:, None] * np.eye(WIDTH)[0] + (slant > 0.5)[:, None] * np.eye(WIDTH)[1]
    split = rng.choice(["train", "validation", "test"], n, p=[0.7, 0.1, 0.2])
    codes = codes.astype(np.float32)
    untrained = np.tanh(codes @ rng.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8)
    vectors = {"code": codes, "pixels": Model().decode(codes).reshape(n, -1), "untrained.code": untrained}
    columns = {
        **{name: pa.FixedSizeListArray.from_arrays(x.reshape(-1), WIDTH) for name, x in vectors.items()},
        "label": group,
        "slant": slant,
        "bold": slant > 0.5,
        "split": split,
    }
    about = {
        "pixels_shape": [8, 8, 1],
        "parts": [{"name": "z", "kind": "normal", "start": 0, "width": WIDTH, "encoded": True}],
    }
    table = pa.table(columns).replace_schema_metadata({"latentgan": json.dumps(about)})
    parquet.write_table(table, path, row_group_size=8192)
    return sum(x.nbytes for x in vectors.values())


def memory(name: str) -> int:
    """A figure of this process, in bytes: VmRSS is what it holds, VmHWM the most since it was last reset."""
    match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) * 1024 if match else 0


def analyse(path: Path, out: Path, *, full: bool) -> None:
    """Print a line for each analysis: its name, seconds, and by how many bytes it grew, or why it is refused."""
    from analysis import Embeddings
    from analysis.runner import run_all
    from analysis.table.study_options import Options

    options = Options().full() if full else Options()
    before, started = memory("VmRSS"), time.perf_counter()
    for kind, result in run_all(Embeddings(path), Model(), options, out=out):
        if isinstance(result, Exception):
            print(f"refused {kind}: {result}", flush=True)
        else:
            print(kind, time.perf_counter() - started, memory("VmHWM") - before, flush=True)
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        before, started = memory("VmRSS"), time.perf_counter()


def analysis_costs(n: int, *, full: bool = False) -> list[tuple[str, float, float, str]]:
    """Seconds of all analyses of n × 64 codes in a process of their own, and the largest growth over the table."""
    with tempfile.TemporaryDirectory() as folder:
        # A small table goes first: libraries are loaded and compiled.
        *_, size = (write_table(Path(folder) / f"{rows}.parquet", rows) for rows in (2_000, n))
        command = [sys.executable, __file__, "--run", folder, "--rows", str(n), *(["--full"] if full else [])]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines() if not line.startswith("refused ")]
    table = f"{n:,} × {WIDTH} codes{', all rows' if full else ''}"
    print(f"analyses of {table}: " + ", ".join(f"{kind} {float(seconds):.1f} s" for kind, seconds, _ in lines))
    print("  memory over the table: " + ", ".join(f"{kind} {int(growth) / size:.1f}×" for kind, _, growth in lines))
    print(*(f"  {line}" for line in done.stdout.splitlines() if line.startswith("refused ")), sep="\n")
    return [
        (f"analyses of {table}", sum(float(seconds) for _, seconds, _ in lines), SECONDS, "s"),
        (
            "  memory that an analysis takes over the table's",
            max(int(growth) for *_, growth in lines) / size,
            TIMES,
            "×",
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=70_000)
    parser.add_argument("--full", action="store_true", help="look at every row")
    parser.add_argument("--run", type=Path, help="measure here, in a folder with the tables")
    options = parser.parse_args()
    if options.run is None:
        for title, value, bound, unit in analysis_costs(options.rows, full=options.full):
            print(f"{title:60} {value:9.2f}{unit}    ≤ {bound}{unit}")
        return 0
    with contextlib.redirect_stdout(io.StringIO()):
        analyse(options.run / "2000.parquet", options.run / "first", full=False)
    analyse(options.run / f"{options.rows}.parquet", options.run / "results", full=options.full)
    return 0


if __name__ == "__main__":
    sys.exit(main())
