"""Who may import whom, checked over the source and in a fresh interpreter."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import catalogue

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (*catalogue.RESULTS, "training_run")
SOURCES = sorted([*(ROOT / "latentgan").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")])
LIGHT = ("latentgan.cli", "latentgan.errors", "latentgan.version")
SMALL = {"torch", "numpy", "pydantic", "latentgan"}

ANALYSIS = (
    ("errors",),
    ("io",),
    ("base",),
    ("table",),
    ("catalogue",),
    ("results", "terminal", "report"),
    ("runner",),
    ("cli",),
    FOLDERS,
    ("report_builder",),
    ("app",),
    ("__main__",),
)
"""Layers of `analysis`, the lowest first: a module imports from its own layer and those below."""

LATENTGAN = (
    ("errors", "version"),
    ("io",),
    ("config", "devices", "compiling", "console"),
    ("data",),
    ("networks",),
    ("augmentation", "losses", "likelihoods", "priors", "regularization", "self_supervision", "optimizers"),
    ("game",),
    ("families",),
    ("sampling", "run_folder"),
    ("training",),
    ("inference",),
    ("evaluation",),
    ("reproduction", "selfcheck"),
    ("sklearn",),
    ("cli",),
    ("__main__",),
)
"""Layers of `latentgan`, the lowest first."""

TOPICS = {
    "label_efficiency": {"probes"},
    "code_parts": {"probes"},
    "robustness": {"probes"},
    "editing": {"concepts"},
    "model_comparison": {"probes", "concepts", "geometry"},
}
"""Analyses that use functions of another's topics; nobody imports another's study, views or command."""

MAY_IMPORT_ANALYSIS = (
    "io",
    "console",
    "data",
    "inference",
    "evaluation",
    "reproduction",
    "selfcheck",
    "sklearn",
    "cli",
)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """Absolute names of the modules that a file imports, anywhere or only outside functions and TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    names = set()
    for node in statements(tree) if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names.add(".".join([*base, *([node.module] if node.module else [])]))
            names |= {".".join([*base, *([node.module] if node.module else []), a.name]) for a in node.names}
    return names


def statements(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If)]


def under(name: str, *roots: str) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


MODULES = {module_name(path): path for path in SOURCES}
PACKAGE_OF = {name: ".".join(name.split(".")[:2]) for name in MODULES}
"""The package right below the top that a module is in; a module right below the top stands for itself."""


def files(*places: str) -> list[Path]:
    return [p for p in SOURCES if any(under(module_name(p), place) for place in places)]


def test_analysis_imports_neither_torch_nor_latentgan():
    for path in files("analysis"):
        bad = {name for name in imports(path) if under(name, "torch", "latentgan")}
        assert not bad, f"{path} imports {bad}"


def part(name: str) -> str:
    """The package or module right below the top that a module belongs to."""
    return name.split(".")[1] if "." in name else ""


def project_imports(path: Path) -> set[str]:
    """Modules of the project that a file imports anywhere, for types too."""
    return {name for name in imports(path) if name in MODULES}


@pytest.mark.parametrize(("top", "layers"), [("analysis", ANALYSIS), ("latentgan", LATENTGAN)])
def test_a_module_imports_only_from_its_layer_and_those_below(top, layers):
    height = {name: i for i, layer in enumerate(layers) for name in layer}
    upwards = [
        f"{module_name(path)} imports {name}"
        for path in files(top)
        for name in project_imports(path)
        if under(name, top) and part(name) and part(module_name(path))
        if height[part(name)] > height[part(module_name(path))]
    ]
    assert not upwards


@pytest.mark.parametrize("top_level", [True, False])
def test_no_circle_between_packages(top_level):
    arrows = {}
    for path in SOURCES:
        home = PACKAGE_OF[module_name(path)]
        for name in imports(path, top_level=top_level) & MODULES.keys():
            if PACKAGE_OF[name] != home:
                arrows.setdefault(home, set()).add(PACKAGE_OF[name])
    assert not circle(arrows)


