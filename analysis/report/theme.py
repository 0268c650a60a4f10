"""Colours and the look of charts: one source for the style sheet, the figures and the scripts.

Categories use Petroff's ten colours (arXiv:2107.02270), chosen to stay apart under colour-vision deficiency;
past ten, symbols change. Numbers use cividis, which reads the same with and without red-green vision.
A figure names its colours by token ("@accent"); the script puts in the light or dark value when it draws.
"""

from __future__ import annotations

CATEGORIES = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)


CATEGORIES_DARK = (
    "#5aa6ee",
    "#ffb52e",
    "#f0553a",
    "#b4c2c0",
    "#b877e0",
    "#c98d7c",
    "#ff8a3c",
    "#cdc18a",
    "#8f94a3",
    "#a5e6e8",
)


SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")


CIVIDIS = (
    "#00224e",
    "#123570",
    "#3b496c",
    "#575d6d",
    "#707173",
    "#8a8678",
    "#a59c74",
    "#c3b369",
    "#e1cc55",
    "#fee838",
)

LIGHT = {
    "page": "#fcfcfa",
    "panel": "#ffffff",
    "sunk": "#f4f4f0",
    "ink": "#1d1e22",
    "muted": "#62646b",
    "faint": "#8b8d94",
    "rule": "#e4e4de",
    "grid": "#ecece7",
    "accent": "#2457c5",
    "accent-soft": "#e8eefb",
    "ours": "#2457c5",
    "pixels": "#c25e00",
    "pca": "#7b5ea7",
    "untrained": "#7d8088",
    "supervised": "#0e7c86",
    "chance": "#a9abb1",
    "ok": "#1d7a4c",
    "ok-soft": "#e7f4ec",
    "warning": "#8a5a00",
    "warning-soft": "#fdf3dc",
    "failure": "#b3261e",
    "failure-soft": "#fbe9e7",
    "unknown": "#c9cacd",
}


DARK = {
    "page": "#131418",
    "panel": "#1a1c21",
    "sunk": "#22242a",
    "ink": "#e9e9ec",
    "muted": "#a2a5ae",
    "faint": "#7d808a",
    "rule": "#2d3037",
    "grid": "#282b31",
    "accent": "#8db1ff",
    "accent-soft": "#202b45",
    "ours": "#7ea8ff",
    "pixels": "#ff9d45",
    "pca": "#b79ae6",
    "untrained": "#9a9da6",
    "supervised": "#4cc3cc",
    "chance": "#6c6f78",
    "ok": "#6fd39c",
    "ok-soft": "#16301f",
    "warning": "#f0c05a",
    "warning-soft": "#33290f",
    "failure": "#ff8a80",
    "failure-soft": "#3b1a18",
    "unknown": "#4a4d55",
}

FONT = (
    '-apple-system, BlinkMacSystemFont, "Segoe UI Variable Text", "Segoe UI", Inter, Roboto, "Noto Sans",'
    ' "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
)


MONO = 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace'

CONFIG = {"displaylogo": False, "showSendToCloud": False, "responsive": True}
"""What every plotly figure is drawn with; `showSendToCloud` would offer to upload the chart."""

LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": FONT, "size": 13, "color": "@muted"},
    "margin": {"l": 52, "r": 16, "t": 16, "b": 46},
    "hovermode": "x unified",
    "dragmode": False,
    "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@rule", "font": {"color": "@ink", "family": FONT, "size": 13}},
    "legend": {"orientation": "h", "x": 0, "xanchor": "left", "font": {"color": "@ink"}},
    "xaxis": {
        "gridcolor": "rgba(0,0,0,0)",
        "linecolor": "@rule",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "@rule",
        "ticklen": 4,
        "fixedrange": True,
        "title": {"standoff": 10, "font": {"size": 13}},
    },
    "yaxis": {
        "gridcolor": "@grid",
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    },
}
"""What all line charts share; a figure's own layout goes on top."""


def style_variables() -> str:
    """Write both palettes as CSS custom properties: by preference of the system, or by the reader's choice."""
    light, dark = (_declarations(palette) for palette in (_palette(LIGHT, CATEGORIES), _palette(DARK, CATEGORIES_DARK)))
    return (
        f":root{{color-scheme:light;--font:{FONT};--mono:{MONO};{light}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f'{{:root:not([data-theme="light"]){{color-scheme:dark;{dark}}}}}\n'
        f'@media screen{{:root[data-theme="dark"]{{color-scheme:dark;{dark}}}}}\n'
    )


def palettes() -> dict[str, object]:
    """Give the scripts both palettes, the colour scale and the symbols."""
    return {
        "light": _palette(LIGHT, CATEGORIES),
        "dark": _palette(DARK, CATEGORIES_DARK),
        "scale": list(CIVIDIS),
        "symbols": list(SYMBOLS),
        "categories": len(CATEGORIES),
        "config": CONFIG,
        "layout": LAYOUT,
        "font": FONT,
    }


def _palette(tokens: dict[str, str], categories: tuple[str, ...]) -> dict[str, str]:
    return tokens | {f"c{i}": colour for i, colour in enumerate(categories)}


def _declarations(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())
