"""Probe protocols by name: which columns a paper probes together, by which probe, and on how many labels."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from ..base.pca import Components
from ..errors import AnalysisError
from ..io.messages import listed
from ..table.embeddings import Embeddings
from ..table.representations import Representation, no_untrained, representations

LABELS, DRAWS = 1000, 10


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way of probing features, as a paper reports it.

    Args:
        name: as on the command line.
        source: paper and section.
        about: one sentence for the result's notes.
        columns: the model's own columns that are probed together as one representation; None probes each column on its
            own.
        methods: of linear_probe.
        labels: train rows of each balanced draw, 0 for all of them at once.
    """

    name: str
    source: str
    about: str
    methods: tuple[str, ...]
    columns: Callable[[Embeddings], tuple[str, ...]] | None = None
    labels: int = 0

    def representations(self, table: Embeddings, pixels: Pixels) -> tuple[list[Representation], list[str]]:
        """What is probed, then its baselines; and notes on those that there are not.

        Raises:
            AnalysisError that says how to encode what the table lacks.
        """
        if self.columns is None:
            return each_beside_its_width(table, pixels)
        names = self.columns(table)
        name = " + ".join(names)
        raw = [representation for representation in representations(table) if representation.name == "pixels"]
        as_wide, notes = _as_wide(table, {name: sum(table.width(name) for name in names)}, pixels)
        read = [Representation(name=name, baseline=False, column=names[0], joined=names[1:]), *raw, *as_wide]
        lacking = [name for name in names if table.untrained(name) is None]
        if lacking:
            notes.append(no_untrained(lacking[0]))
        else:
            untrained = tuple(f"untrained.{name}" for name in names)
            read.append(
                Representation(name=" + ".join(untrained), baseline=True, column=untrained[0], joined=untrained[1:])
            )
        return read, notes


@dataclass(frozen=True)
class Pixels:
    """What a PCA of pixels as wide as other columns is made of.

    Args:
        components: of the train rows' pixels; None for a table without.
        read: columns of any representation that probes take, the rest going through a PCA of its own; 0 where they take
            all.
    """

    components: Components | None
    read: int = 0


def each_beside_its_width(table: Embeddings, pixels: Pixels) -> tuple[list[Representation], list[str]]:
    """Every representation, and every baseline with a PCA of pixels as wide as each; and notes on the wider ones."""
    every = list(representations(table))
    widths = {
        representation: int(table.encoded.sum()) if representation == table.code else table.width(representation)
        for representation in table.representations
    }
    as_wide, notes = _as_wide(table, widths, pixels)
    learned = [representation for representation in every if not representation.baseline]
    rest = [representation for representation in every if representation.baseline and not representation.width]
    at = sum(representation.name == "pixels" for representation in rest)  # pixels come first
    return [*learned, *rest[:at], *as_wide, *rest[at:]], notes


def _as_wide(table: Embeddings, widths: dict[str, int], pixels: Pixels) -> tuple[list[Representation], list[str]]:
    """PCAs of pixels of all widths (name -> columns), of as many components as there are; notes say where."""
    components, read = pixels.components, pixels.read
    if components is None:
        return [], []
    most = min(components.most, read or components.most)
    reduced = 0 < read < table.width("pixels")  # raw pixels are then themselves read through their PCA of `most`
    same = [name for name, width in widths.items() if reduced and width >= most]
    wanted = {name: min(width, most) for name, width in widths.items() if name not in same}
    limit = components.fit(max(wanted.values())) if wanted else most
    wide, notes = [name for name in wanted if widths[name] > limit], []
    if wide:
        notes.append(
            f"the PCA of pixels beside {_with_width(wide, widths)} has {limit:,} components: pixels vary in no more "
            "directions"
        )
    if same:
        notes.append(f"the PCA of pixels beside {_with_width(same, widths)} is that through which raw pixels are read")
    result = sorted({min(width, limit) for width in wanted.values()})
    return [
        Representation(name=f"PCA {width} of pixels", baseline=True, column="pixels", width=width) for width in result
    ], notes


def _with_width(names: list[str], widths: dict[str, int]) -> str:
    return ", ".join(f"{name} ({widths[name]:,} columns)" for name in names)


