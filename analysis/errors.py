"""The one exception that a user of this package meets; free of imports, for the command line's sake."""


class AnalysisError(Exception):
    """A user's mistake or a table's gap, said in one sentence that names the value and the way out."""
