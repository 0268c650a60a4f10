"""What a search of probes tried, and what it chose."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.statistics import Interval


@dataclass(frozen=True, kw_only=True)
class GridPoint:
    """A logistic probe at one setting."""

    representation: str
    """Layer and pooling, as the column is called."""
    baseline: bool
    """Whether it is a baseline."""
    group: str
    """Which group it is chosen within."""
    common: bool
    """All columns divided by one number, rather than each by its own deviation."""
    c: float
    """Inverse strength of the penalty."""
    validation: float
    """Accuracy on validation rows."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The best point of a group, and what it is worth."""

    group: str
    """The group's name."""
    baseline: bool
    """Whether all of it are baselines."""
    point: int
    """Its place in the grid."""
    tried: int
    """Points of the group."""
    validation: Interval
    """Its accuracy on the rows that chose it: too good."""
    nested: Interval
    """Accuracy of the choice on validation rows that took no part in it."""
    optimism: Interval
    """The former minus the latter, over validation rows."""
    test: Interval
    """Accuracy on test rows."""
    difference: Interval | None
    """Test accuracy of the model's own choice minus this one's, paired over test rows; None for its own."""


@dataclass(frozen=True, kw_only=True)
class GridSearch:
    """The whole grid, and the choice within each group."""

    target: str
    """The label or attribute."""
    points: tuple[GridPoint, ...]
    """All that was tried."""
    choices: tuple[Choice, ...]
    """One a group, the model's own first."""
    shuffled: Interval
    """Test accuracy of the own choice fitted to shuffled labels, over shuffles."""
    n_train: int
    """Rows that probes were fitted to."""
