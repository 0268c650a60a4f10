"""The contract that every family keeps; a new file in latentgan/families is tested without being mentioned here."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from latentgan import from_arrays
from latentgan.config import resolve
from latentgan.data.batches import Batches
from latentgan.data.source import ImageSource, ImageSpec
from latentgan.errors import ConfigError
from latentgan.families import deligan
from latentgan.families.base import Decodes, Encodes, Family, configure, family_names, load_family
from latentgan.game import Update
from latentgan.inference.numpy_model import NumpyModel
from latentgan.networks.blocks import fold_batch_norm
from latentgan.training.ema import make_usable
from latentgan.training.loop import iterations

SMALL = {"latent": 4, "width": 4, "hidden": 16}
TRICKS = {"smoothing": 0.1, "instance_noise": 0.2}
VARIANTS = {
    "bigan": [
        {},
        {"network": "mlp"},
        {"network": "mlp", "spectral": True},
        {"network": "mlp", "norm": "encoder", "reconstruction_weight": 1.0},
        {"network": "mlp", "norm": "none"},
        {"prior": "normal", "matching_weight": 1.0},
        {"spectral": True, "norm": "none", "reconstruction_weight": 1.0, "objective": "hinge"},
        {"spectral": True, "norm": "encoder", "matching_weight": 1.0, "augment": {"rotation": 10.0, "shift": 0.1}},
        {"reconstruction": "adversarial", "reconstruction_weight": 1.0, "spectral": True, "r1": 0.1},
        {"network": "mlp", "reconstruction": "adversarial", "reconstruction_weight": 1.0, "instance_noise": 0.1},
        {"spectral": True, "r1": 1.0, "r1_every": 2, **TRICKS},
        {"network": "mlp", "mixture": {"components": 3}, "matching_weight": 1.0},
    ],
    "ali": [
        {},
        {"network": "mlp", "prior": "uniform"},
        {"conditional": True, "spectral": True, "norm": "none", "r1": 0.1, "matching_weight": 1.0},
        {"conditional": True, "norm": "encoder", "reconstruction": "adversarial", "reconstruction_weight": 1.0},
        {"conditional": True, "prior": "uniform", "mixture": {"components": 3}},
    ],
    "aae": [
        {},
        {"network": "mlp", "posterior": "gaussian", "prior": "uniform", "spectral": True, "r1": 1.0, "r1_every": 2},
        {"posterior": "universal", "noise": 3, "latent": 2, "prior": "swiss-roll", **TRICKS},
        {"network": "mlp", "labels": "decoder", "adversarial_weight": 0.1},
        {"latent": 2, "prior": "mixture", "labels": "prior", "components": 3},
        {"prior": "uniform", "labels": "decoder", "mixture": {"components": 3}},
        {"network": "mlp", "adversarial_weight": 0.1, "mixture": {"components": 3, "deviation_weight": 0.0}},
    ],
    "aae_semi": [
        {},
        {"consistency_weight": 1.0, "augment": {"rotation": 10.0}},
        {"network": "mlp", "spectral": True, "r1": 1.0, "r1_every": 2, **TRICKS},
    ],
    "improved_gan": [
        {},
        {"network": "mlp", "layers": (16, 8)},
        {
            "network": "mlp",
            "layers": (16, 8),
            "spectral": True,
            "generator_loss": "non-saturating",
            "r1": 1.0,
            **TRICKS,
        },
    ],
    "ali_semi": [
        {},
        {"network": "mlp", "spectral": True, "norm": "none", "r1": 0.1},
        {"norm": "encoder", "reconstruction_weight": 1.0, **TRICKS},
    ],
    "cgan": [
        {},
        {"condition": "embedding", "prior": "uniform", "spectral": False, "maxout": 2, "dropout": 0.5},
        {"condition": "concatenation", "network": "mlp", "discriminator_moves": 2},
        {"network": "mlp", "augment": {"rotation": 10.0}, "r1": 1.0, "r1_every": 2, **TRICKS},
        {"condition": "concatenation", "objective": "hinge", "r1": 0.1},
        {"attributes": ("slant", "bold", "ink"), "label": True},
        {"attributes": ("slant",), "network": "mlp", "r1": 1.0},
        {"attributes": ("ink", "slant"), "condition": "concatenation"},
        {"attributes": ("bold",), "condition": "embedding"},
    ],
    "aae_cluster": [
        {"clusters": 5},
        {"clusters": 5, "network": "mlp", "spectral": True, "r1": 1.0, "r1_every": 2, **TRICKS},
        {"clusters": 5, "reduction": True, "latent": 2},
        {"clusters": 5, "reduction": True, "norm": "batch", "consistency_weight": 1.0, "augment": {"rotation": 10.0}},
        {"clusters": 5, "network": "mlp", "norm": "batch"},
    ],
    "vae": [
        {},
        {"network": "mlp", "likelihood": "bernoulli", "binarise": "stochastic", "kl_warmup": 0.5},
        {"likelihood": "bernoulli", "binarise": "threshold"},
    ],
    "avb": [
        {"noise": 3, "basis": 4},
        {"noise": 3, "adaptive_contrast": False},
        {"network": "mlp", "noise": 3, "basis": 4, "likelihood": "bernoulli"},
        {"network": "mlp", "noise": 3, "adaptive_contrast": False, "likelihood": "bernoulli", "binarise": "stochastic"},
    ],
    "infogan": [
        {"noise": 3},
        {"noise": 3, "categorical": (), "spectral": True},
        {"noise": 3, "categorical": (3, 2), "continuous": 0, "consistency_weight": 1.0, "augment": {"rotation": 10.0}},
        {"noise": 3, "spectral": True, "r1": 1.0, "r1_every": 2, **TRICKS},
        {"noise": 3, "mixture": {"components": 3}},
    ],
    "deligan": [
        {"mixture": {"components": 5}},
        {"network": "mlp", "mixture": {"components": 5}, "minibatch_discrimination": 0, "spectral": True},
        {"balance": "alternate", "mixture": {"components": 5, "deviation_weight": 0.0}},
        {"balance": "alternate", "mixture": {"components": 0}},
        {"spectral": True, "minibatch_discrimination": 0, "r1": 1.0, "r1_every": 2, **TRICKS},
    ],
    "latent_regressor": [
        {"base": {"latent": 4, "width": 4}},
        {"of": "gan", "base": {"latent": 4, "hidden": 16}, "network": "mlp", "generator_weight": 0.0},
        {"of": "infogan", "base": {"noise": 3, "width": 4, "hidden": 16, "categorical": (3,)}},
        {"base": {"latent": 4, "width": 4, "prior": "normal"}, "frozen": True},
        {"base": {"latent": 4, "width": 4, "spectral": True, "r1": 1.0, **TRICKS}},
        {"of": "cgan", "base": {"latent": 4, "width": 4, "hidden": 16}},
        {"of": "cgan", "base": {"latent": 4, "width": 4, "hidden": 16, "attributes": ("slant", "ink"), "label": True}},
        {"base": {"latent": 4, "width": 4, "mixture": {"components": 3}}},
        {"of": "infogan", "base": {"noise": 3, "width": 4, "hidden": 16, "mixture": {"components": 3}}, "frozen": True},
    ],
    "gan": [
        {},
        {"spectral": False, "generator_loss": "minimax"},
        {"discriminator_moves": 2, "r1": 1.0, "r1_every": 2, **TRICKS},
        {"spectral": False, "maxout": 5, "discriminator_hidden": 6, "dropout": 0.5, "input_dropout": 0.2, "r1": 1.0},
        {"generator_loss": "feature-matching", "generator_norm": "virtual", "minibatch_discrimination": 3},
        {"discriminator": {"historical_averaging": 0.1}, "generator": {"historical_averaging": 0.1}},
        {"mixture": {"components": 3}, "generator_norm": "virtual", "generator": {"historical_averaging": 0.1}},
    ],
    "dcgan": [
        {},
        {"generator_loss": "feature-matching", "generator_norm": "virtual", "minibatch_discrimination": 3},
        {"spectral": True, "r1": 1.0},
        {"maxout": 2, "dropout": 0.5, "input_dropout": 0.2},
        {"mixture": {"components": 3}, "generator_loss": "feature-matching"},
    ],
}
CASES = [(name, v) for name in family_names() for v in VARIANTS.get(name, [{}])]
IDS = [f"{name}-{'-'.join(map(str, v)) or 'default'}" for name, v in CASES]


def settings(name: str, variant: dict[str, object]) -> dict[str, object]:
    fields = load_family(name).Config.model_fields
    return {**{k: v for k, v in SMALL.items() if k in fields}, **variant}


def images(channels: int = 1, n: int = 48) -> ImageSource:
    rng = np.random.default_rng(0)
    return from_arrays(
        rng.integers(0, 256, (n, 8, 8, channels), dtype=np.uint8),
        np.arange(n) % 3,
        attributes={
            "slant": np.where(np.arange(n) % 11 == 5, np.nan, rng.normal(3, 2, n)),
            "bold": rng.random(n) < 0.5,
            "ink": np.array(["blue", "red", "black"], dtype=object)[rng.integers(0, 3, n)],
        },
        split=["train"] * (n - 8) + ["test"] * 8,
    )


class Game:
    """A family with its players and streams."""

    def __init__(self, name: str, variant: dict[str, object], *, channels: int = 1, seed: int = 0) -> None:
        config = configure(name, family=settings(name, variant))
        self.source = images(channels).conditioned_on(config.family.conditioned_on())
        torch.manual_seed(seed)
        self.family: Family = load_family(name)(config.family, self.source.spec).train()
        self.update = Update(self.family.players())
        self.batches = Batches(self.source, batch_size=8, seed=0, device="cpu")
        self.family.prior.store_attributes(self.batches.attributes, self.batches.labels)

    def play(self, n: int, start: int = 0) -> None:
        game = iterations(self.family, self.batches, self.update, seed=0, total_images=1000, start=start)
        for _ in range(n):
            next(game)

    def state(self) -> dict[str, Tensor]:
        return {k: v.clone() for k, v in self.family.state_dict().items()}


@pytest.fixture(autouse=True)
def balanced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both of DeLiGAN's players move within two iterations."""
    for name, value in (("MOVES", 9), ("HIGHEST_THRESHOLD", 0.69), ("LOWEST_THRESHOLD", 0.68)):
        monkeypatch.setattr(deligan, name, value)


