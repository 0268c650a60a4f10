"""Concepts that are preserved together: two that are nearly the same, and two that are not, from study to report."""

from __future__ import annotations

import numpy as np
import pytest
import table_maker

from analysis.concepts.concept_table import ConceptTable
from analysis.concepts.orthogonalization import MAX_CONDITION_NUMBER
from analysis.concepts.study import study as study_concepts
from analysis.concepts.views import section
from analysis.concepts.views import tables as concepttable
from analysis.report.context import ReportContext
from analysis.report.document import Table, all_blocks
from analysis.table.embeddings import Embeddings
from analysis.table.study_options import Options


@pytest.fixture(scope="module")
def hats(tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    """ "hat" and "cap" are the same on 99 of 100 rows, "wet" is a number of its own, "smile" leans on both."""
    rng, n = np.random.default_rng(3), 900
    smile, hat, wet = (rng.random(n) < 0.5 for _ in range(3))
    cap = hat ^ (rng.random(n) < 0.01)
    codes = rng.normal(size=(n, 6))
    codes[:, 0] += 3 * smile + 1.5 * hat + wet
    codes[:, 1] += 3 * hat
    codes[:, 2] += 3 * wet
    split = np.array(["train", "train", "test"])[np.arange(n) % 3].tolist()
    columns = {"code": codes.astype(np.float32), "split": split, "smile": smile, "hat": hat, "cap": cap, "wet": wet}
    return Embeddings(table_maker.write_table(tmp_path_factory.mktemp("hats") / "t.parquet", columns))


def studied(table: Embeddings, *preserved: str) -> ConceptTable:
    return study_concepts(table, None, Options(), permutations=19, preserve=preserved, preserve_by="projection")


def words(concepts: ConceptTable) -> tuple[Table, str]:
    """The report's table of conditional directions, and the terminal's as text."""
    tables = [
        block for block in all_blocks(section(ReportContext({"concepts": concepts})).blocks) if isinstance(block, Table)
    ]
    shown = next(block for block in tables if block.columns[:2] == ("direction", "preserved"))
    return shown, str(
        next(block for block in concepttable(concepts) if block[0].startswith("directions that preserve others"))
    )


def test_a_dependent_condition_is_not_taken_out(hats: Embeddings) -> None:
    concepts = studied(hats, "hat", "cap")
    names = {concepts.concepts[conditional.concept].name: conditional for conditional in concepts.conditional}
    assert list(names) == ["smile, preserving hat and cap by projection", "wet, preserving hat and cap by projection"]
    for conditional in concepts.conditional:
        hat, cap = conditional.preserved
        assert (hat.name, hat.dependent, cap.name, cap.dependent) == ("hat", False, "cap", True)
        assert conditional.condition == 1 and abs(hat.cosine[1]) < 1e-12, "one condition is left"
        assert abs(cap.cosine[1]) < 2 / MAX_CONDITION_NUMBER, "hardly any of it is left all the same"
    alone = studied(hats, "hat")
    np.testing.assert_allclose(
        concepts.directions[names["smile, preserving hat and cap by projection"].concept],
        alone.directions[alone.conditional[0].concept],
    )
    shown, printed = words(concepts)
    preserved = [row[1] for row in shown.rows]
    assert preserved == ["hat", "cap (not taken out)"] * 2
    assert shown.caption.endswith(
        "Left out: preserved concepts that earlier ones nearly imply, which would amplify noise."
    )
    assert "'cap (left out: nearly depends on those before)'" in printed and "'hat'" in printed


def test_the_first_of_two_alike_is_taken_out(hats: Embeddings) -> None:
    concepts = studied(hats, "cap", "hat")
    assert [(other.name, other.dependent) for other in concepts.conditional[0].preserved] == [
        ("cap", False),
        ("hat", True),
    ]


def test_independent_conditions_are_taken_out(hats: Embeddings) -> None:
    concepts = studied(hats, "hat", "wet")
    assert [concepts.concepts[conditional.concept].name for conditional in concepts.conditional] == [
        "smile, preserving hat and wet by projection"
    ]
    assert any(note.startswith("nothing is left of 'cap' without hat and wet") for note in concepts.notes)
    for conditional in concepts.conditional:
        assert (
            not any(other.dependent for other in conditional.preserved)
            and 1 < conditional.condition < MAX_CONDITION_NUMBER
        )
        assert all(abs(other.cosine[1]) < 1e-12 for other in conditional.preserved)
    shown, printed = words(concepts)
    assert "not taken out" not in str(shown).lower() and "depend" not in str(shown) and "left out" not in printed
