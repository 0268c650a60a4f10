"""Settings at the outer boundary: frozen, typed, documented; read from TOML and from --set a.b=c.

Inside the program nothing validates again: a family's numbers are checked once, here, and a mistyped key
gets the nearest known one.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from analysis.io.messages import listed
from analysis.io.reading import parse_toml, read_text, shown
from analysis.io.reading import validated as validated_file
from latentgan.errors import ConfigError, ForeignFamilyError
from latentgan.io.credentials import take_off
from latentgan.io.file_models import SettingsFile

Share = Annotated[float, Field(ge=0, le=1)]


NotNegative = Annotated[float, Field(ge=0)]


Fraction = Annotated[float, Field(ge=0, lt=1)]


ObjectiveName = Literal["bce", "hinge", "least-squares", "wasserstein", "relativistic"]


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, each field documented by the string below it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    removed: ClassVar[Mapping[str, Any]] = {}
    """Settings of earlier versions, with the value that each has now: stored runs may name them with this value."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_true_as_one(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and annotation is not bool and bool not in get_args(annotation):
            raise ValueError("it should not be true or false")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError("it should be a 64-bit integer")
        return value


class OptimizerConfig(Settings):
    """How a player moves."""

    kind: Literal["adam", "rmsprop", "sgd"] = "adam"
    """Adam (Kingma & Ba 2015), RMSProp or SGD."""
    learning_rate: PositiveFloat = 2e-4
    """Step size at the start of the schedule."""
    beta1: Fraction = 0.5
    """Adam's decay of the mean gradient; 0.5 is DCGAN's (Radford et al. 2016)."""
    beta2: Fraction = 0.999
    """Adam's (and RMSProp's) decay of the squared gradient."""
    epsilon: PositiveFloat = 1e-8
    """Added to the denominator."""
    momentum: Fraction = 0.0
    """SGD's and RMSProp's momentum."""
    weight_decay: NotNegative = 0.0
    """L2 coefficient, added to every gradient."""
    historical_averaging: NotNegative = 0.0
    """Weight of ‖θ − mean of all θ so far, the present one too‖² among the player's terms: it damps orbits (Salimans et
    al. 2016, arXiv:1606.03498, §3.3)."""
    schedule: Literal["constant", "linear", "exponential"] = "constant"
    """Learning rate over the images of the run."""
    decay_from: Fraction = 0.5
    """Share of the run after which the schedule starts to fall."""
    decay_to: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Factor that the schedule reaches at the end."""

    def factor(self, progress: float) -> float:
        """Return the factor on the learning rate after `progress` in [0, 1] of the run's images."""
        if self.schedule == "constant":
            return 1.0
        t = min(max((progress - self.decay_from) / (1 - self.decay_from), 0.0), 1.0)
        return self.decay_to**t if self.schedule == "exponential" else 1 + t * (self.decay_to - 1)


class AugmentConfig(Settings):
    """Random changes in front of the discriminator, for real and generated images alike; 0 is off."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation in degrees, either way."""
    scale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest log-ratio of magnification: 0.15 is from 0.86 to 1.16 times."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest shift as a share of the image's side."""
    shear: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest shear, as a slope."""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of images that are mirrored left to right: 0.5 for photographs, 0 where left and right matter."""
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest share of the area that a random resized crop leaves out: 0.75 keeps a quarter at least."""
    blur: Annotated[float, Field(ge=0, le=8)] = 0.0
    """Largest standard deviation of a Gaussian blur, in pixels."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest change of the brightness, as a share."""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest change of the contrast, as a share."""
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest change of the saturation, as a share; of colour images alone, as hue and grey."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest rotation of the hue, in turns of the colour circle."""
    grey: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of images that lose their colours."""
    cutout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Side of a grey square that hides a part of every image, as a share of the image's side."""


class ViewsConfig(Settings):
    """A self-supervised term on two random views of each image; weight 0 is off."""

    weight: NotNegative = 0.0
    """Weight among the terms of the player that has the network."""
    network: Literal["discriminator", "encoder"] = "discriminator"
    """Whose features learn from it."""
    loss: Literal["contrastive", "vicreg"] = "contrastive"
    """contrastive tells which two views are of one image (SimCLR, arXiv:2002.05709); vicreg lets them agree while
    columns keep variance and stay uncorrelated (arXiv:2105.04906)."""
    temperature: PositiveFloat = 0.2
    """Divides the cosines of the contrastive loss."""
    stop_adversarial: bool = False
    """Let the discriminator's adversarial terms move its head alone, so that its features come from the views (ContraD,
    arXiv:2103.09742)."""
    augment: AugmentConfig = AugmentConfig(
        crop=0.8, flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, grey=0.2
    )
    """The random changes that make a view: photographs' by default; colours stay as they are in grey images."""


