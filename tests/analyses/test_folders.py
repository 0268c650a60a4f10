"""What each folder of an analysis must hold, whichever it is: a new one is tested without being mentioned here."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import analysis
from analysis import catalogue
from analysis.results import KINDS

FOLDERS = sorted(catalogue.RESULTS)
ROOT = Path(analysis.__file__ or "").parent


def docstring(name: str) -> str:
    return ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8"))) or ""


@pytest.fixture(scope="module")
def commands() -> Any:
    import typer

    from analysis.app import register

    app = typer.Typer()
    register(app)
    return app


def test_every_folder_is_in_the_catalogue() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/views.py")}
    assert folders == {*FOLDERS, "training_run"}


def test_every_kind_is_a_folder() -> None:
    assert set(KINDS) == {"overview", *FOLDERS}


def test_the_story_tells_every_analysis() -> None:
    assert {place.partition(":")[0] for place in catalogue.STORY} == {*FOLDERS, "training_run"}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_folder_says_its_question(name: str) -> None:
    assert docstring(name).endswith("?")


@pytest.mark.parametrize("name", FOLDERS)
def test_the_folder_itself_imports_nothing(name: str) -> None:
    [statement] = ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(statement, ast.Expr)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_result_knows_its_kind(name: str) -> None:
    assert catalogue.result_class(name).kind == name


@pytest.mark.parametrize("name", FOLDERS)
def test_the_result_is_frozen(name: str) -> None:
    assert catalogue.result_class(name).__dataclass_params__.frozen


@pytest.mark.parametrize("name", FOLDERS)
def test_the_result_has_notes_and_rows(name: str) -> None:
    result = catalogue.result_class(name)
    assert "notes" in {field.name for field in dataclasses.fields(result)}
    assert inspect.isfunction(result.shown_rows)


@pytest.mark.parametrize("name", FOLDERS)
def test_views_show_it_twice(name: str) -> None:
    views = catalogue.load(name, "views")
    assert list(inspect.signature(views.tables).parameters) == ["result"]
    assert len(inspect.signature(views.section).parameters) == 1


@pytest.mark.parametrize("place", catalogue.STORY)
def test_every_place_of_the_story_is_a_function(place: str) -> None:
    name, _, function = place.partition(":")
    assert inspect.isfunction(getattr(catalogue.load(name, "views"), function or "section"))


@pytest.mark.parametrize("name", catalogue.ANALYZE)
def test_studies_are_called_alike(name: str) -> None:
    parameters = list(inspect.signature(catalogue.load(name, "study").study).parameters.values())
    assert [one.name for one in parameters[:4]] == ["table", "model", "options", "progress"]
    assert all(one.kind is one.KEYWORD_ONLY for one in parameters[4:])


@pytest.mark.parametrize(("name", "command"), catalogue.COMMANDS.items())
def test_every_command_teaches(commands: Any, name: str, command: str) -> None:
    shown = CliRunner().invoke(commands, [command, "--help"])
    assert shown.exit_code == 0
    assert f"latentgan {command} " in shown.stdout
