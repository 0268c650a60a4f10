"""A sample of the malformed calls that `make fuzz` makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "helpers" / "fuzz.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it forks, and looks at pipes and devices")
def test_a_sample_of_malformed_calls_is_clean() -> None:
    done = subprocess.run([sys.executable, FUZZ, "--every", "60"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("settings", [(), ("QUICK=1",)])
def test_make_fuzz_runs_the_malformed_calls(settings: tuple[str, ...]) -> None:
    command = ["make", "--dry-run", "fuzz", *settings]
    done = subprocess.run(command, cwd=FUZZ.parents[2], capture_output=True, text=True, check=True)
    assert "tests/helpers/fuzz.py" in done.stdout
