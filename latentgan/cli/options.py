"""The command line's options that several commands share, with their help."""

from pathlib import Path
from typing import Annotated, Any

import typer

from analysis.io.paths import typed_command

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="A named set (digits, mnist, fashion-mnist, kmnist, cifar10, svhn, lfw; mnist=FOLDER for files you have) "
        "or a path: folder of images, IDX files, .npz, .npy, .parquet.",
        show_default=False,
    ),
]


Attributes = Annotated[
    Path | None,
    typer.Option(help="CSV of attributes for a folder of images (default: the one CSV in it)."),
]


Label = Annotated[str | None, typer.Option(help="Column that is the label.")]


Group = Annotated[
    str | None,
    typer.Option(
        help="Column that says which images belong together: a clip, a person, copies of an image. A split that is "
        "drawn keeps them on one side, and analyses count them once.",
        show_default=False,
    ),
]


Boolean = Annotated[
    list[str] | None,
    typer.Option(
        help="A numeric attribute that is yes or no: NAME=0.5, or NAME=0.1:0.9, between which it counts as unknown; "
        "may be repeated.",
        show_default=False,
    ),
]


Size = Annotated[int | None, typer.Option(help="Resize images to this many pixels a side.")]


Crop = Annotated[bool, typer.Option("--crop", help="Cut the largest centred square first.")]


Channels = Annotated[int | None, typer.Option(help="Convert to grey (1) or colour (3).")]


SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on without images that cannot be decoded, and list them.")
]


Mirror = Annotated[Path | None, typer.Option(help="Folder with the files of a named set, instead of a download.")]


Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]


Run = Annotated[Path, typer.Argument(help="Run folder that `latentgan train` made.", show_default=False)]


FamilyOption = Annotated[
    str | None,
    typer.Option("--family", help="Only for a foreign family module:Class; name it again to trust it."),
]


def command_line() -> str:
    """Return what the user typed, for the records: without credentials, and absolute paths shortened."""
    return typed_command("latentgan")


def given_only(**values: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {key: value for key, value in values.items() if value is not None}
