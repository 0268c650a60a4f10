"""A sample of the malformed calls that `make fuzz` makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it forks, and looks at pipes and devices")
def test_a_sample_of_malformed_calls_is_clean() -> None:
    done = subprocess.run([sys.executable, FUZZ, "--every", "60"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