def test_no_circle_between_files():
    arrows = {module_name(path): imports(path, top_level=True) & MODULES.keys() for path in SOURCES}
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert not circle({name: targets - packages - {name} for name, targets in arrows.items()})


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A way round from a node to itself, or nothing."""
    state: dict[str, int] = {}

    def visit(node: str, way: list[str]) -> list[str]:
        state[node] = 1
        for target in sorted(arrows.get(node, ())):
            if state.get(target) == 1:
                return [*way, node, target]
            if target not in state and (circular := visit(target, [*way, node])):
                return circular
        state[node] = 2
        return []

    return next((way for node in sorted(arrows) if node not in state and (way := visit(node, []))), [])


def test_an_analysis_imports_of_others_only_their_topics():
    for path in files(*(f"analysis.{name}" for name in FOLDERS)):
        importing = part(module_name(path))
        for name in project_imports(path):
            other = part(name)
            if under(name, "analysis") and other in FOLDERS and other != importing:
                assert other in TOPICS.get(importing, ()), f"{path} imports {name}"
                assert name.split(".")[-1] not in ("study", "views", "command"), f"{path} imports {name}"


def test_views_write_no_html_and_no_plotly():
    for path in files(*(f"analysis.{name}" for name in FOLDERS)):
        assert not any(under(i, "plotly", "analysis.report.html", "html") for i in imports(path)), path


def test_only_views_know_the_report():
    for path in files(*(f"analysis.{name}" for name in FOLDERS)):
        if "views" not in path.stem:
            assert not any(under(i, "analysis.report", "analysis.terminal") for i in imports(path)), path


def test_only_what_joins_both_packages_imports_analysis():
    for path in files("latentgan"):
        if part(module_name(path)) not in MAY_IMPORT_ANALYSIS:
            bad = {n for n in imports(path) if under(n, "analysis") and not under(n, "analysis.io")}
            assert not bad, f"{path} imports {bad}"


def test_losses_priors_and_networks_stand_on_torch_alone():
    for path in files(
        "latentgan.losses",
        "latentgan.likelihoods",
        "latentgan.priors",
        "latentgan.augmentation",
        "latentgan.regularization",
        "latentgan.networks",
    ):
        allowed = ("latentgan.errors", "latentgan.config", "latentgan.devices", "latentgan.networks", "torch")
        allowed += ("latentgan.augmentation",)
        foreign = {n for n in imports(path) if under(n, "latentgan") and not under(n, *allowed)} - {"latentgan"}
        assert not foreign, f"{path} imports {foreign}"


def test_a_family_imports_one_other_at_most():
    allowed = [
        f"latentgan.{n}"
        for n in (
            "config",
            "data",
            "game",
            "losses",
            "priors",
            "augmentation",
            "regularization",
            "self_supervision",
            "networks",
            "errors",
            "likelihoods",
        )
    ]
    for path in files("latentgan.families"):
        if path.stem in ("base", "__init__"):
            continue
        imported = {n for n in imports(path) if under(n, "latentgan")}
        families = {n.split(".")[2] for n in imported if n.startswith("latentgan.families.")} - {"base"}
        assert len(families) <= 1, f"{path} builds on {families}"
        strange = {n for n in imported if not under(n, *allowed, "latentgan.families")}
        assert not strange, f"{path} imports {strange}"


def test_the_command_line_imports_nothing_heavy_at_its_top():
    heavy = ("torch", "numpy", "pandas", "sklearn", "scipy", "umap", "plotly", "pyarrow", "PIL")
    for path in files(*LIGHT, "analysis.app", "analysis.cli", "analysis.catalogue"):
        bad = {name for name in imports(path, top_level=True) if under(name, *heavy)}
        assert not bad, f"{path} imports {bad} before it knows the command"


def test_nothing_is_ever_unpickled():
    for path in SOURCES:
        names = imports(path)
        assert not any(under(n, "pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal") for n in names), path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                call = ast.unparse(node.func)
                assert call != "torch.load", path
                if call in ("np.load", "numpy.load"):
                    keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                    assert keywords.get("allow_pickle", "False") == "False", f"{path}: {ast.unparse(node)}"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_latentgan_and_its_data_does_not_import_torch():
    assert run("import sys, latentgan, latentgan.data; print('torch' in sys.modules)") == "False"


def test_the_help_does_not_import_torch():
    code = (
        "import sys; sys.argv = ['latentgan', '--help']\nimport latentgan.cli.app\ntry:\n    latentgan.cli.app.main()\n"
    )
    code += "except SystemExit: pass\nprint('heavy:', [m for m in ('torch', 'pandas', 'sklearn') if m in sys.modules])"
    assert run(code).endswith("heavy: []")


def test_analysis_runs_without_torch_and_latentgan():
    blocked = "import sys; sys.modules['torch'] = None; sys.modules['latentgan'] = None\n"
    assert run(blocked + "import analysis, analysis.app, analysis.report, analysis.runner; print('fine')") == "fine"


@pytest.mark.parametrize(
    ("arguments", "bound"), [(["-m", "latentgan", "--help"], 0.4), (["-c", "import latentgan"], 0.2)]
)
def test_starting_is_quick(arguments, bound):
    """In seconds of processor time, so that a busy machine does not fail it; `make bench` prints the wall clock."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, cwd="/")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(once() for _ in range(4)) <= bound