class DataConfig(Settings):
    """Which images, and how they are read."""

    source: str = "digits"
    """A named set (digits, mnist, fashion-mnist, …) or a path."""
    attributes: str | None = None
    """CSV of attributes for a folder of images."""
    label: str | None = None
    """Which column is the label."""
    group: str | None = None
    """Which column says that images belong together, such as a clip or a person: a split keeps them on one side."""
    boolean: tuple[str, ...] = ()
    """Numeric attributes that are yes or no: NAME=0.5, or NAME=0.1:0.9, between which they count as unknown."""
    size: PositiveInt | None = None
    """Resize to this many pixels a side."""
    crop: bool = False
    """Cut the largest centred square first."""
    channels: Literal[1, 3] | None = None
    """Convert to grey (1) or colour (3)."""
    skip_bad: bool = False
    """Go on without files that cannot be decoded."""
    mirror: str | None = None
    """Folder with the files of a named set, used in place of a download."""

    @field_validator("source", "attributes", "mirror")
    @classmethod
    def _without_credentials(cls, value: str | None) -> str | None:
        return value if value is None else take_off(value)


class TrainingConfig(Settings):
    """How long, how fast, and what is kept."""

    total_images: PositiveInt = 320_000
    """Images seen in the whole run (2,500 iterations of 128)."""
    batch_size: Annotated[int, Field(ge=2)] = 128
    """Images a minibatch."""
    log_images: PositiveInt = 12_800
    """Images between two lines of metrics.jsonl and two sample grids."""
    checkpoint_images: PositiveInt = 64_000
    """Images between two checkpoints."""
    labels: PositiveInt | None = None
    """How many labels of the train split the networks use, equally many a class, drawn by the seed; the other
    images count as unlabelled. By default all that there are. For families that learn from labels."""
    average_halflife_images: NotNegative = 10_000
    """Half-life of the moving average of the weights, in images; 0 keeps the last weights."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16 autocasts the networks; losses stay in float32. auto: bf16 on CUDA devices that have it, else fp32."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    compile: bool = False
    """torch.compile each network: slower start, faster iterations."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seeds weights, batches and noise."""


class FamilyConfig(Settings):
    """Base of every family's own settings."""

    def conditioned_on(self) -> tuple[str, ...]:
        """Return the names of the attributes that networks are conditioned on."""
        return ()


class AdversarialConfig(FamilyConfig):
    """Settings of every family with a discriminator; a family overrides a default where its paper has another.

    The family's side of it: Objective, View, R1 and R2, a line each where it is built and where it is used.
    """

    objective: ObjectiveName = "bce"
    """bce (Goodfellow et al. 2014), hinge, least-squares, wasserstein, or relativistic, which compares each fake with a
    real image and wants r1 and r2 above 0 (R3GAN, arXiv:2501.05441)."""
    smoothing: Fraction = 0.0
    """One-sided label smoothing: what the discriminator's target 1 for real pictures is lowered by; 0.1 is usual
    (Salimans et al. 2016, arXiv:1606.03498, §3.4). For the bce objective."""
    spectral: bool = False
    """Spectral norm in the discriminator (Miyato et al. 2018, arXiv:1802.05957), in place of batch norm."""
    augment: AugmentConfig = AugmentConfig()
    """Random changes of images in front of the discriminator (Zhao et al. 2020, arXiv:2006.10738)."""
    instance_noise: NotNegative = 0.0
    """Standard deviation of the Gaussian noise that the discriminator sees on every picture at the start of the run, in
    units of the pixels' range from -1 to 1; it falls linearly to 0 (Sønderby et al. 2017, arXiv:1610.04490)."""
    r1: NotNegative = 0.0
    """γ of the penalty γ/2 E‖∇d‖² on the discriminator's gradient at real inputs (Mescheder et al. 2018,
    arXiv:1801.04406, eq. 9; 10 there, 0.1 to 10 in use). It needs a discriminator without batch norm."""
    r2: NotNegative = 0.0
    """γ of the same penalty at generated inputs; with the relativistic objective as large as r1."""
    r1_every: PositiveInt = 1
    """Apply both penalties every so many iterations, at as many times the weight (Karras et al. 2020, arXiv:1912.04958,
    §3.1)."""

    removed: ClassVar[Mapping[str, Any]] = {"instance_noise_until": 1.0}


