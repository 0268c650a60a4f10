"""Batches: a pure function of (seed, stream, number), each row once an epoch, cheap."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from latentgan.data.batches import Batches
from latentgan.data.formats.arrays import from_arrays
from latentgan.data.source import ImageSource
from latentgan.data.tensors import from_model, to_model
from latentgan.errors import DataError


def planted(n: int = 100, *, labels: object = "classes", channels: int = 1) -> ImageSource:
    """Images whose first pixel tells their row, with three classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 6, 6, channels), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(n) % 256
    return from_arrays(images, np.arange(n) % 3 if isinstance(labels, str) else labels)  # type: ignore[arg-type]


def batches(source: ImageSource, **changes: object) -> Batches:
    return Batches(source, **{"batch_size": 16, "seed": 3, "device": "cpu", **changes})  # type: ignore[arg-type]


def test_a_batch_holds_the_images_and_labels_of_its_rows() -> None:
    source = planted(channels=3)
    batch = next(batches(source))
    expected = source.images[batch.index.numpy()].transpose(0, 3, 1, 2) / 127.5 - 1
    assert batch.image.shape == (16, 3, 6, 6)
    np.testing.assert_allclose(batch.image.numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(batch.label, source.labels[batch.index.numpy()])


def test_black_and_white_are_minus_one_and_one() -> None:
    bytes_ = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    images = to_model(torch.from_numpy(bytes_))
    assert images.min() == -1 and images.max() == 1
    np.testing.assert_array_equal(from_model(images), bytes_)


def test_every_row_comes_once_an_epoch() -> None:
    source = planted(97)
    stream = batches(source)
    n = len(source.rows("train"))
    rows = np.concatenate([next(stream).index.numpy() for _ in range(3 * n // 16 + 1)])
    for epoch in range(3):
        np.testing.assert_array_equal(np.sort(rows[epoch * n : (epoch + 1) * n]), source.rows("train"))
    assert not np.array_equal(rows[:n], rows[n : 2 * n]), "each epoch has its own order"


def test_batch_i_is_the_same_whatever_was_drawn_before() -> None:
    source = planted()
    stream = batches(source)
    drawn = [next(stream).index for _ in range(20)]
    for number in (17, 0, 9):
        resumed = next(batches(source, counters={"main": number}))
        assert torch.equal(resumed.index, drawn[number])


def test_counters_resume_all_streams() -> None:
    source = planted()
    stream = batches(source)
    for _ in range(7):
        next(stream)
    next(stream.labelled)
    resumed = batches(source, counters=stream.counters)
    assert resumed.counters == {"main": 7, "labelled": 1}
    assert torch.equal(next(resumed).index, next(stream).index)
    assert torch.equal(next(resumed.labelled).index, next(stream.labelled).index)


def test_another_seed_gives_another_order() -> None:
    source = planted()
    assert not torch.equal(next(batches(source, seed=1)).index, next(batches(source, seed=2)).index)


def test_a_set_smaller_than_a_batch_still_gives_full_batches() -> None:
    source = planted(6, labels=None)
    batch = next(batches(source))
    assert len(batch) == 16
    assert set(batch.index.tolist()) == set(source.rows("train").tolist())


def test_the_labelled_stream_draws_labelled_training_rows_alone() -> None:
    labels = np.full(100, -1)
    labels[::5] = np.arange(20) % 2
    source = planted(labels=labels)
    stream = batches(source)
    rows = np.concatenate([next(stream.labelled).index.numpy() for _ in range(10)])
    assert set(rows) == set(np.flatnonzero((source.labels >= 0) & (source.split == "train")))
    assert (next(stream.labelled).label >= 0).all()  # type: ignore[operator]


def test_the_labelled_stream_needs_labels() -> None:
    stream = batches(planted(labels=None))
    assert next(stream).label is None
    with pytest.raises(DataError, match="no labelled images"):
        _ = stream.labelled


def test_training_never_sees_validation_or_test_rows() -> None:
    source = planted()
    stream = batches(source)
    rows = {row for _ in range(30) for row in next(stream).index.tolist()}
    assert rows == set(source.rows("train").tolist())


def test_the_ranks_parts_make_up_the_batch_of_one_process() -> None:
    source = planted()
    whole = next(batches(source)).index
    parts = [next(batches(source, rank=rank, ranks=4)).index for rank in range(4)]
    assert torch.equal(torch.cat(parts), whole)
    with pytest.raises(DataError, match="batch size 15"):
        batches(source, batch_size=15, ranks=4)


def test_memory_mapped_images_give_the_same_batches(tmp_path: Path) -> None:
    images = planted().images
    np.save(tmp_path / "images.npy", images)
    mapped = from_arrays(np.load(tmp_path / "images.npy", mmap_mode="r"), np.arange(100) % 3)
    assert isinstance(mapped.images, np.memmap), "uint8 images stay on the disk"
    from_map, in_memory = next(batches(mapped)), next(batches(planted()))
    assert torch.equal(from_map.image, in_memory.image) and torch.equal(from_map.index, in_memory.index)


def test_slices_stream_evaluation_rows_in_order() -> None:
    source = planted()
    parts = list(source.slices(source.rows("test"), size=7))
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in parts]), source.rows("test"))
    assert torch.equal(torch.cat([images for _, images in parts]), source.tensor(source.rows("test")))


def test_a_batch_of_128_costs_little() -> None:
    """An iteration takes about 100 ms on two cores; two percent are 2 ms, and a batch should take a tenth of that."""
    rng = np.random.default_rng(0)
    source = from_arrays(rng.integers(0, 256, (20_000, 28, 28), dtype=np.uint8), np.arange(20_000) % 10)
    stream = batches(source, batch_size=128)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # beside other work, waiting for a second thread would be measured
    seconds = []
    for _ in range(300):
        start = time.perf_counter()
        next(stream)
        seconds.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    best = float(np.median(seconds))
    assert best < 0.002, f"{1e3 * best:.2f} ms a batch"


@pytest.mark.gpu
def test_batches_of_an_accelerator_equal_the_cpus() -> None:
    source = planted(channels=3)
    on_gpu, on_cpu = batches(source, device="cuda"), batches(source)
    for _ in range(8):
        gpu_batch, cpu_batch = next(on_gpu), next(on_cpu)
        assert gpu_batch.image.device.type == "cuda"
        assert torch.equal(gpu_batch.image.cpu(), cpu_batch.image) and torch.equal(
            gpu_batch.index.cpu(), cpu_batch.index
        )


def test_used_labels_are_balanced_and_seeded():
    y = np.repeat([0, 1, 2, -1], [40, 30, 20, 10])
    source = from_arrays(
        np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1), np.uint8), y, split=["train"] * 99 + ["test"]
    )

    def told(n: int | None, seed: int = 0) -> np.ndarray:
        return Batches(source, batch_size=8, seed=seed, device="cpu", labels=n).labels

    rows = source.rows("train")
    for n, expected in ((3, [1, 1, 1]), (9, [3, 3, 3]), (10, [3, 3, 4])):
        labels = told(n)
        has_label = labels >= 0
        assert sorted(np.bincount(labels[has_label])) == expected
        assert np.array_equal(labels[has_label], source.labels[rows][has_label])
    assert np.array_equal(told(9), told(9)) and not np.array_equal(told(9), told(9, seed=1))
    assert np.array_equal(told(None), source.labels[rows])
    with pytest.raises(DataError, match="too few for 3 classes"):
        told(2)
    with pytest.raises(DataError, match="more than there are"):
        told(90)


def test_the_labelled_stream_has_used_rows_only():
    source = from_arrays(
        np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), np.uint8),
        np.arange(60) % 3,
        split=["train"] * 59 + ["test"],
    )
    batches = Batches(source, batch_size=8, seed=0, device="cpu", labels=6)
    drawn = {int(i) for _ in range(12) for i in next(batches.labelled).index}
    assert len(drawn) == 6
    main = [next(batches) for _ in range(20)]
    assert {int(i) for b in main for i, y in zip(b.index, b.label, strict=True) if y >= 0} == drawn
