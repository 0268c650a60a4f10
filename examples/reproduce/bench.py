"""Measure what latentgan costs beyond what the algorithm needs; every ratio is of interleaved runs in one process.

    make bench        # or: python examples/reproduce/bench.py [--quick]

Prints each figure when it is measured, with its bound, and exits 1 if one is out of it. `--quick`, a few
minutes, plays a few rounds on little data.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from loops import ScriptInfoGAN, by_hand, script_infogan
from mixture_bench import mixture_costs
from pythae_loop import PythaeAAE, missing, pythae_aae
from table_bench import analysis_costs
from torch.nn.utils import parametrize

from latentgan import configure, from_arrays
from latentgan.data.source import ImageSource
from latentgan.inference.encode import BATCH, Plan, default_features, encode_table
from latentgan.inference.numpy_model import NumpyModel
from latentgan.io.writing import write_tensors
from latentgan.losses import Objective
from latentgan.run_folder import write_model
from latentgan.training.loop import iterations
from latentgan.training.state import TrainingState, model_config, open_state, usable

LOOPS = ("gan", "dcgan", "bigan", "ali", "infogan", "latent_regressor", "aae", "aae_semi", "vae", "avb", "deligan")
OPTIONS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("avb", ", no adaptive contrast:", {"adaptive_contrast": False}),
    ("bigan", ", 50 components:", {"mixture": {"components": 50}}),
    ("bigan", ", residual networks:", {"network": "resnet"}),
)
QUICK_ROWS = 4_096
QUICK_SLACK = 2.0
Row = tuple[str, float, float, str]
"""What was measured, its figure, the bound, and the unit of both."""
BUILDS = 3  # of small networks: where in memory they lie shifts a ratio by some hundredths
PAPER = {"network": "mlp", "spectral": False, "hidden": 1024}
RECIPE = {"spectral": True, "norm": "encoder"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds on little data: minutes, to see that all runs")
    parser.add_argument("--mixture", action="store_true", help="only the Gaussian mixture against scikit-learn's")
    options = parser.parse_args()
    mixtures = mixture_costs(QUICK_ROWS, from_seeds=False) if options.quick else mixture_costs(60_000)
    return print_rows(mixtures if options.mixture else all_costs(options.quick, mixtures), quick=options.quick)


def all_costs(quick: bool, mixtures: Iterator[Row]) -> Iterator[Row]:
    """Measure everything, cheap things first; a row is yielded when it is measured."""
    rounds, source = (9 if quick else 25), fake_mnist(4096)
    yield start_cost("latentgan --help", ["-m", "latentgan", "--help"], 0.4)
    yield start_cost("import latentgan", ["-c", "import latentgan"], 0.2)
    yield iteration_cost(source, rounds)
    yield batch_cost(source, rounds)
    for name in LOOPS:
        yield family_cost(source, rounds, name)
    for option in OPTIONS:
        yield family_cost(source, rounds, *option)
    yield script_cost(rounds)
    yield from pythae_costs(source, rounds)
    large = fake_mnist(4 * QUICK_ROWS if quick else 70_000)
    for layers, family in (("dense features", RECIPE), ("convolutional features", {})):
        yield encode_cost(large, max(3, rounds // 5), layers, family)
    yield from mixtures
    yield from analysis_costs(QUICK_ROWS if quick else 70_000, full=True)


def print_rows(rows: Iterable[Row], *, quick: bool = False) -> int:
    """Print each row when it is measured, with the seconds since the start; return 1 if a figure is out of its bound.

    A few rounds say little about hundredths: a quick run fails where a figure is beyond QUICK_SLACK times its bound.
    """
    began, failed = time.perf_counter(), False
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(f"{'after':>6} {'what':66} {'measured':>10} {'bound':>8}", flush=True)
    for title, value, bound, unit in rows:
        bad = not value <= bound * (QUICK_SLACK if quick else 1)
        failed |= bad
        note = "   OUT OF BOUND" if bad else "   above; a quick run cannot tell" if value > bound else ""
        spent = f"{time.perf_counter() - began:.0f}s"
        print(f"{spent:>6} {title:66} {value:9.3f}{unit} {'≤':>3} {bound:g}{unit}{note}", flush=True)
    return int(failed)


def iteration_cost(source: ImageSource, rounds: int) -> Row:
    """Cost of a BiGAN iteration (batch, noise, passes, Adam, average) over its bare passes: MLP networks, batch 128."""
    state = open_state(configure("bigan", family=PAPER), source)
    ratios = interleave(iteration_of(state), lambda: bare_passes(state), rounds)
    return "BiGAN iteration / bare forward and backward passes", statistics.median(ratios), 1.3, "×"


def bare_passes(state: TrainingState) -> None:
    """Do the forward and backward passes that the algorithm needs, on data that is there already."""
    family, n = state.family, state.config.training.batch_size
    x = state.batches.source.tensor(np.arange(n))
    z = family.prior.sample(n)
    bce = Objective("bce")
    encoded = family.discriminator(x, family.encode(x))
    generated = family.discriminator(family.generator(z), z)
    discriminator_loss, generator_loss = (
        bce.real(encoded) + bce.fake(generated),
        bce.as_fake(encoded) + bce.as_real(generated),
    )
    players = state.update.players
    torch.autograd.grad(discriminator_loss, players["discriminator"].parameters, retain_graph=True)
    torch.autograd.grad(generator_loss, players["encoder_generator"].parameters)


def family_cost(
    source: ImageSource, rounds: int, name: str, variant: str = "", family: Mapping[str, object] = MappingProxyType({})
) -> Row:
    """A whole iteration of a family's default networks over one of a loop written by hand with fused Adam."""
    state, other = (open_state(configure(name, family=family), source) for _ in range(2))
    ratios = interleave(iteration_of(state), by_hand(other), rounds)
    return f"{name}{variant} iteration / a loop by hand with fused Adam", statistics.median(ratios), 1 / 0.9, "×"


