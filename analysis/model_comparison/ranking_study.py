"""Runs side by side: tables of the same images read in the same way, on the same rows and draws of labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..base.arrays import AnyArray, Bools, subsample
from ..base.decoding import reconstruction_error
from ..base.linear_models import Rows
from ..base.model import Model
from ..base.pca import fit_pca
from ..base.statistics import UNKNOWN, Interval
from ..errors import AnalysisError
from ..geometry.intrinsic_dimension import shape_of
from ..probes.few_labels import VALIDATION, few_label_accuracy
from ..probes.linear_probe import logistic_hits
from ..table.embeddings import Embeddings
from ..table.representations import Representation, representations
from ..table.selection import subsample_rows
from ..table.study_options import Options, Progress, reconstruct, silent
from .ranking import (
    CODE,
    CODE_FEW,
    ERROR,
    FEATURES,
    FEATURES_FEW,
    ComparedModel,
    Entry,
    ModelRanking,
    best_by_metric,
    ranked_models,
)
from .shared_rows import DRAWS, PER_CLASS, shared_rows

MAX_DIMENSION_ROWS = 5000  # rows that the intrinsic dimension is estimated on

FindModel = Callable[[Embeddings], Model | None]


def study_runs(
    tables: Sequence[Embeddings],
    names: Sequence[str],
    options: Options,
    *,
    find_model: FindModel | None = None,
    progress: Progress = silent,
    draws: int = DRAWS,
) -> tuple[ModelRanking, list[str]]:
    """Measure the codes and feature layers of several tables, and those of baselines, on the same rows.

    Args:
        tables: embeddings of the same images, one table a run.
        names: names of the runs, in the order of the tables.
        options: rows and seed that all analyses share.
        find_model: returns the model that decodes a table's codes, or None; without it there are no errors.
        progress: called with a line of text before each step.
        draws: draws of few labels, the same for all.
    Returns:
        The ranking, and notes on which rows were used and what is missing from which run.
    Raises:
        AnalysisError: the tables are not of the same images.
    """
    study = _Study(tables, names, options, find_model, progress, draws)
    runs = [study.run(i) for i in range(len(tables))]
    baselines = study.of_pixels([run.compared.width for run in runs])
    baselines += [
        untrained for i, run in enumerate(runs) if (untrained := study.untrained(i, run.compared)) is not None
    ]
    entries, shared, rng = [*runs, *baselines], study.shared, options.rng("side by side")
    read = shared.column is not None
    result = ModelRanking(
        ranked_models=ranked_models(entries, rng=rng),
        best_by_metric=best_by_metric(entries, rng=rng),
        target=shared.column.name if shared.column else "",
        per_class=PER_CLASS if shared.draws is not None else 0,
        draws=0 if shared.draws is None else len(shared.draws),
        train_rows=len(shared.train) if read else 0,
        test_rows=len(shared.test) if read else 0,
        held_rows=len(shared.held),
        training_rows_note=shared.training_rows_note,
    )
    return result, study.all_notes(runs)


class _Study:
    """Measures one entry after the other; `missing` maps what could not be measured to the names of these runs."""

    def __init__(
        self,
        tables: Sequence[Embeddings],
        names: Sequence[str],
        options: Options,
        find_model: FindModel | None,
        progress: Progress,
        draws: int,
    ) -> None:
        self.tables, self.names, self.options = tables, names, options
        self.find_model, self.progress = find_model, progress
        self.shared, self.notes = shared_rows(tables, options, draws=draws)
        self.missing: dict[str, list[str]] = {}

    def run(self, i: int) -> Entry:
        """Measure a run: its code, its best feature layer, its reconstructions."""
        table, values, layer = self.tables[i], dict[str, AnyArray](), ""
        own_representations = [
            representation for representation in representations(table) if not representation.baseline
        ]
        code, layers = (
            (None, own_representations) if table.stands_in else (own_representations[0], own_representations[1:])
        )
        if code is None:
            self._miss("no code, as there is no encoder", i)
        elif self.shared.column is not None:
            self._read(i, code, values, CODE, CODE_FEW)
        if not layers:
            self._miss("no feature layers in the table", i)
        elif self.shared.column is not None:
            layer = self._best_layer(i, layers, values)
        if code is not None:
            self._errors(i, values)
        compared = ComparedModel(
            name=self.names[i],
            baseline=False,
            family=str(table.metadata.get("family", "")),
            images_seen=int(table.metadata.get("images_seen", 0) or 0),
            n_labels_used=table.n_labels_used,
            width=0 if code is None else int(table.encoded.sum()),
            layer=layer,
        )
        dimension = UNKNOWN if code is None else self._dimension(i, code, compared.name)
        return Entry(compared=compared, values=values, dimension=dimension)

    def untrained(self, i: int, compared: ComparedModel) -> Entry | None:
        """Measure the same columns of a run's untrained network; None where the table has none."""
        table, values, dimension = self.tables[i], dict[str, AnyArray](), UNKNOWN
        result = {representation.name: representation for representation in representations(table)}
        name = f"untrained.{compared.name}"
        code, layer = (
            result.get(f"untrained.{table.code}") if compared.width else None,
            result.get(f"untrained.{compared.layer}"),
        )
        if code is None and layer is None:
            self._miss("no untrained network in the table", i)
            return None
        if code is not None:
            dimension = self._dimension(i, code, name)
        if self.shared.column is not None:
            if code is not None:
                self._read(i, code, values, CODE, CODE_FEW)
            if layer is not None:
                self._read(i, layer, values, FEATURES, FEATURES_FEW)
        baseline = ComparedModel(
            name=name, baseline=True, width=compared.width if code else 0, layer=compared.layer if layer else ""
        )
        return Entry(compared=baseline, values=values, dimension=dimension)

    def of_pixels(self, widths: Sequence[int]) -> list[Entry]:
        """Measure raw pixels, and a PCA of them for each width of a code."""
        i = next((i for i, table in enumerate(self.tables) if table.has_pixels), None)
        if i is None:
            self.notes.append("no raw pixels and no PCA of them: the tables have no column 'pixels'")
            return []
        most = self.tables[i].width("pixels")
        entries = [self._of_pixels(i, Representation(name="pixels", baseline=True, column="pixels"), most)]
        for width in dict.fromkeys(width for width in widths if 0 < width < most):
            pca = Representation(name=f"PCA {width} of pixels", baseline=True, column="pixels", width=width)
            entries.append(self._of_pixels(i, pca, width))
        return entries

    def all_notes(self, runs: Sequence[Entry]) -> list[str]:
        """Notes: chosen layers, labels used in training, and what is missing from which run."""
        layers = [f"{run.compared.name}: {run.compared.layer}" for run in runs if run.compared.layer]
        chosen = (
            [f"the feature layer of each run is its best on validation rows: {'; '.join(layers)}"] if layers else []
        )
        label_notes = [
            f"{run.compared.name} used {run.compared.n_labels_used:,} labels in training"
            for run in runs
            if run.compared.n_labels_used
        ]
        missing = [f"{figure_name}: {', '.join(dict.fromkeys(names))}" for figure_name, names in self.missing.items()]
        return list(dict.fromkeys([*chosen, *label_notes, *self.notes, *missing]))

    def _miss(self, figure_name: str, i: int) -> None:
        self.missing.setdefault(figure_name, []).append(self.names[i])

    # Figures ----------------------------------------------------------------------------------------

    def _read(self, i: int, wanted: Representation, values: dict[str, AnyArray], all_labels: str, few: str) -> None:
        self.progress(f"{self.names[i]}: {wanted.name}")
        rows = self.shared.labelled(self.tables[i], i, wanted, self.options)
        values[all_labels] = self._hits(rows)[0][None]
        self._few(rows, values, few)

    def _hits(self, rows: tuple[Rows, Rows, Rows]) -> tuple[Bools, float]:
        classes = self.shared.column.categories if self.shared.column is not None else ()
        return logistic_hits(*rows, rng=self.options.rng("readers"), classes=classes)

    def _few(self, rows: tuple[Rows, Rows, Rows], values: dict[str, AnyArray], measure: str) -> None:
        """Train a probe on each draw of few labels; all runs share the draws."""
        if self.shared.draws is None or self.shared.column is None:
            return
        train, held, test = rows
        validation = subsample(np.arange(len(held.y)), VALIDATION, rng=np.random.default_rng(0))
        values[measure] = few_label_accuracy(
            train,
            Rows(held.x[validation], held.y[validation]),
            test,
            draws=self.shared.draws,
            columns=len(self.shared.column.categories),
        )[0]

    def _best_layer(self, i: int, layers: Sequence[Representation], values: dict[str, AnyArray]) -> str:
        """Probe all layers and choose the best on validation rows, so that test rows have no part in the choice."""
        best, name = -1.0, ""
        for wanted in layers:
            self.progress(f"{self.names[i]}: {wanted.name}")
            rows = self.shared.labelled(self.tables[i], i, wanted, self.options)
            hits, right = self._hits(rows)
            if right > best:
                best, name, best_rows = right, wanted.name, rows
                values[FEATURES] = hits[None]
        self._few(best_rows, values, FEATURES_FEW)
        return name

    def _errors(self, i: int, values: dict[str, AnyArray]) -> None:
        """Errors of decoded codes, where there is a decoder."""
        table = self.tables[i]
        try:
            model = self.find_model(table) if self.find_model is not None else None
            if model is None:
                return self._miss("no reconstruction errors, as there is no model at hand that decodes", i)
            self.progress(f"{self.names[i]}: reconstructions")
            values[ERROR] = reconstruction_error(*reconstruct(table, model, self.shared.places[i][self.shared.held]))
        except AnalysisError as error:
            self._miss(f"no reconstruction errors ({error})", i)

    def _dimension(self, i: int, wanted: Representation, name: str) -> Interval:
        """Intrinsic dimension by the two nearest neighbours."""
        shared = self.shared
        rows = subsample_rows(shared.held, MAX_DIMENSION_ROWS, self.options)
        try:
            x = shared.unlabelled(self.tables[i], i, wanted, rows, self.options)
            return shape_of(x, rng=self.options.rng("dimension")).two_nn
        except AnalysisError as error:
            self.notes.append(f"no dimension of {name}: {error}")
            return UNKNOWN

    def _of_pixels(self, i: int, wanted: Representation, width: int) -> Entry:
        values: dict[str, AnyArray] = {}
        if self.shared.column is not None:
            self._read(i, wanted, values, CODE, CODE_FEW)
        table, shared = self.tables[i], self.shared
        if wanted.width and len(shared.fit) > 1:
            fit_pixels, held = (table.vectors("pixels", shared.places[i][part]) for part in (shared.fit, shared.held))
            pca = fit_pca(fit_pixels, wanted.width, rng=self.options.rng("errors"))
            restored = np.clip(pca.restore(pca.project(held)), 0, 1)
            values[ERROR] = reconstruction_error(held[:, :, None, None], restored[:, :, None, None])
        dimension = self._dimension(i, wanted, wanted.name) if len(shared.fit) > 1 or not wanted.width else UNKNOWN
        compared = ComparedModel(name=wanted.name, baseline=True, width=width)
        return Entry(compared=compared, values=values, dimension=dimension)
