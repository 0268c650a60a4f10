"""An edit along "a, preserving b" moves a and not b, even where the two are correlated, and records what it moves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import table_maker
from typer.testing import CliRunner

from analysis.concepts.concept_table import ConceptTable, concept_table
from analysis.concepts.joint_regression import joint_of
from analysis.concepts.orthogonalization import regress
from analysis.concepts.stratified import evidence_within, strata_of, stratified_auc
from analysis.concepts.targets import ConceptTarget
from analysis.editing.preserved_directions import preserve_directions
from analysis.editing.study import edit_directions
from analysis.results import load_one

WIDTH = 12


def together(
    rng: np.random.Generator, n: int, correlation: float, number: bool
) -> tuple[np.ndarray, list[ConceptTarget]]:
    """Codes (n, 12) of which number 0 is moved by a, number 1 by b, and targets for both, correlated."""
    factors = rng.normal(size=(n, 2))
    factors[:, 1] = correlation * factors[:, 0] + np.sqrt(1 - correlation**2) * factors[:, 1]
    if not number:  # sides whose own correlation is that
        agree = rng.random(n) < (1 + correlation) / 2
        first = np.where(rng.random(n) < 0.5, 1.0, -1.0)
        factors = np.column_stack([first, np.where(agree, first, -first)])
    codes = rng.normal(size=(n, WIDTH))
    codes[:, :2] += factors
    kind, values = ("numeric", factors) if number else ("boolean", None)
    signs = np.where(factors > np.median(factors, axis=0), 1, -1) if number else factors.astype(np.int64)
    return codes.astype(np.float32), [
        ConceptTarget(
            name=name,
            column=name,
            kind=kind,
            signs=signs[:, i],
            note="",
            values=None if values is None else values[:, i],
        )
        for i, name in enumerate("ab")
    ]


def preserving(
    codes: np.ndarray, targets: list[ConceptTarget], rng: np.random.Generator, by: str = "regression"
) -> ConceptTable:
    rows, half = np.arange(len(codes)), len(codes) // 2
    return concept_table(
        codes[:half],
        codes[half:],
        targets,
        rows[:half],
        rows[half:],
        rng=rng,
        preserve=["b"],
        preserve_by=by,
        permutations=99,
        draws=2,
        resamples=2,
        methods=["mean difference"],
    )


@pytest.mark.parametrize("number", [False, True])
@pytest.mark.parametrize(("effect", "least", "most"), [(0.0, 0.0, 0.12), (0.4, 0.8, 1.0)])
def test_waves_of_b_are_no_evidence(number: bool, effect: float, least: float, most: float) -> None:
    """a and positions are waves of the preserved number, which no line and no parabola takes out of them."""
    p_values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        unshared, b = rng.normal(size=400), rng.normal(size=400)
        wave = np.sin(2 * b)
        positions, a = 2 * wave + rng.normal(size=400) + effect * unshared, wave + 0.7 * unshared
        sides = [np.where(values > np.median(values), 1, -1) for values in (a, b)]
        target = ConceptTarget(
            name="a", column="a", kind="numeric" if number else "boolean", signs=sides[0], values=a if number else None
        )
        preserved = [ConceptTarget(name="b", column="b", kind="numeric", signs=sides[1], values=b)]
        rows = np.arange(250), np.arange(250, 400)
        along = positions[rows[0]], positions[rows[1]]
        p_values.append(evidence_within(target, preserved, rows, along, 199, rng)[2])
    assert least <= np.mean(np.array(p_values) <= 0.05) <= most


@pytest.mark.parametrize("number", [False, True])
@pytest.mark.parametrize("kinds", ["a class and a number", "two numbers"])
def test_products_of_preserved_are_no_evidence(kinds: str, number: bool) -> None:
    """a and positions know the product of what is preserved: a slope turned by a class, or two numbers' product."""
    p_values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        b, c = rng.normal(size=(2, 400))
        c = np.where(c > 0, 1.0, -1.0) if kinds == "a class and a number" else c
        positions, a = 1.5 * b * c + rng.normal(size=400), 1.5 * b * c + 0.7 * rng.normal(size=400)
        signs = [np.where(values > np.median(values), 1, -1) for values in (a, b)]
        target = ConceptTarget(
            name="a", column="a", kind="numeric" if number else "boolean", signs=signs[0], values=a if number else None
        )
        other = ConceptTarget(
            name="c",
            column="c",
            kind="boolean" if kinds == "a class and a number" else "numeric",
            signs=np.where(c > 0, 1, -1),
            values=None if kinds == "a class and a number" else c,
        )
        preserved = [ConceptTarget(name="b", column="b", kind="numeric", signs=signs[1], values=b), other]
        rows = np.arange(250), np.arange(250, 400)
        along = positions[rows[0]], positions[rows[1]]
        p_values.append(evidence_within(target, preserved, rows, along, 99, rng)[2])
    assert np.mean(np.array(p_values) <= 0.05) <= 0.12


