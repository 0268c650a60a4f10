"""The evidence behind concepts: estimators beside scikit-learn's, false discoveries, and what is found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, ortho_group

import analysis.concepts.stability as resampling
from analysis.base.linear_models import fit_scaler
from analysis.base.statistics import correlation, false_discovery, permuted_auc
from analysis.concepts.concept_table import Concept, ConceptTable, concept_table, concept_vector
from analysis.concepts.directions import METHODS, PENALTIES, find_directions
from analysis.concepts.scoring import Task
from analysis.concepts.search import Space
from analysis.concepts.stability import Resamples, cosines_of, shuffled
from analysis.concepts.targets import ConceptTarget
from analysis.errors import AnalysisError


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def spread(rng: np.random.Generator, n: int, d: int, gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated codes (n, d) of unequal widths, signs (n, 1) that move them by `gap`, a number (n, 1) in another."""
    mix = rng.normal(size=(d, d)) + 2 * np.eye(d)
    signs = np.where(rng.random(n) < 0.3, 1, -1)[:, None]
    codes = rng.normal(size=(n, d)) @ mix + gap * signs * rng.normal(size=d)
    number = codes @ rng.normal(size=(d, 1)) + rng.normal(size=(n, 1))
    return codes.astype(np.float32), signs, number


@pytest.mark.parametrize("method", ["LDA", "logistic", "SVM", "ridge"])
def test_normals_are_those_of_scikit_learn(method: str, rng: np.random.Generator) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import LinearSVC

    codes, signs, number = spread(rng, 1500, 8, 0.5)
    ours = find_directions(codes, number if method == "ridge" else signs, method=method)[0]
    scaler, weight = fit_scaler(codes), PENALTIES[method] * len(codes)
    theirs = {
        "LDA": LinearDiscriminantAnalysis(),
        "logistic": LogisticRegression(C=1 / weight, max_iter=500),
        "SVM": LinearSVC(C=1 / weight, max_iter=20_000),
        "ridge": Ridge(alpha=weight),
    }[method]
    normal = theirs.fit(scaler(codes), number[:, 0] if method == "ridge" else signs[:, 0]).coef_.ravel() / scaler.scale
    assert ours @ normal / np.linalg.norm(normal) > 0.99


def test_a_rotated_code_has_the_rotated_mean_difference(rng: np.random.Generator) -> None:
    codes, signs, _ = spread(rng, 600, 6, 1.0)
    turn = ortho_group.rvs(6, random_state=1)
    plain, turned = (find_directions(x, signs, method="mean difference") for x in (codes, codes @ turn))
    assert turned == pytest.approx(plain @ turn, abs=1e-5)


def test_q_values_are_those_of_benjamini_and_hochberg(rng: np.random.Generator) -> None:
    from scipy.stats import false_discovery_control

    p = rng.random(50) ** 2
    assert false_discovery(p) == pytest.approx(false_discovery_control(p))
    mixed = np.append(p, np.nan)
    assert false_discovery(mixed)[:-1] == pytest.approx(false_discovery(p)) and np.isnan(false_discovery(mixed)[-1])
    assert false_discovery(np.array([0.01, 0.02, 0.03, 0.5])) == pytest.approx([0.04, 0.04, 0.04, 0.5])


def mixture(rng: np.random.Generator, real: int, null: int, n: int = 400, d: int = 8) -> ConceptTable:
    """Concepts of which `real` move the code and `null` do not."""
    signs = np.where(rng.random((n, real + null)) < 0.5, 1, -1)
    moves = rng.normal(size=(real, d)) / np.sqrt(d)
    codes = (rng.normal(size=(n, d)) + 0.9 * signs[:, :real] @ moves).astype(np.float32)
    targets = [
        ConceptTarget(name=f"{i}", column=f"{i}", kind="boolean", signs=column) for i, column in enumerate(signs.T)
    ]
    rows, half = np.arange(n), n // 2
    return concept_table(
        codes[:half],
        codes[half:],
        targets,
        rows[:half],
        rows[half:],
        rng=rng,
        permutations=299,
        draws=2,
        resamples=2,
        methods=["mean difference", "LDA"],
    )


def test_q_values_bound_false_discoveries(rng: np.random.Generator) -> None:
    shares, n_found = [], 0
    for _ in range(10):
        significant = [concept.q_value <= 0.05 for concept in mixture(rng, 6, 14).best]
        shares.append(sum(significant[6:]) / max(1, sum(significant)))
        n_found += sum(significant[:6])
    assert np.mean(shares) <= 0.05 + 2 * np.std(shares) / np.sqrt(10) and np.mean(shares) < 0.15
    assert n_found > 0.7 * 60


