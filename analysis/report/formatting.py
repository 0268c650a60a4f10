"""Numbers as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..base.statistics import SIGNIFICANT as SIGNIFICANT
from ..base.statistics import at_floor

if TYPE_CHECKING:
    from ..base.statistics import Interval


FAMILIES = {
    "aae": "AAE",
    "aae_cluster": "clustering AAE",
    "aae_semi": "semi-supervised AAE",
    "ali": "ALI",
    "ali_semi": "semi-supervised ALI",
    "avb": "AVB",
    "bigan": "BiGAN",
    "cgan": "cGAN",
    "dcgan": "DCGAN",
    "deligan": "DeLiGAN",
    "fgan": "f-GAN",
    "gan": "GAN",
    "improved_gan": "Improved GAN",
    "infogan": "InfoGAN",
    "lapgan": "LAPGAN",
    "vae": "VAE",
    "wgan": "WGAN",
    "wgan_gp": "WGAN-GP",
}

MAX_WORDS = 30
"""Words of a finding, at most: what is read in one breath."""


def percent(value: float, digits: int = 1) -> str:
    """0.9412 → "94.1 %" (no-break space)."""
    return f"{100 * value:.{digits}f}\u00a0%" if math.isfinite(value) else "–"


def number(value: float, digits: int = 2) -> str:
    """Write a figure with few digits; a true minus sign, a dash for what is not finite."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1000 and (digits == 0 or value == int(value)):
        return count(round(value))
    size = abs(value)
    if size >= 1e7 or 1e-4 <= size < 0.5 * 10.0**-digits:
        return f"{value:.2g}".replace("-", "\u2212")
    return f"{value:.{digits}f}".replace("-", "\u2212")


def count(value: int) -> str:
    """60000 → "60,000"."""
    return f"{value:,}".replace("-", "\u2212")


def family_name(name: str) -> str:
    """Write a family as its papers do: "bigan" → "BiGAN"; other names as they are."""
    return FAMILIES.get(name, name)


def plural(value: int, noun: str, nouns: str = "") -> str:
    """1 → "1 image", 2 → "2 images"."""
    return f"{count(value)} {noun if value == 1 else nouns or noun + 's'}"


def duration(seconds: float) -> str:
    """437 → "7 min 17 s"."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def p_value(value: float, permutations: int | None = None) -> str:
    """Write "p = 0.003", or "p < 0.001"."""
    if at_floor(value, permutations or 0):
        return f"p ≤ {value:.3g}"
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def chance_of(value: float) -> str:
    """Write a p- or q-value for a table's cell: "0.012", or "< 0.001"."""
    return "< 0.001" if value < 0.001 else number(value, 3)


def unbroken(text: str) -> str:
    """Keep figures and their units on one line."""
    return re.sub(r"(?<=\d) (?=%|min\b|s\b|h\b)|(?<=[=≤<]) (?=\d)|(?<=\b[npqk]) (?=[=≤<])", "\u00a0", text)


def no_better(interval: Interval, chance: float) -> str:
    """Own up to a figure that chance explains: ", no better than chance", where its interval does not exclude that."""
    return ", no better than chance" if interval.low <= chance else ""


def best_of(n: int) -> str:
    """Own up to a choice among n that was made by looking at these rows: " (best of 3)"."""
    return f" (best of {n})" if n > 1 else ""


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    if len(words) <= 1:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def first_sentence(text: str) -> str:
    """The text up to its first full stop before a space and a capital; all of it where there is none."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0]


def quoted(name: str) -> str:
    """A name of the user's in quotation marks, so that it stays as it is where a sentence begins with it."""
    return f"“{name}”"


def sentence(text: str) -> str:
    """Begin with a capital, end with a full stop."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def within_words(text: str, limit: int = MAX_WORDS) -> tuple[str, list[str]]:
    """Split a sentence at semicolons: first clauses of `limit` words at most, one at least; the rest as sentences.

    Args:
        text: one sentence.
        limit: words of its first part, at most.
    """
    clauses: list[str] = []
    for piece in text.split("; "):
        if clauses and clauses[-1].count("(") > clauses[-1].count(")"):
            clauses[-1] += f"; {piece}"
        else:
            clauses.append(piece)
    kept = 1
    while kept < len(clauses) and len("; ".join(clauses[: kept + 1]).split()) <= limit:
        kept += 1
    return sentence("; ".join(clauses[:kept])), [sentence(clause) for clause in clauses[kept:]]