@pytest.mark.parametrize("number", [False, True])
@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(("n", "tables"), [(200, 12), (5000, 2)])
def test_an_edit_preserving_b_moves_a_alone(n: int, tables: int, correlation: float, number: bool) -> None:
    rng = np.random.default_rng([n, int(10 * correlation)])
    moved, plain = [], []
    for _ in range(tables):
        codes, targets = together(rng, n, correlation, number)
        table = preserving(codes, targets, rng)
        [conditional] = table.conditional
        by_edit = preserve_directions(table, edit_directions(table), [0], [1], by="regression").directions[0]
        assert np.abs(by_edit.vector - table.directions[conditional.concept]).max() < 1e-5, "edit moves along it"
        moved.append(
            table.directions[conditional.concept][:2] / np.linalg.norm(table.directions[conditional.concept][:2])
        )
        plain.append(table.directions[conditional.source][:2])
    a, b = np.mean(moved, axis=0)
    assert np.mean(plain, axis=0)[1] > 0.5 * correlation * np.mean(plain, axis=0)[0], "the plain one moves b"
    error = 1 / np.sqrt(tables * n / 2 * (1 - correlation**2))
    assert abs(b) < 4 * error and a > 0.8, (a, b, error)


def test_projection_moves_b_backwards() -> None:
    rng = np.random.default_rng(5)
    codes, targets = together(rng, 5000, 0.6, number=True)
    [projected], [regressed] = (
        preserving(codes, targets, rng, by=by).conditional for by in ("projection", "regression")
    )
    before, after = projected.preserved[0].moved
    assert before.low > 0.3 and after.high < -0.2, "0.4 forwards, and as far backwards"
    assert regressed.preserved[0].moved[1].low < 0 < regressed.preserved[0].moved[1].high
    assert projected.preserved[0].ranked[1].value < 0.05, "although it predicts nothing of b in the rows"


@pytest.mark.parametrize(("test_rows", "estimated"), [(41, False), (42, True)])
def test_few_rows_without_displacement_are_noted(test_rows: int, estimated: bool) -> None:
    rng = np.random.default_rng(2)
    codes, targets = together(rng, 2 * test_rows, 0.3, number=True)
    table = preserving(codes, targets, rng)
    notes = [note for note in table.notes if "displacement" in note]
    figures = [re.findall(r"\d+", note) for note in notes]
    assert np.isfinite(table.conditional[0].moved[1].value) == estimated
    assert figures == ([] if estimated else [["41", "42", "3", "12"]])


def test_within_classes_differences_are_pooled() -> None:
    rng = np.random.default_rng(1)
    group, codes = rng.integers(0, 4, 600), rng.normal(size=(600, 5))
    side = np.where(rng.random(600) < 0.2 + 0.15 * group, 1.0, -1.0)
    codes += side[:, None] * np.arange(5) + 3 * group[:, None]
    dummies = (group[:, None] == np.arange(4)).astype(float)
    [regressed], [left] = regress(codes, side[:, None], dummies)
    pooled, weight = np.zeros(5), 0.0
    for k in range(4):
        above, below = codes[(group == k) & (side > 0)], codes[(group == k) & (side < 0)]
        w = len(above) * len(below) / (len(above) + len(below))
        pooled, weight = pooled + w * (above.mean(0) - below.mean(0)), weight + w
    np.testing.assert_allclose(regressed / np.linalg.norm(regressed), pooled / np.linalg.norm(pooled), atol=1e-9)
    assert 0.8 < left < 1
    assert not regress(codes, dummies[:, :1], dummies[:, 1:])[0].any(), "three others determine the fourth"


