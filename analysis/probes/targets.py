"""Which columns of a table are probed: the label and the attributes."""

from __future__ import annotations

import numpy as np

from ..base.arrays import Ints, Singles
from ..base.columns import Column
from ..base.linear_models import Rows
from ..errors import AnalysisError
from ..table.embeddings import Embeddings

MAX_CLASSES = 50  # of a text attribute that is probed


MAX_ATTRIBUTES = 12


def find_targets(table: Embeddings, train: Ints, test: Ints) -> tuple[list[Column], list[str]]:
    """The label, then attributes that can be probed; and what was left out."""
    result, left = [], []
    names = [*([table.label] if table.labelled else []), *table.attributes]
    for name in names:
        column = table.column(name)
        values = column.values[train][column.present[train]]
        test_values = column.values[test][column.present[test]]
        if len(values) < 20 or len(test_values) < 2 or len(np.unique(values)) < 2:
            left.append(f"{name!r} (too few values in train or test, or only one)")
        elif column.kind == "numeric" and np.ptp(test_values) == 0:
            left.append(f"{name!r} (constant in test)")
        elif column.kind != "numeric" and not np.isin(test_values, values).any():
            left.append(f"{name!r} (no test row has a value that train rows have)")
        elif column.kind == "text" and len(column.categories) > MAX_CLASSES:
            left.append(f"{name!r} ({len(column.categories)} different texts)")
        else:
            result.append(column)
    if len(result) > MAX_ATTRIBUTES + 1:
        left += [repr(column.name) for column in result[MAX_ATTRIBUTES + 1 :]]
        result = result[: MAX_ATTRIBUTES + 1]
    notes = [f"not probed: {', '.join(left)}"] if left else []
    if not result:
        raise AnalysisError(
            "nothing to probe for: " + (notes[0] if notes else f"no column {table.label!r} and no attribute")
        )
    return result, notes


def rows_with_values(column: Column, x: Singles, rows: Ints) -> Rows:
    """Rows with a value, and their values."""
    is_known = column.present[rows]
    y = column.values[rows][is_known]
    return Rows(x[is_known], y if column.kind == "numeric" else y.astype(np.int64))
