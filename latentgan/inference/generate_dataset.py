"""Images of a conditional generator, with their classes and attributes, as a folder or Parquet table for any trainer.

Images are drawn, scored and written batch by batch. Where only the best are kept, all draws are scored first, and the
codes of the chosen ones drawn again: a batch's codes follow from (seed, class, batch).
"""

from __future__ import annotations

import csv
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.io.writing import Writing, check_outputs, consent, png_bytes, staged
from latentgan.data.columns import is_missing
from latentgan.data.splits import split_name
from latentgan.errors import ConfigError, DataError
from latentgan.families.base import Scores
from latentgan.inference.image_files import check_folder
from latentgan.inference.numpy_model import NumpyModel

BATCH = 256
"""Images drawn, and written, at once."""


MAX_DRAWN = 50_000_000


TABLES = (".parquet", ".pq")


SHEET = "attributes.csv"


_TYPES = {"numeric": "float64", "boolean": "bool", "categorical": "string"}


_WHOLE = re.compile(r"[+-]?\d+(\.0+)?")


_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file names on Windows


ONE_FOLDER = "images"
"""Where images go that are of no class."""


_TAKEN = ("file", "image", "label", "split")  # columns that a reader takes for something else


AttributeValues = dict[str, list[Any]]
"""Values (n) of each attribute, by column."""


Write = Callable[[int, np.ndarray, AttributeValues], None]
"""Takes the position of a class, images of it, (n, h, w, c) uint8, and their attributes."""


@dataclass(frozen=True)
class Plan:
    """How many images are drawn and kept.

    Args:
        per_class: images of each class that are written; of all where no class can be asked for.
        keep_best: share of the drawn images that is kept, in (0, 1]: those with the highest score; 1 keeps all.
        seed: of the draws.
    """

    per_class: int
    keep_best: float = 1.0
    seed: int = 0

    @property
    def drawn(self) -> int:
        """Images of each class that are drawn."""
        return max(self.per_class, math.ceil(self.per_class / self.keep_best - 1e-9))

    def steps(self, model: NumpyModel) -> int:
        """Images that are scored or written, of all classes."""
        return max(1, len(model.classes)) * (self.per_class + (self.drawn if self.drawn > self.per_class else 0))

    def check(self, model: NumpyModel, out: Path) -> None:
        """Raise ConfigError where the model, the plan or the place cannot serve."""
        if self.per_class < 1:
            raise ConfigError(f"--per-class {self.per_class} is no positive number of images")
        if not 0 < self.keep_best <= 1:
            raise ConfigError(f"--keep-best {self.keep_best} is no share above 0 and up to 1, for example 0.25")
        if self.per_class / self.keep_best > MAX_DRAWN:
            raise ConfigError(
                f"{self.per_class:,} images at --keep-best {self.keep_best:g} are the best of more than {MAX_DRAWN:,} "
                "draws a class; ask for fewer, or keep a larger share"
            )
        if not model.classes and not model.attributes:
            model.draw(0, label="")  # says which families can be asked for a class
        if self.keep_best < 1 and not isinstance(model.family, Scores):
            model.score(np.zeros((0, model.code_width), np.float32))  # says which families score
        _refuse_used(out)


