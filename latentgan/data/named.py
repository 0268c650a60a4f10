"""Sets known by name: where they come from, what their files' digests are, how they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latentgan.data.cache import cache_folder, writable
from latentgan.data.fetch import FetchError, Patience, digest, fetch
from latentgan.data.formats import cifar, folders, idx, lfw, svhn
from latentgan.data.pixels import Geometry
from latentgan.data.source import Raw
from latentgan.errors import DataError

DIGITS = tuple("0123456789")


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """Files with their digests, addresses of the folders that hold them, and class names in label order."""

    files: dict[str, str]
    algorithm: str
    bases: tuple[str, ...]
    classes: tuple[str, ...]
    system: tuple[Path, ...] = ()
    """Where a distribution's package puts it."""
    address_is_file: bool = False
    """Whether `bases` are the addresses of the one file, rather than of folders that hold it."""


def _idx_set(
    *digests: str, bases: tuple[str, ...], classes: tuple[str, ...], system: tuple[Path, ...] = ()
) -> NamedSet:
    return NamedSet(
        files=dict(zip(_IDX_FILES, digests, strict=True)), algorithm="md5", bases=bases, classes=classes, system=system
    )


# MNIST, Fashion-MNIST, KMNIST: addresses and MD5 as torchvision publishes them (datasets/mnist.py),
# with a second address where one is known. CIFAR-10, binary version: SHA-256 as MLDatasets.jl publishes it
# (torchvision reads the Python version); its MD5 on the authors' page is c32a1d4ab5d03f1284b67883e8d87530.
# SVHN, cropped digits: address and MD5 as torchvision publishes them (datasets/svhn.py). LFW, funnelled: address and
# SHA-256 as scikit-learn publishes them (datasets/_lfw.py).
SETS = {
    "mnist": _idx_set(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
        bases=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        classes=DIGITS,
    ),
    "fashion-mnist": _idx_set(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
        bases=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        system=(Path("/usr/share/datasets/fashion-mnist"),),
    ),
    "kmnist": _idx_set(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
        bases=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "cifar10": NamedSet(
        files={cifar.ARCHIVE: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
        algorithm="sha256",
        bases=("https://www.cs.toronto.edu/~kriz/",),
        classes=cifar.CLASSES,
    ),
    "svhn": NamedSet(
        files={
            "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        },
        algorithm="md5",
        bases=("http://ufldl.stanford.edu/housenumbers/",),
        classes=DIGITS,
    ),
    "lfw": NamedSet(
        files={lfw.ARCHIVE: "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"},
        algorithm="sha256",
        bases=("https://ndownloader.figshare.com/files/5976015",),
        classes=(),
        address_is_file=True,
    ),
}


NAMES = ("digits", *SETS)

GROUPS = {"lfw": "person"}
"""Sets whose images belong together, and the column that says so."""


def read_named(
    name: str,
    *,
    mirror: Path | str | None = None,
    download: bool = True,
    patience: Patience | None = None,
    progress: bool = True,
) -> Raw:
    """Read a named set from a mirror, the cache, a distribution's package or the network, in this order.

    Args:
        mirror: a folder that holds the files, taken as it is; or the address (http…) of such a folder, whose
            files must have the published digests.

    Raises:
        DataError: the set is nowhere to be had; the sentence says where to put which file.
    """
    if name == "digits":
        return read_digits()
    if address := re.match(r"(https?):/+(.+)", str(mirror)):  # a Path has made one slash of two
        folder = _fetched(name, (f"{address[1]}://{address[2].rstrip('/')}/",), patience, progress)
        return _read(name, folder, _checked(name, folder))
    if mirror is not None:
        folder = Path(mirror).expanduser()
        if not folder.is_dir():
            raise DataError(f"{name}: the mirror {folder} is no folder; it must hold {_files(name)}")
        return _read(name, folder, {"from": str(folder), "checksum": "not checked: a mirror is taken as it is"})
    folder = cache_folder() / name
    if all((folder / file).exists() for file in SETS[name].files):
        return _read(name, folder, _checked(name, folder))
    for system in SETS[name].system:
        if system.is_dir():
            return _read(name, system, {"from": str(system), "checksum": "not checked: the system's package"})
    if not download:
        raise DataError(f"{name} is not there and downloads are off: {_way_out(name)}")
    folder = _fetched(name, SETS[name].bases, patience, progress)
    return _read(name, folder, _checked(name, folder))


def _files(name: str) -> str:
    return ", ".join(SETS[name].files)


def _way_out(name: str) -> str:
    return f"put {_files(name)} into {cache_folder() / name}, or give a folder that holds them: {name}=FOLDER"


def _fetched(name: str, bases: tuple[str, ...], patience: Patience | None, progress: bool) -> Path:
    published, folder = SETS[name], cache_folder() / name
    try:
        writable(folder)
        for file, checksum in published.files.items():
            whole = published.address_is_file and bases == published.bases
            urls = [base if whole else base + file for base in bases]
            fetch(
                urls,
                folder / file,
                algorithm=published.algorithm,
                checksum=checksum,
                patience=patience,
                progress=progress,
            )
    except FetchError as error:
        raise DataError(f"{name} cannot be downloaded ({error}): {_way_out(name)}") from None
    except OSError as error:
        raise DataError(f"{name} cannot be kept: {error}") from None
    return folder


def _checked(name: str, folder: Path) -> dict[str, str]:
    """Provenance of a cached set: which files have the published digest."""
    published = SETS[name]
    different = [
        file for file, checksum in published.files.items() if digest(folder / file, published.algorithm) != checksum
    ]
    checksum_note = (
        f"{published.algorithm} as published" if not different else f"not the published one: {', '.join(different)}"
    )
    return {"from": str(folder), "checksum": checksum_note}


def _read(name: str, folder: Path, provenance: dict[str, str]) -> Raw:
    classes = SETS[name].classes
    if name == "cifar10" and (folder / "train" / classes[0]).is_dir():
        raw = replace(folders.read_folder(folder, Geometry()), notes=())  # copies as pictures, a folder a class
    elif name == "cifar10":
        raw = cifar.read_folder(folder, classes)
    elif name == "svhn":
        raw = svhn.read_folder(folder, classes)
    elif name == "lfw":
        raw = lfw.read_folder(folder)
    else:
        raw = idx.read_folder(_idx_folder(name, folder), classes)
    notes = raw.notes
    if not provenance["checksum"].endswith("as published"):
        notes = (f"'{name}' was read from {folder}; checksum {provenance['checksum']}", *notes)
    return replace(raw, notes=notes, provenance=provenance)


def _idx_folder(name: str, folder: Path) -> Path:
    """The folder itself, or below it the place where torchvision and others put the files."""
    camel = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}[name]
    for place in (folder, folder / name, folder / "raw", folder / camel / "raw"):
        if place.is_dir() and idx.find_pairs(place):
            return place
    raise DataError(f"{name}: {folder} holds no IDX files; it must hold {_files(name)} (unpacked ones will do)")


def read_digits() -> Raw:
    """Read the 1,797 scanned digits of 8 × 8 pixels of scikit-learn (Alpaydin and Kaynak 1998, UCI)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]  # scans have 17 grey levels, 0 to 16
    return Raw(
        images=images,
        labels=bunch.target.astype(np.int64),
        classes=DIGITS,
        provenance={"from": "scikit-learn's load_digits"},
    )
