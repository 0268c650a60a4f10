"""Probes take what scikit-learn takes, choose their setting by folds without validation rows, and predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.base.linear_models import Rows
from analysis.errors import AnalysisError
from analysis.probes.linear_probe import ALL_METHODS, Probe, ProbeTable, linear_probe, middle_of_best
from analysis.results import load_one, save

Pair = tuple[np.ndarray, np.ndarray]


def draw(rng: np.random.Generator, n: int, d: int = 6, gap: float = 2.0) -> Pair:
    """Rows (n, d) of two classes, 0 and 1, that `gap` standard deviations part along the diagonal."""
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, d)) + gap * (y[:, None] - 0.5) / np.sqrt(d), y


@pytest.fixture(scope="module")
def pairs() -> tuple[Pair, Pair, Pair]:
    """Train, validation and test rows."""
    rng = np.random.default_rng(8)
    return draw(rng, 80), draw(rng, 40), draw(rng, 60)


def test_60_rows_are_read_as_well_as_scikit_learn_does() -> None:
    from sklearn.linear_model import LogisticRegression

    rng, gained = np.random.default_rng(3), []
    for _ in range(25):
        train, test = draw(rng, 60, 20), draw(rng, 500, 20)
        [probe] = linear_probe(train, test, rng=rng, shuffled=False)
        gained.append(probe.score.value - LogisticRegression().fit(*train).score(*test))
    assert np.mean(gained) >= -0.01


def test_equal_settings_leave_the_middle_one() -> None:
    assert middle_of_best(np.full(5, 0.7)) == 2
    assert middle_of_best(np.array([0.9, 0.9, 0.1, 0.1, 0.1])) == 1
    assert middle_of_best(np.array([np.nan, np.nan, np.nan, 0.1, 0.2])) == 4


def test_all_rows_are_fitted_without_validation(pairs: tuple[Pair, Pair, Pair]) -> None:
    [probe] = linear_probe(pairs[0], pairs[2], shuffled=False)
    assert (probe.n_train, probe.n_validation) == (80, 0)


KINDS: dict[str, Any] = {
    "texts": lambda y: np.where(y > 0, "on", "off"),
    "objects": lambda y: np.where(y > 0, "on", "off").astype(object).tolist(),
    "booleans": lambda y: y > 0,
    "-1 and 1": lambda y: np.where(y > 0, 1, -1),
    "-1.0 and 1.0": lambda y: np.where(y > 0, 1.0, -1.0),
    "3 and 8": lambda y: np.where(y > 0, 8, 3),
    "a column": lambda y: y[:, None],
    "a series": lambda y: pd.Series(np.where(y > 0, "on", "off"), index=np.arange(len(y)) + 7),
    "categories": lambda y: pd.Series(pd.Categorical(np.where(y > 0, "on", "off"))),
    "nullable numbers": lambda y: pd.Series(y, dtype="Int64"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["logistic", "svm", "knn", "cosine-20"])
def test_labels_of_every_kind_are_predicted(kind: str, method: str, pairs: tuple[Pair, Pair, Pair]) -> None:
    (train, _, test), write = pairs, KINDS[kind]
    [plain] = linear_probe(train, test, methods=[method], shuffled=False)
    [probe] = linear_probe(
        (train[0].tolist(), write(train[1])), (pd.DataFrame(test[0]), write(test[1])), methods=method, shuffled=False
    )
    assert probe.score == plain.score
    predicted = probe.predict(pd.DataFrame(test[0]))
    assert np.mean(predicted == np.asarray(write(test[1])).ravel()) == plain.score.value
    assert probe.evaluate(test[0], write(test[1])).value == plain.score.value


@pytest.mark.parametrize("method", ALL_METHODS)
def test_probes_predict_what_they_scored(method: str, pairs: tuple[Pair, Pair, Pair]) -> None:
    train, held, test = pairs
    if method == "ridge":
        train, held, test = ((x, x[:, 0] + 0.1 * y) for x, y in pairs)
    [probe] = linear_probe(train, test, validation=held, methods=[method], shuffled=False)
    assert probe.evaluate(*test).value == pytest.approx(probe.score.value, abs=1e-6)
    assert len(probe.decision_function(test[0])) == 60


def test_probabilities_are_those_of_scikit_learn(pairs: tuple[Pair, Pair, Pair]) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    (train, _, test) = pairs
    [probe] = linear_probe(train, test, shuffled=False)
    scaler = StandardScaler().fit(train[0])
    other = LogisticRegression(C=2 * probe.setting, tol=1e-8).fit(scaler.transform(train[0]), train[1])
    # of two classes scikit-learn penalises one weight vector, not two: twice C
    assert probe.predict_proba(test[0]) == pytest.approx(other.predict_proba(scaler.transform(test[0])), abs=5e-3)


def test_a_wide_probe_predicts_through_its_pca() -> None:
    rng = np.random.default_rng(9)
    (x, y), (xt, yt) = draw(rng, 60), draw(rng, 40)
    wide = [np.hstack([rows, np.zeros((len(rows), 1100))]) for rows in (x, xt)]
    [probe] = linear_probe((wide[0], y), (wide[1], yt), shuffled=False)
    assert np.mean(probe.predict(wide[1]) == yt) == probe.score.value


def test_probabilities_that_do_not_exist_are_a_sentence(pairs: tuple[Pair, Pair, Pair]) -> None:
    [probe] = linear_probe(pairs[0], pairs[2], methods=["svm"], shuffled=False)
    with pytest.raises(AnalysisError, match="decision_function"):
        probe.predict_proba(pairs[2][0])


def test_a_probe_from_disk_says_that_it_cannot_predict(pairs: tuple[Pair, Pair, Pair], tmp_path: Any) -> None:
    probes: tuple[Probe, ...] = linear_probe(pairs[0], pairs[2], shuffled=False)
    save(ProbeTable(target="label", probes=probes, protocol="", notes=()), tmp_path)
    [loaded] = load_one(tmp_path, "probes").probes
    assert loaded.score == probes[0].score
    with pytest.raises(AnalysisError, match="fit it again"):
        loaded.predict(pairs[2][0])


X, Y = draw(np.random.default_rng(10), 60)
GAP = np.where(np.arange(60) == 3, np.nan, X[:, 0])
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unlabelled in train": ({"train": (X, np.where(np.arange(60) < 5, -1, Y))}, "train y has -1, which means no label"),
    "unlabelled in test": ({"test": (X, np.where(np.arange(60) < 5, -1, Y))}, "test y has -1"),
    "unlabelled in validation": ({"validation": (X, np.where(Y > 0, 1, -1) * (np.arange(60) > 5))}, "-1"),
    "no label": ({"train": (X, np.where(np.arange(60) == 2, None, Y))}, "no value in 1 of 60 rows, first in row 2"),
    "a NaN among validation rows": ({"validation": (np.where(X > 2, np.nan, X), Y)}, "validation X .* not finite"),
    "a NaN among numbers": ({"train": (X, GAP), "test": (X, X[:, 0]), "methods": ["ridge"]}, "train y .* not finite"),
    "a NaN among validation numbers": (
        {"train": (X, X[:, 0]), "test": (X, X[:, 0]), "validation": (X, GAP), "methods": ["ridge"]},
        "validation y",
    ),
    "a NaN among test numbers": ({"train": (X, X[:, 0]), "test": (X, GAP), "methods": ["ridge"]}, "test y"),
    "halves": ({"train": (X, Y + 0.5)}, "no class"),
    "two kinds": ({"test": (X, np.where(Y > 0, "a", "b"))}, "labels of one kind"),
    "X and y swapped": ({"train": (Y, X)}, "rows, columns"),
    "no pair": ({"train": X}, r"pair \(X, y\)"),
    "lengths": ({"train": (X, Y[:-1])}, "lengths differ: train X 60, train y 59"),
    "widths": ({"test": (X[:, :3], Y)}, "train X has 6 columns, and test X has 3"),
    "one class": ({"train": (X, np.zeros(60, int))}, "two different values"),
    "no rows": ({"train": (X[:0], Y[:0])}, "at least one"),
    "a table of labels": ({"train": (X, np.column_stack([Y, Y]))}, "one value a row"),
    "a position without a class": ({"classes": ("a",)}, "no position among the 1 classes"),
    "texts as numbers": ({"train": (X.astype(str), Y)}, "must hold numbers"),
    "ragged rows": ({"train": ([[1.0, 2.0], [3.0]], [0, 1])}, "one length"),
    "numbers and classes": ({"methods": ["ridge", "knn"]}, "two calls"),
    "a seed that is none": ({"rng": "dice"}, "rng must be a seed"),
    "a seed below 0": ({"rng": -1}, "rng must be a seed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(case: str) -> None:
    changes, said = WRONG[case]
    with pytest.raises(AnalysisError, match=said) as caught:
        linear_probe(**({"train": (X, Y), "test": (X, Y)} | changes))
    assert "\n" not in str(caught.value)


def test_a_seed_is_a_generator_and_none_is_0() -> None:
    figures = [
        (probe.shuffled, probe.score, probe.setting)
        for rng in ({"rng": 0}, {"rng": np.random.default_rng(0)}, {"rng": None}, {})
        for probe in linear_probe(Rows(X, Y), Rows(X, Y), **rng)
    ]
    assert figures == figures[:1] * 4
