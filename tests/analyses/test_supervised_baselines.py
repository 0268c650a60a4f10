"""Networks that are taught few labels: shape is read where pixels tell nothing, generated images help or do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table_maker
import torch
import typer
from typer.testing import CliRunner

from analysis import AnalysisError, Embeddings, load
from analysis.app import register
from analysis.base.linear_models import Rows
from analysis.label_efficiency.curves import Curve
from analysis.label_efficiency.regression import NumberCurves
from analysis.label_efficiency.study import study as study_efficiency
from analysis.label_efficiency.supervised_baselines import LabelSubset, SupervisedBaseline
from analysis.label_efficiency.views import section as few_labels
from analysis.probes.few_labels import few_label_accuracy
from analysis.report.context import ReportContext
from analysis.report.document import Comparison, Lines, all_blocks
from analysis.table.study_options import Options
from latentgan import NumpyModel, configure, encode_table, from_arrays, train
from latentgan.evaluation import supervised_baselines as teaching
from latentgan.evaluation.supervised_baselines import (
    MAPS,
    STEP_CHOICES,
    SupervisedTraining,
    as_source,
    by_class,
    by_network,
    mixed,
    shape_of,
    supervised_baselines,
)
from latentgan.families.base import load_family


def bars(rng: np.random.Generator, n: int, *, planted: bool = True, noise: float = 20.0) -> tuple[Any, np.ndarray]:
    """Bars anywhere in 8 × 8 images; the class is whether they lie or stand, of which no single pixel tells."""
    labels, place, start = rng.integers(0, 2, n), rng.integers(0, 8, n), rng.integers(0, 8, n)
    images = np.zeros((n, 8, 8, 1))
    for i in range(n):
        part = (start[i] + np.arange(5)) % 8
        images[(i, place[i], part) if labels[i] else (i, part, place[i])] = 200
    images = np.clip(images + noise * np.abs(rng.normal(size=images.shape)), 0, 255).astype(np.uint8)
    return images, labels if planted else rng.integers(0, 2, n)


def subset(rng: np.random.Generator, *, planted: bool = True, per_class: int = 40, draws: int = 2) -> LabelSubset:
    images, labels = bars(rng, 800, planted=planted)
    members = [np.flatnonzero(labels[:300] == k) for k in (0, 1)]
    picked = np.stack(
        [np.concatenate([rng.choice(m, per_class, replace=False) for m in members]) for _ in range(draws)]
    )
    return LabelSubset(
        images=images,
        labels=labels,
        classes=("stands", "lies"),
        draws=picked,
        validation=np.arange(300, 500),
        test=np.arange(500, 800),
    )


def by_probe(given: LabelSubset) -> np.ndarray:
    x = given.images.reshape(len(given.images), -1).astype(np.float32) / 255
    parts = [Rows(x[rows], given.labels[rows]) for rows in (np.arange(300), given.validation, given.test)]
    return few_label_accuracy(*parts, draws=given.draws, columns=2)[0]


def test_networks_learn_shape_and_not_noise() -> None:
    given = subset(np.random.default_rng(0), per_class=120)
    hits, steps = SupervisedTraining().fit_classifiers(given)
    assert hits.shape == (2, 300) and steps in (25, 50, 100, 200, 400)
    assert hits.mean() > 0.85 and by_probe(given).mean() < 0.7
    lost, _ = SupervisedTraining().fit_classifiers(subset(np.random.default_rng(0), planted=False))
    assert abs(lost.mean() - 0.5) < 0.08


def test_the_same_seed_teaches_the_same() -> None:
    given = subset(np.random.default_rng(1), per_class=5, draws=1)
    first, again = (
        SupervisedTraining(augment=MAPS, seed=3).fit_classifiers(given),
        SupervisedTraining(augment=MAPS, seed=3).fit_classifiers(given),
    )
    assert first[1] == again[1] and np.array_equal(first[0], again[0])


@dataclass
class Generator:
    """A model that can be asked for bars of either class, or that draws noise whatever is asked for."""

    useful: bool
    classes: tuple[str, ...] = ("lies", "stands")  # in another order than the table's

    def sample(self, n: int, *, seed: int, label: str | None = None) -> np.ndarray:
        rng = np.random.default_rng([seed, 9])
        images, labels = bars(rng, 3 * n)
        if label is not None:
            images = images[labels == ("stands", "lies").index(label)]
        images = images[:n] / 255
        return images if self.useful else rng.permuted(images.reshape(n, -1), axis=1).reshape(images.shape)


@pytest.fixture
def few_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "GENERATED_IMAGES", 200)


@pytest.mark.usefixtures("few_made")
def test_generated_images_by_class_help_as_much_as_they_tell() -> None:
    given = subset(np.random.default_rng(2), per_class=2)
    plain, _ = SupervisedTraining().fit_classifiers(given)
    helped, _ = SupervisedTraining(generated=by_class(Generator(True))).fit_classifiers(given)  # type: ignore[arg-type]
    mere_noise, _ = SupervisedTraining(generated=by_class(Generator(False))).fit_classifiers(given)  # type: ignore[arg-type]
    assert helped.mean() > 0.85 and helped.mean() > plain.mean() + 0.2
    assert abs(mere_noise.mean() - plain.mean()) < 0.1


@pytest.mark.usefixtures("few_made")
def test_pseudo_labels_are_a_networks_that_was_taught_the_draw() -> None:
    given = subset(np.random.default_rng(3))
    source = as_source(given)
    images, labels = by_network(Generator(True), seed=4)(source, given.draws[0])  # type: ignore[arg-type]
    truth = bars(np.random.default_rng([4, 9]), 3 * len(images))[1][: len(images)]
    assert np.mean(labels == truth) > 0.85
    both, rows = mixed(source, given.draws[0], images, labels)
    assert np.array_equal(both.images[:80], source.images[given.draws[0]])
    assert np.array_equal(both.labels[80:], labels) and len(rows) == pytest.approx(2 * len(images), rel=0.2)


def counting(seen: list[LabelSubset]) -> Any:
    """A teacher that is right on every other test row."""

    def teach(given: LabelSubset) -> tuple[np.ndarray, int]:
        seen.append(given)
        return np.tile(np.arange(len(given.test)) % 2 == 0, (len(given.draws), 1)), 7

    return teach


def test_networks_learn_the_first_draws(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path, rows=600))
    seen: list[LabelSubset] = []
    networks = [
        SupervisedBaseline(name="network", fit_classifiers=counting(seen)),
        SupervisedBaseline(name="network, generated", fit_classifiers=counting([]), n_labels_used=40, note="told 40"),
    ]
    options = Options()
    found = study_efficiency(table, None, options, draws=4, supervised=networks, network_draws=2)
    train, test = (table.rows(part)[table.column().present[table.rows(part)]] for part in ("train", "test"))
    again = Curve(
        table.column().codes[train],
        [few.per_class for few in found.curve[:-1]],
        columns=10,
        draws=4,
        rng=options.rng("probes"),
    )
    for given, size, few in zip(seen, again.sizes, found.curve, strict=False):
        assert np.array_equal(given.draws, size.picked[:2])
        assert np.array_equal(given.labels[given.test], table.column().codes[test])
        pixels = table.vectors("pixels", train).reshape(-1, 8, 8, 1)
        assert np.array_equal(given.images[given.draws], np.rint(255 * pixels[given.draws]))
        assert ("network, generated" in few.representations) == (few.labels >= 40)
        at = few.representations.index("network")
        assert few.scores[at].n == 2 and few.settings[at] == 7 and np.isnan(few.accuracy[at, 2:]).all()
        assert few.scores[at].value == pytest.approx(0.5, abs=0.01) and few.scores[0].n == 4
    pairs = {(d.representation, d.baseline) for d in found.curve[-1].differences}
    assert {("code", "network"), ("network, generated", "network")} <= pairs
    assert "network, generated: told 40" in found.notes
    assert study_efficiency(table, None, Options(), supervised=networks, draws=2, per_class=(2,)).notes == ()


def test_networks_need_pictures(tmp_path: Path) -> None:
    path = table_maker.digits_table(tmp_path, rows=600)
    networks = [SupervisedBaseline(name="network", fit_classifiers=counting([]))]
    few = study_efficiency(
        Embeddings(path, label="ink"), None, Options(), supervised=networks, draws=2, network_draws=2
    )
    assert "network" not in few.curve[0].representations and not [one for one in few.notes if "network" in one]
    columns = table_maker.digits_columns(rows=600)
    del columns["pixels"]
    bare = table_maker.write_table(tmp_path / "bare.parquet", columns, table_maker.digits_metadata())
    with pytest.raises(AnalysisError, match="networks learn from pixels, and the table 'bare"):
        study_efficiency(
            Embeddings(bare), None, Options(), supervised=networks, draws=2, per_class=(2,), network_draws=2
        )


def test_networks_learn_numbers_and_not_noise() -> None:
    rng = np.random.default_rng(5)
    images, labels = bars(rng, 800)
    values = np.stack([2.0 * labels - 1, rng.normal(size=800)], axis=1)
    given = LabelSubset(
        images=images,
        labels=np.full(800, -1),
        classes=(),
        draws=np.stack([rng.choice(300, 240, replace=False) for _ in range(2)]),
        validation=np.arange(300, 500),
        test=np.arange(500, 800),
        values=values,
    )
    network = SupervisedTraining().fit_regressors(given)
    assert network[0].shape == (2, 300, 2) and set(network[1]) <= set(STEP_CHOICES)
    again = SupervisedTraining().fit_regressors(given)
    assert np.array_equal(network[0], again[0])
    x = images.reshape(800, -1).astype(np.float32)
    curves = NumberCurves(values[:300], values[500:], (240,), draws=2, rng=np.random.default_rng(0))
    curves.add_probes("pixels", True, x[:300], x[300:500], x[500:], values[300:500])
    curves.add("network", [((network[0] - curves.mean) / curves.scale, [7.0, 8.0])])
    shape, nothing = (curve.results()[0] for curve in curves.curves)
    assert shape.scores[1].value > 0.4 and shape.scores[0].value < 0.15 and shape.settings[1] == 7
    assert -0.2 < nothing.scores[1].value < 0.05 and nothing.settings[1] == 8
    by_hand = 1 - np.mean((network[0][..., 0] - values[500:, 0]) ** 2, axis=1) / np.var(values[500:, 0])
    assert shape.accuracy[1] == pytest.approx(by_hand, abs=1e-4)


def test_networks_of_numbers_are_taught_the_draws_that_ridge_is(tmp_path: Path) -> None:
    table = Embeddings(table_maker.digits_table(tmp_path, rows=600), label="ink")
    seen: list[LabelSubset] = []

    def read(given: LabelSubset) -> tuple[np.ndarray, list[int]]:
        """Every test row's own value, and nothing of the draws: R² is 1."""
        seen.append(given)
        assert given.values is not None
        return np.repeat(given.values[given.test][None], len(given.draws), axis=0).astype(np.float32), [3]

    networks = [SupervisedBaseline(name="network", fit_classifiers=counting([]), fit_regressors=read, note="plain")]
    found = study_efficiency(table, None, Options(), draws=4, supervised=networks, network_draws=2)
    assert found.target == "ink" and "network: plain" in found.notes
    column = table.column("ink")
    train = table.rows("train")[column.present[table.rows("train")]]
    pixels = table.vectors("pixels", train).reshape(-1, 8, 8, 1)
    picked = [few.labels for few in found.curve]
    for given, few in zip(seen, found.curve, strict=True):
        at = few.representations.index("network")
        assert (
            few.scores[at].value == pytest.approx(1) and few.settings[at] == 3 and np.isnan(few.accuracy[at, 2:]).all()
        )
        assert given.draws.shape == (min(2, few.scores[0].n), few.labels) and given.draws.max() < len(train)
        assert np.array_equal(given.images[given.draws], np.rint(255 * pixels[given.draws]))
        assert given.values is not None
        ink = column.values[train]
        assert given.values[given.draws][..., 0] == pytest.approx(((ink - ink.mean()) / ink.std())[given.draws])
    assert picked == sorted(picked) and {d.baseline for d in found.curve[0].differences} >= {"network"}


