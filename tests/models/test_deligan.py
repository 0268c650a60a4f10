"""DeLiGAN: the learned mixture and who moves it, the balance rule, and images of a component."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from one_iteration import iteration, pictures
from scipy.stats import norm
from torch.nn.functional import softplus

from latentgan import configure, load_family
from latentgan.data.batches import Batches
from latentgan.errors import ConfigError
from latentgan.families import deligan
from latentgan.families.deligan import Balance
from latentgan.game import Update
from latentgan.inference.numpy_model import NumpyModel
from latentgan.priors import GaussianMixture, MixtureConfig, Part, Prior
from latentgan.training.ema import ExponentialMovingAverage
from latentgan.training.loop import iterations

MIXED = {"mixture": {"components": 4}}
MOVERS = {
    "gan": ("generator", {"latent": 3, **MIXED}),
    "dcgan": ("generator", {"latent": 3, **MIXED}),
    "bigan": ("encoder_generator", {"latent": 3, "spectral": True, **MIXED}),
    "ali": ("encoder_generator", {"latent": 3, "spectral": True, **MIXED}),
    "aae": ("encoder", {"latent": 3, **MIXED}),
    "infogan": ("generator", {"noise": 3, **MIXED}),
    "deligan": ("generator", {"latent": 3, "balance": "alternate", **MIXED}),
}


def built(name: str, source: Any, **settings: Any) -> Any:
    torch.manual_seed(0)
    kind = load_family(name)
    narrow = {k: v for k, v in {"width": 4, "hidden": 16}.items() if k in kind.Config.model_fields}
    return kind(configure(name, family={**narrow, **settings}).family, source.spec).train()


def batches(source: Any) -> Batches:
    return Batches(source, batch_size=60, seed=0, device="cpu")


def mixture(components: int = 3, width: int = 2) -> GaussianMixture:
    torch.manual_seed(0)
    made = GaussianMixture(components, width, deviation=0.2).double()
    with torch.no_grad():
        made.deviation.copy_(torch.tensor([[0.3, -0.5], [1.0, 0.2], [2.0, 0.7]]))
    return made


def test_densities_are_those_of_the_gaussians():
    made, z = mixture(), torch.randn(5, 2, dtype=torch.float64)
    log_densities = made.log_density(z).detach().numpy()
    mean, deviation = made.mean.detach().numpy(), made.deviation.abs().detach().numpy()
    for i in range(3):
        wanted = norm.logpdf(z.numpy(), mean[i], deviation[i]).sum(1)
        assert np.abs(log_densities[:, i] - wanted).max() < 1e-12


def test_the_mixtures_penalty_by_hand():
    wanted = (0.7**2 + 1.5**2 + 0.0**2 + 0.8**2 + 1.0**2 + 0.3**2) / 6
    assert float(mixture().penalty().detach()) == pytest.approx(wanted, abs=1e-7)


def test_gradients_reach_the_mixture():
    """Of Σ_n a·z_n, dμ_i is a for every draw of i and dσ_i is a ε."""
    made, component = mixture(), torch.tensor([0, 2, 2, 0])
    noise, a = torch.randn(4, 2, dtype=torch.float64), torch.tensor([1.0, -3.0], dtype=torch.float64)
    (made(component, noise) @ a).sum().backward()
    for i in range(3):
        rows = component == i
        assert torch.allclose(made.mean.grad[i], int(rows.sum()) * a, atol=1e-12)
        assert torch.allclose(made.deviation.grad[i], a * noise[rows].sum(0), atol=1e-12)


def test_a_draw_has_the_mixtures_moments():
    torch.manual_seed(0)
    prior = Prior([Part(name="z", kind="normal", width=2)], MixtureConfig(components=3))
    with torch.no_grad():
        prior.mixture.mean.copy_(torch.tensor([[-4.0, 0.0], [0.0, 4.0], [4.0, 0.0]]))
        prior.mixture.deviation.copy_(torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]))
        z = prior.sample(90_000, generator=torch.Generator().manual_seed(0))
        of = prior.component(z)
    assert torch.bincount(of).tolist() == pytest.approx([30_000] * 3, abs=5 * 141)
    for i in range(3):
        draws = z[of == i]
        assert torch.allclose(draws.mean(0), prior.mixture.mean[i], atol=0.02)
        assert torch.allclose(draws.std(0), prior.mixture.deviation[i], rtol=0.03)
    chosen = prior.sample(50, component=torch.full((50,), 1))
    assert (prior.component(chosen) == 1).all()


def test_a_prior_without_components_draws_and_weighs_as_ever():
    plain, off = (
        Prior([Part(name="z", kind="uniform", width=3)]),
        Prior([Part(name="z", kind="uniform", width=3)], MixtureConfig()),
    )
    plain_draw, off_draw = (p.sample(7, generator=torch.Generator().manual_seed(1)) for p in (plain, off))
    assert torch.equal(plain_draw, off_draw) and not list(off.parameters())
    assert off.movers() == {} and off.terms() == {} and off.components == 0 and off.describe() == plain.describe()


@pytest.mark.parametrize("name", MOVERS)
def test_the_mixture_moves_with_the_generator(name):
    player, settings = MOVERS[name]
    source = pictures()
    family = built(name, source, **settings)
    prior_parameters = {id(p) for p in family.prior.parameters()}
    for owner, each in family.players().items():
        assert (
            prior_parameters <= {id(p) for p in each.parameters}
            if owner == player
            else not prior_parameters & {map(id, each.parameters)}
        )
    objectives, _ = iteration(family, batches(source))
    terms = dict(objectives[player])
    penalty = terms.pop("deviation")
    assert penalty.item() == pytest.approx(0.333 * 0.8**2, rel=1e-5)
    gradients = torch.autograd.grad(torch.stack(list(terms.values())).sum(), list(family.prior.parameters()))
    assert all(float(g.abs().sum()) > 0 for g in gradients), "the game's own terms reach the mixture"


def test_the_penalty_can_be_left_out():
    source = pictures()
    family = built("gan", source, latent=3, mixture={"components": 4, "deviation_weight": 0.0})
    assert "deviation" not in iteration(family, batches(source))[0]["generator"]


def test_prior_draws_want_to_be_called_codes():
    """min over the prior of E_p log D: softplus(d) of what it drew, in float64, d by the discriminator itself."""
    source = pictures()
    for settings, player, weight in (({}, "encoder", 1.0), ({"adversarial_weight": 0.5}, "autoencoder", 0.5)):
        family = built("aae", source, latent=3, **MIXED, **settings)
        terms, given = iteration(family, batches(source), ["discriminator"])
        with torch.no_grad():
            d = family.discriminator(given["discriminator"][:60]).double()  # draws of the prior, then codes
        assert float(terms[player]["prior"].detach()) == pytest.approx(weight * float(softplus(d).mean()), abs=1e-6)
    assert "prior" not in iteration(built("aae", source, latent=3), batches(source))[0]["encoder"]


def test_a_planar_prior_cannot_be_learned_as_well():
    with pytest.raises(ConfigError, match=r"family\.mixture learns p\(z\), which family\.prior='mixture' fixes"):
        built("aae", pictures(), latent=2, prior="mixture", **MIXED)


def test_codes_that_are_read_back_keep_their_priors():
    family = built("infogan", pictures(), noise=3, **MIXED)
    assert [part.kind for part in family.prior.parts] == ["learned-mixture", "categorical", "uniform"]
    with torch.no_grad():
        noise = family.encode(pictures().tensor(range(2)))[:, :3]
    assert torch.allclose(noise, family.prior.mixture.mean.mean(0).expand(2, 3))


# The balance rule.


def written_out(losses: list[list[float]]) -> tuple[list[str], float]:
    """The rule of the authors' script, statement by statement: one signed run for the discriminator."""
    thres, count1, count2, moves = 1.0, 0, 0, []
    for batch in losses:
        if count1 > 3:
            thres, count1 = min(thres + 0.003, 1.0), 0
        if count2 < -1:
            thres, count2 = max(thres - 0.003, 0.70), 0
        for loss in batch:
            if loss > thres:
                moves.append("G")
                count1, count2 = count1 + 1, 0
            else:
                moves.append("D")
                count1, count2 = 0, count2 - 1
    return moves, thres


