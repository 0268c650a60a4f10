"""Who may import whom, checked over the source and in a fresh interpreter."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "latentgan").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")])
JOINS = (
    "latentgan.io.reading",
    "latentgan.cli.app",
    "latentgan.cli.edit",
    "latentgan.io.writing",
    "latentgan.cli.images",
    "latentgan.cli.model",
    "latentgan.cli.reproduce",
    "latentgan.reproduction.protocols",
    "latentgan.selfcheck.claims",
)
LIGHT = [
    f"latentgan.{name}"
    for name in ("cli", "cli_edit", "cli_images", "cli_model", "cli_reproduce", "cli_selfcheck", "errors", "version")
]
SMALL = {"torch", "numpy", "pydantic", "latentgan"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """Absolute names of the modules that a file imports, anywhere or only outside functions and TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = set()
    for node in statements(tree) if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            found.add(".".join([*base, *([node.module] if node.module else [])]))
            found |= {".".join([*base, *([node.module] if node.module else []), a.name]) for a in node.names}
    return found


def statements(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If)]


def under(name: str, *roots: str) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


def files(*places: str) -> list[Path]:
    return [p for p in SOURCES if any(under(module_name(p), place) for place in places)]


def test_analysis_imports_neither_torch_nor_latentgan():
    for path in files("analysis"):
        bad = {name for name in imports(path) if under(name, "torch", "latentgan")}
        assert not bad, f"{path} imports {bad}"


def test_only_command_line_protocols_and_claims_join_both_packages():
    for path in files("latentgan"):
        if not under(module_name(path), *JOINS):
            assert not any(under(name, "analysis") for name in imports(path)), path


def test_analyses_know_neither_plotly_nor_the_report():
    for path in files("analysis"):
        name = module_name(path)
        if not under(name, "analysis.report") and name not in ("analysis.app", "analysis.__main__"):
            assert not any(under(i, "plotly", "analysis.report") for i in imports(path)), path


def test_losses_priors_and_networks_stand_on_torch_alone():
    for path in files(
        "latentgan.losses",
        "latentgan.likelihoods",
        "latentgan.priors",
        "latentgan.networks.conditional",
        "latentgan.regularization",
        "latentgan.networks",
    ):
        allowed = ("latentgan.errors", "latentgan.config", "latentgan.devices", "latentgan.networks", "torch")
        foreign = {n for n in imports(path) if under(n, "latentgan") and not under(n, *allowed)} - {"latentgan"}
        assert not foreign, f"{path} imports {foreign}"


def test_a_family_imports_the_vocabulary_and_at_most_one_other_family():
    allowed = [
        f"latentgan.{n}"
        for n in (
            "config",
            "data",
            "game",
            "losses",
            "priors",
            "conditions",
            "tricks",
            "networks",
            "errors",
            "class_and_style",
            "likelihoods",
        )
    ]
    for path in files("latentgan.families"):
        if path.stem in ("base", "__init__"):
            continue
        mine = {n for n in imports(path) if under(n, "latentgan")}
        others = {n.split(".")[2] for n in mine if n.startswith("latentgan.families.")} - {"base"}
        assert len(others) <= 1, f"{path} builds on {others}"
        strange = {n for n in mine if not under(n, *allowed, "latentgan.families")}
        assert not strange, f"{path} imports {strange}"


def test_the_command_line_imports_nothing_heavy_at_its_top():
    heavy = ("torch", "numpy", "pandas", "sklearn", "scipy", "umap", "plotly", "pyarrow", "PIL")
    for path in files(*LIGHT, "analysis.app"):
        bad = {name for name in imports(path, top_level=True) if under(name, *heavy)}
        assert not bad, f"{path} imports {bad} before it knows what is asked"


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