def write_images(
    model: NumpyModel,
    out: str | Path,
    plan: Plan,
    *,
    command: str = "",
    advance: Callable[[int], None] = lambda images: None,
) -> Path:
    """Write `plan.per_class` generated images of every class and return `out`.

    Conditioning attributes are drawn from training images (of the class, where networks use labels) and are written
    beside the images.

    Args:
        model: a family that can be asked for a class, or with attributes.
        out: a folder that is empty or does not exist; it gets one sub-folder a class, and attributes.csv where there
            are conditioning attributes. Or a .parquet file that does not exist, with the columns image (struct of
            bytes and path, PNG), label and attributes. Names that no reader would take are changed, see
            `written_names`; augment.json, or the table's metadata, keeps the true ones.
        plan: how many, and which.
        command: what the user typed, for the records.
        advance: called with the number of images that were scored or written since the last call.

    Raises:
        ConfigError: the model cannot be asked for classes or cannot score, or `out` is not empty.
        DataError: the images cannot be written.
    """
    out = Path(out)
    plan.check(model, out)
    names = written_names(model.classes, out)
    columns = {attribute.name: _column(attribute.name) for attribute in model.attributes}
    about = {
        "family": model.about.get("name", ""),
        "checkpoint": model.about.get("sha256", ""),
        **asdict(plan),
        "classes": dict(zip(names, model.classes, strict=True)),
        **({"attributes": {column: name for name, column in columns.items()}} if columns else {}),
        "command": command,
    }
    kinds: dict[str, str] = {columns[attribute.name]: attribute.kind for attribute in model.attributes}
    opened = _table if out.suffix.lower() in TABLES else _folder
    try:
        with opened(out, names, kinds, about) as write:
            for position in range(max(1, len(names))):
                for codes in selected_codes(model, position, plan, advance):
                    values = {columns[name]: column for name, column in model.attribute_values(codes).items()}
                    write(position, _images(model, codes), values)
                    advance(len(codes))
    except OSError as error:
        raise DataError(f"could not write {out}: {error.strerror or error}") from error
    return out


def selected_images(
    model: NumpyModel, position: int, plan: Plan, advance: Callable[[int], None] = lambda images: None
) -> Iterator[np.ndarray]:
    """Yield the images of one class that are kept, (n, h, w, c) uint8, n at most 256; arguments as of `selected_codes`.

    Args:
        model: see `selected_codes`.
        position: see `selected_codes`.
        plan: see `selected_codes`.
        advance: see `selected_codes`.
    """
    for codes in selected_codes(model, position, plan, advance):
        yield _images(model, codes)


def _images(model: NumpyModel, codes: np.ndarray) -> np.ndarray:
    images: np.ndarray = np.rint(model.decode(codes) * 255).astype(np.uint8)
    return images


def selected_codes(
    model: NumpyModel, position: int, plan: Plan, advance: Callable[[int], None] = lambda images: None
) -> Iterator[np.ndarray]:
    """Yield the codes of one class whose images are kept, (n, d) each, n at most 256.

    Args:
        model: a family that can be asked for a class, or with attributes.
        position: which class; 0 where none can be asked for.
        plan: how many are drawn, and how many of them kept.
        advance: called with the number of images that were scored since the last call.
    """

    def batch(number: int) -> np.ndarray:
        size = min(BATCH, plan.drawn - number * BATCH)
        seed = np.random.SeedSequence([plan.seed, position, number]).generate_state(1, np.uint64)[0] >> np.uint64(1)
        return model.draw(size, seed=int(seed), label=model.classes[position] if model.classes else None)

    numbers = range(math.ceil(plan.drawn / BATCH))
    if plan.drawn == plan.per_class:
        yield from map(batch, numbers)
        return
    scores = np.empty(plan.drawn, np.float32)
    for number in numbers:
        part = slice(number * BATCH, min((number + 1) * BATCH, plan.drawn))
        scores[part] = model.score(batch(number))
        advance(part.stop - part.start)
    best = np.sort(np.argsort(-scores, kind="stable")[: plan.per_class])
    for number in numbers:
        rows = best[(best >= number * BATCH) & (best < (number + 1) * BATCH)] - number * BATCH
        if len(rows):
            yield batch(number)[rows]


def written_names(classes: Sequence[str], out: Path) -> list[str]:
    """Return the name under which each class is written: its own wherever every reader takes it, else a safe one.

    A folder's name has letters, digits, spaces, -, _ and . only, is no hidden, reserved or overlong one, and differs
    from others in more than case. In folders and tables alike it is no word for a missing label or a split.
    """
    folder, names, taken = out.suffix.lower() not in TABLES, list[str](), set[str]()
    for position, label in enumerate(classes):
        text = unicodedata.normalize("NFC", label) if folder else label
        if not _taken_by_readers(text, folder=folder) or _key(text) in taken:
            spelt = "".join(c if c.isalnum() or c in "-_." else "-" for c in unicodedata.normalize("NFC", label))
            text = "-".join(filter(None, (f"class{position}", spelt.strip("-_.")[:40])))
        while _key(text) in taken:
            text += "-"
        names.append(text)
        taken.add(_key(text))
    return names


