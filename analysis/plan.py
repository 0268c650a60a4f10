"""Which rows and which representations of a table an analysis looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from .arrays import AnalysisError, Bools, Ints, Singles
from .embeddings import Column, Embeddings
from .groups import one_of_each
from .model import Model
from .pca import PCA, SAMPLE, fit_pca
from .places import find_named
from .streams import Stream

Progress = Callable[[str], None]


def needs_model(table: Embeddings) -> str:
    """Say what is missing where nothing can be decoded."""
    if table.stands_in:
        return "the table has no codes, as its model has no encoder; `latentgan fit-encoder RUN` gives it one"
    run = table.metadata.get("run")
    if run and isinstance(run, str) and find_named(run, table.path.parent) is None:
        why = f"the run {run!r} that the table names is not there: name its folder (--model RUN)"
        return f"that needs a model, and {why}, or pass a model from Python"
    return "that needs a model, and only `latentgan` decodes (--model RUN), or a model passed from Python"


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Options:
    """How much an analysis looks at; None means every row. The defaults take minutes, not hours."""

    train_rows: int | None = 10_000  # fitted on
    test_rows: int | None = 10_000  # scored on
    map_rows: int | None = 5_000
    seed: int = 0
    methods: tuple[str, ...] = ("logistic", "svm", "knn")
    per_class: tuple[int, ...] | None = None  # few labels a class; None: from 1 to all
    draws: int = 20
    networks: int = 0  # draws that networks are taught
    neighbours: int = 1  # k of the k-NN probe
    protocol: str = ""  # a named way of reading, see analysis.protocols; "" for every column by `methods`
    permutations: int = 999
    keep: tuple[str, ...] = ()  # concepts, or columns, that directions of the others keep
    keep_by: str = "regression"  # how, one of conditional.WAYS
    factors: tuple[str, ...] = ()  # columns that are known factors; none means the label and attributes
    maps: tuple[str, ...] = ("umap", "pca")
    components: tuple[int, ...] = ()  # of the mixture; none means 1 2 4 8 16 32 and the neighbours of the best
    along: str = "auto"  # or lerp, slerp, norm, geodesic
    between: tuple[str, ...] = ()  # "classes", "images" or "A:B": which pairs, see analysis.pairs; none means classes
    steps: int = 11
    shown: int = 8  # images, pairs or codes in a gallery

    def full(self) -> Options:
        """Look at every row; maps keep a sample."""
        return replace(self, train_rows=None, test_rows=None)

    def rng(self, name: str) -> np.random.Generator:
        """A generator of the analysis' own, so that it finds the same alone and among others."""
        return np.random.default_rng([self.seed, *name.encode()])


@dataclass(frozen=True)
class Representation:
    """A vector column, perhaps of selected columns or seen through a PCA of pixels."""

    name: str
    baseline: bool
    column: str
    mask: Bools | None = None  # columns that are kept
    width: int = 0  # > 0: components of a PCA fitted on train
    joined: tuple[str, ...] = ()  # further columns, side by side with the first

    def read(
        self, table: Embeddings, *parts: Ints, rng: np.random.Generator, stream: bool = False, every: bool = False,
        components: Callable[[int], PCA] | None = None,
    ) -> list[Singles]:  # fmt: skip
        """Read `parts`, the first of which is the train rows: one (n, d) array each.

        Args: stream: what does not fit in memory may come as a `Stream`. every: a PCA looks at all train rows.
            components: gives a PCA of a width in place of a fit.
        """
        found = [(table.matrix if stream else table.vectors)(self.column, rows) for rows in parts]
        if self.joined:
            beside = [[table.vectors(name, rows) for name in self.joined] for rows in parts]
            found = [np.hstack([np.asarray(x), *more]) for x, more in zip(found, beside, strict=True)]
        if self.mask is not None and not self.mask.all():
            found = [x[:, self.mask] for x in found]
            found = [x if isinstance(x, Stream) else np.ascontiguousarray(x) for x in found]
        if self.width:
            fit = partial(fit_pca, found[0], rng=rng, sample=None if every else SAMPLE)
            pca = (components or fit)(self.width)
            found = [pca.project(x) for x in found]
        return found


