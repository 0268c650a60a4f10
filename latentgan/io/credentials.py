"""Users, passwords and tokens of addresses: taken off where an address comes in, and kept in this process alone."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Mapping
from urllib.parse import unquote

from analysis.io.credentials import split_address, without_credentials

_KNOWN: dict[str, tuple[str, str]] = {}  # address -> user and password, query


def take_off(text: str) -> str:
    """Return an address, alone or as NAME=ADDRESS, without its credentials, which `request` still knows."""
    before, address, user, query = split_address(text)
    if not user and not query:
        return without_credentials(text)
    _KNOWN[address.rstrip("/")] = (user, query)
    return before + address


def request(url: str, headers: Mapping[str, str]) -> urllib.request.Request:
    """Return the request for an address, with the credentials that were given for it or for what it lies in."""
    best = max((address for address in _KNOWN if f"{url}/".startswith(f"{address}/")), key=len, default=None)
    user, query = ("", "") if best is None else _KNOWN[best]
    result = urllib.request.Request(f"{url}?{query}" if query else url, headers=dict(headers))
    if user:  # and not for a host that this one sends us on to
        mark = base64.b64encode(unquote(user).encode()).decode()
        result.add_unredirected_header("Authorization", f"Basic {mark}")
    return result
