"""What can go wrong, by whose doing; the command line prints the message as one line and exits 2."""


class LatentganError(Exception):
    """Base of every error that a user can cause; its message is one sentence that names the way out."""


class ConfigError(LatentganError):
    """A setting is unknown, mistyped or out of range."""


class DataError(LatentganError):
    """Images, labels or attributes cannot be read as they are."""


class CheckpointError(LatentganError):
    """A run folder or checkpoint is missing, incomplete or of another configuration."""


class DivergedError(LatentganError):
    """Training produced a gradient that is not finite, or a parameter that never had a gradient."""