@pytest.mark.parametrize("centre", [0.6, 0.85, 1.1])
def test_the_balance_rule_is_the_authors(centre):
    losses = np.random.default_rng(0).normal(centre, 0.15, (300, 5)).tolist()
    rule, moves = Balance(1.0, 0, 0), []
    for batch in losses:
        rule.adjust()
        moves += ["G" if rule.generator_moves(loss) else "D" for loss in batch]
    wanted, threshold = written_out(losses)
    assert moves == wanted and rule.threshold == pytest.approx(threshold)


class Watching:
    """An update that, before each move, computes its terms anew in float64 from what the networks were given."""

    iteration_number, progress = 1, 0.0

    def __init__(self, family: Any) -> None:
        self.family, self.update = family, Update(family.players())
        self.moves: list[tuple[str, float]] = []
        self.given: dict[str, list[torch.Tensor]] = {"generator": [], "discriminator": []}
        for name, inputs in self.given.items():
            family.get_submodule(name).register_forward_pre_hook(lambda _, x, to=inputs: to.append(x[0].detach()))

    def __call__(self, **objectives: Any) -> None:
        ((player, terms),) = objectives.items()
        with torch.no_grad():
            (z,), (shown, *real) = self.given.values()
            generator, discriminator = (copy.deepcopy(self.family.get_submodule(n)).double() for n in self.given)
            assert torch.allclose(generator(z.double()), shown.double(), atol=1e-5)
            d = discriminator(shown.double())
            generator_terms = float(softplus(-d).mean())
            wanted = {"fake": generator_terms, "deviation": float(self.family.prior.terms()["deviation"])}
            if player == "discriminator":
                (x,) = real
                wanted = {"real": float(softplus(-discriminator(x.double())).mean()), "fake": float(softplus(d).mean())}
        assert {name: float(term.detach()) for name, term in terms.items()} == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        self.moves.append((player, generator_terms))
        for inputs in self.given.values():
            inputs.clear()
        self.update(**objectives)

    def note(self, **values: Any) -> None:
        self.update.note(**values)


