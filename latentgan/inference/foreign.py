"""Encoders of other people's making, beside a model's own: a foundation model's features as one more representation.

A file is named together with its kind, onnx:FILE or torchscript:FILE, or an architecture with its weights,
timm:NAME. Nothing is downloaded, and nothing is unpickled: TorchScript is read by torch's own loader, weights are
safetensors.

What comes out for an image is one vector: planes are averaged over the image, of a sequence of tokens the first is
taken, which is where vision transformers gather what they know of the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from analysis.io.messages import listed
from latentgan.errors import ConfigError

KINDS = ("onnx", "torchscript", "timm")
PREFIX = "foreign."
"""What the names of such columns begin with."""

Normalisation = Literal["imagenet", "clip", "half", "none"]
"""How pixels in [0, 1] are made what the network was trained on: (x − mean) / deviation, channel by channel."""

STATISTICS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
DEFAULT_SIDE = 224
"""Side of the images of a network that does not say which it takes."""


@dataclass(frozen=True, kw_only=True)
class ForeignEncoder:
    """A network of images, and what is done to them before it sees them."""

    name: str
    """Of the column, without the prefix."""
    apply: Callable[[Tensor], Tensor]
    """Prepared images (n, 3, side, side) → whatever the network gives, (n, …)."""
    side: int
    """Pixels a side that it takes."""
    normalisation: Normalisation
    """How pixels are normalised."""
    about: dict[str, Any]
    """For the table's metadata: kind, the file's hash, and how images are prepared."""

    def prepare(self, x: Tensor) -> Tensor:
        """Make images what the network takes: three channels, its size, its scale.

        Args:
            x: images (n, c, h, w) in [-1, 1].

        Returns:
            (n, 3, side, side) float32; bilinear, with antialiasing where it shrinks.
        """
        unit = (x.float() + 1) / 2
        colours = unit.expand(-1, 3, -1, -1) if x.shape[1] == 1 else unit
        if colours.shape[2:] != (self.side, self.side):
            colours = interpolate(
                colours, size=(self.side, self.side), mode="bilinear", align_corners=False, antialias=True
            )
        mean, deviation = (colours.new_tensor(values).view(1, 3, 1, 1) for values in STATISTICS[self.normalisation])
        return (colours - mean) / deviation

    def __call__(self, x: Tensor) -> Tensor:
        """Return the features of images.

        Args:
            x: images (n, c, h, w) in [-1, 1].

        Returns:
            (n, d) float32.

        Raises:
            ConfigError: the network cannot be run on such images, or gives no vector for each.
        """
        prepared = self.prepare(x)
        try:
            out = self.apply(prepared)
        except Exception as error:  # onnxruntime and TorchScript raise errors of their own kinds
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"{self.name} cannot be run on images of {self.side}×{self.side} pixels: {reason}; "
                "--with-size gives another size"
            ) from error
        if out.ndim == 4:
            out = out.mean((2, 3))
        elif out.ndim == 3:
            out = out[:, 0]
        if out.ndim != 2 or len(out) != len(x):
            raise ConfigError(
                f"{self.name} gives {tuple(out.shape)} for {len(x)} images; a vector for each image is needed, planes, "
                "or tokens"
            )
        return out.float()


def open_foreign(
    spec: str,
    *,
    weights: Path | None = None,
    side: int | None = None,
    normalisation: Normalisation = "imagenet",
    device: torch.device | str = "cpu",
) -> ForeignEncoder:
    """Open an encoder of other people's making.

    Args:
        spec: "onnx:FILE", "torchscript:FILE" or "timm:NAME".
        weights: safetensors of a timm model.
        side: pixels a side; by default what the network says, else 224.
        normalisation: how pixels are normalised.
        device: where TorchScript and timm run; ONNX runs on the CPU.

    Returns:
        The encoder.

    Raises:
        ConfigError: an unknown kind, a file that is not there or is not of its kind, a package that is not installed.
    """
    kind, colon, value = spec.partition(":")
    if not colon or kind not in KINDS or not value:
        raise ConfigError(f"--with {spec!r} is not of the form KIND:FILE; kinds are {listed(KINDS)}")
    if normalisation not in get_args(Normalisation):
        raise ConfigError(f"normalisation {normalisation!r} is unknown; known are {listed(get_args(Normalisation))}")
    if kind == "timm":
        return _open_timm(value, weights, side, normalisation, torch.device(device))
    if weights is not None:
        raise ConfigError("--weights go with --with timm:NAME; an ONNX or TorchScript file holds its own")
    path = Path(value).expanduser()
    if not path.is_file():
        raise ConfigError(f"--with {kind}: there is no file {value}")
    opener = _open_onnx if kind == "onnx" else _open_torchscript
    return opener(path, side, normalisation, torch.device(device))


def open_all_foreign(
    specs: Sequence[str],
    weights: Path | None,
    side: int | None,
    normalisation: Normalisation,
    device: torch.device | str,
) -> list[ForeignEncoder]:
    """Open several encoders, whose columns get different names.

    Args:
        specs: as of `open_foreign`.
        weights: safetensors of the one timm model.
        side: pixels a side.
        normalisation: how pixels are normalised.
        device: where they run.

    Returns:
        The encoders, in order.

    Raises:
        ConfigError: as of `open_foreign`, or settings of encoders without any.
    """
    if not specs and (weights is not None or side is not None):
        raise ConfigError("--weights and --with-size are of encoders that --with names; give one, as --with onnx:FILE")
    named: list[ForeignEncoder] = []
    for spec in specs:
        own = weights if spec.startswith("timm:") else None
        encoder = open_foreign(spec, weights=own, side=side, normalisation=normalisation, device=device)
        taken = {other.name for other in named}
        number = next(
            k for k in range(1, len(specs) + 1) if (encoder.name if k == 1 else f"{encoder.name}_{k}") not in taken
        )
        name = encoder.name if number == 1 else f"{encoder.name}_{number}"
        named.append(replace(encoder, name=name, about={**encoder.about, "name": name}))
    return named


def _open_onnx(path: Path, side: int | None, normalisation: Normalisation, _device: torch.device) -> ForeignEncoder:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("--with onnx needs onnxruntime: pip install 'latentgan[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    options.log_severity_level = 3  # errors alone: they are raised, too
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"{path.name} is no ONNX model that onnxruntime can read: {_short(error)}") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shapes = listed([f"{one.name} {one.shape}" for one in inputs])
        raise ConfigError(f"{path.name} should take one batch of images (n, 3, h, w), and takes {shapes}")
    name, (_, _, height, width) = inputs[0].name, inputs[0].shape
    if isinstance(height, int) and isinstance(width, int) and height != width:
        raise ConfigError(f"{path.name} takes images of {height}×{width}, and only square ones can be made for it")
    fixed = height if isinstance(height, int) else None
    if side is not None and fixed is not None and side != fixed:
        raise ConfigError(f"{path.name} takes images of {fixed}×{fixed}: leave --with-size {side} out")
    outputs = [session.get_outputs()[0].name]

    def apply(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(outputs, {name: x.cpu().numpy()})[0])

    return _encoder(path, "onnx", apply, fixed or side or DEFAULT_SIDE, normalisation)


def _open_torchscript(
    path: Path, side: int | None, normalisation: Normalisation, device: torch.device
) -> ForeignEncoder:
    try:
        network = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ConfigError(f"{path.name} is no TorchScript archive that torch can read: {_short(error)}") from error

    def apply(x: Tensor) -> Tensor:
        with torch.inference_mode():
            out = network(x.to(device))
        return _first(out)

    return _encoder(path, "torchscript", apply, side or DEFAULT_SIDE, normalisation)


def _open_timm(
    name: str, weights: Path | None, side: int | None, normalisation: Normalisation, device: torch.device
) -> ForeignEncoder:
    if weights is None:
        raise ConfigError(f"--with timm:{name} needs --weights FILE.safetensors: nothing is downloaded")
    if not weights.is_file():
        raise ConfigError(f"--weights: there is no file {weights}")
    if weights.suffix != ".safetensors":
        raise ConfigError(f"--weights {weights.name} should be .safetensors: other formats would have to be unpickled")
    try:
        import timm
    except ImportError as error:
        raise ConfigError("--with timm needs timm: pip install timm") from error
    from safetensors.torch import load_file

    try:
        network = timm.create_model(name, pretrained=False, num_classes=0)
    except Exception as error:
        raise ConfigError(f"timm has no model {name!r}: {_short(error)}") from error
    try:
        missing, _ = network.load_state_dict(load_file(weights), strict=False)  # a classifier's head is left out
    except Exception as error:
        raise ConfigError(f"{weights.name} does not fit timm's {name}: {_short(error)}") from error
    if missing:
        raise ConfigError(f"{weights.name} lacks weights of timm's {name}: {listed(missing[:5])}")
    network = network.to(device).eval()
    stated = getattr(network, "default_cfg", {}).get("input_size", (3, DEFAULT_SIDE, DEFAULT_SIDE))[-1]

    def apply(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return _first(network(x.to(device)))

    encoder = _encoder(weights, "timm", apply, side or int(stated), normalisation, name=name)
    encoder.about["architecture"] = name
    return encoder


def _encoder(
    path: Path,
    kind: str,
    apply: Callable[[Tensor], Tensor],
    side: int,
    normalisation: Normalisation,
    *,
    name: str = "",
) -> ForeignEncoder:
    column = re.sub(r"[^A-Za-z0-9_-]+", "_", name or path.stem).strip("_") or "encoder"
    mean, deviation = STATISTICS[normalisation]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {
        "name": column,
        "kind": kind,
        "file": path.name,
        "sha256": digest,
        "size": side,
        "resize": "bilinear, antialiased",
        "normalisation": normalisation,
        "mean": list(mean),
        "deviation": list(deviation),
    }
    return ForeignEncoder(name=column, apply=apply, side=side, normalisation=normalisation, about=about)


def _first(out: Any) -> Tensor:
    """The first tensor of what a network gives."""
    while not isinstance(out, Tensor):
        if isinstance(out, dict):
            out = next(iter(out.values()))
        elif isinstance(out, list | tuple) and out:
            out = out[0]
        else:
            raise ConfigError(f"the network gives {type(out).__name__}, and no tensor")
    return out


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