class RunConfig(Settings):
    """Everything that determines a run."""

    name: str
    """The family's name."""
    family: SerializeAsAny[FamilyConfig]
    """The family's settings."""
    data: DataConfig = DataConfig()
    """The images."""
    training: TrainingConfig = TrainingConfig()
    """The schedule."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries without None, ready for TOML or JSON."""
        return _without_none(self.model_dump(mode="json"))


def fields(kind: type[Settings]) -> dict[str, FieldInfo]:
    """Return the fields of a configuration class by name, a family's own before those that all share."""
    shared = AdversarialConfig.model_fields
    return dict(sorted(kind.model_fields.items(), key=lambda item: kind is not AdversarialConfig and item[0] in shared))


def read_toml(path: Path, *, family: str | None = None) -> dict[str, Any]:
    """Read a TOML file of settings.

    Args:
        path: the file.
        family: the foreign family "module:Class" that the user named, if any.

    Raises:
        ConfigError: it cannot be read, is not TOML, or names code to import that the user has not named.
    """
    tree = parse_toml(read_text(path, error=ConfigError), path, error=ConfigError)
    named = validated_file(tree, SettingsFile, path, error=ConfigError).name
    if ":" in named and named != family:
        raise ForeignFamilyError(path, named, shlex.join(["latentgan", "train", named, "--config", str(path)]))
    return tree


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Turn ["training.batch_size=64", "family.latent=8"] into nested dictionaries, values as TOML where they are."""
    tree: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {assignment!r} is not of the form a.b=value, for example family.latent=16")
        node = tree
        *parents, last = key.strip().split(".")
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                raise ConfigError(f"--set {assignment!r}: {parent!r} already has a value of its own")
            node = child
        node[last] = _value(text.strip())
    return tree


def merge(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested dictionaries; later ones win, key by key."""
    merged: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            old = merged.get(key)
            merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def resolve(name: str, family: type[FamilyConfig], tree: Mapping[str, Any]) -> RunConfig:
    """Build the configuration of a run of family `name` from nested dictionaries.

    Args:
        name: the family's name.
        family: its Config class.
        tree: the tables "family", "data", "training"; missing keys take their defaults.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a wrong type or a value out of range.
    """
    if tree.get("name", name) != name:
        raise ConfigError(f"the configuration is for family {tree['name']!r}, but {name!r} was asked for")
    tables: dict[str, type[Settings]] = {"family": family, "data": DataConfig, "training": TrainingConfig}
    for key in tree:
        if key not in tables and key != "name":
            raise ConfigError(_unknown(key, "", list(tables)))
    parts = {table: validated(kind, tree.get(table, {}), table) for table, kind in tables.items()}
    return RunConfig(name=name, **parts)  # type: ignore[arg-type]


def validated(kind: type[Settings], values: Any, where: str) -> Settings:
    """Return `values` as settings of a kind; ConfigError says which one, under the table `where`, is not possible.

    Args:
        kind: class of the settings.
        values: nested dictionaries.
        where: name of the table, for messages.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is a table of settings, not {shown(values)}; write for example {where}.key=value")
    try:
        return kind.model_validate(_without_removed(kind, values, where))
    except ValidationError as error:
        raise ConfigError(_sentence(error, kind, where)) from error


def _without_removed(kind: type[Settings], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return `values` without settings of earlier versions; ConfigError where one has another value than it has now."""
    removed = {key: value for base in reversed(kind.__mro__) for key, value in vars(base).get("removed", {}).items()}
    for key, constant in removed.items():
        if key in values and values[key] != constant:
            now = "" if constant is None else f": it is {constant} in every run"
            raise ConfigError(f"{where}.{key} = {shown(values[key])} is no setting any more{now}; leave it out")
    return {key: value for key, value in values.items() if key not in removed}


def _sentence(error: ValidationError, kind: type[Settings], where: str) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return _unknown(path[-1], ".".join([where, *path[:-1]]), _keys(kind, path[:-1]))
    message = re.sub("(Input|Tuple) should", "it should", first["msg"].removeprefix("Value error, "))
    return f"{'.'.join([where, *path])} = {shown(first['input'])} is not possible: {message}"


def _keys(kind: type[Settings], path: list[str]) -> list[str]:
    for part in path:
        inner = kind.model_fields[part].annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            kind = inner
    return list(fields(kind))


def _unknown(key: str, where: str, known_keys: list[str]) -> str:
    near = difflib.get_close_matches(key, known_keys, n=1, cutoff=0.4)
    place = f"{where}." if where else ""
    hint = f"did you mean {place}{near[0]}?" if near else f"known are: {listed(known_keys)}"
    return f"unknown setting {place}{key}; {hint}"


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # no TOML, or a number of thousands of digits: a text, which is checked as one
        return text


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }
