"""Docstrings are plain sentences, not reStructuredText: what would be markup is escaped before Sphinx reads it."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext import napoleon
from sphinx.ext.napoleon import GoogleDocstring

SECTION = re.compile(r"^\s*(Args|Returns|Raises|Source|Yields|Attributes): ?(.*)$")


def escape(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Escape markup in `lines`, and set what is indented (formulas, examples) apart as literal text."""
    escaped: list[str] = []
    section = ""
    literal = False
    for line in lines:
        stripped = line.lstrip()
        header = SECTION.match(line)
        if header:
            section, rest = header[1], header[2]
            literal = False
            if escaped and escaped[-1]:
                escaped.append("")
            if section == "Source":
                escaped += [f"*Source:* {plain(rest)}".rstrip()]
            else:
                escaped.append(f"{section}:")
                if rest:
                    escaped.append(f"    {plain(rest)}")
            continue
        if not stripped:
            escaped.append("")
            literal = False
        elif section == "Source" and line.startswith("    "):
            escaped.append(plain(stripped))
        elif section or not line.startswith("    "):
            section = section if line.startswith(" ") else ""
            escaped.append(line[: len(line) - len(stripped)] + plain(stripped))
        else:
            if not literal:
                escaped += ["", "::", ""] if escaped and escaped[-1] else ["::", ""]
            literal = True
            escaped.append(line)
    lines[:] = escaped


def plain(text: str) -> str:
    """Return `text` with names in backticks as literals and everything else without markup."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(f"`{part}`" if part.startswith("`") else re.sub(r"([*|_\\`])", r"\\\1", part) for part in parts)


class Description(GoogleDocstring):
    """A field's docstring, whose type is its annotation: a colon in it is only a colon."""

    def _parse_attribute_docstring(self) -> list[str]:
        return self._consume_to_end()


def setup(app: Sphinx) -> dict[str, Any]:
    """Run before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", escape, priority=100)
    napoleon.GoogleDocstring = Description  # type: ignore[misc]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