def script_cost(rounds: int) -> Row:
    """InfoGAN's iteration over a batch of the PyTorch-GAN script's loop: the script's layers, 64 images of 32×32."""
    source = fake_mnist(2048)
    large = from_arrays(np.pad(source.images, ((0, 0), (2, 2), (2, 2), (0, 0))), source.labels, name="noise")
    config = configure("infogan", family={"objective": "least-squares"}, training={"batch_size": 64})
    state = open_state(config, large, family=ScriptInfoGAN)
    ratios = interleave(iteration_of(state), script_infogan(source, batch=64), rounds)
    return "infogan iteration / PyTorch-GAN script's loop, same layers", statistics.median(ratios), 1 / 1.5, "×"


def pythae_costs(source: ImageSource, rounds: int, iterations: int = 4) -> Iterator[Row]:
    """AAE's iterations over as many of pythae's Adversarial_AE: the same networks, optimisers and batches.

    One optimiser moves the encoder on a sum, as pythae has it. First pythae's own networks and batch, then those of
    the paper in batches of 128, where the same matrix products are nearly everything on both sides. A loop by hand
    shows how much there is to gain.
    """
    if lacking := missing():
        print(f"aae against pythae is left out: {', '.join(lacking)} not installed (see pythae_loop.py)\n")
        return
    cases = (("its networks", "dcgan", PythaeAAE, 64, 1 / 1.3), ("the paper's networks", "mlp", None, 128, 1.0))
    for networks, network, family, batch, bound in cases:
        settings = {"posterior": "gaussian", "network": network, "adversarial_weight": 1e-3}
        config = configure("aae", family=settings, training={"batch_size": batch})
        ratios: dict[str, list[float]] = {"aae iteration": [], "a loop by hand with fused Adam": []}
        for _ in range(BUILDS):
            ours, plain, third = (open_state(config, source, family=family) for _ in range(3))
            theirs = pythae_aae(third, iterations=iterations)
            for loop, play_once in zip(ratios, (iteration_of(ours), by_hand(plain)), strict=True):
                ratios[loop] += interleave(repeated(play_once, iterations), theirs, rounds)
        for (loop, values), limit in zip(ratios.items(), (bound, 1.0), strict=True):
            yield f"{loop} / pythae's Adversarial_AE, {networks}", statistics.median(values), limit, "×"
        ours_over_theirs, by_hand_over_theirs = (statistics.median(values) for values in ratios.values())
        yield f"aae iteration / a loop by hand, {networks}", ours_over_theirs / by_hand_over_theirs, 1 / 0.9, "×"


