"""Directions without labels, by name: edited along, preserved and verified as concepts are, where each is planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bands import WIDTH, Bands, axes, scores

from analysis import AnalysisError
from analysis.concepts.concept_table import ConceptTable, concept_table
from analysis.concepts.orthogonalization import conditional_directions
from analysis.concepts.scoring import Task
from analysis.concepts.targets import ConceptTarget
from analysis.concepts.unsupervised import unsupervised
from analysis.concepts.views import tables as concepttable
from analysis.editing.study import edit_directions, verify_concepts
from analysis.editing.verification import EditDirection, Verification, verify_edits
from analysis.editing.views import section as edits
from analysis.editing.views import tables as verification
from analysis.report.context import ReportContext
from analysis.report.document import Choice, Comparison, Lines, all_blocks

SPREADS = np.array([4.0, *np.ones(WIDTH - 1)])  # number 0 varies most: pca1
GAINS = np.array([1, 1, 1, 6, *np.ones(WIDTH - 5), 3])  # the first layer stretches number 3 most: sefa1, then the last


@pytest.fixture(scope="module")
def table() -> ConceptTable:
    """Bands "a" and "d" of images are numbers 0 and 3 of the code; the last number moves no band."""
    rng = np.random.default_rng(5)
    codes, rows = (rng.normal(size=(900, WIDTH)) * SPREADS).astype(np.float32), np.arange(900)
    targets = [
        ConceptTarget(name="d", column="d", kind="boolean", signs=np.where(codes[:, 3] > 0, 1, -1)),
        ConceptTarget(name="a", column="a", kind="boolean", signs=np.where(codes[:, 0] > 0, 1, -1)),
    ]
    result = concept_table(
        codes[:600],
        codes[600:],
        targets,
        rows[:600],
        rows[600:],
        rng=rng,
        preserve=["d"],
        draws=2,
        permutations=49,
        resamples=4,
    )
    tasks = [Task(target=target, train=rows[:600], test=rows[600:]) for target in targets]
    blind = unsupervised(codes[:600], codes[600:], tasks, weights=np.diag(GAINS), rng=rng, permutations=49)
    return replace(result, unsupervised=blind)


@pytest.fixture(scope="module")
def directions(table: ConceptTable) -> dict[str, EditDirection]:
    return {direction.name: direction for direction in reversed(edit_directions(table))}


@pytest.fixture(scope="module")
def verified(directions: dict[str, EditDirection]) -> Verification:
    world, rng = Bands(axes()), np.random.default_rng(1)
    codes = np.random.default_rng(0).normal(size=(60, WIDTH)) * SPREADS
    chosen = [directions[name] for name in ("pca1", "sefa1", "sefa2", "a, preserving d", "d")]
    return verify_edits(world.decode, world.evaluate, scores(), codes, chosen, rng=rng)


def test_directions_have_a_name_and_a_target(table: ConceptTable, directions: dict[str, EditDirection]) -> None:
    blind = {f"{short}{i}" for short in ("pca", "sefa") for i in range(1, 9)}
    assert set(directions) == {"a", "d", "a, preserving d"} | blind
    first, layer = directions["pca1"], directions["sefa1"]
    assert (first.column, first.target_score, layer.column, layer.target_score) == ("pca", "a", "sefa", "d")
    assert first.vector[0] > 0.99 and first.length == pytest.approx(4, rel=0.1), "a standard deviation along it"
    assert layer.vector[3] > 0.99 and layer.length == pytest.approx(1, rel=0.1)
    assert directions["d"].target_score == "d" and directions["a, preserving d"].target_score == "a"
    np.testing.assert_array_equal(directions["sefa2"].vector, table.unsupervised[1].directions[1])


def test_planted_directions_are_verified(verified: Verification) -> None:
    pca, sefa, idle, _, _ = verified.responses
    assert {response.name for response in verified.verified} == {"pca1", "sefa1", "a, preserving d", "d"}
    assert pca.effect.value == pytest.approx(4, rel=0.1) and sefa.effect.value == pytest.approx(1, rel=0.1)
    assert pca.spearman.value == 1 and pca.curve.shape == (3, 7) and pca.effect_random.value < 2
    assert np.argmax(np.abs(verified.leakage[0])) == 0 and not verified.leaks[0].any(), "its own score is no leakage"
    assert abs(idle.effect.value) < 0.05 and idle.p_value > 0.05 and idle.score >= 0


def test_preserved_directions_stay(directions: dict[str, EditDirection]) -> None:
    axis, plain = directions["pca1"], directions["a"]
    conditional = conditional_directions(
        directions["a"].vector[None], axis.vector[None], names=["a"], preserved=["pca1"]
    )
    assert abs(conditional.directions[0] @ axis.vector) < 1e-12
    assert "'a' is nearly dependent on 'pca1'" in conditional.notes[0]
    free = conditional_directions(axis.vector[None], plain.vector[None], names=["pca1"], preserved=["a"])
    assert abs(free.directions[0] @ plain.vector) < 1e-12
    with pytest.raises(AnalysisError, match="'pca1' cannot change while 'pca1' is preserved"):
        conditional_directions(axis.vector[None], axis.vector[None], names=["pca1"], preserved=["pca1"])


def test_a_concept_called_pca1_keeps_its_name(table: ConceptTable) -> None:
    taken = replace(table, concepts=(replace(table.concepts[0], name="pca1"), *table.concepts[1:]))
    names = [direction.name for direction in edit_directions(taken)]
    assert names.count("pca1") == 1 and names.index("pca1") == 0 and "PCA of codes 1" in names and "pca2" in names


def test_notes_name_the_scores_of_directions(directions: dict[str, EditDirection]) -> None:
    from analysis.editing.evaluators import ImageMeasures
    from analysis.editing.study import HeldOut

    class Inked:
        def encode(self, images: np.ndarray, /) -> np.ndarray:
            return np.tile(images.mean((1, 2, 3))[:, None], WIDTH).astype(np.float32)

        def decode(self, codes: np.ndarray, /) -> np.ndarray:
            bright = np.clip(0.5 + 0.02 * codes[:, 0], 0, 1)
            return np.tile(bright[:, None, None, None], (1, 4, 4, 1)).astype(np.float32)

    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1)).astype(np.uint8)
    held = HeldOut(images, np.full(30, -1), np.zeros((30, 0)))
    chosen = [replace(directions["pca1"], target="brightness"), directions["sefa1"], directions["a, preserving d"]]
    result = verify_concepts(
        chosen,
        Inked(),
        held,
        ImageMeasures(names=("brightness",), ground=0.0),
        None,
        rng=np.random.default_rng(0),
        edited=10,
        draws=2,
    )
    assert result.responses[0].score == 0 and result.responses[0].effect.low > 0 and result.responses[1].score == -1
    notes = " ".join(result.notes)
    assert (
        "scored by the concept that it predicts best on train rows" in notes
        and "'pca1' by 'brightness', 'sefa1' by 'd'" in notes
    )
    assert "scored by the concept that it was made of: 'a, preserving d' by 'a'" in notes
    assert "no evaluator for 'sefa1', 'a, preserving d'" in notes


def test_views_name_directions_and_scores(table: ConceptTable, verified: Verification) -> None:
    section = edits(ReportContext({"editing": verified, "concepts": table}))
    assert "4 of 5 directions" in section.finding
    assert (
        "pca1 by 4" in section.finding
        and "pca1 changes a by 4" in str(section)
        and "computed again" not in str(section)
    )
    blocks = all_blocks(section.blocks)
    charts = {block.id: block.title for block in blocks if isinstance(block, Lines)}
    assert charts["dose-0"].endswith("of a: “pca1”") and charts["dose-4"].endswith("curve: “d”")
    assert [name for name, _ in next(b for b in blocks if isinstance(b, Choice)).options][:2] == ["pca1", "sefa1"]
    rows = next(block for block in blocks if isinstance(block, Comparison)).rows
    assert [row.label for row in rows][:2] + [row.label for row in rows][3:] == [
        "pca1 (a)",
        "sefa1 (d)",
        "a, preserving d (a)",
        "d",
    ]
    printed = str(list(concepttable(table)))
    assert "'pca1'" in printed and "'sefa8'" in printed and "PCA of codes, without labels" in printed
    assert "pca1 (a)" in str(list(verification(verified)))
    other = replace(
        table.unsupervised[0], axes=tuple(replace(a, scale=2 * a.scale) for a in table.unsupervised[0].axes)
    )
    changed = edits(ReportContext({"editing": verified, "concepts": replace(table, unsupervised=(other,))}))
    assert "'pca1' has another scale" in str(changed)