def test_covariances_give_the_regression() -> None:
    rng = np.random.default_rng(2)
    codes, targets = together(rng, 900, 0.6, number=True)
    joint = joint_of(codes, targets, np.arange(900), rng=rng, mask=np.ones(WIDTH, bool))
    values = np.stack([target.values for target in targets], axis=1)
    expected, [left] = regress(codes, values[:, :1], values[:, 1:])
    direction, share = joint.direction(0, [1])
    assert direction @ expected[0] / np.linalg.norm(expected) > 1 - 1e-9 and share == pytest.approx(left, abs=1e-6)
    assert joint.deviation(direction) == pytest.approx((codes @ direction).std(), rel=1e-4)
    [pair] = joint.together()
    assert (
        pair.names == ("a", "b") and pair.correlation == pytest.approx(np.corrcoef(values.T)[0, 1]) and pair.rows == 900
    )
    lost = joint.shuffled_directions(0, [1])
    assert lost.shape == (40, WIDTH) and abs(lost @ direction).mean() < 0.5 and pair.unbalanced


def test_correlation_is_no_evidence_in_strata() -> None:
    """b alone moves the code; a goes with b, and its marginal AUC is far from chance."""
    rng = np.random.default_rng(3)
    p = []
    for i in range(60):
        number = bool(i % 2)
        _, (a, b) = together(rng, 400, 0.8, number)
        positions = rng.normal(size=400) + (b.signs if b.values is None else b.values)
        half = np.arange(200), np.arange(200, 400)
        area, partial, value = evidence_within(a, [b], half, (positions[:200], positions[200:]), 199, rng)
        assert area.n > 50 and (partial is None) != number
        p.append(value)
    assert 0.3 < np.mean(p) < 0.7 and np.mean(np.array(p) <= 0.05) < 0.15, p
    signal = positions + 1.5 * (a.values if a.values is not None else a.signs)
    area, _, p_value = evidence_within(a, [b], half, (signal[:200], signal[200:]), 199, rng)
    assert area.low > 0.55 and p_value < 0.001


def test_aucs_of_strata_are_pooled() -> None:
    from analysis.base.statistics import auc

    rng = np.random.default_rng(4)
    scores, positive = rng.normal(size=300).round(1), rng.random(300) < 0.3
    assert stratified_auc(scores, positive, np.zeros(300, int)).value == pytest.approx(auc(scores, positive))
    groups = rng.integers(-1, 3, 300)
    each = [(auc(scores[groups == k], positive[groups == k]), positive[groups == k]) for k in range(3)]
    weights = [s.sum() * (~s).sum() / len(s) for _, s in each]
    pooled = stratified_auc(scores, positive, groups)
    assert pooled.value == pytest.approx(np.average([a for a, _ in each], weights=weights))
    assert pooled.low < pooled.value < pooled.high and pooled.n == np.count_nonzero(groups >= 0)
    assert stratified_auc(scores, np.ones(300, bool), groups).n == 0
    number = ConceptTarget(name="x", column="x", kind="numeric", signs=np.ones(300, int), note="", values=scores)
    assert len(np.unique(strata_of([number], np.arange(300)).groups)) == 7, "300 rows, 40 a bin"


def test_correlated_attributes_are_shown(tmp_path: Path) -> None:
    import typer

    from analysis.app import register

    rng = np.random.default_rng(0)
    codes, targets = together(rng, 600, 0.6, number=False)
    split = np.array(["train", "train", "test"])[np.arange(600) % 3].tolist()
    columns = {
        "code": codes,
        "split": split,
        **{target.name: target.signs > 0 for target in targets},
        "c": rng.random(600) < 0.5,
    }
    table = table_maker.write_table(tmp_path / "t.parquet", columns)
    app = typer.Typer()
    register(app)
    arguments = ["concepts", str(table), "--permutations", "19", "--out", str(tmp_path / "results"), "--preserve", "b"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    printed = " ".join(done.output.split())
    assert "1 pair of concepts is correlated" in printed and "a, preserving b" in printed, printed
    report = CliRunner().invoke(app, ["report", str(tmp_path / "results"), "--out", str(tmp_path / "r.html")])
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert report.exit_code == 0 and "How concepts are correlated in the rows" in page
    [pair, *_] = load_one(tmp_path / "results", "concepts").joint.together()
    assert pair.names == ("a", "b") and f"{pair.correlation:+.2f}" in page and f"{pair.correlation:+.2f}" in printed
