"""The exception that a user of this package meets, and its one kind; free of imports, for the command line's sake."""


class AnalysisError(Exception):
    """A user's mistake or a table's gap, said in one sentence that names the value and the way out."""


class TooLargeError(AnalysisError):
    """Rows that must be held and do not fit in memory."""


class ForeignModelError(AnalysisError):
    """A model of a family whose code the user has not named."""
