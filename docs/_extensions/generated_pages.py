"""Pages that the code writes: families, analyses, the command line, public names, examples and the changelog.

They are written into docs/generated before Sphinx reads the pages, and never committed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx

import analysis
import analysis.app
import latentgan
import latentgan.cli.app
from analysis import catalogue
from latentgan.cli.settings import list_settings
from latentgan.families.base import Decodes, Encodes, family_names, load_family
from latentgan.reproduction.protocols.base import load_protocol, protocol_names
from latentgan.reproduction.scoreboard import COLUMNS, rows_of

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
GALLERY = ROOT / "build" / "gallery"

COMMANDS_OF_MODELS = {"editing": ("edit", "verify"), "robustness": ("adversarial",)}
"""Analyses whose commands need a model's networks, so that latentgan has them."""

TITLES = {"code_parts": "Parts of a code", "prior_match": "Match with the prior", "training_run": "The training run"}
"""Titles where the folder's name is not one already."""

REPORTS = {
    "digits": "a BiGAN on 1,797 scanned digits, what `make demo` makes",
    "mnist": "a BiGAN on MNIST with convolutions, its edits verified, its samples measured, its probe attacked",
    "folder": "a folder of PNGs with a CSV of attributes, and a BiGAN and a VAE compared on it",
}
"""The finished reports of the gallery."""


def write_pages(app: Sphinx) -> None:
    """Write every generated page; a page that has not changed keeps its time, so that Sphinx does not read it again."""
    root: Any = typer.main.get_command(latentgan.cli.app.app)
    commands: dict[str, Any] = root.commands
    pages: dict[str, str] = {
        "commands.md": command_line(commands),
        "changelog.md": changelog(),
        "gallery.md": gallery(),
    }
    pages |= {f"families/{name}.md": family_page(name) for name in family_names()}
    pages["families/index.md"] = families_index()
    analyses = (*catalogue.RESULTS, "training_run")
    pages |= {f"analyses/{name}.md": analysis_page(name, commands) for name in analyses}
    pages["analyses/index.md"] = analyses_index(analyses)
    pages |= {f"examples/{path.stem}.md": example_page(path) for path in examples()}
    pages |= {"api/analysis.md": names_page(analysis), "api/latentgan.md": names_page(latentgan)}
    for name, text in pages.items():
        path = GENERATED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in GENERATED.rglob("*.md"):
        if str(path.relative_to(GENERATED)) not in pages:
            path.unlink()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; bars and line breaks in cells are escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    cells = [[re.sub(r"(?<!\\)\|", r"\\|", " ".join(cell.split())) for cell in row] for row in rows]
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join(lines)


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: its sections as lists, what is indented as literal text, no other markup."""
    lines: list[str] = []
    section, heading = "", 0
    for line in inspect.cleandoc(docstring or "").splitlines():
        header = re.match(r"^(Args|Returns|Raises|Source|Yields): ?(.*)$", line)
        if header:
            section = header[1]
            titles = {"Args": "Arguments"}
            heading = len(lines) + 1
            lines += ["", f"**{titles.get(section, section)}:** {escaped(header[2])}".rstrip(), ""]
        elif section == "Args" and line.startswith("    "):
            lines.append(("  " if line.startswith(" " * 5) else "- ") + escaped(line.strip()))
        elif section and section != "Args" and line:
            lines[heading] += f" {escaped(line.strip())}"
        elif line.startswith("    ") and lines and lines[-1].startswith("- "):
            lines[-1] += f" {escaped(line.strip())}"
        elif line.startswith("    "):
            lines.append(line)
        elif column := re.match(r"^(\w[\w ]*?) {2,}(\S.*)$", line):
            lines.append(f"- {escaped(column[1])}: {escaped(column[2])}")
        else:
            section = section if section == "Args" else ""
            lines.append(escaped(line))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return text without Markdown but for `names`."""
    text = re.sub(r"(?<![\w`-])(--[a-z][a-z-]+)(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"`\1`", text)
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]$|{}\\])", r"\\\1", part) for part in parts)


