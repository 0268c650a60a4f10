"""The study of concepts: directions of a table's labels and attributes, with baselines, and decoded edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import Floats, Ints, Singles, subsample
from ..base.decoding import decode_frames
from ..base.model import Model, ReadsLinearly
from ..errors import AnalysisError
from ..table.embeddings import Embeddings
from ..table.selection import draw_sample, labelled_columns, labels_of, spread_over_classes
from ..table.study_options import Options, Progress, decoder, needs_model, silent
from .concept_table import ConceptTable, concept_table, decode_edits
from .scoring import Task
from .targets import concept_targets, with_enough_rows
from .unsupervised import N_DECODED_AXES, effects_of, unsupervised

N_MEASURED_CODES = 64  # codes on which the effect of an axis is measured


def study(
    table: Embeddings,
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    *,
    permutations: int = 999,
    preserve: tuple[str, ...] = (),
    preserve_by: str = "regression",
) -> ConceptTable:
    """Find the direction of every label class and attribute with its evidence, and directions without labels.

    Args:
        table: of codes.
        model: decodes edits; None shows none.
        options: how many rows.
        progress: is called with what is at work.
        permutations: label shuffles behind each p-value.
        preserve: concepts, or columns, that directions of the others leave as they are.
        preserve_by: how, "regression" or "projection".
    """
    rng = options.rng("concepts")
    sample = draw_sample(table, options)
    train, test = sample.train, sample.test
    targets = [target for column in labelled_columns(table) for target in concept_targets(column, train)]
    targets, left = with_enough_rows(targets, train, test)
    if not targets:
        raise AnalysisError(
            "no concept to look for: " + (left[0] if left else "the table has neither labels nor attributes")
        )
    codes = {rows: table.vectors(table.code, index) for rows, index in (("train", train), ("test", test))}
    names = ("pixels", table.untrained(table.code))
    baseline_codes = _BaselineCodes(
        table=table,
        columns=tuple(name for name in names if name is not None and name in table.vector_columns),
        train=train,
        test=test,
        progress=progress,
    )
    progress(f"{len(targets)} concepts")
    groups = None if table.groups is None else table.groups[train]
    weights, missing = first_layer(table, model)
    notes = [*sample.notes, *left, *missing]
    result = concept_table(
        codes["train"],
        codes["test"],
        targets,
        train,
        test,
        rng=rng,
        baselines=baseline_codes,
        mask=table.continuous,
        preserve=preserve,
        preserve_by=preserve_by,
        permutations=permutations,
        notes=notes,
        groups=groups,
    )
    result = _with_whole_groups(result, table, train)
    progress("directions without labels")
    unsupervised_methods = unsupervised(
        codes["train"],
        codes["test"],
        [Task(target=target, train=train, test=test) for target in targets],
        weights=weights,
        rng=rng,
        mask=table.continuous,
        permutations=permutations,
        groups=groups,
    )
    result = replace(result, unsupervised=unsupervised_methods)
    decode = decoder(table, model)
    if decode is None:
        return replace(result, notes=(*result.notes, f"no edited images: {needs_model(table)}"))
    progress("decoding edits")
    chosen = spread_over_classes(test, labels_of(table), options.shown, rng)
    edits = decode_edits(decode, result, table.vectors(table.code, chosen), chosen)
    measured, bases = subsample(test, N_MEASURED_CODES, rng=rng), table.vectors(table.code, chosen)
    with_effects = []
    for method in unsupervised_methods:
        steps = (method.directions * np.array([[axis.scale] for axis in method.axes]))[:N_DECODED_AXES]
        frames = decode_frames(decode, steps, bases, edits.strengths.tolist())
        method = effects_of(method, decode, table.vectors(table.code, measured), table.continuous, rng=rng)
        with_effects.append(replace(method, frames=frames))
    return replace(result, edits=edits, unsupervised=tuple(with_effects))


def _with_whole_groups(result: ConceptTable, table: Embeddings, train: Ints) -> ConceptTable:
    """Count all rows of a group as fitted if one is, and store the groups: no evaluator may be trained on them."""
    if table.groups is None or result.joint is None:
        return result
    fitted = np.flatnonzero(np.isin(table.groups, table.groups[train]))
    return replace(result, joint=replace(result.joint, fitted=fitted, groups=table.groups))


@dataclass(frozen=True, kw_only=True)
class _BaselineCodes(Mapping[str, tuple[Singles, Singles]]):
    """Train and test rows of other columns, each read when its turn comes: together they may be a whole table."""

    table: Embeddings
    columns: tuple[str, ...]
    train: Ints
    test: Ints
    progress: Progress

    def __getitem__(self, name: str) -> tuple[Singles, Singles]:
        self.progress(f"reading {name}")
        return self.table.vectors(name, self.train), self.table.vectors(name, self.test)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def first_layer(table: Embeddings, model: Model | None) -> tuple[Floats | None, list[str]]:
    """The weights of the layers that read the code, if the model has such, and a note where it has not."""
    if model is None:
        return None, []
    result = model.first_layer() if isinstance(model, ReadsLinearly) else None
    if result is None:
        return None, ["no directions of the first layer: no linear layer of the model reads the code as it is"]
    if result.ndim != 2 or result.shape[1] != table.width(table.code):
        raise AnalysisError(f"first_layer gave {result.shape}, not (rows, {table.width(table.code)})")
    return np.asarray(result), []
