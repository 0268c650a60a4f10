"""Held-out log-likelihood, where `latentgan evidence` measured it."""

from __future__ import annotations

from typing import Any

from .document import Block, Table
from .run import Run
from .wording import count, number

FIGURES = (
    ("importance", "log p(x), importance sampling"),
    ("annealed", "log p(x), annealed importance sampling"),
    ("paired", "importance sampling, on the annealed images"),
    ("bound", "variational bound of the proposal"),
    ("criterion", "criterion of training"),
    ("independent", "independent pixels"),
)


def held_out_evidence(run: Run) -> tuple[Block, ...]:
    """Return a table of log p(x) of held-out images, or nothing where it was not measured."""
    rows = [row for key, name in FIGURES if (row := _row(name, run.evidence.get(key)))]
    if not rows:
        return ()
    caption = (
        f"Held-out log-likelihood in nats an image, {run.evidence.get('split', 'test')} images; "
        f"{run.evidence.get('pixels', '')}. Both estimates of log p(x) are lower bounds in the mean; standard errors "
        "are over images."
    )
    return (Table(("held-out evidence", "mean", "standard error", "images"), tuple(rows), caption),)


def _row(name: str, found: Any) -> tuple[str, ...] | None:
    try:
        error = found["standard_error"]  # None of a single image
        shown = "–" if error is None else number(float(error))
        return name, number(float(found["value"])), shown, count(int(found["n"]))
    except (TypeError, KeyError, ValueError):
        return None
