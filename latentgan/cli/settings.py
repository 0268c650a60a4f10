"""Settings made readable: which families there are, what their parameters mean, what a run would cost."""

from __future__ import annotations

import inspect
import json
import time
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic_core import PydanticUndefined
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from analysis.io.messages import listed, printable
from latentgan.config import RunConfig, Settings, TrainingConfig, fields, merge, parse_assignments, read_toml
from latentgan.errors import ConfigError
from latentgan.families.base import configure, family_names, load_family


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One parameter as text."""

    key: str
    type: str
    range: str
    default: str
    meaning: str


def settings_tree(
    file: Path | None,
    *,
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    assignments: Sequence[str],
    family: str | None = None,
) -> dict[str, Any]:
    """Merge a TOML file, the command line's options and --set, later ones winning.

    Args:
        file: the TOML file; a foreign family that it names must be `family` too, since a file never names code.
        data, training: options of these tables.
        assignments: texts a.b=value.
        family: the name that the command line gave.

    Raises:
        ConfigError: the file cannot be read, names code to import, or an assignment is none.
    """
    tree = read_toml(file, family=family) if file is not None else {}
    tree.pop("format", None)
    tree.pop("fingerprint", None)
    return merge(tree, {"data": data, "training": training}, parse_assignments(assignments))


def resolve_run(name: str | None, tree: Mapping[str, Any]) -> RunConfig:
    """Return the run's configuration; the family's name may come from the file."""
    chosen = name or tree.get("name")
    if not chosen:
        raise ConfigError(f"which family? `latentgan train FAMILY …` with one of: {listed(family_names())}")
    return configure(str(chosen), tree)


def demo_config(*, quick: bool) -> RunConfig:
    """Return the demo's configuration: the recipe of examples/configs/bigan_mnist.toml, sized to 8×8 digits."""
    images = 19_200 if quick else 256_000
    falling = {"schedule": "linear", "decay_from": 0.6, "decay_to": 0.02}
    return configure(
        "bigan",
        family={
            "latent": 16,
            "norm": "encoder",
            "spectral": True,
            "reconstruction_weight": 20.0,
            "matching_weight": 1.0,
            "augment": {"rotation": 12.0, "scale": 0.12, "shift": 0.06, "shear": 0.15},
            "discriminator": {"learning_rate": 1.2e-3, **falling},
            "encoder_generator": {"learning_rate": 4e-4, **falling},
        },
        data={"source": "digits"},
        training={
            "total_images": images,
            "log_images": images // 30,
            "checkpoint_images": images // 3,
            "average_halflife_images": 6_400,
        },
    )


def refuse_other_demo(run: Path, config: RunConfig) -> None:
    """Raise ConfigError where `run` was made with other settings than `config`."""
    from latentgan.training.state import load_config

    if load_config(run)[0] != config:
        raise ConfigError(f"{run.parent} holds a demo of other settings; remove it or name another --out")


def list_settings(kind: type[Settings], prefix: str) -> list[Setting]:
    """Return every setting of a configuration class, nested ones with dotted keys, a family's own before the shared."""
    rows = []
    for name, info in fields(kind).items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Settings) and inner.model_fields:
            changed = info.default.model_dump() if isinstance(info.default, Settings) else {}
            for row in list_settings(inner, f"{prefix}{name}."):
                default = changed.get(row.key.rsplit(".", 1)[-1])
                rows.append(row if default is None else Setting(**{**asdict(row), "default": _as_toml(default)}))
            continue
        rows.append(
            Setting(
                key=prefix + name,
                type=_type_name(inner),
                range=", ".join(_bounds(info.metadata)),
                default=_as_toml(info.default),
                meaning=(info.description or "").strip(),
            )
        )
    return rows


def print_families(name: str | None, *, as_json: bool) -> None:
    """Print all families, or one family's settings."""
    console = Console()
    if name is None:
        result = {family_name: _first_line(load_family(family_name).__doc__) for family_name in family_names()}
        if as_json:
            print(json.dumps(result, indent=1))
            return
        table = Table("family", "what it is", box=None, header_style="bold")
        for family_name, line in result.items():
            table.add_row(f"[bold cyan]{family_name}[/]", escape(line))
        console.print(table)
        console.print("\n[dim]latentgan families NAME shows a family's parameters.[/]")
        return
    family = load_family(name)
    rows = list_settings(family.Config, "family.") + list_settings(TrainingConfig, "training.")
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    console.print(f"[bold cyan]{name}[/]  {escape(_first_line(family.__doc__))}")
    console.print(f"[dim]{escape(_source_line(family))}[/]\n")
    for row in rows:
        default = f" = {row.default}" if row.default else ""
        range_ = f", {row.range}" if row.range else ""
        console.print(f"[bold cyan]{row.key}[/]{escape(default)}  [dim]{escape(row.type + range_)}[/]", highlight=False)
        console.print(Padding(escape(" ".join(row.meaning.split())), (0, 0, 0, 4)), highlight=False)
    console.print("\n[dim]Give them as --set KEY=VALUE, or in a TOML file with --config.[/]")


def print_dry_run(config: RunConfig) -> None:
    """Print what would be trained: settings, parameter counts, and the time that a few iterations foretell."""
    from latentgan.devices import pick_precision
    from latentgan.networks.blocks import count_parameters
    from latentgan.training.loop import state_iterations
    from latentgan.training.state import open_source, open_state

    console = Console()
    console.print(escape(tomli_w.dumps(config.as_dict())))
    source = open_source(config)
    for note in source.notes:
        console.print(f"[dim]{escape(printable(note))}[/]")
    console.print(escape(printable(source.summary)))
    state = open_state(config, source)
    table = Table("network", "parameters", box=None, header_style="bold")
    for name, network in state.family.named_children():
        if count := count_parameters(network):
            table.add_row(name, f"{count:,}")
    console.print(table)
    game = state_iterations(state)
    next(game)
    before, started = state.images, time.perf_counter()
    for _ in range(5):
        next(game)
    rate = (state.images - before) / (time.perf_counter() - started)
    total, device = config.training.total_images, state.batches.device
    precision = pick_precision(config.training.precision, device)
    console.print(
        f"about {_duration(total / rate)} for {total:,} images at {rate:,.0f} images/s "
        f"on {device} ({precision}; measured over 5 iterations)"
    )


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _as_toml(value: Any) -> str:
    """Write a default as --set takes it: true, [10], 0.0002, uniform; nothing for None."""
    if value is None or isinstance(value, Settings) or value is PydanticUndefined:
        return ""
    if isinstance(value, bool | tuple | list):
        return json.dumps(value)
    return str(value)


def _type_name(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type_name(typing.get_args(annotation)[0])
    if origin is Literal:
        return " | ".join(map(str, typing.get_args(annotation)))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_name(a) for a in typing.get_args(annotation) if a is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "table"
    return str(getattr(annotation, "__name__", annotation))


def _bounds(metadata: Sequence[Any]) -> list[str]:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return [f"{sign} {getattr(rule, key):g}" for rule in metadata for key, sign in signs.items() if hasattr(rule, key)]


def _first_line(doc: str | None) -> str:
    return inspect.cleandoc(doc or "").split("\n")[0]


def _source_line(family: type) -> str:
    module = inspect.cleandoc(inspect.getmodule(family).__doc__ or "")
    _, result, rest = module.partition("Source: ")
    return "Source: " + " ".join(rest.split()) if result else ""