def representations(table: Embeddings) -> Iterator[Representation]:
    """Yield the model's own representations, then the yardsticks."""
    for name in table.representations:
        yield Representation(name, False, name, table.encoded if name == table.code else None)
    if table.has_pixels:
        width = int(table.encoded.sum())
        yield Representation("pixels", True, "pixels")
        if width < table.width("pixels"):
            yield Representation(f"PCA {width} of pixels", True, "pixels", width=width)
    for name in table.representations:
        column = table.untrained(name)
        if column is not None:
            yield Representation(column, True, column, table.encoded if name == table.code else None)


def code_yardsticks(table: Embeddings) -> list[Representation]:
    """What stands beside the code where features do not: pixels, their PCA, the code of the untrained network."""
    features = {table.untrained(name) for name in table.representations if name != table.code}
    return [one for one in representations(table) if one.baseline and one.name not in features]


def labelled_columns(table: Embeddings) -> list[Column]:
    """The label, if there is one with a label, and every attribute."""
    return [table.column(name) for name in [*([table.label] if labels_of(table) else []), *table.attributes]]


def missing_yardsticks(table: Embeddings) -> list[str]:
    """Say which yardsticks the table cannot give, and what its label column is not."""
    notes = [table.continuous_label] if table.continuous_label else []
    if not table.has_pixels:
        notes.append("no raw-pixel baseline: the table has no column 'pixels'")
    if table.untrained(table.code) is None:
        notes.append(no_untrained(table.code))
    return notes


def no_untrained(column: str) -> str:
    """Say that the untrained network's values of a column are not there."""
    return f"no untrained network: the table has no column 'untrained.{column}'"


def independent(table: Embeddings, rows: Ints, options: Options) -> Ints:
    """Keep one of `rows` for each group, so that figures and their intervals count groups; all where there are none.

    The same row stands for a group in every analysis of a seed.
    """
    return rows if table.groups is None else one_of_each(rows, table.groups, table.representatives(options.seed))


def sample(
    table: Embeddings, split: str | None, limit: int | None, options: Options, *, one_each: bool | None = None
) -> Ints:
    """Draw at most `limit` rows of a split, ascending; a smaller sample is part of a larger one.

    Args: one_each: whether one row stands for each group; by default where rows are scored (test rows, or rows of all
        splits), not where they are fitted or choose a setting.
    """
    one_each = split not in ("train", "validation") if one_each is None else one_each
    rows = table.rows(split)
    return thin(independent(table, rows, options) if one_each else rows, limit, options)


def thin(rows: Ints, limit: int | None, options: Options) -> Ints:
    """Draw at most `limit` of `rows`, ascending."""
    if limit is None or len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng([options.seed, 7]).permutation(rows)[:limit])


def held_out(
    table: Embeddings, limit: int | None, options: Options, *, least: int = 100, drawn: bool = False
) -> tuple[Ints, str]:
    """Rows to look at, and the words for them.

    Test rows where there are at least `least`, else test and validation rows where they suffice, else rows of
    all splits, of which it is said that they include training rows. drawn: whether a split drawn at random counts.
    """
    if not (table.has_split or (drawn and table.has_drawn_split)):
        return sample(table, None, limit, options), "rows (the table has no split, so that nothing is held out)"
    test, validation = (len(independent(table, table.rows(name), options)) for name in ("test", "validation"))
    if test >= least:
        return sample(table, "test", limit, options), "test rows"
    if test + validation >= least:
        rows = np.sort(np.concatenate([table.rows("test"), table.rows("validation")]))
        rows = independent(table, rows, options)
        return thin(rows, limit, options), f"test and validation rows, since only {test} test rows exist"
    words = f"rows of all splits, which includes training rows, since only {test} test rows exist"
    return sample(table, None, limit, options), words