def _taken_by_readers(text: str, *, folder: bool) -> bool:
    if text != text.strip() or is_missing(text) or text == "-1" or any(0xD800 <= ord(c) < 0xE000 for c in text):
        return False
    if not folder:
        return True
    plain = all(c.isalnum() or c in "-_. " for c in text) and text[0] not in ".-" and text[-1] != "."
    reserved = split_name(text) or _DEVICES.fullmatch(text) or text == "__MACOSX"
    return plain and not reserved and len(text.encode()) <= 100


def _key(text: str) -> str:
    """Return a key that is equal for names that a file system or reader takes for the same: A and a, 3 and 3.0."""
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text.casefold()


def _column(name: str) -> str:
    return f"attribute_{name}" if name.lower() in _TAKEN else name


def _refuse_used(out: Path) -> None:
    table = out.suffix.lower() in TABLES
    if table and out.exists() and not consent().overwrite:
        raise ConfigError(f"{out} exists already; remove it, or name another --out")
    if not table:
        check_folder(out, "name a folder or a .parquet file as --out")
    if table:
        check_outputs([out], "images", error=ConfigError)
    elif out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; remove what is in it, or name another --out")
    elif out.is_dir() and (out.is_mount() or out.samefile(Path.cwd())):
        raise ConfigError(
            f"{out} is a mount point or the current folder, which no rename can fill: name a folder in it"
        )


@contextmanager
def _folder(out: Path, names: Sequence[str], kinds: dict[str, str], about: dict[str, Any]) -> Iterator[Write]:
    """Give a function that writes PNGs into one sub-folder a class; one rename puts all in place at the end."""
    folders = list(names) or [ONE_FOLDER]
    counts = [0] * len(folders)
    with staged(out.resolve()) as part:

        def write(position: int, images: np.ndarray, attribute_values: AttributeValues) -> None:
            rows = []
            for place, image in enumerate(images):
                file = f"{folders[position]}/{counts[position]:06d}.png"
                (part / file).write_bytes(png_bytes(_picture(image)))
                counts[position] += 1
                cells = [_cell(column[place]) for column in attribute_values.values()]
                rows.append([file, *names[position : position + 1], *cells])
            if attribute_values:
                with (part / SHEET).open("a", newline="", encoding="utf-8") as sheet:
                    csv.writer(sheet).writerows(rows)

        for name in folders:
            (part / name).mkdir(parents=True)
        if kinds:
            with (part / SHEET).open("w", newline="", encoding="utf-8") as sheet:
                csv.writer(sheet).writerow(["file", *(["label"] if names else []), *kinds])
        yield write
        (part / "augment.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _table(out: Path, names: Sequence[str], kinds: dict[str, str], about: dict[str, Any]) -> Iterator[Write]:
    """Give a function that writes rows of a Parquet table, which gets its name at the end."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"label": "string"} if names else {}
    types |= {column: _TYPES[kind] for column, kind in kinds.items()}
    features = {"image": {"_type": "Image"}} | {c: {"dtype": kind, "_type": "Value"} for c, kind in types.items()}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    metadata = {"huggingface": json.dumps({"info": {"features": features}}), "latentgan": json.dumps(about)}
    fields = [("image", image), *((column, pa.type_for_alias(kind)) for column, kind in types.items())]
    schema = pa.schema(fields, metadata=metadata)
    count = 0
    with Writing() as files, pq.ParquetWriter(files.open(out), schema) as writer:

        def write(position: int, images: np.ndarray, attribute_values: AttributeValues) -> None:
            nonlocal count
            cells = [{"bytes": png_bytes(_picture(x)), "path": f"{count + i:07d}.png"} for i, x in enumerate(images)]
            count += len(cells)
            values = ({"label": [names[position]] * len(cells)} if names else {}) | attribute_values
            columns = [pa.array(values[column], pa.type_for_alias(kind)) for column, kind in types.items()]
            writer.write_table(pa.Table.from_arrays([pa.array(cells, image), *columns], schema=schema))

        yield write


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
