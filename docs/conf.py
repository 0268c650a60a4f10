"""The site: Sphinx with MyST; pages of families, analyses, commands and names are written from the code."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_extensions"), str(ROOT)]

from latentgan.version import __version__  # noqa: E402

project = "latentgan"
author = "the authors of latentgan"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "docstrings", "generated_pages"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["analyses/parts", "families-intro.md", "analyses-intro.md"]
root_doc = "index"

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "attrs_inline"]
myst_heading_anchors = 4
autodoc_typehints = "signature"
autodoc_type_aliases = {name: name for name in ("AnyArray", "Bools", "Doubles", "Floats", "Ints", "Singles")}
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

smartquotes_action = "qe"  # quotes and ellipses; --option keeps its hyphens

html_theme = "furo"
html_title = f"latentgan {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_extra_path = [str(ROOT / "build/gallery/site")] if (ROOT / "build/gallery/site").is_dir() else []
pygments_style = "friendly"
pygments_dark_style = "monokai"