@pytest.fixture(params=CASES, ids=IDS)
def case(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    return request.param


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_configuration_survives_a_round_trip(case):
    name, variant = case
    config = configure(name, family=settings(name, variant))
    assert resolve(name, load_family(name).Config, config.as_dict()) == config


REMOVED = {
    "deligan": {"balance_moves": 5, "balance_least": 0.7, "balance_most": 1.0, "balance_step": 0.003},
    "avb": {"basis_hidden": 32, "adversary_moves": 1},
    "bigan": {"instance_noise_until": 1.0},
}


@pytest.mark.parametrize("name", REMOVED)
def test_removed_settings_of_stored_runs_are_ignored(name):
    assert configure(name, {"family": REMOVED[name]}) == configure(name)


@pytest.mark.parametrize(
    ("name", "key"), [("deligan", "balance_moves"), ("avb", "adversary_hidden"), ("gan", "instance_noise_until")]
)
def test_a_removed_setting_of_another_value_is_refused(name, key):
    with pytest.raises(ConfigError, match=rf"family\.{key} = 0\.25 is no setting any more"):
        configure(name, {"family": {key: 0.25}})


@pytest.mark.parametrize("channels", [1, 3])
def test_an_iteration_moves_every_player_and_gives_finite_terms(case, channels):
    game = Game(*case, channels=channels)
    before = {k: v.detach().clone() for k, v in game.family.named_parameters()}
    game.play(2)  # in the first iteration a zero-initialised last layer lets no gradient through
    for name, player in game.update.players.items():
        # Weights only: under the hinge the last bias has gradient 1 - 1 = 0 while all pairs are within the margin.
        weights = [_name(game.family, p) for p in player.parameters if p.ndim > 1]
        still = [key for key in weights if torch.equal(game.family.get_parameter(key), before[key])]
        assert not still, f"{name} did not move {still}"
    means = game.update.drain()
    assert means["terms"] and all(np.isfinite(v) for v in means["terms"].values())


def test_an_iteration_moves_players_only(case):
    game = Game(*case)
    owned = {id(p) for player in game.update.players.values() for p in player.parameters}
    before = {k: v.detach().clone() for k, v in game.family.named_parameters()}
    game.play(1)
    for name, parameter in game.family.named_parameters():
        assert id(parameter) in owned or torch.equal(parameter, before[name])


def test_weights_follow_the_seed(case):
    first, second, other = Game(*case), Game(*case), Game(*case, seed=1)
    for game in (first, second, other):
        game.play(2)
    assert equal(first.state(), second.state())
    assert not equal(first.state(), other.state())


def test_three_and_three_iterations_are_six(case):
    straight = Game(*case)
    straight.play(6)
    first = Game(*case)
    first.play(3)
    second = Game(*case, seed=99)
    second.family.load_state_dict(first.family.state_dict())
    for name, player in second.update.players.items():
        player.optimizer.load_state_dict(copy.deepcopy(first.update.players[name].optimizer.state_dict()))
    second.update.resume(first.update.moves)
    second.batches.counters.update(first.batches.counters)
    second.play(3, start=3)
    assert equal(straight.state(), second.state())


def test_capabilities_have_declared_shapes(case):
    game = Game(*case, channels=3)
    game.play(1)
    family = game.family.eval()
    x = game.source.tensor(range(5))
    with torch.no_grad():
        if isinstance(family, Encodes):
            code = family.encode(x)
            assert code.shape == (5, family.prior.width) and code.dtype is torch.float32
            assert family.prior.parts[0].kind != "uniform" or code.abs().max() <= 1
        if isinstance(family, Decodes):
            image = family.decode(family.prior.sample(5))
            assert image.shape == x.shape and image.dtype is torch.float32
            assert image.abs().max() <= 1
        if (critic := family.critic()) is not None:
            logits = critic.score(x, family.prior.sample(5))
            assert logits.shape == (5,) and torch.isfinite(logits).all()


def test_outputs_do_not_depend_on_the_companions_in_a_batch(case):
    game = Game(*case)
    game.play(2)
    make_usable(game.family, [game.source.tensor(range(40))])
    model = NumpyModel(game.family)
    pictures = game.source.images
    together = model.features(pictures[:16], model.feature_names)
    alone = model.features(pictures[3:4], model.feature_names)
    assert together.keys() == alone.keys() and together
    for name in together:
        assert np.abs(together[name][3:4] - alone[name]).max() < 1e-5 * max(1, np.abs(alone[name]).max()), name
    if isinstance(game.family, Encodes):
        assert np.abs(model.encode(pictures[:16])[3:4] - model.encode(pictures[3:4])).max() < 1e-5
    codes = game.family.prior.sample(16).numpy()
    assert np.abs(model.decode(codes)[3:4] - model.decode(codes[3:4])).max() < 1e-5


def test_folding_batch_norms_changes_no_output(case):
    family = Game(*case).family
    with torch.no_grad():
        for buffer in (
            b for m in family.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for b in m.buffers()
        ):
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 2)
    plain, folded = NumpyModel(copy.deepcopy(family)), copy.deepcopy(family)
    fold_batch_norm(folded)
    folded_model, pictures = NumpyModel(folded), images().images[:6]
    for name, value in plain.features(pictures, plain.feature_names).items():
        ours = folded_model.features(pictures, [name])[name]
        assert np.abs(ours - value).max() < 1e-5 * max(1, np.abs(value).max()), name
    codes = family.prior.sample(6).detach().numpy()
    assert np.abs(plain.decode(codes) - folded_model.decode(codes)).max() < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        spectral_norm(nn.Conv2d(3, 4, 3)),
        nn.ConvTranspose2d(3, 4, 3),
        nn.ConvTranspose2d(4, 4, 3, groups=2, bias=False),
        nn.Conv2d(4, 4, 3, groups=2),
    ],
    ids=["spectral", "transposed", "grouped transposed", "grouped"],
)
@pytest.mark.parametrize("tracked", [True, False])
def test_folding_is_right_or_left_alone(layer, tracked):
    network = nn.Sequential(copy.deepcopy(layer), nn.BatchNorm2d(4, track_running_stats=tracked), nn.ReLU())
    x = torch.randn(5, layer.in_channels, 6, 6)
    network(x)
    network.eval()
    with torch.no_grad():
        before = network(x)
        fold_batch_norm(network)
        assert (network(x) - before).abs().max() < 1e-5