def test_networks_are_as_wide_as_the_run_s_own() -> None:
    source = from_arrays(*bars(np.random.default_rng(0), 60))

    def of(family: str, **settings: Any) -> tuple[Any, str]:
        config = configure(family, family=settings)
        return shape_of(NumpyModel(load_family(family)(config.family, source.spec)))

    shape, said = of("bigan", width=12, hidden=48, latent=4)
    assert (shape.width, shape.hidden, shape.dense) == (
        12,
        48,
        False,
    ) and "12 channels on and a dense layer of 48" in said
    own = load_family("bigan")(configure("bigan", family={"width": 12, "hidden": 48}).family, source.spec)
    layers = [
        [m.weight.shape for m in net.modules() if hasattr(m, "weight")]
        for net in (own.encoder, shape.build((1, 8, 8), 9))
    ]  # type: ignore[attr-defined]
    assert [one for one in layers[0] if len(one) == 4] == [one for one in layers[1] if len(one) == 4]
    shape, said = of("gan", hidden=40, discriminator_hidden=24, maxout=3, spectral=False)
    assert (shape.hidden, shape.dense) == (24, True) and "24, as the run's discriminator" in said
    assert of("dcgan", width=6)[0].hidden == 0
    built = shape.build((1, 8, 8), 9)
    assert built(torch.zeros(2, 1, 8, 8)).shape == (2, 9)
    assert shape_of(None)[0] == teaching.SHAPE