def title_of(name: str) -> str:
    """Return the title of an analysis' page."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


# ---- families


def families_index() -> str:
    """The table of families."""
    rows = []
    for name in family_names():
        family = load_family(name)
        can = [word for word, kind in (("encodes", Encodes), ("decodes", Decodes)) if issubclass(family, kind)]
        rows.append((f"[`{name}`]({name}.md)", escaped(first_sentence(family.__doc__)), ", ".join(can) or "–"))
    text = (DOCS / "families-intro.md").read_text(encoding="utf-8")
    overview = table(("family", "what it is", "its maps"), rows)
    return f"{text.replace('<!-- the table of families -->', overview)}\n{toctree(family_names())}"


def family_page(name: str) -> str:
    """The page of a family: its paper in its own words, its settings, its configurations, its recorded figures."""
    family = load_family(name)
    module = inspect.getmodule(family)
    rows = []
    for row in list_settings(family.Config, "family."):
        kind = f"{row.type}, {row.range}" if row.range else row.type
        rows.append((f"`{row.key}`", escaped(kind), f"`{row.default}`" if row.default else "", escaped(row.meaning)))
    parts = [
        f"# `{name}`",
        prose(module.__doc__ if module else family.__doc__),
        "## Settings",
        f"What `latentgan families {name}` lists, without the settings of training that all families share. Give "
        "them as `--set KEY=VALUE` or in a TOML file.",
        table(("setting", "type", "default", "meaning"), rows),
        "## Its algorithm",
        f"The method `step` of `latentgan/families/{name}.py`; it may be its base class's.",
        "",
        f"```python\n{inspect.cleandoc(chr(10) + inspect.getsource(family.step))}\n```",
    ]
    configs = [path for path in sorted((ROOT / "examples" / "configs").glob("*.toml")) if family_of(path) == name]
    if configs:
        parts.append("## Configurations that were trained")
    for path in configs:
        parts += [f"### `examples/configs/{path.name}`", f"```toml\n{path.read_text(encoding='utf-8').rstrip()}\n```"]
    figures = list(recorded_figures(name))
    if figures:
        parts += [
            "## Recorded figures",
            "Mean and standard deviation over seeds, beside their baselines; [Reproduction](../../reproduction.md) "
            "says how.",
            table(COLUMNS, figures),
        ]
    return "\n\n".join(parts) + "\n"


def family_of(config: Path) -> str:
    """Return the family that a configuration names, or that its file's name begins with."""
    named = re.search(r'^name *= *"(\w+)"', config.read_text(encoding="utf-8"), re.MULTILINE)
    if named:
        return named[1]
    return max((name for name in family_names() if config.stem.startswith(name)), key=len)


def recorded_figures(family: str) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of reproduction whose recipe trains this family."""
    for protocol_name in protocol_names():
        recipes = load_protocol(protocol_name).recipes
        title = f"{load_protocol(protocol_name).title}: "
        for row in rows_of(protocol_name, ROOT / "examples/reproduce/results"):
            recipe = recipes.get(row.cells[1].split(",")[0])
            config = ROOT / "examples/configs" / recipe.config if recipe and recipe.config else None
            if config is not None and not config.suffix:
                config = config.with_suffix(".toml")
            if (
                config is not None
                and config.is_file()
                and family_of(config) == family
                and "not recorded" not in row.cells[3]
            ):
                yield (title + row.cells[0], *row.cells[1:])


def first_sentence(docstring: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join(inspect.cleandoc(docstring or "").split("\n\n")[0].split())


# ---- analyses and commands


def analyses_index(names: Sequence[str]) -> str:
    """The table of analyses: the question that each answers."""
    rows = [(f"[{title_of(name)}]({name}.md)", escaped(question_of(name)), commands_of(name)) for name in names]
    text = (DOCS / "analyses-intro.md").read_text(encoding="utf-8")
    return f"{text}\n{table(('analysis', 'the question', 'command'), rows)}\n\n{toctree(names)}"


def question_of(name: str) -> str:
    """Return the docstring of an analysis' folder: the question that it answers."""
    return first_sentence(__import__(f"analysis.{name}", fromlist=["_"]).__doc__)


def command_names(name: str) -> tuple[str, ...]:
    """Return the commands of an analysis."""
    own = (catalogue.COMMANDS[name],) if name in catalogue.COMMANDS else ()
    return tuple(command.replace("_", "-") for command in (*own, *COMMANDS_OF_MODELS.get(name, ())))


def commands_of(name: str) -> str:
    """Return them for a table."""
    return ", ".join(f"`{command}`" for command in command_names(name)) or "–"


def analysis_page(name: str, commands: dict[str, Any]) -> str:
    """The page of an analysis: the question, how to read it, its command, its study."""
    parts = [f"# {title_of(name)}", f"*{escaped(question_of(name))}*"]
    written = DOCS / "analyses" / "parts" / f"{name}.md"
    if written.is_file():
        parts.append(written.read_text(encoding="utf-8").rstrip())
    if (DOCS / "_static" / "analyses" / f"{name}.png").is_file():
        parts.append(
            f"![The section of a report](../../_static/analyses/{name}.png)\n\n"
            "What a report shows of it, here in the reports of the [gallery](../gallery.md); `make gallery` takes the "
            "picture."
        )
    for command in command_names(name):
        parts += [f"## The command `{command}`", command_page(commands[command])]
    try:
        study = catalogue.load(name, "study").study
    except (ModuleNotFoundError, AttributeError):
        study = None
    if study is not None:
        parts.append("## In Python")
        if name in catalogue.ANALYZE:
            imports = "from analysis import Embeddings\nfrom analysis.runner import run_study\n"
            imports += "from analysis.table.study_options import Options\n"
            call = f'result = run_study("{name}", Embeddings("codes.parquet"), model, Options())'
            parts.append(f"```python\n{imports}\n{call}\n```")
        parts += [f"The study is `analysis.{name}.study.study`.", prose(study.__doc__)]
    modules = sorted(path for path in (ROOT / "analysis" / name).glob("*.py") if path.stem != "__init__")
    rows = [(f"`{path.name}`", escaped(module_sentence(path))) for path in modules]
    parts += ["## Where it stands", f"`analysis/{name}/`:", table(("file", "what it holds"), rows)]
    return "\n\n".join(parts) + "\n"


