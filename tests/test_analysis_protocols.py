"""Probe protocols by name: they read what they say, agree with scikit-learn, and tell what a table lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import table_maker

from analysis import AnalysisError, Embeddings
from analysis.plan import Options
from analysis.probes import Rows, linear_probe
from analysis.protocols import find_protocol
from analysis.study_probes import study_probes


def test_cosine_votes_are_scikit_learns() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, 500)
    x = rng.normal(size=(500, 6)).astype(np.float32)
    x[np.arange(500), y] += 1.5
    train, test = Rows(x[:400], y[:400]), Rows(x[400:], y[400:])
    for reader, k, t in (("cosine-20", 20, 0.07), ("cosine-200", 200, 0.1)):
        (found,) = linear_probe(train, test, rng=rng, methods=(reader,), validation=test)
        theirs = KNeighborsClassifier(k, metric="cosine", weights=lambda d, t=t: np.exp((1 - d) / t))
        assert found.score.value == pytest.approx(theirs.fit(*train).score(*test)) and found.setting == k
        assert found.shuffled is not None and found.shuffled.low < 0.4


def test_bigan_1nn_reads_the_encoders_last_layer_beside_its_yardsticks(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    found = study_probes(table, None, Options(protocol="bigan-1nn"))
    names = [(one.representation, one.method) for one in found.probes]
    assert names[0] == ("encoder.hidden", "knn") and ("pixels", "knn") in names
    assert found.probes[0].score.n == 352 and found.protocol.startswith("bigan-1nn: One nearest neighbour")


def test_what_a_table_lacks_is_told_with_the_options_that_make_it(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    table.metadata["layers"] = ["encoder.hidden", "discriminator.conv1", "discriminator.conv2"]
    said = r"--features discriminator\.conv1 --features discriminator\.conv2 --pool 4 --out"
    with pytest.raises(AnalysisError, match=said):
        study_probes(table, None, Options(protocol="dcgan-svm-4x4"))
    with pytest.raises(AnalysisError, match="did you mean bigan-1nn"):
        find_protocol("bigan-1n")


def test_an_svm_protocol_reads_columns_together_on_balanced_draws(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path))
    found = study_probes(table, None, Options(protocol="ali-svm-last4", draws=3))
    first = found.probes[0]
    assert first.representation == "encoder.hidden + code" and first.method == "svm" and first.score.n == 3
    assert first.width == table.width("encoder.hidden") + table.width("code") and first.score.value > 0.8
    assert any("not 1,000" in note for note in found.notes) == (first.n_train < 1000)
