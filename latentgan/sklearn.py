"""A trained encoder as a scikit-learn transformer: codes or features in a Pipeline, cross-validated, as a data frame.

Importing this module imports scikit-learn; `import latentgan` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from latentgan.inference.numpy_model import NumpyModel

CODE = "code"
"""What stands for the code among names of feature layers."""


class LatentEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Images to the codes, or feature layers, of a trained run. The run is not trained further, so labels leak nowhere.

    Args:
        run: run or model folder.
        features: a feature layer "network.layer", or several side by side, "code" among them; None gives the code.
        pool: max-pool convolutional layers to pool × pool cells; 0 keeps them whole.
        device: auto, cpu, cuda or mps.
        family: a foreign family "module:Class" must be named.

    Images are (n, h, w, c), grey ones also (n, h, w), a list of such, or flat rows (n, h · w · c) as scikit-learn has
    them: uint8, or float in [0, 1].
    """

    def __init__(
        self,
        run: str | Path,
        *,
        features: str | Sequence[str] | None = None,
        pool: int = 4,
        device: str = "auto",
        family: str | None = None,
    ) -> None:
        self.run = run
        self.features = features
        self.pool = pool
        self.device = device
        self.family = family

    def fit(self, X: Any, y: Any = None) -> LatentEncoder:
        """Load the model and check that images fit it; nothing is learned.

        Raises:
            ConfigError: no such feature layer, or no encoder where `features` is None.
            ValueError: images of another size, or none.
        """
        self._model = NumpyModel.load(self.run, device=self.device, family=self.family)
        with self._model.tap(self._layers):
            pass
        self._images(X, reset=True)
        spec = self._model.spec
        self.n_features_in_ = spec.height * spec.width * spec.channels
        grey = np.zeros((1, spec.height, spec.width, spec.channels), np.float32)
        self.widths_ = [part.shape[1] for part in self._parts(grey)]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return codes or features (n, d) float32 of images."""
        check_is_fitted(self)
        return np.concatenate(self._parts(self._images(X, reset=False)), axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return column names, "code0" or "encoder.dense1_0" and so on: (d,) objects."""
        check_is_fitted(self)
        names = ["code" if name == CODE else f"{name}_" for name in self._names]
        columns = [f"{name}{i}" for name, width in zip(names, self.widths_, strict=True) for i in range(width)]
        return np.array(columns, dtype=object)

    def _parts(self, images: np.ndarray) -> list[np.ndarray]:
        result = self._loaded.features(images, self._layers, pool=self.pool) if self._layers else {}
        if CODE in self._names:
            result[CODE] = self._loaded.encode(images)
        return [result[name] for name in self._names]

    @property
    def _names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return (self.features,) if isinstance(self.features, str) else tuple(self.features or (CODE,))

    @property
    def _layers(self) -> tuple[str, ...]:
        """The feature layers among them."""
        return tuple(name for name in self._names if name != CODE)

    def _images(self, X: Any, *, reset: bool) -> np.ndarray:
        """Return images (n, h, w, c), uint8 or float32 in [0, 1]."""
        spec = self._loaded.spec
        shape = (spec.height, spec.width, spec.channels)
        X = _stacked(X) if isinstance(X, list | tuple) else X
        if getattr(X, "ndim", 2) > 2:
            images = np.asarray(X)
            if images.ndim == 3 and spec.channels == 1 and images.shape != shape:
                images = images[..., None]
            if images.shape[1:] != shape:
                hint = ": a single image goes into a list" if images.shape in (shape, shape[:2]) else ""
                raise ValueError(f"images are {images.shape[1:]}, and this run takes {shape}{hint}")
            if images.dtype.kind not in "biuf":
                raise ValueError(f"images are of {images.dtype}, and this run takes uint8, or float in [0, 1]")
            if not len(images):
                raise ValueError("there are no images: X has 0 of them, and this run takes 1 at least")
        else:
            flat = validate_data(self, X, reset=reset, dtype=[np.float32, np.float64, np.uint8])
            if flat.shape[1] != np.prod(shape):
                raise ValueError(f"X has {flat.shape[1]} features, and this run takes {np.prod(shape)} = {shape}")
            images = flat.reshape(-1, *shape)
        if images.dtype != np.uint8 and (not np.isfinite(images).all() or images.min() < 0 or images.max() > 1):
            raise ValueError("images are uint8, or float in [0, 1]; divide by the largest value that there can be")
        return images if images.dtype == np.uint8 else images.astype(np.float32)

    @property
    def _loaded(self) -> NumpyModel:
        """The model; loaded again where a copy came without it."""
        if "_model" not in self.__dict__:
            self._model = NumpyModel.load(self.run, device=self.device, family=self.family)
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        """Leave the networks out of copies for other processes: they are read from the run again."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_model", None)
        return state

    def __sklearn_tags__(self) -> Any:
        """Declare that images hold no negative numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether `fit` was called."""
        return hasattr(self, "widths_")


def _stacked(X: Sequence[Any]) -> np.ndarray:
    """Return a list of images, or of flat rows, as one array."""
    if not len(X):
        raise ValueError("there are no images: X has 0 of them, and 1 is needed at least")
    try:
        return np.asarray(X)
    except ValueError:
        raise ValueError("the images in a list must be of one size, and these differ") from None