def module_sentence(path: Path) -> str:
    """Return the first sentence of a module without importing it."""
    opening = re.match(r'"""(.*?)(?:"""|\n\n)', path.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(opening[1].split()) if opening else ""


def command_line(commands: dict[str, Any]) -> str:
    """Every command with its arguments and options, as `--help` has them."""
    parts = [
        "# Command line",
        "Written from the commands themselves. A user's error is one line on standard error and exit code 2. Tables "
        "are for people; `--json`, where there is one, is for programs. `python -m analysis` has the commands of "
        "tables alone, and imports no torch.",
    ]
    for name, command in commands.items():
        if not command.hidden:
            parts += [f"## `{name}`", command_page(command)]
    return "\n\n".join(parts) + "\n"


def command_page(command: Any) -> str:
    """A command's help and a table of its parameters."""
    text = re.sub(r"\[/?(bold|dim|cyan)?\]", "", command.help or "")
    rows = []
    for parameter in command.params:
        if parameter.name == "help" or getattr(parameter, "hidden", False):
            continue
        is_option = parameter.param_type_name == "option"
        names = (
            [*parameter.opts, *parameter.secondary_opts]
            if is_option
            else [(parameter.metavar or parameter.name or "").upper()]
        )
        default = getattr(parameter, "default", None)
        shown = "" if default is None or default is False or callable(default) or default == () else f"`{default}`"
        rows.append((", ".join(f"`{n}`" for n in names), escaped(getattr(parameter, "help", "") or ""), shown))
    return f"{prose(text)}\n\n{table(('argument or option', 'meaning', 'default'), rows)}"


# ---- names, examples, changelog


def names_page(package: Any) -> str:
    """The public names of a package, through autodoc."""
    parts = [f"# API of {package.__name__}", prose(package.__doc__)]
    for name in sorted(n for n in dir(package) if not n.startswith("_")):
        value = getattr(package, name)
        if inspect.ismodule(value) or getattr(value, "__module__", "").split(".")[0] not in ("analysis", "latentgan"):
            continue
        directive, options = ("autofunction", "") if not inspect.isclass(value) else ("autoclass", "   :members:\n")
        parts.append(f"## `{name}`\n\n```{{eval-rst}}\n.. {directive}:: {package.__name__}.{name}\n{options}```")
    return "\n\n".join(parts) + "\n"


def examples() -> list[Path]:
    """Return the example scripts."""
    return sorted((ROOT / "examples").glob("*.py"))


def example_page(path: Path) -> str:
    """An example: what it shows, its source, and what it printed."""
    source = path.read_text(encoding="utf-8")
    docstring = re.match(r'"""(.*?)"""', source, re.DOTALL)
    text = docstring[1] if docstring else ""
    parts = [f"# `examples/{path.name}`", prose(text)]
    output = DOCS / "gallery" / f"{path.stem}.txt"
    if output.is_file():
        parts += ["## What it prints", f"```text\n{output.read_text(encoding='utf-8').rstrip()}\n```"]
    for picture in sorted((DOCS / "gallery").glob(f"{path.stem}*.png")):
        parts.append(f"![A picture that examples/{path.name} writes](../../gallery/{picture.name})")
    if not output.is_file():
        parts.append("Its output is not part of this build: `make gallery` makes it.")
    parts += ["## The script", f"```python\n{source.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def gallery() -> str:
    """The gallery: finished reports where they were made, and the examples."""
    lines = ["# Gallery", "", "## Finished reports", ""]
    for name, text in REPORTS.items():
        made = (GALLERY / "site" / "reports" / f"{name}.html").is_file()
        link = f'<a href="../reports/{name}.html">Open the report</a>' if made else "Not made for this build"
        lines.append(f"- **{name}**: {text}. {link}.")
    lines += [
        "",
        "`make gallery` makes them (training alone takes a quarter of an hour on two cores); `make docs` then links "
        "them here. MNIST is downloaded once, or taken from a folder: `make gallery MIRROR=FOLDER`.",
        "",
        "## Examples",
        "",
        "Each is one short file that runs as it is; `--quick` shows in seconds that it works.",
        "",
    ]
    rows = [(f"[`{path.name}`](examples/{path.stem}.md)", escaped(module_sentence(path))) for path in examples()]
    pages = toctree([f"examples/{path.stem}" for path in examples()])
    return "\n".join(lines) + "\n" + table(("example", "what it shows"), rows) + f"\n\n{pages}"


def changelog() -> str:
    """CHANGELOG.md, whose words are plain text with names in backticks."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def toctree(names: Sequence[str]) -> str:
    """Return a hidden toctree."""
    entries = "\n".join(names)
    return f"```{{toctree}}\n:hidden:\n\n{entries}\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before any is read."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
