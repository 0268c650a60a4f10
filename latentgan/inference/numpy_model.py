"""A trained family as numpy maps: images in [0, 1] as (n, h, w, c) and codes (n, d), in batches, in evaluation mode.

This is the door through which `analysis`, a notebook or another tool sees a model; torch stays behind it.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from analysis.io.messages import listed
from latentgan.config import resolve
from latentgan.data.conditioning import Condition
from latentgan.data.source import ImageSpec
from latentgan.data.tensors import to_unit
from latentgan.devices import pick_device
from latentgan.errors import CheckpointError, ConfigError, ForeignFamilyError
from latentgan.families.base import Classifies, Decodes, Encodes, Family, load_family
from latentgan.inference.hooks import layer_of, reading_weights, recorder
from latentgan.networks.blocks import fold_batch_norm
from latentgan.run_folder import read_model, read_untrained
from latentgan.sampling import attribute_columns, codes_of_each_class, draw_codes, label_columns, vary_first_attribute
from latentgan.training.memory import check_networks

BATCH = 256


class NumpyModel:
    """A trained model that takes and gives numpy arrays.

    Args:
        family: the networks, any mode; put into evaluation mode on `device`.
        device: where they run.
        about: what the model folder says (family, data, images seen, sha256, …).
    """

    def __init__(
        self, family: Family, *, device: torch.device | str = "cpu", about: dict[str, Any] | None = None
    ) -> None:
        self.device = torch.device(device)
        # Convolutions and pooling of one image run faster with the channels innermost (pooling: 7 times, on a CPU).
        self.family: Family = family.to(self.device).eval().requires_grad_(False)
        self.family.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.about = about or {}

    @classmethod
    def load(
        cls, path: str | Path, *, device: str = "auto", family: str | None = None, untrained: bool = False
    ) -> NumpyModel:
        """Load a run folder or a model folder.

        Args:
            path: the folder.
            device: auto, cpu, cuda or mps.
            family: a foreign family "module:Class" must be named by you; a file never names code to import.
            untrained: load the run's weights of iteration 0 instead, the baseline of features.

        Returns:
            The model, in evaluation mode.

        Raises:
            CheckpointError: no model there, damaged, or of a foreign family that was not named.
        """
        path = Path(path)
        tensors, about = read_model(path)
        name = str(about["name"])
        if ":" in name and family != name:
            ways = ["latentgan", "encode", str(path), "--family", name, "--out", "codes.parquet"]
            raise ForeignFamilyError(path, name, shlex.join(ways))
        family_class = load_family(name)
        tree: dict[str, Any] = {key: about[key] for key in ("name", "family", "data", "training") if key in about}
        try:
            spec = ImageSpec.from_dict(about["spec"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"the model in {path} is damaged: config.json has an odd spec ({error})") from error
        settings = resolve(name, family_class.Config, tree).family
        check_networks(family_class, settings, spec)
        model = family_class(settings, spec)
        try:
            model.load_state_dict(read_untrained(path) if untrained else tensors)
        except RuntimeError as error:
            raise CheckpointError(f"the weights in {path} do not fit family {name!r}: {error}") from error
        fold_batch_norm(model)
        return cls(model, device=pick_device(device), about=about)

    @property
    def spec(self) -> ImageSpec:
        """Size of the images that go in and come out."""
        return self.family.spec

    @property
    def feature_names(self) -> list[str]:
        """Names of the feature layers, "network.layer"."""
        return list(self.family.feature_layers())

    @property
    def code_width(self) -> int:
        """Number of columns of a code."""
        return self.family.prior.width

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode images.

        Args:
            images: (n, h, w, c), uint8 or float in [0, 1].

        Returns:
            Codes (n, d) float32.

        Raises:
            ConfigError: the family has no encoder, or the images are of another size.
        """
        family = self.family
        if not isinstance(family, Encodes):
            raise ConfigError(f"family {self.about.get('name', '?')!r} has no encoder, so it cannot encode")
        return self._map(lambda x: family.encode(x), self._batches(images), self.code_width)

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Name the classes of images.

        Args:
            images: (n, h, w, c), uint8 or float in [0, 1].

        Returns:
            Probabilities (n, K) float32.

        Raises:
            ConfigError: the family names no classes, or the images are of another size.
        """
        family = self.family
        if not isinstance(family, Classifies):
            raise ConfigError(f"family {self.about.get('name', '?')!r} names no classes, so it cannot classify")
        width = family.classify(torch.zeros(1, *self.spec.shape, device=self.device)).shape[1]
        return self._map(lambda x: family.classify(x), self._batches(images), width)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes.

        Args:
            codes: (n, d).

        Returns:
            Images (n, h, w, c) float32 in [0, 1].

        Raises:
            ConfigError: the family has no decoder, or the codes are of another width.
        """
        family = self.family
        if not isinstance(family, Decodes):
            raise ConfigError(f"family {self.about.get('name', '?')!r} cannot decode")
        shape = (self.spec.height, self.spec.width, self.spec.channels)
        return self._map(lambda z: to_unit(family.decode(z)), self._code_batches(codes), *shape)

    def first_layer(self) -> np.ndarray | None:
        """Return the weights (rows, d) of the linear layers that read a code as it is; None where there is none.

        Batch norm right behind them, which `load` folds into them, is part of them.
        """
        family = self.family
        if not isinstance(family, Decodes):
            return None
        z = torch.randn(3, self.code_width, generator=torch.Generator().manual_seed(0)).to(self.device)
        result = reading_weights(family, family.decode, z)
        return None if result is None else result.cpu().numpy()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that images can be asked for, in label order; empty where codes hold no label."""
        return () if label_columns(self.family) is None else self.spec.classes

    @property
    def attributes(self) -> tuple[Condition, ...]:
        """The attributes that images can be asked for, in the order of their columns."""
        return self.spec.attributes if attribute_columns(self.family) else ()

    def attribute_values(self, codes: np.ndarray) -> dict[str, list[Any]]:
        """Read the attributes that codes ask for.

        Args:
            codes: (n, d).

        Returns:
            n values for each attribute, in its own unit.
        """
        columns = attribute_columns(self.family)
        return {attribute.name: attribute.decode(codes[:, columns[attribute.name]]) for attribute in self.attributes}

    @property
    def components(self) -> int:
        """Number of components of the prior's mixture, 0 where it has none."""
        return self.family.prior.components

    def draw(
        self,
        n: int,
        *,
        seed: int = 0,
        label: str | None = None,
        component: int | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> np.ndarray:
        """Draw codes from the prior; the same seed gives the same codes.

        Args:
            n: how many.
            seed: of the draw.
            label: name of the class that all of them ask for; None leaves it to the prior.
            component: number, from 0, of the prior's component that all are drawn from; None is any.
            attributes: values, as texts in their own units, that all ask for; others are those of training images.

        Returns:
            Codes (n, d) float32.

        Raises:
            ConfigError: nothing of the kind can be asked for, or there is none of this name, number or value.
        """
        request: dict[str, Any] = {"label": label, "component": component, "attributes": attributes}
        return draw_codes(self.family, n, seed=seed, name=self.about.get("name", "model"), **request)

    def sample(self, n: int, **request: Any) -> np.ndarray:
        """Draw images from the prior; errors are those of `draw`.

        Args:
            n: how many.
            **request: keywords of `draw`.

        Returns:
            Images (n, h, w, c) float32 in [0, 1].
        """
        return self.decode(self.draw(n, **request))

    def sample_attribute(self, rows: int, columns: int, *, seed: int = 0, label: str | None = None) -> np.ndarray:
        """Draw rows of images that differ in the first attribute alone.

        Along a row it takes m values, see `Condition.steps`: of a number `columns`, from 5th to 95th percentile.

        Args:
            rows: number of rows, each of one code.
            columns: number of values that a numeric attribute takes.
            seed: seed of the draw.
            label: class that all ask for, by name.

        Returns:
            Images (rows · m, h, w, c) float32 in [0, 1], row by row.
        """
        return self.decode(vary_first_attribute(self.family, self.draw(rows, seed=seed, label=label), columns))

    def sample_classes(self, n: int, *, seed: int = 0) -> np.ndarray:
        """Draw images of every class; the i-th of each class is of the same code but for the label.

        Args:
            n: images of each class.
            seed: of the draw.

        Returns:
            Images (classes · n, h, w, c) float32 in [0, 1], class by class.
        """
        return self.decode(codes_of_each_class(self.family, self.draw(n, seed=seed), len(self.classes)))

    def sample_components(self, n: int, *, seed: int = 0) -> np.ndarray:
        """Draw images of every component of the prior; the i-th of each are of the same noise.

        Args:
            n: images of each component.
            seed: of the draw.

        Returns:
            Images (components · n, h, w, c) float32 in [0, 1], one component after the other.
        """
        return np.concatenate([self.sample(n, seed=seed, component=k) for k in range(self.components)])

    def component(self, images: np.ndarray) -> np.ndarray:
        """Find the component that each image is of, argmax_i N(E(x); μ_i, σ_i).

        Args:
            images: (n, h, w, c), uint8 or float in [0, 1].

        Returns:
            (n,) int64, from 0.

        Raises:
            ConfigError: there is no encoder or no learned mixture, or the images are of another size.
        """
        prior = self.family.prior
        if prior.learned is None:
            raise ConfigError("no mixture was learned, so images are of no component: family.mixture.components is 0")
        if not prior.parts[0].encoded:
            raise ConfigError(
                "the encoder does not give the part of the code that is a mixture; `latentgan fit-encoder RUN` fits "
                "one of the whole code"
            )
        codes = self.encode(images)
        parts = [prior.component(z).cpu().numpy() for z in self._code_batches(codes)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def score(self, codes: np.ndarray, images: np.ndarray | None = None) -> np.ndarray:
        """Score how real images are to the discriminator.

        Args:
            codes: (n, d).
            images: (n, h, w, c), uint8 or float in [0, 1]; by default those that the codes make.

        Returns:
            Logits (n,).

        Raises:
            ConfigError: the family has no discriminator of images.
        """
        family, critic = self.family, self.family.critic()
        if critic is None or not isinstance(family, Decodes):
            raise ConfigError(
                f"family {self.about.get('name', '?')!r} gives its images no score, so the best cannot be chosen; "
                "leave --keep-best out, or train a cgan or a conditional ali"
            )
        if images is None:
            return self._map(lambda z: critic.score(family.decode(z), z), self._code_batches(codes))
        both = zip(self._batches(images), self._code_batches(codes), strict=True)
        return self._map(lambda pair: critic.score(*pair), both)

    @property
    def scores(self) -> bool:
        """Whether a discriminator scores images."""
        return self.family.critic() is not None

    def features(self, images: np.ndarray, names: Sequence[str], *, pool: int = 0) -> dict[str, np.ndarray]:
        """Compute feature layers of images in one pass.

        Args:
            images: (n, h, w, c), uint8 or float in [0, 1].
            names: "network.layer", see `feature_names`, or with a pooling of its own, "network.layer.mean2".
            pool: max-pool other convolutional layers to pool × pool cells first (DCGAN's probe: 4); 0 is whole.

        Returns:
            Layers by name, each (n, width) float32.
        """
        with self.tap(names, pool=pool) as represent:
            parts = [
                {k: v.flatten(1).float().cpu().numpy() for k, v in represent(x).items()} for x in self._batches(images)
            ]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    @contextmanager
    def tap(self, names: Sequence[str], *, pool: int = 0) -> Iterator[Any]:
        """Give a function that computes code and feature layers of images in one pass.

        Hooks live as long as the context; weights under spectral norm are computed once for all passes. The function
        may be called from several threads at once.

        Args:
            names: "network.layer", see `feature_names`, or with a pooling of its own, "network.layer.mean2".
            pool: max-pool other convolutional layers to pool × pool cells first; 0 leaves them.

        Yields:
            A function from images (n, c, h, w) in [-1, 1] to {"code": …, name: …}, each (n, …).

        Raises:
            ConfigError: no such layer.
        """
        layers = self.family.feature_layers()
        for name in names:
            if layer_of(name) not in layers:
                raise ConfigError(f"no feature layer is called {layer_of(name)!r}; this model has: {listed(layers)}")
        recorded = threading.local()
        hooks = [layers[layer_of(name)].register_forward_hook(recorder(name, recorded, pool)) for name in names]

        def represent(x: Tensor) -> dict[str, Tensor]:
            recorded.layers = {}
            with torch.inference_mode():  # a thread's own
                code = self.family.represent(x)
            return ({} if code is None else {"code": code}) | {name: recorded.layers[name] for name in names}

        try:
            with parametrize.cached():
                yield represent
        finally:
            for hook in hooks:
                hook.remove()

    def _batches(self, images: np.ndarray) -> Iterator[Tensor]:
        images = np.asarray(images)
        expected = (self.spec.height, self.spec.width, self.spec.channels)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ConfigError(
                f"images have shape {images.shape}; this model takes (n, {', '.join(map(str, expected))})"
            )
        kind, scale = (np.uint8, 255.0) if images.dtype == np.uint8 else (np.float32, 1.0)
        for start in range(0, len(images), BATCH):
            x = torch.from_numpy(np.array(images[start : start + BATCH], dtype=kind, order="C")).to(self.device)
            yield (x.float() / (scale / 2) - 1).permute(0, 3, 1, 2).contiguous()

    def _code_batches(self, codes: np.ndarray) -> Iterator[Tensor]:
        codes = np.asarray(codes, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.code_width:
            raise ConfigError(f"codes have shape {codes.shape}; this model decodes (n, {self.code_width})")
        for start in range(0, len(codes), BATCH):
            yield torch.from_numpy(codes[start : start + BATCH].copy()).to(self.device)

    def _map(self, function: Any, parts: Iterable[Any], *shape: int) -> np.ndarray:
        with torch.inference_mode(), parametrize.cached():
            outputs = [function(part).float().cpu().numpy() for part in parts]
        return np.concatenate(outputs) if outputs else np.zeros((0, *shape), np.float32)
