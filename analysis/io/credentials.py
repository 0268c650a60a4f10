"""Addresses without what opens them: a user and password before the host, tokens in the query."""

from __future__ import annotations

import re

_START = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+(?=[^\s/])")


_IN_TEXT = re.compile(_START.pattern + r"[^\s'\"<>]*")


_WITHOUT_SCHEME = re.compile(r"(?<![^\s'\"=\\/(])[^\s'\"=:/\\@]+:[^\s'\"/@]+@(?=[\w-]+(?:\.[\w-]+|:\d|/))")
"""A user and password before a host, where the scheme was forgotten."""


def split_address(text: str) -> tuple[str, str, str, str]:
    """Return what precedes an address, the address without credentials, its user and password, and its query.

    Args:
        text: an address to the end, alone or after a name: "mnist=https://user:password@host/folder?token=…"; one slash
            after the scheme does, since a path has made one of two. Where there is none, all of it precedes.
    """
    start = _START.search(text)
    if start is None:
        return text, "", "", ""
    rest, _, _ = text[start.end() :].partition("#")
    rest, _, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    user, at, name = host.rpartition("@")
    port = host.rpartition(":")[2] if ":" in host and not host.startswith("[") else ""
    if at:
        rest = name + slash + path
    elif "@" in path and port and not port.isdigit():  # a slash in the password
        user, _, rest = rest.rpartition("@")
    return text[: start.start()], start[0].rstrip("/") + "//" + rest, user, query


def without_credentials(text: str, *, mark: str = "") -> str:
    """Return any text with the user, password and query of every address in it left out, or replaced by a mark.

    So is a token after #, and a user and password where the address has no scheme.
    """

    def clean(match: re.Match[str]) -> str:
        _, address, user, query = split_address(match[0])
        token = "=" in match[0].partition("#")[2]
        if not user and not query and not token:
            return match[0]
        if not mark:
            return address
        scheme, _, rest = address.partition("//")
        return f"{scheme}//{f'{mark}@' if user else ''}{rest}{f'?{mark}' if query else ''}{f'#{mark}' if token else ''}"

    return _WITHOUT_SCHEME.sub(f"{mark}@" if mark else "", _IN_TEXT.sub(clean, text))


def clean_argument(text: str) -> str:
    """Return one argument of a command line, in which an address goes on to the end, without credentials."""
    before, address, user, query = split_address(text)
    return without_credentials(before + address if user or query else text)
