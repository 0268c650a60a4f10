"""A learned mixture as a part of a code: its components are planted, and what is said of them is known."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import table_maker
from rich.console import Console
from scipy.stats import norm

from analysis import AnalysisError, Embeddings, load, save
from analysis.base.statistics import wilson
from analysis.code_parts.categorical_views import categories_sentence, category_blocks
from analysis.code_parts.code_parts import Codes
from analysis.code_parts.study import study as study_codes
from analysis.interpolation.interpolate import choose_along
from analysis.report.formatting import percent
from analysis.table.code_layout import drawn, drawn_of_each, responsibilities
from analysis.table.selection import labels_of
from analysis.table.study_options import Options
from analysis.terminal import percent_interval as percent_of
from analysis.terminal import show

MEANS = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0], [0.0, -40.0]])
DEVIATIONS = np.array([[0.5, 0.3], [0.4, 0.8], [0.6, 0.5], [1.0, 1.0]])
PART: dict[str, Any] = {
    "name": "z",
    "kind": "learned-mixture",
    "width": 2,
    "encoded": True,
    "start": 0,
    "components": 4,
    "means": MEANS.tolist(),
    "deviations": DEVIATIONS.tolist(),
}


class Places:
    """Images (n, 1, 2, 1): the code itself, brought into [0, 1]."""

    def decode(self, codes: np.ndarray, /) -> np.ndarray:
        return (0.5 + codes / 20).clip(0, 1).reshape(-1, 1, 2, 1).astype(np.float32)


def planted(
    folder: Path, part: dict[str, Any] = PART, *, wrong: float = 0.1, labelled_share: float = 1.0, n: int = 1000
) -> Embeddings:
    """Labels 0, 1, 2 have components 3, 1, 2 (from 1) but for `wrong` of them; component 4 has no image.

    Of the labels a share of `told` is known.
    """
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(n) % 3)
    of = np.array([2, 0, 1])[np.where(rng.random(n) < wrong, (labels + 1) % 3, labels)]
    code = MEANS[of] + DEVIATIONS[of] * rng.standard_normal((n, 2))
    columns = {
        "code": code.astype(np.float32),
        "untrained.code": rng.normal(size=(n, 2)).astype(np.float32),
        "pixels": np.clip(120 * labels[:, None] + rng.normal(0, 8, (n, 3)), 0, 255).astype(np.uint8),
        "label": labels if labelled_share == 1 else names_of(labels, rng.random(n) < labelled_share),
        "split": np.array(["train", "validation", "test", "test", "test"])[np.arange(n) % 5].tolist(),
    }
    return Embeddings(table_maker.write_table(folder / "planted.parquet", columns, {"format": 1, "parts": [part]}))


def names_of(labels: np.ndarray, is_labelled: np.ndarray) -> Any:
    return pa.array([str(v) if t else None for v, t in zip(labels, is_labelled, strict=True)]).dictionary_encode()


def study(table: Embeddings, model: Any = None) -> Codes:
    return study_codes(table, model, Options())


def test_the_component_of_a_code_is_the_likeliest_gaussian():
    z = np.random.default_rng(0).normal(0, 3, (50, 2))
    logs = norm.logpdf(z[:, None], MEANS, DEVIATIONS).sum(2)
    wanted = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    assert np.abs(responsibilities(PART, z) - wanted).max() < 1e-12


def test_compared_draws_share_their_noise():
    z = drawn(PART, 40_000, np.random.default_rng(0))
    of = responsibilities(PART, z).argmax(1)
    assert np.bincount(of, minlength=4) == pytest.approx(10_000, abs=5 * 87)
    each = drawn_of_each(PART, 5, np.random.default_rng(0))
    noise = (each - MEANS[:, None]) / DEVIATIONS[:, None]
    assert each.shape == (4, 5, 2) and np.abs(noise - noise[:1]).max() < 1e-4


def test_components_are_treated_as_categories(tmp_path):
    result = study(planted(tmp_path), Places())
    (categories,) = result.categories
    assert categories.noun == "component" and len(categories.counts) == 4 and categories.counts[3] == 0
    assert categories.matching is not None and categories.matching.names.tolist() == [1, 2, 0, -1]
    assert categories.matching.accuracy.value == pytest.approx(0.9, abs=0.04) and categories.matching.rule == "majority"
    baselines = {b.name: b.figure.value for b in categories.baselines}
    assert baselines["pixels"] > 0.99 and baselines["shuffled"] < 0.45 and baselines["untrained"] < 0.6
    assert categories.samples is not None and categories.samples.shape == (4, 10, 1, 2, 1)
    shown = categories.samples.reshape(4, 10, 2).mean(1) / 255
    assert np.abs(shown[:3] - (0.5 + MEANS[:3] / 20)).max() < 0.05, "its images are those of its own draws"
    save(result, tmp_path / "results")
    assert load(tmp_path / "results")["code_parts"].categories[0].noun == "component"


def test_purity_is_counted_beside_baselines(tmp_path):
    """Of half the rows the label is unknown; component 4 has no row, and each of the others a label that rules it."""
    table = planted(tmp_path, labelled_share=0.5)
    (categories,) = study(table).categories
    test = table.rows("test")
    of = norm.logpdf(table.vectors("code", test)[:, None], MEANS, DEVIATIONS).sum(2).argmax(1)
    labels, _ = labels_of(table)
    labels = labels[test]
    has_label = labels >= 0
    assert categories.purity is not None and 250 < has_label.sum() == categories.purity.n < 350
    right = 0
    for k, purity in enumerate(categories.purities):
        members = labels[has_label & (of == k)].tolist()
        most = max(map(members.count, range(3)))
        right += most
        assert purity == wilson(most, len(members)) if members else purity.n == 0
    assert categories.purity.value == pytest.approx(right / has_label.sum())
    assert categories.purity.low < categories.purity.value < categories.purity.high
    baselines = {b.name: b.figure for b in categories.purity_baselines}
    assert set(baselines) == {"untrained", "pixels", "shuffled"} and baselines["pixels"].value > 0.99
    assert 1 / 3 < baselines["shuffled"].value < 0.45 and baselines["shuffled"].high < categories.purity.low


def test_components_that_are_not_the_labels_are_not_said_to_be(tmp_path):
    (categories,) = study(planted(tmp_path, wrong=2 / 3)).categories
    assert categories.matching is not None and categories.shared is not None
    assert categories.shared.value < 0.6


def test_the_report_speaks_of_components(tmp_path):
    result = study(planted(tmp_path), Places())
    sentence = categories_sentence(result)[0]
    assert sentence.startswith("The 4 components of “z”") and "k-means on pixels" in sentence
    text = str(category_blocks(result.categories[0], result)).replace("\\'", "'")
    assert f"samples, by the prior's fixed weights, have {percent(0.25)} each" in text.replace("\\xa0", "\xa0")
    for sentence in (
        "Purity of each component",
        "Purity: share of labelled test images that have the commonest label of",
    ):
        assert sentence in text
    assert "component 4" in text.lower() and not re.search(r"categor", text.replace("category_", ""))


def test_terminal_prints_purity_of_each_component(tmp_path):
    result = study(planted(tmp_path))
    (categories,), console = result.categories, Console(width=200, record=True, file=io.StringIO())
    show(result, console)
    printed = console.export_text()
    for k, pure in enumerate(categories.purities[:3]):
        line = next(line for line in printed.splitlines() if re.match(rf"\W*{k + 1}\s", line))
        assert f"{percent_of(pure)} of {pure.n}" in line
    lines = printed[printed.index("purity", printed.index("score")) :].splitlines()
    for name, figure in (("purity", categories.purity), *((b.name, b.figure) for b in categories.purity_baselines)):
        assert any(name in line and percent_of(figure) in line for line in lines)


def test_a_damaged_mixture_is_a_sentence(tmp_path):
    for change in ({"deviations": (-DEVIATIONS).tolist()}, {"means": MEANS[:, :1].tolist()}):
        with pytest.raises(AnalysisError, match="mixture of part 'z' is damaged"):
            study(planted(tmp_path, {**PART, **change}))


def test_a_mixture_that_the_encoder_does_not_give_is_drawn(tmp_path):
    """As an InfoGAN's noise: the decoder gets draws of the mixture, not of a cube."""
    given = []

    class Watching(Places):
        def decode(self, codes: np.ndarray, /) -> np.ndarray:
            given.append(codes.copy())
            return super().decode(codes[:, :2])

    rng, n = np.random.default_rng(0), 200
    code = np.concatenate([np.zeros((n, 2)), np.eye(3)[np.arange(n) % 3]], axis=1).astype(np.float32)
    pixels = rng.integers(0, 256, (n, 3), dtype=np.uint8)
    parts = [
        {**PART, "encoded": False},
        {"name": "class", "kind": "categorical", "width": 3, "encoded": True, "start": 2},
    ]
    split = np.array(["train", "test"])[np.arange(n) % 2].tolist()
    columns = {"code": code, "pixels": pixels, "split": split, "label": np.arange(n) % 3}
    path = table_maker.write_table(tmp_path / "noise.parquet", columns, {"format": 1, "parts": parts})
    result = study_codes(Embeddings(path), Watching(), Options())
    assert [categories.part for categories in result.categories] == ["class"]
    z = np.concatenate(given)[:, :2]
    distance = np.abs((z[:, None] - MEANS) / DEVIATIONS).max(2).min(1)
    assert distance.max() < 6


def test_paths_between_components_are_straight_and_say_why():
    for kind in ("learned-mixture", "mixture", "swiss-roll"):
        along, why = choose_along(kind)
        assert along == "lerp" and "mixture" in why