def iteration_of(state: TrainingState) -> Callable[[], None]:
    """Return a function that plays one iteration as training does, averages included."""
    t = state.config.training
    game = iterations(state.family, state.batches, state.update, seed=0, total_images=t.total_images)

    def iteration() -> None:
        next(game)
        state.ema.follow(t.batch_size, state.images)

    return iteration


def batch_cost(source: ImageSource, rounds: int) -> Row:
    """Drawing a batch over an iteration of the convolutional BiGAN."""
    state = open_state(configure("bigan"), source)
    game = iterations(state.family, state.batches, state.update, seed=0, total_images=10**6)
    ratios = interleave(lambda: next(state.batches), lambda: next(game), rounds)
    return "drawing a batch / convolutional BiGAN iteration", statistics.median(ratios), 0.02, "×"


def encode_cost(source: ImageSource, rounds: int, layers: str, settings: dict[str, object]) -> Row:
    """The whole of `latentgan encode` over the bare forward passes of its two networks, built as for training."""
    with tempfile.TemporaryDirectory() as folder:
        run = untrained_run(Path(folder) / "run", source, settings)
        model = NumpyModel.load(run)
        networks = [open_state(configure("bigan", family=settings), source).family.eval() for _ in range(2)]
        plan = Plan(default_features(model))

        def bare() -> None:
            with torch.inference_mode(), parametrize.cached():
                for start in range(0, len(source), BATCH):
                    x = source.tensor(np.arange(start, min(start + BATCH, len(source))))
                    for network in networks:
                        network.represent(x)

        def whole() -> None:
            encode_table(run, source, Path(folder) / "table.parquet", plan)

        def tidy() -> None:
            (Path(folder) / "table.parquet").unlink(missing_ok=True)

        ratios = interleave(whole, bare, rounds, tidy)
    return f"encode to Parquet / bare forward passes, {layers}", statistics.median(ratios), 1 / 0.95, "×"


def untrained_run(run: Path, source: ImageSource, settings: dict[str, object]) -> Path:
    """Write a run folder with a model of iteration 0, enough to encode with."""
    state = open_state(configure("bigan", family=settings), source)
    weights = usable(state, 256).state_dict()
    run.mkdir()
    write_model(run, weights, model_config(state))
    write_tensors(run / "untrained.safetensors", weights)
    return run


def start_cost(title: str, arguments: list[str], bound: float) -> Row:
    """Seconds from start to exit of a fresh interpreter, the best of seven (the machine's noise only adds)."""

    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.perf_counter() - started

    return title, min(once() for _ in range(7)), bound, "s"


def interleave(
    measured: Callable[[], object],
    reference: Callable[[], object],
    rounds: int,
    tidy: Callable[[], None] = lambda: None,
) -> list[float]:
    """Return the ratio of the two's times for each round, A B A B …, after a warm-up of both; `tidy` is not timed."""
    measured(), reference()
    ratios = []
    for _ in range(rounds):
        tidy()
        ratios.append(clock(measured) / clock(reference))
    return ratios


def repeated(play_once: Callable[[], object], times: int) -> Callable[[], object]:
    """Return a function that plays so many iterations."""
    return lambda: [play_once() for _ in range(times)]


def clock(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def fake_mnist(n: int) -> ImageSource:
    """Blurred noise of MNIST's size with ten labels; speed does not depend on what is in an image."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 7, 7, 1), dtype=np.uint8)
    return from_arrays(coarse.repeat(4, 1).repeat(4, 2), np.arange(n) % 10, name="noise")


if __name__ == "__main__":
    sys.exit(main())
