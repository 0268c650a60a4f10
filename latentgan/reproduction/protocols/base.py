"""What a protocol is, how it is found by its name, and the steps that protocols share: train and encode."""

from __future__ import annotations

import datetime
import difflib
import importlib
import pkgutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.base.statistics import Interval
from analysis.io.messages import listed
from analysis.io.reading import irregular
from analysis.table.embeddings import Embeddings
from analysis.table.study_options import Options
from latentgan.config import RunConfig, merge, read_toml
from latentgan.devices import pick_device
from latentgan.errors import ConfigError, DivergedError
from latentgan.families.base import configure, load_family
from latentgan.reproduction.records import Record, hardware
from latentgan.version import __version__

QUICK_IMAGES = 1_280


GROUPED = 20_000


KMEANS, UNTRAINED = "k-means on pixels", "untrained"


SCHEDULE = ("total_images", "log_images", "checkpoint_images")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to reach a figure.

    Args:
        about: what it is, in a few words: "the paper's", "ours: …".
        config: file in examples/configs that trains it; "" where the protocol itself says what is done.
        seeds: how many runs belong to it.
        is_ours: whether the recipe is ours rather than the paper's.
    """

    about: str
    config: str = ""
    seeds: int = 3
    is_ours: bool = True


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A figure that the table compares with the paper's.

    Args:
        figure: its name among the outcome's figures.
        title: how the table calls it.
        paper: the published figure as text, "" where there is none.
        percent: written as a percentage, or as it is.
        count: a number of things, which is whole for each seed; then `percent` does not matter.
        baselines: the outcome's baselines of this figure: name -> how the table calls it.
        median: whether the median over seeds is the figure that counts.
        of: the representation that it was measured on, where that differs between recipes: a feature layer.
    """

    figure: str
    title: str
    paper: str = ""
    percent: bool = True
    count: bool = False
    baselines: Mapping[str, str] = field(default_factory=dict)
    median: bool = False
    of: str = ""


@dataclass(frozen=True)
class Outcome:
    """What one seed gave: figures and their baselines by name, each with a 95 % interval and n."""

    figures: Mapping[str, Interval]
    baselines: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A published figure and how it is measured here.

    Args:
        title: what is measured.
        source: paper, table or section, and its figure's conditions.
        dataset: a named set, "" for points.
        recipes: by name.
        headlines: what the table shows, by recipe or for all of them under "".
        measure: does one seed.
    """

    title: str
    source: str
    dataset: str
    recipes: Mapping[str, Recipe]
    headlines: Mapping[str, Sequence[Headline]]
    measure: Callable[[Job], Outcome]

    def shown(self, recipe: str) -> Sequence[Headline]:
        """Return the figures that the table shows for a recipe."""
        return self.headlines.get(recipe, self.headlines.get("", ()))


@dataclass(kw_only=True)
class Job:
    """One seed of one recipe of one protocol, as it is being done.

    Args:
        protocol: what is measured.
        name: the protocol's name.
        recipe: the recipe's name.
        seed: of weights, batches, noise and draws.
        work: folder for runs and tables, which protocols share; a job that was stopped goes on from it.
        configs: the folder examples/configs.
        mirror: folder with the set's files, instead of a download.
        device: where networks run.
        quick: a few iterations on embedded digits, to see that everything works; the figures mean nothing.
        say: called with a line about each step.
        seconds: duration of each step, filled while it is done.
        settings: the configurations that were trained, without paths, filled while it is done.
    """

    protocol: Protocol
    name: str
    recipe: str
    seed: int
    work: Path
    configs: Path
    mirror: Path | None = None
    device: str = "auto"
    quick: bool = False
    say: Callable[[str], None] = lambda text: None
    seconds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The data settings of the protocol's set."""
        if self.quick:
            return {"source": "digits"}
        mirror = {} if self.mirror is None else {"mirror": str(self.mirror)}
        return {"source": self.protocol.dataset, **mirror}

    @property
    def options(self) -> Options:
        """Options of the analyses: every row is used, and the seed draws labels."""
        return Options(seed=self.seed).full()

    @property
    def label_draws(self) -> int:
        """How often a few labels are drawn."""
        return 3 if self.quick else 20

    @property
    def steps(self) -> Sequence[int]:
        """Numbers of steps that a classifier on the images may choose from."""
        from latentgan.evaluation.classifiers import STEPS

        return STEPS[:2] if self.quick else STEPS

    def timed(self, step: str, started: float) -> None:
        """Add the seconds since `started` (time.perf_counter) to those of a step."""
        self.seconds[step] = round(self.seconds.get(step, 0.0) + time.perf_counter() - started, 1)

    def configured(self, config: str = "", **changes: Any) -> RunConfig:
        """Return the resolved configuration of a file in `configs`, by default the recipe's.

        Args:
            config: the file.
            changes: the tables "family" and "training", over the file's.
        """
        tree = read_config_file(self.configs / (config or self.protocol.recipes[self.recipe].config))
        tree = merge(tree, changes, {"data": self.data, "training": {"seed": self.seed, "device": self.device}})
        if self.quick:
            tree = merge(tree, {"training": dict.fromkeys(SCHEDULE, QUICK_IMAGES), "family": _narrow(tree)})
        return configure(str(tree["name"]), tree)

    def trained(self, config: str = "", *, run_name: str = "", **changes: Any) -> Path:
        """Train a configuration, or go on with it, and return the run folder; further arguments as in `configured`.

        Args:
            config: the file.
            run_name: what the run is called where recipes change one file; by default the file's name.
            **changes: the tables "family" and "training", over the file's.
        """
        from latentgan.training.logger import read_summary
        from latentgan.training.loop import resume, train
        from latentgan.training.state import load_config

        chosen = self.configured(config, **changes)
        name = run_name or Path(config or self.protocol.recipes[self.recipe].config).stem
        run = (self.work / "quick" if self.quick else self.work) / f"{name}-{self.seed}"
        self.settings[name] = {**chosen.as_dict(), "data": {"source": chosen.data.source}}
        self.say(f"train {run.name}")
        if (run / "run.toml").is_file():
            if load_config(run)[0] != chosen:
                raise ConfigError(f"{run} was begun with other settings; remove it, or name another --work folder")
            resume(run)
        else:
            train(chosen, run)
        self.seconds["train"] = round(float(read_summary(run)["seconds"]), 1)  # also of a run that was there already
        return run

    def encoded(self, run: Path, features: Sequence[str], *, pool: int = 0, code: str = "code") -> Embeddings:
        """Encode a run's images, with feature layers and baselines; open the table with `code` as its code."""
        from latentgan.inference.stages import encode

        started = time.perf_counter()
        table = run.parent / f"{run.name}-{self.name}.parquet"
        encode(run, table, features=features, pool=pool, device=self.device)
        self.timed("encode", started)
        return Embeddings(table, code=code)