def said(options: Options, table: Embeddings, one_each: bool = False, /, **counts: int) -> list[str]:
    """Say what was read in place of a code, and which samples were taken: name of the split -> rows used.

    Args: one_each: whether train rows are one of each group.
    """
    notes = [f"the table has no codes, so {table.code!r} is read in their place"] if table.stands_in else []
    if table.has_drawn_split and counts.keys() - {"all"}:
        together = "" if table.grouped else "rows that belong together may stand on both sides, and "
        notes.append(
            f"train, validation and test rows are drawn at random, as the table has no column {table.split_name!r}: "
            f"{together}the model may have been trained on any of them"
        )
    for split, used in counts.items():
        rows = table.rows(None if split == "all" else split)
        there = len(rows if split == "train" and not one_each else independent(table, rows, options))
        if used < there:
            notes.append(f"a sample of {used:,} of {there:,} {split} rows (--full takes all)")
    return notes


def grouping(table: Embeddings) -> list[str]:
    """Say which rows belong together, and what that means for figures; nothing where each row is one by itself."""
    if table.groups is None:
        return []
    number = int(table.groups.max()) + 1
    if number == table.n:
        return [f"no two rows share a value of {table.group_name!r}: each row is a group by itself"]
    what = f"blocks of rows in their order (--blocks {table.blocks})" if table.blocks else f"{table.group_name!r}"
    longer = table.blocks is not None and table.n_blocks < table.blocks
    notes = (
        [f"{table.n_blocks} longer blocks in place of {table.blocks}, of which neighbouring ones are alike"]
        if longer
        else []
    )
    notes += [
        f"{table.n:,} rows of {number:,} groups by {what}: groups are held out whole, and one row of each is scored, "
        "so that figures count groups"
    ]
    if table.straddling:
        left = int(np.count_nonzero(table.split == ""))
        notes.append(
            f"{table.straddling:,} groups have rows in more than one split of {table.split_name!r}: each is kept in "
            f"one, and {left:,} rows are left out"
        )
    return notes


def train_and_test(table: Embeddings, options: Options, *, one_each: bool = False) -> tuple[Ints, Ints]:
    """Sampled train rows, with `one_each` one of each group, and test rows.

    Raises: AnalysisError where either is missing.
    """
    for split in ("train", "test"):
        if len(table.rows(split)) == 0:
            raise AnalysisError(f"the table {table.path.name!r} has no {split} rows in column {table.split_name!r}")
    train = sample(table, "train", options.train_rows, options, one_each=one_each)
    return train, sample(table, "test", options.test_rows, options)


def labels_of(table: Embeddings) -> tuple[Ints, tuple[str, ...]] | None:
    """Classes (n,) of all rows, -1 = unlabelled, and their names; None where nothing is labelled."""
    if not table.labelled:
        return None
    try:
        column = table.column()
    except AnalysisError:
        return None
    return column.codes, column.categories


def spread(rows: Ints, labels: tuple[Ints, tuple[str, ...]] | None, count: int, rng: np.random.Generator) -> Ints:
    """Choose `count` rows, of as many classes as there are."""
    mixed = rng.permutation(rows)
    if labels is not None:
        seen: dict[int, int] = {}
        turn = np.empty(len(mixed))
        for i, label in enumerate(labels[0][mixed].tolist()):
            seen[label] = seen.get(label, 0) + 1
            turn[i] = seen[label] + (1000 if label < 0 else label / 1e6)
        mixed = mixed[np.argsort(turn, kind="stable")]
    return np.asarray(mixed[:count], np.int64)


def decoder(table: Embeddings, model: Model | None) -> Callable[[Singles], Singles] | None:
    """The model's decode, checked for shape and finite values; None without a model."""
    return None if model is None else checked_decode(model)


def checked_decode(model: Model) -> Callable[[Singles], Singles]:
    """The model's decode, which refuses another shape than (n, h, w, c) and values that are not finite."""

    def decode(codes: Singles) -> Singles:
        images = np.asarray(model.decode(codes), np.float32)
        if images.ndim != 4 or len(images) != len(codes):
            raise AnalysisError(f"decode gave {images.shape} for {len(codes)} codes, not ({len(codes)}, h, w, c)")
        if not np.isfinite(images).all():
            raise AnalysisError("the model decodes codes to images that are not finite")
        return images

    return decode
