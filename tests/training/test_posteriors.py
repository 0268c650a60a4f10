"""Draws from the encoder in samples and report."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from one_iteration import pictures, small

from analysis.errors import AnalysisError
from analysis.reconstruction.views import left_open
from analysis.report.run_folder import read_run
from analysis.training_run.views import held_out_likelihood
from latentgan.training.posterior_draws import drawn
from latentgan.training.sample_grids import write_grids


@pytest.mark.parametrize("name", ["vae", "avb", "ali", "aae", "bigan"])
def test_encoders_that_draw_are_shown_and_others_are_not(name, tmp_path):
    source = pictures()
    family = small(name, source, latent=3).eval()
    state = torch.get_rng_state()
    write_grids(family, tmp_path / "samples", 640, source.tensor(range(10)))
    assert torch.equal(torch.get_rng_state(), state), "a run's noise is not disturbed"
    shown = name in ("vae", "avb", "ali")
    assert (tmp_path / "samples" / "000000640-posteriors.png").is_file() == shown
    blocks = left_open(read_run(tmp_path))
    assert len(blocks) == (3 if shown else 0)
    if shown:
        z = drawn(family, source.tensor(range(8)))
        posteriors = json.loads((tmp_path / "samples" / "posteriors.json").read_text())
        points = np.asarray(posteriors["draws"])
        assert points.shape == (8, 200, 2) and z is not None
        assert np.allclose(points, z[:, :, posteriors["dimensions"]].transpose(0, 1), atol=1e-4)


def test_likelihood_is_a_table_and_damage_is_named(tmp_path):
    figure = {"value": -90.5, "standard_error": 1.25, "n": 1000}
    (tmp_path / "likelihood.json").write_text(json.dumps({"importance": figure, "pixels": "<b>"}))
    (table,) = held_out_likelihood(read_run(tmp_path))
    assert table.rows == (("log p(x), importance sampling", "\u221290.50", "1.25", "1,000"),)
    (tmp_path / "likelihood.json").write_text(json.dumps({"importance": figure, "annealed": "?"}))
    with pytest.raises(AnalysisError, match=r"likelihood\.json: annealed = '\?' is not possible"):
        read_run(tmp_path)
    (tmp_path / "likelihood.json").write_text("{}")
    assert held_out_likelihood(read_run(tmp_path)) == ()
