"""Settings: what is known, what is possible, where a value comes from, and what a mistake is answered with."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from latentgan.cli.settings import resolve_run, settings_tree
from latentgan.config import OptimizerConfig, RunConfig, TrainingConfig, merge, parse_assignments, read_toml, resolve
from latentgan.errors import ConfigError
from latentgan.families.base import configure, family_names, load_family


def assigned(*assignments: str) -> RunConfig:
    return configure("bigan", parse_assignments(assignments))


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"training": {"batch_sise": 3}}, "unknown setting training.batch_sise; did you mean training.batch_size?"),
        ({"trainin": {}}, "unknown setting trainin; did you mean training?"),
        (
            {"family": {"discriminator": {"learning_rat": 1}}},
            "unknown setting family.discriminator.learning_rat; did you mean family.discriminator.learning_rate?",
        ),
        (
            {"family": {"augment": {"rotatoin": 1}}},
            "unknown setting family.augment.rotatoin; did you mean family.augment.rotation?",
        ),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(tree: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configure("bigan", tree)
    assert str(raised.value) == sentence


def test_a_key_like_no_other_gets_the_list_of_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting family\.qqq; known are: latent, prior, mixture, network"):
        configure("bigan", family={"qqq": 1})


@pytest.mark.parametrize(
    ("tree", "parts"),
    [
        ({"training": {"batch_size": 1}}, ("training.batch_size = 1", "greater than or equal to 2")),
        ({"training": {"total_images": 0}}, ("training.total_images = 0", "greater than 0")),
        ({"training": {"seed": -1}}, ("training.seed = -1", "greater than or equal to 0")),
        ({"training": {"seed": 2**63}}, ("training.seed", "64-bit integer")),
        ({"family": {"latent": 2.5}}, ("family.latent = 2.5", "integer")),
        ({"family": {"latent": True}}, ("family.latent = True", "should not be true or false")),
        ({"family": {"latent": "many"}}, ("family.latent = 'many'", "integer")),
        ({"family": {"objective": "hing"}}, ("family.objective = 'hing'", "'hinge'")),
        ({"family": {"discriminator": {"beta1": 1.0}}}, ("family.discriminator.beta1 = 1.0", "less than 1")),
        ({"family": {"discriminator": {"learning_rate": float("inf")}}}, ("learning_rate = inf", "finite")),
        ({"family": {"reconstruction_weight": float("nan")}}, ("reconstruction_weight = nan", "finite")),
        ({"data": {"channels": 2}}, ("data.channels = 2", "1 or 3")),
        ({"family": 3}, ("family is a table of settings, not 3", "family.key=value")),
    ],
)
def test_a_value_that_is_not_possible_is_named_with_what_is(tree: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as raised:
        configure("bigan", tree)
    assert all(part in str(raised.value) for part in parts), str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-3", -3),
        ("1_000", 1000),
        ("2e-4", 2e-4),
        ("true", True),
        ("false", False),
        ("normal", "normal"),
        ("cuda:1", "cuda:1"),
        ("'quoted # text'", "quoted # text"),
        ("[1, 2, 3]", [1, 2, 3]),
        ('["a", "b"]', ["a", "b"]),
        ("{rotation = 10, shift = 0.1}", {"rotation": 10, "shift": 0.1}),
        ("folder/with=sign", "folder/with=sign"),
        ("a # no comment", "a # no comment"),
        ("", ""),
    ],
)
def test_an_assignment_is_toml_or_text(text: str, value: object) -> None:
    assert parse_assignments([f"a.b = {text}"]) == {"a": {"b": value}}


def test_assignments_nest_and_join() -> None:
    tree = parse_assignments(["family.discriminator.beta1=0", "family.latent=8", "family.discriminator.kind=sgd"])
    assert tree == {"family": {"discriminator": {"beta1": 0, "kind": "sgd"}, "latent": 8}}
    assert assigned("family.discriminator.kind=sgd", "family.latent=8").family.discriminator.kind == "sgd"


@pytest.mark.parametrize("assignment", ["family.latent", "=3", "  =3"])
def test_a_bad_assignment_gets_an_example(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form a\.b=value, for example family\.latent=16"):
        parse_assignments([assignment])


def test_an_assignment_below_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="'latent' already has a value of its own"):
        parse_assignments(["family.latent=3", "family.latent.x=4"])


def test_assignments_win_over_options_and_options_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('name = "bigan"\n[family]\nlatent = 5\nwidth = 6\n[training]\nseed = 7\nbatch_size = 9\n')
    tree = settings_tree(file, data={}, training={"seed": 8, "batch_size": 10}, assignments=["training.seed=11"])
    config = resolve_run(None, tree)
    assert (config.name, config.family.latent, config.family.width) == ("bigan", 5, 6)  # type: ignore[attr-defined]
    assert (config.training.seed, config.training.batch_size) == (11, 10)


def test_the_run_toml_of_one_run_configures_another(tmp_path: Path) -> None:
    config = assigned("family.latent=9")
    file = tmp_path / "run.toml"
    file.write_text(tomli_w.dumps({"format": 1, "fingerprint": "f" * 64, **config.as_dict()}))
    assert resolve_run(None, settings_tree(file, data={}, training={}, assignments=[])) == config


def test_a_file_for_another_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="the configuration is for family 'gan', but 'bigan' was asked for"):
        configure("bigan", {"name": "gan"})


def test_a_bad_toml_file_is_named_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    with pytest.raises(ConfigError, match=r"a\.toml does not exist"):
        read_toml(file)
    file.write_text("name = bigan\n")
    with pytest.raises(ConfigError, match=r"a\.toml is not TOML: .*line 1"):
        read_toml(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"a\.toml, line 1: byte 0xff is not UTF-8"):
        read_toml(file)


@pytest.mark.parametrize("name", family_names())
def test_a_configuration_survives_toml(name: str) -> None:
    config = configure(name, training={"seed": 5}, data={"label": "digit", "size": 16})
    tree = tomllib.loads(tomli_w.dumps(config.as_dict()))
    assert resolve(name, load_family(name).Config, tree) == config


@given(rate=st.floats(1e-12, 1e6), seed=st.integers(0, 2**63 - 1), source=st.text(min_size=1).filter(str.isprintable))
def test_any_number_and_text_survives_toml(rate: float, seed: int, source: str) -> None:
    config = configure(
        "bigan", family={"discriminator": {"learning_rate": rate}}, training={"seed": seed}, data={"source": source}
    )
    assert configure("bigan", tomllib.loads(tomli_w.dumps(config.as_dict()))) == config


def test_settings_cannot_be_changed_afterwards() -> None:
    config = assigned()
    for settings, key in ((config, "name"), (config.training, "seed"), (config.family.discriminator, "beta1")):  # type: ignore[attr-defined]
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, key, 0)


def test_merging_goes_key_by_key_and_leaves_its_arguments_alone() -> None:
    a, b = {"t": {"x": 1, "y": 2}, "n": 1}, {"t": {"y": 3}, "n": {"z": 4}}
    assert merge(a, b) == {"t": {"x": 1, "y": 3}, "n": {"z": 4}}
    assert a == {"t": {"x": 1, "y": 2}, "n": 1}


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 1, 1, 0.55, 0.1]),  # from a half on, straight down to a tenth
        ("exponential", [1, 1, 1, 0.1**0.5, 0.1]),
    ],
)
def test_schedules_give_these_factors(schedule: Any, factors: list[float]) -> None:
    optimizer = OptimizerConfig(schedule=schedule, decay_from=0.5, decay_to=0.1)
    assert [optimizer.factor(t) for t in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(factors, abs=1e-12)


def test_a_schedule_stays_at_its_end() -> None:
    assert OptimizerConfig(schedule="linear", decay_to=0.2).factor(1.07) == pytest.approx(0.2)


@pytest.mark.parametrize("name", family_names())
def test_every_setting_says_what_it_means(name: str) -> None:
    for kind in (load_family(name).Config, TrainingConfig):
        assert [key for key, info in kind.model_fields.items() if not info.description] == []
