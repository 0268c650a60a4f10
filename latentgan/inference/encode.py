"""From images to the embeddings table: one forward pass an image, streamed, resumable, with the baselines' columns.

Some threads run the networks and another writes, see `latentgan.inference.table_writer`.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from analysis.io.paths import relative_name, without_paths
from analysis.io.writing import check_outputs, made_for
from latentgan.data.leakage import mark_training_images
from latentgan.data.source import ImageSource
from latentgan.errors import ConfigError
from latentgan.inference.foreign import PREFIX, ForeignEncoder
from latentgan.inference.numpy_model import NumpyModel
from latentgan.inference.table_writer import Columns, Parts, attribute_columns, make_table
from latentgan.inference.thumbnails import pixel_shape
from latentgan.io.writing import write_failures
from latentgan.version import __version__

ROWS = 4096
"""Rows of a row group."""


BATCH = 256
"""Images a forward pass."""


@dataclass(frozen=True)
class Plan:
    """Columns of the table; equal plans write equal parts.

    Args:
        features: names of layers, "network.layer".
        pool: max-pool convolutional layers to pool × pool cells; 0 keeps them whole.
        baselines: also the same layers of the untrained network, and the pixels.
    """

    features: tuple[str, ...] = ()
    pool: int = 4
    baselines: bool = True


def encode_table(
    run: str | Path,
    source: ImageSource,
    out: str | Path,
    plan: Plan | None = None,
    *,
    foreign: Sequence[ForeignEncoder] = (),
    device: str = "auto",
    family: str | None = None,
    command: str = "",
    advance: Callable[[int], None] = lambda rows: None,
    note: Callable[[str], None] = lambda note: None,
) -> Path:
    """Write the embeddings table of `source` under the model of `run` and return its path.

    Args:
        run: run or model folder.
        source: the images; of the model's size.
        out: the Parquet file.
        plan: columns; by default the last layer of every feature network, and the baselines.
        foreign: encoders of other people's making, see `open_foreign`, each a further column.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
        command: what the user typed, for the records.
        advance: called with the number of rows that were encoded since the last call.
        note: called with a sentence on images that were moved to the train split, since the model was trained on them.

    Returns:
        The path of the table.

    Raises:
        ConfigError: unknown feature layers, or images of another size than the model takes, or `out` is there and is
            no table of codes.
        DataError: the file cannot be written.
    """
    run, out = Path(run), Path(out)
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name a file that ends in .parquet")
    check_outputs([out], "codes", inputs=[run], error=ConfigError)
    models = open_models(run, baselines=plan is None or plan.baselines, device=device, family=family)
    plan = plan or Plan(default_features(models[""]))
    marked_source = fitting_images(run, models[""], source, plan)
    for line in marked_source.notes[len(source.notes) :]:
        note(line)
    source = marked_source
    metadata = describe(models[""], source, plan, run, command, out=out)
    if foreign:
        metadata["foreign"] = [encoder.about for encoder in foreign]
    parts = Parts(out, metadata, _plan_key(metadata, source))
    with write_failures(out, "run the same command again to go on"), made_for(out), parts:
        _encode_rows(models, foreign, source, plan, parts, advance)
        parts.join(len(source))
    return out


def open_models(
    run: Path, *, baselines: bool, device: str = "auto", family: str | None = None
) -> dict[str, NumpyModel]:
    """Return the trained model under "" and, for baselines, the untrained one under "untrained.".

    Args:
        run: run or model folder.
        baselines: whether to load the untrained networks too.
        device: where the networks run.
        family: a foreign family "module:Class" must be named again.
    """
    models = {"": NumpyModel.load(run, device=device, family=family)}
    if baselines and (run / "untrained.safetensors").is_file():
        models["untrained."] = NumpyModel.load(run, device=device, family=family, untrained=True)
    return models


def default_features(model: NumpyModel) -> tuple[str, ...]:
    """Return the last named layer of every feature network."""
    last = {name.split(".")[0]: name for name in model.feature_names}
    return tuple(last.values())


def fitting_images(run: Path, model: NumpyModel, source: ImageSource, plan: Plan | None = None) -> ImageSource:
    """Return the images for an evaluation of a run, see `mark_training_images`; ConfigError where they do not fit.

    Args:
        run: the run folder.
        model: its model.
        source: the images.
        plan: columns of the table that they are encoded for.
    """
    check_fit(model, source, plan or Plan())
    return mark_training_images(run, source, str(model.about.get("fingerprint", "")))


def check_fit(model: NumpyModel, source: ImageSource, plan: Plan) -> None:
    """Raise ConfigError where the images or the requested layers are not the model's.

    Args:
        model: the model.
        source: the images.
        plan: columns of the table.
    """
    model_shape, image_shape = model.spec.shape, source.spec.shape
    if model_shape != image_shape:
        options = ([f"--size {model_shape[1]} --crop"] if model_shape[1:] != image_shape[1:] else []) + (
            [f"--channels {model_shape[0]}"] if model_shape[0] != image_shape[0] else []
        )
        raise ConfigError(
            f"{source.name} has images of {image_shape[1]}×{image_shape[2]} with {image_shape[0]} channel(s); "
            f"this model takes {model_shape[1]}×{model_shape[2]} with {model_shape[0]}: use {' '.join(options)}"
        )
    with model.tap(plan.features):
        pass


def describe(
    model: NumpyModel, source: ImageSource, plan: Plan, run: Path, command: str, *, out: Path
) -> dict[str, Any]:
    """Return the metadata of the table `out`: which model, which images, which columns.

    Args:
        model: the model.
        source: the images.
        plan: columns of the table.
        run: the run folder.
        command: what the user typed.
        out: the table's file.
    """
    about, spec = model.about, source.spec
    columns = attribute_columns(source, plan.features)
    grouped = {"group": columns[source.group]} if source.group else {}
    return grouped | {
        "format": 1,
        "run": relative_name(run, out.parent),
        "family": about.get("name", ""),
        "checkpoint": about.get("sha256", ""),
        "images_seen": about.get("images_seen", 0),
        "n_labels_used": _n_labels_used(model, source),
        "data": source.name,
        "fingerprint": source.fingerprint,
        "image": {"height": spec.height, "width": spec.width, "channels": spec.channels},
        "pixels_shape": list(pixel_shape(source.images.shape[1:])),
        "classes": list(spec.classes),
        "attributes": {column: source.attribute_kinds[name] for name, column in columns.items()},
        "parts": model.family.prior.describe(learned=True),
        "features": list(plan.features),
        "layers": list(model.feature_names),
        "preprocessing": {"range": "[-1, 1]", "pool": plan.pool, "baselines": plan.baselines},
        "notes": [without_paths(note, here=False) for note in source.notes],
        "command": command,
        "version": __version__,
    }


def _n_labels_used(model: NumpyModel, source: ImageSource) -> int:
    """Return how many labels the networks used in training.

    Runs of earlier versions have the number under another key, or not at all: then it is training.labels, or all labels
    of the train split.
    """
    about = model.about
    for key in ("n_labels_used", "labels_told"):
        if key in about:
            return int(about[key])
    n_labelled = int((source.labels[source.rows("train")] >= 0).sum()) if model.family.uses_labels else 0
    return int(about.get("training", {}).get("labels") or n_labelled) if n_labelled else 0


def _encode_rows(
    models: Mapping[str, NumpyModel],
    foreign: Sequence[ForeignEncoder],
    source: ImageSource,
    plan: Plan,
    parts: Parts,
    advance: Callable[[int], None],
) -> None:
    """Run the networks in some threads and write in another, so that none waits for the others."""
    attributes = attribute_columns(source, plan.features)

    def write(rows: np.ndarray, columns: Columns) -> None:
        parts.write(int(rows[0]), make_table(source, rows, columns, attributes, pixels=plan.baselines))

    with ExitStack() as stack:
        taps: dict[str, Callable[[torch.Tensor], Mapping[str, torch.Tensor]]] = {
            prefix: stack.enter_context(model.tap(plan.features, pool=plan.pool)) for prefix, model in models.items()
        }
        if foreign:
            taps[PREFIX] = lambda x: {encoder.name: encoder(x) for encoder in foreign}
        writer = stack.enter_context(ThreadPoolExecutor(1))
        workers = stack.enter_context(_workers(models[""].device))
        written: deque[Future[None]] = deque()
        encoded: deque[tuple[_RowGroup, list[Future[None]]]] = deque()
        advance(parts.rows)
        starts = iter(range(parts.rows, len(source), ROWS))
        while True:
            while len(encoded) < 2 and (start := next(starts, None)) is not None:
                group = _RowGroup(np.arange(start, min(start + ROWS, len(source))))
                batches = range(0, len(group.rows), BATCH)
                encoded.append(
                    (group, [workers.submit(group.fill, taps, models[""].device, source, batch) for batch in batches])
                )
            if not encoded:
                break
            group, jobs = encoded.popleft()
            for job in jobs:
                job.result()
            written.append(writer.submit(write, group.rows, group.columns))
            while len(written) > 2:  # bounds memory: at most three row groups are held
                written.popleft().result()
            advance(len(group.rows))
        for done in written:
            done.result()


@contextmanager
def _workers(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Give threads to run batches in: as many as a CPU has cores, each batch on one, so that none waits for another."""
    threads = torch.get_num_threads()
    alone = partial(torch.set_num_threads, 1) if device.type == "cpu" else None
    pool = ThreadPoolExecutor(threads if device.type == "cpu" else 1, initializer=alone)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a worker sets is also every later thread's


@dataclass(frozen=True)
class _RowGroup:
    """Rows that are encoded, batch by batch, in any order and by any thread."""

    rows: np.ndarray
    columns: Columns = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def fill(self, taps: Mapping[str, Any], device: torch.device, source: ImageSource, start: int) -> None:
        """Encode the batch that begins at `start` of the rows."""
        x = source.tensor(self.rows[start : start + BATCH], device)
        for prefix, represent in taps.items():
            for name, value in represent(x).items():
                with self._lock:
                    if prefix + name not in self.columns:
                        width = value[0].numel()
                        self.columns[prefix + name] = np.empty((len(self.rows), width), np.float32)
                target = torch.from_numpy(self.columns[prefix + name][start : start + len(x)])
                target.view(value.shape).copy_(value)  # one copy, from any device, layout and number type


def _plan_key(metadata: Mapping[str, Any], source: ImageSource) -> str:
    """Return the key that must be equal for parts of an earlier, interrupted encode to be used."""
    settings = {key: value for key, value in metadata.items() if key not in ("run", "command")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for column in (source.ids, source.split, source.labels, *source.attributes.values()):
        digest.update(b"\n".join(repr(value).encode("utf-8", "surrogateescape") for value in column.tolist()))
    return digest.hexdigest()
