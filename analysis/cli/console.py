"""What a command line does with errors: one line on standard error, exit code 2, never a traceback.

Shared by `latentgan` and `python -m analysis`. It imports nothing heavy, since it runs before any command is known.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import typer

from ..errors import AnalysisError
from ..io.messages import masked, message, printable

MAX_INTEGER = 2**63 - 1
"""Largest whole number that an option without a maximum of its own takes: larger ones are no 64-bit integers."""


_NO_MEMORY = re.compile(
    r"can.t allocate memory|out of memory|not enough memory|bad_alloc|Storage size calculation", re.I
)


def run_app(app: typer.Typer, name: str, errors: tuple[type[Exception], ...] = (), **options: Any) -> NoReturn:
    """Run a command line and leave the process: 0, the command's own code, 2 for a user's error, 130 for Ctrl-C.

    Args:
        app: the commands.
        name: what messages begin with.
        errors: whose messages are sentences for the user, beside AnalysisError.
        options: of the call of `app`.
    """
    _limit_integers(app)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files that are no UTF-8
    try:
        with _no_warnings():
            code = app(standalone_mode=False, **options)
            sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except BrokenPipeError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        if _is_help(error):
            if text := error.format_message():  # type: ignore[attr-defined]
                typer.echo(text, err=True)
            sys.exit(2)
        if (sentence := explain(error, errors)) is None:
            raise
        typer.echo(message(f"{name}: {sentence}"), err=True)
        sys.exit(2)


def note(text: str) -> None:
    """Print a remark on standard error: one printable line without credentials."""
    typer.echo(masked(printable(text)), err=True)


def explain(error: Exception, errors: tuple[type[Exception], ...] = ()) -> str | None:
    """Return the sentence for a user's error or for what a machine lacks; None for a mistake of this program."""
    if isinstance(error, (AnalysisError, *errors)):
        return str(error)
    if hasattr(error, "format_message"):  # a usage error of typer's
        context = getattr(error, "ctx", None)
        way = f"; `{context.command_path} --help` lists what it takes" if context is not None else ""
        return f"{error.format_message().rstrip('.')}{way}"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        return f"there is not enough memory ({_first_line(error)}): ask for less, or use a larger machine"
    if isinstance(error, RecursionError):
        return "something in the input is nested too deeply"
    if isinstance(error, OverflowError) or "integer string conversion" in str(error):
        return f"a number in the input is too large ({_first_line(error)})"
    if isinstance(error, UnicodeError):
        return f"a name or text in the input cannot be written as UTF-8 ({_first_line(error)})"
    if isinstance(error, OSError):
        reason = error.strerror or _first_line(error)
        return f"cannot use {error.filename}: {reason}" if error.filename else f"the system refuses: {reason}"
    return None


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Python's warnings from users, who cannot act on them; -W and PYTHONWARNINGS show them."""
    if sys.warnoptions:
        yield
        return
    logging.captureWarnings(True)  # not a filter: libraries change filters as they are imported
    try:
        yield
    finally:
        logging.captureWarnings(False)


def _limit_integers(app: typer.Typer) -> None:
    """Let every command refuse whole numbers that are no 64-bit integers."""
    for info in app.registered_commands:
        if info.callback is not None and not hasattr(info.callback, "limits_integers"):
            info.callback = _limited(info.callback)


def _limited(callback: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callback)
    def call(**options: Any) -> Any:
        for name, given in options.items():
            for value in given if isinstance(given, list | tuple) else [given]:
                if isinstance(value, int) and abs(value) > MAX_INTEGER:
                    option = name.strip("_").replace("_", "-")
                    raise AnalysisError(f"the number of --{option} is too large: it may be {MAX_INTEGER:,} at most")
        return callback(**options)

    call.limits_integers = True  # type: ignore[attr-defined]
    return call


def _is_help(error: Exception) -> bool:
    return type(error).__name__ == "NoArgsIsHelpError"


def _first_line(error: BaseException) -> str:
    lines: Sequence[str] = str(error).splitlines()
    return lines[0] if lines and lines[0] else type(error).__name__