def test_without_anything_planted_nothing_is_claimed(rng: np.random.Generator) -> None:
    concepts = [concept for _ in range(6) for concept in mixture(rng, 0, 15).concepts]
    plain = [concept.p_value for concept in concepts if concept.method == "LDA"]
    assert kstest(plain, "uniform").pvalue > 0.01
    assert sum(concept.q_value <= 0.05 for concept in concepts) <= 2


def test_r2_of_noise_has_uniform_p_values(
    rng: np.random.Generator,
) -> None:
    rows = np.arange(600)
    codes = rng.normal(size=(600, 6)).astype(np.float32)
    signal = codes @ rng.normal(size=6) + rng.normal(size=600)
    names = {"planted": signal, **{f"noise {i}": rng.normal(size=600) for i in range(40)}}
    targets = [
        ConceptTarget(name=k, column=k, kind="numeric", signs=np.where(v > np.median(v), 1, -1), note="", values=v)
        for k, v in names.items()
    ]
    table = concept_table(
        codes[:400],
        codes[400:],
        targets,
        rows[:400],
        rows[400:],
        rng=rng,
        permutations=1999,
        draws=2,
        resamples=4,
        methods=["mean difference", "ridge"],
    )
    by = {(concept.name, concept.method): concept for concept in table.concepts}
    planted, share = by["planted", "ridge"], np.var(signal - signal.mean()) - 1
    assert planted.r2 is not None and planted.r2.low < share / np.var(signal) < planted.r2.high
    assert planted.q_value < 0.05 and planted.chosen and planted.metric == "R²" and planted.score is planted.r2
    assert {b.name: b.figure.value for b in planted.baselines}["train mean"] == pytest.approx(0, abs=0.05)
    noise = [concept for concept in table.concepts if concept.name != "planted" and concept.method == "ridge"]
    assert kstest([concept.p_value for concept in noise], "uniform").pvalue > 0.01
    assert np.mean([concept.r2.value for concept in noise if concept.r2]) < 0
    assert sum(concept.q_value <= 0.05 for concept in noise) <= 2


def test_ridge_finds_a_direction_of_numbers(rng: np.random.Generator) -> None:
    codes, truth = rng.normal(size=(900, 5)).astype(np.float32), np.array([3, -4, 0, 0, 0]) / 5
    number = 10 + codes @ truth + 0.5 * rng.normal(size=900)
    number[::9] = np.nan
    concept, direction = concept_vector(codes, number, rng=rng, method="ridge", permutations=99)
    assert direction @ truth > 0.99 and concept.r2 is not None and concept.r2.low < 0.8 < concept.r2.high
    assert concept.kind == "numeric" and concept.stability.low > 0.95
    with pytest.raises(AnalysisError, match="ridge is for numbers, and 'hat' says which rows have it"):
        concept_vector(codes, codes[:, 0] > 0, rng=rng, method="ridge", name="hat")
    with pytest.raises(AnalysisError, match="no value that is known"):
        concept_vector(codes, np.full(900, np.nan), rng=rng)


def test_a_code_that_never_differs_claims_nothing(rng: np.random.Generator) -> None:
    rows, signs = np.arange(300), np.where(rng.random((300, 2)) < 0.5, 1, -1)
    targets = [ConceptTarget(name=k, column=k, kind="boolean", signs=v) for k, v in zip("ab", signs.T, strict=True)]
    table = concept_table(
        np.ones((200, 3)),
        np.ones((100, 3)),
        targets,
        rows[:200],
        rows[200:],
        rng=rng,
        preserve=["a"],
        permutations=19,
        draws=2,
    )
    assert all(concept.auc.value == 0.5 and concept.p_value == 1 and concept.q_value == 1 for concept in table.concepts)
    assert all(concept.stability.value == 0 for concept in table.concepts) and not table.directions.any()
    assert table.conditional == () and "'b' has no direction that could preserve a" in table.notes[0]


