"""Commands that make images: sample and augment."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.cli.console import note
from latentgan.cli.options import Device, FamilyOption, Run, command_line
from latentgan.errors import ConfigError, known_names

if TYPE_CHECKING:
    import numpy as np


Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same images.")]


def sample(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="PNG to write (a grid), or a folder (one PNG each).")] = Path(
        "samples.png"
    ),
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 64,
    label: Annotated[
        str | None, typer.Option(help="Only images of this class, by its name.", show_default=False)
    ] = None,
    component: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only of this component, from 1 as in the report: of the prior's mixture, or of that in --results.",
            show_default=False,
        ),
    ] = None,
    class_: Annotated[
        str | None,
        typer.Option("--class", help="Only from the mixture of this class in --results.", show_default=False),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Results folder of the run's codes: draw from the mixture that was fitted to them, not from the "
            "prior.",
            show_default=False,
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="Only with this value of a conditioning attribute, name=value in its own unit; may be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Draw images from the prior, or from a mixture that was fitted to codes.

    Where a model is conditioned on classes (cgan, aae_semi, ali with family.conditional, aae with
    family.labels=decoder) and no --label is given, the grid has a row a class, in the order that is printed, and
    --count is rounded up to full rows; the images of a column share all of their code but the class. Where the prior is
    a mixture (deligan, others with family.mixture.components, aae with family.prior=mixture), the grid likewise has a
    row a component, unless --component is given. Where a cgan is conditioned on attributes (family.attributes), the
    images of a row differ in the first one alone, from its 5th to its 95th percentile, unless --attribute is given or
    the rows are classes; the other attributes are those of training images.

    With --results the codes are drawn from the mixture that `latentgan mixture` or `analyze` fitted to the run's codes:
    a row a component, or of one with --component, or from the mixture of a class with --class. The generator need not
    be conditional for that.

        latentgan sample runs/mnist -n 100 --out samples.png

        latentgan sample runs/mnist --results results --class 5 -n 16 --out fives.png

        latentgan sample runs/deligan --component 7 -n 16 --out seventh.png

        latentgan sample runs/cgan --label 5 -n 16 --out fives.png

        latentgan sample runs/conditional --attribute slant=2.5 --attribute bold=true --out bold.png
    """
    from latentgan.inference import sample_files as drawing

    if results is not None:
        if label is not None or attribute:
            raise ConfigError(
                "--label and --attribute draw from the prior; with --results, --class draws from the mixture of a class"
            )
        codes, rows = _fitted(
            run, results, component=component, label=class_, count=count, grid=drawing.is_grid(out), seed=seed
        )
        written = drawing.sample_fitted(run, out, codes, rows=rows, results=results, device=device, family=family)
        note(f"wrote {written}")
        return
    if class_ is not None:
        raise ConfigError(
            f"--class {class_} draws from a mixture that was fitted to codes of the class: add --results RESULTS, "
            "which latentgan mixture TABLE --out RESULTS writes; a conditional generator draws a class by --label"
        )
    conditions: dict[str, Any] = {
        "label": label,
        "component": component,
        "attributes": _attribute_values(attribute or []),
    }
    written = drawing.sample(run, out, count=count, seed=seed, device=device, family=family, **conditions)
    note(f"wrote {written}")


def _fitted(
    run: Path, results: Path, *, component: int | None, label: str | None, count: int, grid: bool, seed: int
) -> tuple[np.ndarray, int]:
    """Draw codes from a mixture in a results folder that is about the model of `run`: (n, d), and rows of a grid or 0.

    Without a component or a label, a grid has a row a component.
    """
    import numpy as np

    from analysis.results import load_one
    from latentgan.inference.provenance import same_model

    if component is not None and label is not None:
        raise ConfigError("a code is of a component, or of a class: give --component or --class, not both")
    result = {
        kind: load_one(results, kind) for kind in ("overview", "mixtures") if (results / f"{kind}.json").is_file()
    }
    advice = f"run `latentgan mixture TABLE --out {results}` first"
    if (mixture := result.get("mixtures")) is None:
        raise ConfigError(f"{results} holds no mixture; {advice}")
    same_model(run, result.get("overview"), results)
    rng = np.random.default_rng(seed)
    if label is not None:
        if (by_class := mixture.by_class) is None:
            raise ConfigError(f"{results} holds no mixtures of classes; {advice}, on a table with labels")
        if label not in by_class.classes:
            raise ConfigError(f"{results} has no mixture of a class {label!r}; {known_names(label, by_class.classes)}")
        return by_class.draw(count, label=label, rng=rng), 0
    if component is not None:
        if component > mixture.components:
            raise ConfigError(
                f"there is no component {component}: those of the mixture in {results} are numbered from 1 to "
                f"{mixture.components}"
            )
        return mixture.draw(count, component=component - 1, rng=rng), 0
    if not grid:
        return mixture.draw(count, rng=rng), 0
    rows = mixture.components
    drawn = [mixture.draw(-(-count // rows), component=k, rng=rng) for k in range(rows)]
    return np.concatenate(drawn), rows


def _attribute_values(given: list[str]) -> dict[str, str]:
    """Return attribute -> value of texts name=value."""
    pairs = [text.partition("=") for text in given]
    if odd := [text for text, (name, equals, _) in zip(given, pairs, strict=True) if not name or not equals]:
        raise ConfigError(f"--attribute {odd[0]} is no name=value, for example --attribute slant=2.5")
    names = [name for name, _, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--attribute {twice[0]}: one value is possible, and there are {names.count(twice[0])}")
    return {name: value for name, _, value in pairs}


def augment(
    run: Run,
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class, or in all.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Empty folder (one sub-folder a class), or a new .parquet file.", show_default=False
        ),
    ],
    keep_best: Annotated[
        float,
        typer.Option(
            help="Share of the drawn images that is kept, above 0 and up to 1: the best by score; 1 keeps all."
        ),
    ] = 1.0,
    seed: Seed = 0,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Draw images of every class, or with attributes, from a conditional generator, for training on them.

    With --keep-best 0.25 four times as many are drawn, and of each class those kept that the discriminator, given the
    class, scores as most real: its logit D(x | y) of a cgan, D(x, z, y) of a conditional ali. Memory does not grow with
    their number but for 20 bytes a draw of a class, where the best are kept.

    Conditioning attributes of a cgan are drawn from training images, those of one image together (of the class, where
    there are classes), and written into the folder's attributes.csv, or as columns of the table.

        latentgan augment runs/cgan --per-class 500 --keep-best 0.5 --out generated

        latentgan train bigan --data generated --out runs/on-generated
    """
    from latentgan.inference import stages

    written = stages.augment(
        run,
        out,
        per_class=per_class,
        keep_best=keep_best,
        seed=seed,
        device=device,
        family=family,
        command=command_line(),
    )
    note(f"wrote {written}   next: latentgan train FAMILY --data {shlex.quote(str(written))} --out RUN")