def test_an_iteration_plays_by_the_rule_and_its_state_is_kept(monkeypatch):
    """Whose move it is says the generator's term as it is then: its own above the threshold, else the other's."""
    source = pictures()
    monkeypatch.setattr(deligan, "MOVES", 7)
    monkeypatch.setattr(deligan, "HIGHEST_THRESHOLD", 0.8)
    family = built("deligan", source, latent=3)
    watching, stream = Watching(family), batches(source)
    for _ in range(6):
        family.step(stream, watching)
        threshold = float(family.balance[0])  # it moves before the first move of an iteration
        for player, term in watching.moves[-7:]:
            assert term > threshold - 1e-5 if player == "generator" else term <= threshold + 1e-5
        assert 0.7 <= threshold <= 0.8001
    assert len(watching.moves) == 42 and {"generator", "discriminator"} == {player for player, _ in watching.moves}
    assert family.state_dict()["balance"][1:].min() == 0


def test_a_threshold_on_another_term_is_refused():
    for settings in ({"objective": "hinge"}, {"generator_loss": "feature-matching"}, {"generator_loss": "minimax"}):
        with pytest.raises(ConfigError, match=r"family\.balance=threshold compares .* family\.balance=alternate"):
            built("deligan", pictures(), **settings)
        assert built("deligan", pictures(), balance="alternate", **settings)


# What is asked of a component.