def test_feature_layers_have_names_and_give_one_row_an_image(case):
    model = NumpyModel(Game(*case).family)
    features = model.features(images().images[:6], model.feature_names, pool=4)
    assert all("." in name and value.shape[0] == 6 and value.ndim == 2 for name, value in features.items())


def test_it_plays_in_bf16(case):
    game = Game(*case)
    next(iterations(game.family, game.batches, game.update, seed=0, total_images=1000, precision="bf16"))
    assert all(np.isfinite(v) for v in game.update.drain()["terms"].values())


@pytest.mark.parametrize("name", family_names())
def test_the_file_and_the_class_name_their_source(name):
    family = load_family(name)
    module = __import__(family.__module__, fromlist=["x"])
    assert "Source: " in (module.__doc__ or ""), "the module's docstring names the paper"
    assert "arXiv:" in (family.__doc__ or "")
    for key, info in family.Config.model_fields.items():
        assert info.description, f"{name}.{key} has no explanation"


def test_an_unknown_family_names_the_nearest_and_lists_the_known():
    with pytest.raises(
        ConfigError,
        match=r"no family is called .bigam.; did you mean bigan\? "
        r"known are: aae, aae_cluster, aae_semi, ali, ali_semi, avb, bigan, cgan, dcgan, deligan and \d+ more",
    ):
        load_family("bigam")


def test_a_foreign_family_is_found_by_module_and_class():
    assert load_family("latentgan.families.gan:GAN") is load_family("gan")
    with pytest.raises(ConfigError, match="cannot import"):
        load_family("no.such.module:Thing")
    with pytest.raises(ConfigError, match=r"is not a latentgan\.Family"):
        load_family("pathlib:Path")


@pytest.mark.parametrize(("side", "sentence"), [(30, "--size 28 --crop or --size 32"), (6, "too small")])
def test_impossible_sizes_name_possible_ones(side, sentence):
    source = from_arrays(np.random.default_rng(0).integers(0, 256, (8, side, side, 1), dtype=np.uint8))
    with pytest.raises(ConfigError, match=sentence):
        load_family("bigan")(configure("bigan").family, source.spec)


def _name(family: Family, parameter: Tensor) -> str:
    return next(name for name, p in family.named_parameters() if p is parameter)


def test_infogans_two_views_of_an_image_have_to_differ():
    spec = ImageSpec(channels=1, height=8, width=8, classes=("a", "b"))
    with pytest.raises(ConfigError, match=r"two random views.*family\.augment"):
        load_family("infogan")(configure("infogan", family={"consistency_weight": 1.0}).family, spec)
