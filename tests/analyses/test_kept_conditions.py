"""Concepts that are kept together: two that nearly say the same, and two that do not, from the study to its words."""

from __future__ import annotations

import numpy as np
import pytest
import table_maker

from analysis.concepts.concept_table import ConceptTable
from analysis.concepts.orthogonalization import BAR
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


def words(found: ConceptTable) -> tuple[Table, str]:
    """The report's table of what was freed, and the terminal's as text."""
    tables = [
        block for block in all_blocks(section(ReportContext({"concepts": found})).blocks) if isinstance(block, Table)
    ]
    shown = next(block for block in tables if block.columns[:2] == ("direction", "preserved"))
    return shown, str(
        next(block for block in concepttable(found) if block[0].startswith("directions that preserve others"))
    )


def test_a_condition_that_nearly_depends_on_another_is_named_and_not_taken_out(hats: Embeddings) -> None:
    found = studied(hats, "hat", "cap")
    names = {found.concepts[free.concept].name: free for free in found.conditional}
    assert list(names) == ["smile, preserving hat and cap by projection", "wet, preserving hat and cap by projection"]
    for free in found.conditional:
        hat, cap = free.preserved
        assert (hat.name, hat.dependent, cap.name, cap.dependent) == ("hat", False, "cap", True)
        assert free.condition == 1 and abs(hat.cosine[1]) < 1e-12, "one condition is left"
        assert abs(cap.cosine[1]) < 2 / BAR, "hardly any of it is left all the same"
    alone = studied(hats, "hat")
    np.testing.assert_allclose(
        found.directions[names["smile, preserving hat and cap by projection"].concept],
        alone.directions[alone.conditional[0].concept],
    )
    shown, said = words(found)
    preserved = [row[1] for row in shown.rows]
    assert preserved == ["hat", "cap (not taken out)"] * 2
    assert shown.caption.endswith(
        "Not taken out: conditions that nearly depend on those before them, which would amplify noise."
    )
    assert "'cap (left out: nearly depends on those before)'" in said and "'hat'" in said


def test_the_first_of_two_that_say_the_same_is_taken_out(hats: Embeddings) -> None:
    found = studied(hats, "cap", "hat")
    assert [(one.name, one.dependent) for one in found.conditional[0].preserved] == [("cap", False), ("hat", True)]


def test_conditions_of_their_own_are_all_taken_out_and_nothing_is_said_of_dependence(hats: Embeddings) -> None:
    found = studied(hats, "hat", "wet")
    assert [found.concepts[free.concept].name for free in found.conditional] == [
        "smile, preserving hat and wet by projection"
    ]
    assert any(note.startswith("nothing is left of 'cap' without hat and wet") for note in found.notes)
    for free in found.conditional:
        assert not any(one.dependent for one in free.preserved) and 1 < free.condition < BAR
        assert all(abs(one.cosine[1]) < 1e-12 for one in free.preserved)
    shown, said = words(found)
    assert "not taken out" not in str(shown).lower() and "depend" not in str(shown) and "left out" not in said
