"""HTML by construction: whatever is not `Markup` is escaped when it is put into a tag."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import numpy as np

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"


_RUN = re.compile(f"[{_RIGHT_TO_LEFT}](?:[^A-Za-z\u00c0-\u024f\u0370-\u052f\n]*[{_RIGHT_TO_LEFT}])?")


_LONG_WORD = re.compile(r"\S{61,}")


_HEAD, _TAIL = 36, 16  # characters that are shown of a longer word


_TEXT_ONLY = frozenset({"title", "option", "code"})  # the first two hold no tags, and code is shown whole


_VOID = frozenset({"img", "input", "meta", "br"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def clean(value: str) -> str:
    """Replace what no HTML document may hold, and what would turn the direction of the words that follow.

    These are control characters, halves of surrogate pairs, and the characters that override, embed or isolate a
    direction of writing: in a name they would reorder the sentence around it.
    """
    return _FORBIDDEN.sub("\ufffd", value)


def escape(value: str) -> Markup:
    """Make text safe inside quoted attributes; words written from right to left keep their direction to themselves."""
    if isinstance(value, Markup):
        return value
    return Markup(isolated(html.escape(clean(value), quote=True)))


def isolated(value: str) -> str:
    """Put words written from right to left between marks that keep their direction to themselves."""
    return _RUN.sub("\u2068\\g<0>\u2069", value)


def text(value: str) -> Markup:
    """Make text safe between tags; words written from right to left are isolated from those around them.

    A word of more than 60 characters, such as a class named by a path, is cut in its middle and is whole on hover.
    """
    if isinstance(value, Markup):
        return value
    parts, end = [], 0
    for long in _LONG_WORD.finditer(value):
        word = long.group()
        cut = _between_tags(f"{word[:_HEAD]}…{word[-_TAIL:]}")
        parts += [_between_tags(value[end : long.start()]), f'<span title="{escape(word)}">{cut}</span>']
        end = long.end()
    return Markup("".join([*parts, _between_tags(value[end:])]))


def _between_tags(value: str) -> str:
    return _RUN.sub("<bdi>\\g<0></bdi>", html.escape(clean(value), quote=True))


def tag(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """Build one element. `class_` and `data_row` give class and data-row; None and False leave one out."""
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{escape(str(value))}"')
    opening = "<" + " ".join(parts) + ">"
    if name in _VOID:
        return Markup(opening)
    write = escape if name in _TEXT_ONLY else text
    return Markup(opening + "".join(write(child) for child in children) + f"</{name}>")


def join(parts: list[Markup] | tuple[Markup, ...]) -> Markup:
    """Concatenate elements."""
    return Markup("".join(parts))


def data_url(content: bytes, mime: str = "image/png") -> str:
    """Write bytes as a data: address."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def inert(content: bytes, **attributes: str | float | bool | None) -> Markup:
    """Hold bytes as base64 in a script that no browser runs, to be decoded on first use."""
    return tag("script", Markup(base64.b64encode(content).decode()), type="text/plain", **attributes)


def inert_json(value: object, **attributes: str | float | bool | None) -> Markup:
    """Hold data as JSON in a script that no browser runs; nothing in it can close the script or open a comment."""
    text = json.dumps(jsonable(value), allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return tag("script", Markup(text), type="application/json", **attributes)


def jsonable(value: object) -> object:
    """Turn arrays into plotly's typed-array form, clean texts, and NaN into null, all the way down."""
    if isinstance(value, np.ndarray):
        return typed(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def typed(values: np.ndarray) -> dict[str, str]:
    """Encode numbers (n,) as {dtype, bdata}, little-endian float32 or int32, which plotly and our scripts read."""
    kind = "i4" if np.issubdtype(values.dtype, np.integer) else "f4"
    return {"dtype": kind, "bdata": base64.b64encode(values.astype("<" + kind).tobytes()).decode()}


def digest(content: str) -> str:
    """Give the CSP source expression that allows exactly this inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