def test_images_of_a_component_are_made_of_its_codes():
    model = NumpyModel(built("deligan", pictures(), latent=3, **MIXED))
    with torch.no_grad():
        model.family.prior.mixture.mean.mul_(20)
    assert model.components == 4
    codes = model.draw(9, seed=3, component=2)
    assert (model.family.prior.component(torch.from_numpy(codes)) == 2).all()
    assert np.array_equal(model.decode(codes), model.sample(9, seed=3, component=2))
    rows = model.sample_components(5, seed=3)
    assert np.array_equal(rows[10:15], model.sample(5, seed=3, component=2))
    with pytest.raises(ConfigError, match="no component 5: this model's are numbered from 1 to 4"):
        model.draw(1, component=4)
    with pytest.raises(ConfigError, match="prior of this model has no components: that of deligan has"):
        NumpyModel(built("gan", pictures(), latent=3)).draw(1, component=0)


def test_an_encoder_finds_the_component_of_an_image():
    """The component of an image is that of its code, whatever the encoder, here one that learned nothing."""
    source = pictures()
    regressor = built("latent_regressor", source, base={"latent": 3, "width": 4, **MIXED}, frozen=True)
    model = NumpyModel(regressor)
    assert regressor.prior.learned is regressor.base.prior.mixture
    assert [k for k in regressor.state_dict() if "mixture" in k] == [
        "base.prior.mixture.mean",
        "base.prior.mixture.deviation",
    ]
    components = model.component(source.images[:7])
    z = torch.from_numpy(model.encode(source.images[:7]))
    mean, deviation = regressor.prior.learned.mean, regressor.prior.learned.deviation
    densities = torch.distributions.Normal(mean, deviation).log_prob(z[:, None]).sum(2)
    assert np.array_equal(components, densities.argmax(1).numpy())
    with pytest.raises(ConfigError, match="no mixture was learned"):
        NumpyModel(built("bigan", source, latent=3)).component(source.images)
    with pytest.raises(ConfigError, match="does not give the part of the code that is a mixture"):
        NumpyModel(built("infogan", source, noise=3, **MIXED)).component(source.images)


def test_regression_does_not_move_the_prior():
    """The regressor's own term reaches the mixture through images alone."""
    source = pictures()
    family = built("latent_regressor", source, base={"latent": 3, "width": 4, **MIXED}, generator_weight=1.0)
    terms, _ = iteration(family, batches(source))
    prior_parameters = list(family.base.prior.parameters())
    moving = torch.autograd.grad(terms["generator"]["regression"], prior_parameters)
    assert all(float(g.abs().sum()) > 0 for g in moving)
    with torch.no_grad():
        for parameter in family.base.generator.parameters():
            parameter.zero_()
    still, _ = iteration(family, batches(source))
    blind = torch.autograd.grad(still["generator"]["regression"], prior_parameters)
    assert all(float(g.abs().sum()) == 0 for g in blind)


def test_a_description_holds_the_mixture_only_when_asked():
    prior = Prior([Part(name="z", kind="normal", width=2)], MixtureConfig(components=3, deviation=0.5))
    plain, whole = prior.describe()[0], prior.describe(learned=True)[0]
    assert plain == {"name": "z", "kind": "learned-mixture", "width": 2, "encoded": True, "components": 3, "start": 0}
    assert np.allclose(whole["means"], prior.mixture.mean.detach().numpy(), atol=1e-5)
    assert whole["deviations"] == [[0.5, 0.5]] * 3


def test_a_mixture_is_averaged_with_the_networks():
    source = pictures()
    family = built("gan", source, latent=3, **MIXED)
    average, update = ExponentialMovingAverage(family, 0), Update(family.players())
    next(iterations(family, batches(source), update, seed=0, total_images=100))
    before = average.state()["prior.mixture.mean"].clone()
    average.update(60, 60)
    after = average.state()["prior.mixture.mean"]
    assert not torch.equal(before, after) and torch.equal(after, family.prior.mixture.mean)