def _layers(table: Embeddings, start: str) -> list[str]:
    """Layers of the networks that begin with `start`, in their order: those known to the run, else the table's."""
    layers = table.metadata.get("layers")
    names = layers if isinstance(layers, list) else table.representations
    return [name for name in map(str, names) if name.startswith(start)]


def _needed(table: Embeddings, protocol: str, wanted: list[str], description: str, *, pool: int | None = None) -> None:
    """Refuse a table that lacks the columns `wanted`, or was pooled otherwise, with the options that make it."""
    pooled = table.metadata.get("preprocessing", {}).get("pool")
    is_present = bool(wanted) and all(name in table.vector_columns for name in wanted)
    if is_present and (pool is None or pooled == pool):
        return
    run = table.metadata.get("run") or "RUN"
    named = " ".join(f"--features {name}" for name in wanted if name != "code")
    if not wanted and "layers" not in table.metadata:
        start = "discriminator.conv" if "discriminator" in description else "encoder."
        raise AnalysisError(
            f"{protocol} reads {description}, and {table.path.name!r} does not say which layers its model has: "
            f"latentgan encode {run} --features {start}… (each of them)"
            + (f" --pool {pool}" if pool is not None else "")
            + " --out OTHER.parquet writes them"
        )
    if not wanted:
        raise AnalysisError(
            f"{protocol} reads {description}, and the model of {table.path.name!r} has none: it needs a run of "
            f"another family"
        )
    options = named + (f" --pool {pool}" if pool is not None else "")
    raise AnalysisError(
        f"{protocol} reads {description}, which {table.path.name!r} does not hold: latentgan encode {run} {options} "
        "--out OTHER.parquet writes them"
    )


def _penultimate(table: Embeddings) -> tuple[str, ...]:
    wanted = _layers(table, "encoder.")[-1:]
    _needed(table, "bigan-1nn", wanted, "the encoder's last hidden layer")
    return tuple(wanted)


def _convolutions(table: Embeddings) -> tuple[str, ...]:
    wanted = _layers(table, "discriminator.conv")
    description = "every convolution of the discriminator, max-pooled to 4×4"
    _needed(table, "dcgan-svm-4x4", wanted, description, pool=4)
    return tuple(wanted)


def _last_four(table: Embeddings) -> tuple[str, ...]:
    layers = _layers(table, "encoder.")[-3:]
    wanted = [*layers, "code"] if layers else []
    _needed(table, "ali-svm-last4", wanted, "the encoder's last three hidden layers and its output")
    return tuple(wanted)


PROTOCOLS = {
    one.name: one
    for one in (
        Protocol(
            name="linear",
            source="multinomial logistic regression",
            about="Every column on its own, all labels.",
            methods=("logistic",),
        ),
        Protocol(
            name="knn",
            source="Wu et al. 2018, arXiv:1805.01978, §3.4; Caron et al. 2021, arXiv:2104.14294, §4.1",
            about="Every column on its own, all labels: the nearest neighbour in Euclidean distance, and votes "
            "weighted by exp(cos / T) of the 20 nearest with T = 0.07 and of the 200 nearest with T = 0.1.",
            methods=("knn", "cosine-20", "cosine-200"),
        ),
        Protocol(
            name="bigan-1nn",
            source="Donahue et al. 2017, arXiv:1605.09782, §4.1",
            about="One nearest neighbour, Euclidean, in the encoder's last hidden layer.",
            methods=("knn",),
            columns=_penultimate,
        ),
        Protocol(
            name="dcgan-svm-4x4",
            source="Radford et al. 2016, arXiv:1511.06434, §5",
            about="An L2-SVM on the features of every convolution of the discriminator, max-pooled to 4×4.",
            methods=("svm",),
            columns=_convolutions,
            labels=LABELS,
        ),
        Protocol(
            name="ali-svm-last4",
            source="Dumoulin et al. 2017, arXiv:1606.00704, §4.3",
            about="An L2-SVM on the encoder's last three hidden layers and its output.",
            methods=("svm",),
            columns=_last_four,
            labels=LABELS,
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        AnalysisError with the nearest and the known ones.
    """
    if name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise AnalysisError(f"no probe protocol is called {name!r}; {hint}known are: {listed(PROTOCOLS)}")
    return PROTOCOLS[name]
