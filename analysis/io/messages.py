"""What a message to a user looks like: one line, printable, bounded, without anybody's password."""

from __future__ import annotations

from collections.abc import Iterable

from .credentials import without_credentials

MAX_MESSAGE = 600
"""Characters of a message, the program's name included."""


MESSAGE_TAIL = 220
"""Characters at the end of a message that is too long which are kept: they name the way out."""


MAX_NAMES = 10
"""Names that a sentence lists."""


MAX_NAME = 80
"""Characters of each of them."""


def message(text: object) -> str:
    """Return one line of at most MAX_MESSAGE printable characters without credentials; its middle is left out."""
    line = masked(printable(text))
    if len(line) <= MAX_MESSAGE:
        return line
    return f"{line[: MAX_MESSAGE - MESSAGE_TAIL - 3]} … {line[-MESSAGE_TAIL:]}"


def printable(text: object) -> str:
    """Return one line in which a dot stands for what a terminal would act on: escapes, marks that turn text round."""
    return "".join(c if c.isprintable() else "·" for c in " ".join(str(text).splitlines()))


def masked(text: str) -> str:
    """Replace user, password and query in addresses by ***."""
    return without_credentials(text, mark="***")


def listed(names: Iterable[object], *, quote: bool = False) -> str:
    """Return names for a sentence, MAX_NAMES at most: "a, b, c and 7 more"."""
    texts = [repr(name) if quote else str(name) for name in names]
    short = [text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 2]} …" for text in texts[:MAX_NAMES]]
    return ", ".join(short) + (f" and {len(texts) - MAX_NAMES:,} more" if len(texts) > MAX_NAMES else "")