def category_scores(table: Embeddings, seed: int) -> dict[str, np.ndarray]:
    """Return how strongly each row belongs to each category, by the model and by baselines.

    Args:
        table: of a run whose code has one categorical part.
        seed: of k-means.

    Returns:
        Scores (n, k): "code" of the code's categorical part, UNTRAINED of the untrained network's, and KMEANS of as
        many groups of pixels.
    """
    (part,) = [part for part in table.metadata["parts"] if part["kind"] == "categorical"]
    columns = slice(part["start"], part["start"] + part["width"])
    return {
        "code": table.vectors("code")[:, columns],
        KMEANS: nearness_to_groups(table, part["width"], seed),
        UNTRAINED: table.vectors("untrained.code")[:, columns],
    }


def nearness_to_groups(table: Embeddings, k: int, seed: int) -> np.ndarray:
    """Fit k-means to the pixels of 20,000 training images.

    Args:
        table: with pixels.
        k: number of groups.
        seed: of the training images and of k-means.

    Returns:
        Minus the distance of every row to every centre, (n, k); the largest is that of the row's group.
    """
    from sklearn.cluster import KMeans

    rows = np.random.default_rng(seed).permutation(table.rows("train"))[:GROUPED]
    fitted = KMeans(k, n_init=5, random_state=seed).fit(table.vectors("pixels", np.sort(rows)))
    distances: np.ndarray = fitted.transform(table.vectors("pixels"))
    return -distances


def perform(job: Job) -> Record:
    """Do one seed and return its record; a game that diverges is recorded as failed."""
    reason, outcome, started, began = "", Outcome({}), time.process_time(), time.perf_counter()
    try:
        outcome = job.protocol.measure(job)
    except DivergedError as error:
        reason = str(error).replace(str(job.work), job.work.name)
    job.seconds["total"] = round(sum(job.seconds.values()), 1)
    machine = hardware(str(pick_device(job.device)))
    if job.seconds["total"] <= time.perf_counter() - began + 1:  # a training that went on has more on the clock
        machine["processor_seconds"] = round(time.process_time() - started, 1)  # what a busy machine does not prolong
    return Record(
        protocol=job.name,
        recipe=job.recipe,
        seed=job.seed,
        status="failed" if reason else "finished",
        reason=reason,
        command=f"latentgan reproduce {job.name} --recipe {job.recipe} --seed {job.seed}{' --quick' * job.quick}",
        seconds=job.seconds,
        figures={name: asdict(figure) for name, figure in outcome.figures.items()},
        baselines={name: asdict(figure) for name, figure in outcome.baselines.items()},
        settings=job.settings,
        hardware=machine,
        version=__version__,
        date=datetime.date.today().isoformat(),
    )


def _narrow(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of small networks, of those that the family has."""
    fields = load_family(str(tree["name"])).Config.model_fields
    return {key: value for key, value in {"width": 8, "hidden": 32}.items() if key in fields}


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a configuration of examples/configs; ConfigError says where it is looked for."""
    if irregular(path) == "missing":
        raise ConfigError(
            f"{path} is not there: the configurations of the protocols are in examples/configs of the project's "
            "repository; run the command in a checkout of it, or give --configs FOLDER"
        )
    return read_toml(path)


def protocol_names() -> list[str]:
    """Return the names of the protocols, sorted; a file's underscores are the name's hyphens."""
    import latentgan.reproduction.protocols as package

    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(package.__path__) if m.name != "base")


def load_protocol(name: str) -> Protocol:
    """Return the protocol of a name; ConfigError names the nearest and lists the known ones."""
    names = protocol_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"no protocol is called {name!r}; {hint}known are: {listed(names)}")
    result: Protocol = importlib.import_module(f"latentgan.reproduction.protocols.{name.replace('-', '_')}").PROTOCOL
    return result