def test_a_model_that_knows_other_classes_is_not_asked_for_them() -> None:
    source = from_arrays(*bars(np.random.default_rng(0), 60))
    settings = configure("cgan", family={"latent": 4, "width": 4, "hidden": 16})
    model = NumpyModel(load_family("cgan")(settings.family, source.spec))
    assert [way.name for way in supervised_baselines(None, ("0", "1"))] == ["network", "network, affine maps"]
    assert [way.fit_regressors is not None for way in supervised_baselines(None, ("0", "1"))] == [True, False]
    asked, other = (
        supervised_baselines(model, classes, n_labels_used=60)[-1] for classes in (("0", "1"), ("0", "1", "2"))
    )
    assert "generated by class" in asked.note and "labelled by a network" in other.note
    assert (
        asked.n_labels_used == other.n_labels_used == 60
        and "used 60 labels, which need not be the draw's" in other.note
    )


def test_the_command_teaches_and_the_report_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentgan import load_source
    from latentgan.cli import app as cli

    monkeypatch.setattr(teaching, "STEP_CHOICES", (5, 10))
    monkeypatch.setattr(teaching, "GENERATED_IMAGES", 40)
    source = load_source("digits")
    config = configure(
        "cgan",
        family={"latent": 4, "width": 4, "hidden": 16},
        training={"total_images": 64, "batch_size": 8, "labels": 40, "device": "cpu"},
    )
    run = train(config, tmp_path / "run", source=source)
    table = encode_table(run, source, tmp_path / "codes.parquet")
    results = tmp_path / "results"
    command = ["efficiency", str(table), "--networks", "2", "--draws", "2", "--few", "2", "--few", "5"]
    done = CliRunner().invoke(cli.app, [*command, "--out", str(results)])
    assert done.exit_code == 0, done.output
    assert "generated by class" in done.stdout and "used 40 labels" in " ".join(done.stdout.split())
    found = load(results)["label_efficiency"]
    helped = ["network, affine maps, generated" in few.representations for few in found.curve]
    assert [few.labels for few in found.curve] == [20, 50] and helped == [False, True]
    blocks = all_blocks(few_labels(ReportContext({"label_efficiency": found})).blocks)
    rows = [row for block in blocks if isinstance(block, Comparison) for row in block.rows]
    assert {row.role for row in rows if row.label.startswith("network") and "minus" not in row.label} == {"supervised"}
    (chart,) = [block for block in blocks if isinstance(block, Lines)]
    (line,) = [line for line in chart.lines if line.name == "network, affine maps, generated"]
    assert line.x.tolist() == [5.0] and "first 2 draws alone" in chart.caption + " ".join(
        block.caption for block in blocks if isinstance(block, Comparison)
    )
    alone = typer.Typer()
    register(alone)
    refused = CliRunner().invoke(alone, command)
    assert isinstance(refused.exception, AnalysisError) and "trains no networks: use latentgan" in str(
        refused.exception
    )