def test_shared_shuffles_leave_p_values_alone(
    rng: np.random.Generator,
) -> None:
    scores, positive = rng.normal(size=(80, 2)), rng.random(80) < 0.4
    together = permuted_auc(scores, positive, repeats=300, rng=np.random.default_rng(5))
    alone = permuted_auc(scores[:, 1], positive, repeats=300, rng=np.random.default_rng(5))
    assert together.shape == (300, 2) and together[:, 1] == pytest.approx(alone)
    assert together.mean(0) == pytest.approx([0.5, 0.5], abs=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_only_planted_directions_are_stable(method: str, rng: np.random.Generator) -> None:
    codes = rng.normal(size=(2000, 10)).astype(np.float32)
    signs = np.where(rng.random((2000, 1)) < 0.5, 1, -1)
    number = codes @ rng.normal(size=(10, 1)) + rng.normal(size=(2000, 1))
    moved = codes + 1.5 * signs * rng.normal(size=10).astype(np.float32) / 3
    targets = number if method == "ridge" else signs
    pairs = Resamples(codes if method == "ridge" else moved, rng=rng).directions(targets, method)
    null_pairs = Resamples(codes, rng=rng).directions(shuffled(targets, method, rng), method)
    assert pairs.shape == (2, resampling.RESAMPLES, 1, 10)
    [planted], [null] = cosines_of(pairs), cosines_of(null_pairs)
    assert planted.value > 0.95 and planted.n == resampling.RESAMPLES
    assert null.low < 0.3 and null.value < 0.75 and planted.low > null.value


def test_noise_has_a_mean_stability_of_0(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(300, 8)).astype(np.float32)
    signs = np.where(rng.random((300, 60)) < 0.5, 1, -1)
    for method in ("mean difference", "LDA", "logistic"):
        values = [cosine.value for cosine in cosines_of(Resamples(codes, rng=rng).directions(signs, method))]
        assert abs(np.mean(values)) < 0.12, method


@pytest.mark.parametrize("method", ["mean difference", "LDA", "ridge", "logistic", "SVM"])
def test_weights_equal_repeated_rows(method: str, rng: np.random.Generator) -> None:
    codes, signs, number = spread(rng, 400, 6, 0.6)
    targets = (number if method == "ridge" else signs).astype(np.float64)
    targets[::7] = np.nan if method == "ridge" else 0
    drawn = Resamples(codes, rng=rng, resamples=3)
    both = drawn.directions(targets if method == "ridge" else targets.astype(np.int64), method)
    for b in range(3):
        rows = np.repeat(np.arange(400), drawn.counts[:, b])
        for side, use in enumerate((rows, np.flatnonzero(drawn.counts[:, b] == 0))):
            direction = find_directions(codes[use], targets[use], method=method)[0]
            assert both[side, b, 0] @ direction > 0.995, (b, side)  # the penalty is on other widths, no more


def test_first_order_is_near_a_refit(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    codes, signs, number = spread(rng, 3000, 8, 0.4)
    drawn = Resamples(codes, rng=rng)
    for method in ("LDA", "logistic", "SVM", "ridge"):
        targets = number if method == "ridge" else signs
        exact = cosines_of(drawn.directions(targets, method))[0]
        monkeypatch.setattr(resampling, "MAX_REFIT_WORK", 0)
        monkeypatch.setattr(resampling, "MAX_COVARIANCE_WORK", 0)
        near = cosines_of(drawn.directions(targets, method))[0]
        monkeypatch.undo()
        assert near.value == pytest.approx(exact.value, abs=0.02), method


def test_wide_codes_have_fewer_resamples(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(60, 200)).astype(np.float32)
    signs = np.where(rng.random((60, 30)) < 0.5, 1, -1)
    drawn = Resamples(codes, rng=rng)
    for method in ("LDA", "logistic", "SVM"):
        pairs = drawn.directions(signs, method)
        assert resampling.MIN_RESAMPLES <= pairs.shape[1] <= resampling.RESAMPLES, method
        cosine = np.mean([interval.value for interval in cosines_of(pairs)])
        assert abs(cosine) < 0.15, f"{method} fits every row, and finds nothing again"


def test_correlated_codes_lower_agreement(rng: np.random.Generator) -> None:
    def agreements(codes: np.ndarray, signs: np.ndarray) -> dict[str, Concept]:
        rows, ask = np.arange(len(codes)), ConceptTarget(name="it", column="it", kind="boolean", signs=signs)
        table = concept_table(
            codes[:1500], codes[1500:], [ask], rows[:1500], rows[1500:], rng=rng, permutations=19, draws=2, resamples=2
        )
        return {concept.method: concept for concept in table.concepts}

    signs = np.where(rng.random(2000) < 0.5, 1, -1)
    plain = rng.normal(size=(2000, 2)) + signs[:, None] * [1, 0.5]
    assert min(concept.agreement for concept in agreements(plain, signs).values()) > 0.98
    narrow = plain.copy()
    narrow[:, 1] = 3 * rng.normal(size=2000)
    narrow[:, 0] = narrow[:, 1] + 0.3 * rng.normal(size=2000) + 0.5 * signs
    parted = agreements(narrow, signs)
    assert parted["mean difference"].agreement < 0.9 and parted["LDA"].agreement > parted["mean difference"].agreement


def test_stability_ignores_units_of_columns(rng: np.random.Generator) -> None:
    codes, signs, number = spread(rng, 600, 6, 0.4)
    codes[:, 3], codes[:, 4] = 0.1 * rng.normal(size=600), 7
    rows, names = np.arange(600), {"sides": None, "number": number[:, 0]}
    targets = [
        ConceptTarget(name=name, column=name, kind="numeric", signs=signs[:, 0], note="", values=values)
        for name, values in names.items()
    ]
    units = 2.0 ** np.array([0, 3, -4, 14, 1, -2])
    plain, scaled = (
        concept_table(
            x[:400],
            x[400:],
            targets,
            rows[:400],
            rows[400:],
            rng=np.random.default_rng(1),
            permutations=19,
            draws=2,
            resamples=9,
        )
        for x in (codes, codes * units.astype(np.float32))
    )
    for concept, other in zip(plain.concepts, scaled.concepts, strict=True):
        assert (concept.name, concept.method) == (other.name, other.method)
        for figure in ("stability", "shuffled_stability"):
            ends = [(f.low, f.value, f.high) for f in (getattr(concept, figure), getattr(other, figure))]
            assert ends[0] == pytest.approx(ends[1], abs=0.01), (concept.name, concept.method, figure)
        assert concept.agreement == pytest.approx(other.agreement, abs=0.01), (concept.name, concept.method)
    assert not np.allclose(plain.directions, scaled.directions, atol=0.1), "directions themselves are in own units"


def test_pca_directions_compare_on_columns(rng: np.random.Generator) -> None:
    axes, deviation = ortho_group.rvs(4, random_state=1)[:2], np.array([1, 10, 0.1, np.inf], np.float32)
    space = Space(np.zeros((3, 2)), np.zeros((3, 2)), deviation, axes)
    directions = np.array([[0.6, 0.8], [0.8, -0.6]])
    wide = (directions @ axes)[:, :3]
    assert space.at_unit_variance(directions, "LDA")[:, :3] == pytest.approx(wide * deviation[:3])
    assert space.at_unit_variance(directions, "mean difference")[:, :3] == pytest.approx(wide / deviation[:3])
    assert not space.at_unit_variance(directions, "LDA")[:, 3].any()


def test_test_rows_do_not_choose_the_method(rng: np.random.Generator) -> None:
    signs = np.where(rng.random(1200) < 0.5, 1, -1)
    wide = rng.normal(size=1200) * 3
    codes = np.column_stack([wide + 0.3 * rng.normal(size=1200) + 0.5 * signs, wide]).astype(np.float32)
    ask, rows = ConceptTarget(name="it", column="it", kind="boolean", signs=signs), np.arange(1200)
    for lie in (1, -1):  # reversed test labels change what the figure is, not which method is taken
        target = ConceptTarget(
            name="it", column="it", kind="boolean", signs=np.where(rows < 800, ask.signs, lie * ask.signs)
        )
        table = concept_table(
            codes[:800],
            codes[800:],
            [target],
            rows[:800],
            rows[800:],
            rng=np.random.default_rng(0),
            permutations=19,
            draws=2,
            resamples=2,
        )
        assert [concept.chosen for concept in table.concepts].count(True) == 1
        assert table.best[0].method != "mean difference" and (table.best[0].auc.value > 0.5) == (lie == 1)


def test_a_correlation_has_fishers_interval(rng: np.random.Generator) -> None:
    inside = 0
    for _ in range(200):
        x = rng.normal(size=60)
        figure = correlation(x, 0.5 * x + np.sqrt(0.75) * rng.normal(size=60))
        inside += figure.low < 0.5 < figure.high
    assert 180 <= inside <= 199
    assert np.isnan(correlation(np.ones(9), np.arange(9.0)).value)


def test_a_task_counts_rows_without_a_value_on_neither_side() -> None:
    values = np.array([1.0, 2, np.nan, 4, 5, 6, np.nan, 8])
    signs = np.where(np.isnan(values), 0, np.where(values > 4, 1, -1))
    task = Task(
        target=ConceptTarget(name="size", column="size", kind="numeric", signs=signs, note="", values=values),
        train=np.arange(4),
        test=np.arange(4, 8),
    )
    assert task.numeric and task.signs(task.test).tolist() == [1, 1, 0, 1]
    along = (np.array([1.0, 2, 99, 4]), np.array([5.0, 6, 99, 8]))
    figure = task.r2(along, np.random.default_rng(0))
    assert figure.value == pytest.approx(1) and figure.n == 3
