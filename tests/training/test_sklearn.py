"""The encoder as a scikit-learn transformer: pipelines, cross-validation, data frames, copies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import latentgan
from latentgan.errors import ConfigError
from latentgan.sklearn import LatentEncoder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = latentgan.configure(
        "bigan",
        family={"latent": 5, "width": 4, "hidden": 16},
        data={"source": "digits"},
        training={"total_images": 640, "device": "cpu"},
    )
    return latentgan.train(config, tmp_path_factory.mktemp("sklearn") / "run")


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x[:400] / 16).astype(np.float32), y[:400]


def test_codes_are_those_of_the_model_flat_or_not(run: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    x = digits[0]
    expected = latentgan.NumpyModel.load(run, device="cpu").encode(x.reshape(-1, 8, 8, 1))
    encoder = LatentEncoder(run, device="cpu")
    assert np.array_equal(encoder.fit_transform(x), expected)
    assert np.array_equal(encoder.transform(x.reshape(-1, 8, 8, 1)), expected)
    assert encoder.get_feature_names_out().tolist() == [f"code{i}" for i in range(5)]


def test_it_works_in_a_pipeline_under_cross_validation_and_clone(
    run: Path, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    encoder = LatentEncoder(run, features=["encoder.dense1"], device="cpu")
    pipe = make_pipeline(clone(encoder), LogisticRegression(max_iter=300))
    scores = cross_val_score(pipe, *digits, cv=3)
    assert scores.mean() > 0.4  # chance is 0.1, and the network all but untrained
    assert pipe.set_params(latentencoder__pool=0).get_params()["latentencoder__pool"] == 0


def test_it_gives_a_data_frame_with_names(run: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    encoder = LatentEncoder(run, features=["encoder.dense1", "discriminator.conv2"], device="cpu")
    frame = encoder.set_output(transform="pandas").fit_transform(digits[0])
    assert len(frame) == 400 and list(frame.columns) == encoder.get_feature_names_out().tolist()
    assert frame.columns[0] == "encoder.dense1_0" and len(set(frame.columns)) == frame.shape[1]


def test_grey_images_are_taken_without_a_channel_and_in_a_list(
    run: Path, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    flat = digits[0][:20]
    encoder = LatentEncoder(run, device="cpu")
    expected = encoder.fit_transform(flat)
    grey = flat.reshape(-1, 8, 8)
    for images in (
        grey,
        list(grey),
        list(grey[..., None]),
        tuple(grey),
        grey.tolist(),
        flat.tolist(),
        grey.astype("f8"),
    ):
        assert np.array_equal(encoder.fit_transform(images), expected)
    for images, sentence in (
        (grey[0][..., None], r"images are \(8, 1\), and this run takes \(8, 8, 1\): a single image goes into a list"),
        (np.zeros((3, 8, 9)), r"images are \(8, 9, 1\), and this run takes \(8, 8, 1\)$"),
        ([grey[0], grey[0][:5]], "must be of one size"),
        (grey[:0], "there are no images"),
        (grey[:0][..., None], "there are no images"),
        ([], "there are no images"),
        (grey.astype(str), "images are of <U"),
    ):
        with pytest.raises(ValueError, match=sentence):
            encoder.fit(images)


def test_a_layer_stands_alone_or_beside_others(run: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    x = digits[0][:20]
    alone = LatentEncoder(run, features="discriminator.conv2", device="cpu").fit(x)
    both = LatentEncoder(run, features=["code", "discriminator.conv2"], device="cpu").fit(x)
    code = LatentEncoder(run, features="code", device="cpu").fit(x)
    assert np.array_equal(both.transform(x), np.hstack([code.transform(x), alone.transform(x)]))
    assert np.array_equal(code.transform(x), LatentEncoder(run, device="cpu").fit_transform(x))
    names = both.get_feature_names_out().tolist()
    assert names[:6] == [f"code{i}" for i in range(5)] + ["discriminator.conv2_0"] and len(set(names)) == len(names)


def test_what_does_not_fit_is_refused(run: Path) -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(ValueError, match=r"X has 10 features, and this run takes 64 = \(8, 8, 1\)"):
        LatentEncoder(run, device="cpu").fit(np.zeros((3, 10)))
    with pytest.raises(ValueError, match=r"float in \[0, 1\]"):
        LatentEncoder(run, device="cpu").fit(np.full((3, 64), 16.0))
    with pytest.raises(ConfigError, match="no feature layer"):
        LatentEncoder(run, features=["encoder.nothing"], device="cpu").fit(np.zeros((3, 64)))
    with pytest.raises(NotFittedError):
        LatentEncoder(run).transform(np.zeros((3, 64)))


def test_scikit_learns_own_checks_pass(run: Path) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(LatentEncoder(run, device="cpu"), on_fail=None, on_skip=None)
    failed = {check["check_name"]: str(check["exception"]) for check in results if check["status"] == "failed"}
    passed = {check["check_name"] for check in results if check["status"] == "passed"}
    assert {
        "check_estimator_cloneable",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_repr",
        "check_parameters_default_constructible",
    } - passed == set()
    strange = {name: message for name, message in failed.items() if "this run takes" not in message}
    assert not strange, strange


def test_import_latentgan_imports_no_scikit_learn() -> None:
    code = "import latentgan, sys; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
