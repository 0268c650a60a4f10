"""The section on samples beside real images: what it claims of far, copied, repeated and perfect samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_asked as asked
import report_samples as samples
from equal_results import same

from analysis.base.statistics import Interval
from analysis.fidelity.distances import Fidelity, Modes
from analysis.fidelity.views import section as fidelity
from analysis.report.context import ReportContext
from analysis.report.document import Comparison, Gallery, Notice, Prose, Report, Section, Table
from analysis.report.html import page
from analysis.results import load_one, save

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def result() -> Fidelity:
    return asked.fidelity()


def section(result: Fidelity) -> Section:
    return fidelity(ReportContext({"fidelity": result, "overview": samples.overview(600, NAMES)}))


def finding(result: Fidelity) -> str:
    """The finding and what stands right below it."""
    made = section(result)
    below = f" {made.blocks[0].text}" if isinstance(made.blocks[0], Prose) else ""
    return f"{made.finding}{below}".replace("\u00a0", " ")


def blocks(result: Fidelity, kind: type) -> list[Any]:
    return [block for block in section(result).blocks if isinstance(block, kind)]


def test_samples_that_lie_off_and_repeat_are_said_to(result: Fidelity) -> None:
    sentence, ours, real = finding(result), result.samples.frechet, result.baseline
    assert real is not None and sentence.startswith(
        f"In discriminator.dense1, samples lie at a Fréchet distance of {ours.value:.3f} [{ours.low:.3f}, "
        f"{ours.high:.3f}] from held-out images, where training images lie at "
    )
    assert "no clear difference" not in sentence and f"of training images {100 * real.coverage.value:.1f} %" in sentence
    assert "(n = 80 samples, 60 held-out images)." in sentence
    assert "; duplicates tell of about 2 [" in sentence and " different samples (" in sentence
    assert f" pairs of 80, of 80 training images {result.real_duplicates.pairs})" in sentence
    assert result.real_duplicates.pairs < 10


def test_real_images_in_the_samples_place_differ_in_nothing(result: Fidelity) -> None:
    assert result.baseline is not None and result.copying is not None
    near = replace(result.copying, closer=Interval(0.5, 0.4, 0.6, 140))
    few = Modes(number=Interval(4000.0, 1500.0, 9000.0, 80), pairs=1, rows=80, threshold=0.5)
    as_real = replace(result, samples=result.baseline, copying=near, modes=few)
    sentence = finding(as_real)
    (table,) = [t for t in blocks(as_real, Table) if t.columns[0] == "different images"]
    assert [row[1] for row in table.rows] == ["more than 1,500", "–"], "real images have no number of their own"
    assert "so no clear difference shows (n = " in sentence and "duplicates tell" not in sentence
    assert "no nearer to training images than new images do" in sentence


def test_no_difference_is_claimed_only_if_none(result: Fidelity) -> None:
    real, copying = result.baseline, result.copying
    assert real is not None and copying is not None
    near = replace(copying, closer=Interval(0.5, 0.4, 0.6, 140))
    few = Modes(number=Interval(4000.0, 1500.0, 9000.0, 80), pairs=1, rows=80, threshold=0.5)
    alike = replace(result, samples=real, copying=near, modes=few)
    recall, kernel = Interval(0.813, 0.77, 0.85, 400), Interval(0.5, 0.45, 0.55, 400)
    baseline = replace(real, recall=Interval(0.978, 0.96, 0.99, 400))
    sentence = finding(replace(alike, samples=replace(real, recall=recall, kernel=kernel), baseline=baseline))
    assert "no clear difference" not in sentence and (
        "; the kernel distance and recall differ clearly from those of training images (n = " in sentence
        and "; clearly different are the kernel distance (0.5000 [0.4500, 0.5500], training images " in sentence
        and " and recall (81.3 % [77.0, 85.0], training images 97.8 % [96.0, 99.0])." in sentence
        and " of held-out images have a sample near (of training images " in sentence
    )
    alone = finding(replace(alike, samples=replace(real, recall=recall), baseline=baseline))
    assert "; recall differs clearly from that of training images (n = " in alone
    assert "; clearly different is recall (81.3 % [77.0, 85.0], training images 97.8 % [96.0, 99.0])." in alone
    off = finding(replace(alike, copying=replace(near, closer=Interval(0.38, 0.34, 0.42, 400))))
    assert "no clear difference" not in off and "differ" not in off
    assert "samples lie farther from training images than new images do (P = 0.38 [0.34, 0.42], 0.5 by chance)" in off
    assert "no clear difference" not in finding(replace(alike, modes=result.modes)), "they repeat themselves"


def test_copies_are_reported_nearer() -> None:
    copied = asked.fidelity(copied=True)
    sentence = finding(copied)
    assert "samples lie nearer to training images than new images do (P = 1.00 [" in sentence
    assert "80 of 80 nearer than 99 % of these" in sentence
    (copies,) = [table for table in blocks(copied, Table) if table.columns[0] == "copies of training images"]
    assert copies.rows[2][1].replace("\u00a0", " ") == "100.0 % (80 of 80)"


def test_nearest_images_are_shown(result: Fidelity) -> None:
    (gallery,) = blocks(result, Gallery)
    assert [group.title for group in gallery.groups] == ["Samples", "Held-out images"]
    for group in gallery.groups:
        assert group.pairs and len(group.pictures) == 8 and all(p.row is not None for p in group.pictures[1::2])
    assert result.shown is not None and result.copying is not None
    np.testing.assert_array_equal(gallery.groups[0].pictures[2].pixels, result.shown[1])
    assert gallery.groups[0].pictures[3].row == result.copying.nearest[1]
    assert gallery.groups[1].pictures[1].label == "0.50"
    assert not blocks(replace(result, shown=None, real_pairs=None), Gallery)


def test_shares_are_beside_those_of_real_images(result: Fidelity) -> None:
    (shares,) = blocks(result, Comparison)
    assert [row.role for row in shares.rows] == ["ours", "real"] * 3 and all(row.n > 0 for row in shares.rows)
    assert shares.rows[4].value == result.samples.coverage.value
    (notice,) = blocks(result, Notice)
    assert "few for covariances of 16 features" in notice.text and "subsets of 15" in notice.text
    assert not any("few for" in str(block) for block in section(result).blocks if not isinstance(block, Notice))
    plenty = replace(result.samples, real=10_000, fake=10_000, subset=1000)
    assert not blocks(replace(result, samples=plenty), Notice)


def test_fid_is_only_named_to_say_it_is_none(result: Fidelity) -> None:
    text = page(Report(title="t", lead="l", sections=(section(result),)))
    assert text.count("FID") == text.count("They are no FID, which has Inception") > 0


def test_no_duplicates_give_a_lower_end_alone(result: Fidelity) -> None:
    none = Modes(number=Interval(np.inf, 590.0, np.inf, 60), pairs=0, rows=60, threshold=0.5)
    (table,) = [t for t in blocks(replace(result, modes=none), Table) if t.columns[0] == "different images"]
    assert table.rows[0] == ("samples", "more than 590", "0", "60")


def test_without_a_split_nothing_stands_beside_and_that_is_said(result: Fidelity) -> None:
    alone = replace(result, baseline=None, copying=None, shown=None, real_pairs=None, real_distances=None)
    assert finding(alone).endswith("(n = 80 samples, 60 held-out images); there is no baseline.")
    assert len(blocks(alone, Comparison)[0].rows) == 3 and not blocks(alone, Gallery)


def test_what_was_measured_comes_back_from_disk(result: Fidelity, tmp_path: Path) -> None:
    save(result, tmp_path)
    assert same(load_one(tmp_path, "fidelity"), result)


def test_hostile_names_of_features_are_text() -> None:
    text = page(Report(title="t", lead="l", sections=(section(asked.fidelity(samples.HOSTILE[1])),)))
    assert "<img src=x" not in text and "&lt;img src=x" in text
    plain = fidelity(ReportContext())
    assert plain.missing and "latentgan fidelity TABLE SAMPLES" in plain.finding
