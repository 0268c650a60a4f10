"""Labeled Faces in the Wild, funnelled: 13,233 photographs of 5,749 people, out of its archive.

The middle of a photograph, where the face is, is cut out and made 64×64. Who is shown is the attribute "person"; there
are no other labels. Photographs are of the press, and the people did not consent one by one: for research on
representations, never to identify anybody.

Source: Huang, Ramesh, Berg, Learned-Miller: Labeled Faces in the Wild, 2007; Huang et al.: Unsupervised Joint Alignment
of Complex Images, ICCV 2007 (the funnelled version). Address and digest as scikit-learn publishes them.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from analysis.io.reading import BadImageError, check_file, irregular, read_bytes
from latentgan.data.columns import Columns
from latentgan.data.formats.image_file import decode
from latentgan.data.pixels import Geometry
from latentgan.data.source import Raw
from latentgan.errors import DataError

ARCHIVE = "lfw-funneled.tgz"
FOLDER = "lfw_funneled"
BOX = (57, 55, 193, 191)
"""Left, top, right, bottom of what is cut out of 250×250 pixels: the face with hair and chin."""
SIDE = 64
_SIDE_OF_FILES = 250
_MAX_BYTES = 1 << 22
"""Of one photograph; the largest has 30 KB."""


def read_folder(folder: Path) -> Raw:
    """Read the photographs, unpacked as lfw_funneled/PERSON/PERSON_0001.jpg or out of the .tgz.

    Args:
        folder: that holds either.

    Returns:
        (n, 64, 64, 3) images with the column "person", no labels.

    Raises:
        DataError: there is neither, the archive is damaged, or a photograph cannot be decoded.
    """
    images, people, ids = [], [], []
    for name, content in _photographs(folder):
        images.append(_face(name, content))
        people.append(Path(name).parent.name)
        ids.append(Path(name).stem)
    if not images:
        raise DataError(f"{folder} holds neither {ARCHIVE} nor a folder {FOLDER} with a sub-folder a person")
    columns = Columns()
    columns.add("person", np.array(people, dtype=object), "text")
    return Raw(
        images=np.stack(images),
        labels=np.full(len(images), -1, np.int64),
        columns=columns,
        ids=np.array(ids),
        provenance={"from": str(folder)},
    )


def _photographs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(PERSON/FILE.jpg, content) of the unpacked files, else of the members of the archive, in order of names."""
    for place in (folder / FOLDER, folder):
        paths = sorted(path for path in place.glob("*/*.jpg") if path.stem.startswith(path.parent.name))
        if paths:
            yield from ((f"{path.parent.name}/{path.name}", _bytes(path)) for path in paths)
            return
    archive = folder / ARCHIVE
    if irregular(archive) == "missing":
        return
    check_file(archive, error=DataError)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                parts = Path(member.name).parts
                content = members.extractfile(member) if member.isfile() else None
                if content is not None and len(parts) == 3 and parts[2].endswith(".jpg") and member.size <= _MAX_BYTES:
                    found["/".join(parts[1:])] = content.read(_MAX_BYTES)
    except (tarfile.TarError, EOFError, zlib.error, OSError):
        raise DataError(f"{archive} is truncated or damaged; fetch it again") from None
    yield from sorted(found.items())


def _bytes(path: Path) -> bytes:
    return read_bytes(path, most=_MAX_BYTES, error=DataError)


def _face(name: str, content: bytes) -> np.ndarray:
    """Cut the face out of a photograph: (64, 64, 3) uint8."""
    from PIL import Image

    try:
        whole = decode(content, Geometry(), 3)
    except BadImageError as error:
        raise DataError(f"{name}: {error}") from None
    if whole.shape[:2] != (_SIDE_OF_FILES, _SIDE_OF_FILES):
        raise DataError(f"{name} has {whole.shape[0]}×{whole.shape[1]} pixels; photographs of this set have 250×250")
    cut = Image.fromarray(whole).crop(BOX)
    return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
