"""Who may know whom, and that importing is cheap."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("keras_ae/**/*.py"), *ROOT.glob("hls/**/*.py")])

#: Library -> the only modules that import it.
SINGLE_IMPORTERS = {
    "qkeras": {"keras_ae.precision"},
    "hls4ml": {"hls.cpp.nodes", "hls.cpp.handlers", "hls.cpp.overrides", "hls.cpp.convert"},
    "da4ml": {"hls.rtl.levels", "hls.rtl.logic", "hls.rtl.write"},
    "pythia8mc": {"keras_ae.generator.collisions"},
    "fastjet": {"keras_ae.generator.detector"},
    "matplotlib": {
        f"keras_ae.plots.{name}"
        for name in ("curves", "fidelity", "figure", "images", "latent", "pareto")
    },
    "pandas": {"keras_ae.data.top_tagging"},
    "yaml": {"keras_ae.settings.yaml_files"},
    "click": {"hls.cli", "keras_ae.generator.commands", "hls.scan.commands"},
    "optuna": {"hls.scan.study"},
    "distributed": {"hls.scan.workers"},
    "jinja2": {
        "hls.report.page",
        "hls.rtl.write",
        "hls.rtl.rtl_handover",
        "hls.rtl.ghdl",
        "hls.rtl.verilator",
    },
}

#: From the bottom up: a module imports only modules of lower layers of its package.
LAYERS = [
    {"errors", "files", "loading"},
    {"arrays", "batches", "fixed_point", "architecture"},
    {"scores", "likelihoods", "corruptions", "schedules", "objectives", "metrics", "learning"},
    {"divergences", "compression", "clustering"},
    {"data"},
    {"config", "precision", "plots"},
    {"build", "runs", "search"},
    {"models"},
    {"pipeline", "pruning"},
    {"resources"},
    {"fitting", "detector"},
    {"training"},
    {"evaluation", "report", "generator"},
    {"cli"},
]
HLS_LAYERS = [
    {"backends", "refusal", "grid", "overrides", "symbolic"},
    {"settings", "layers", "operation", "quantized_weights"},
    {"score_layers", "image_operations"},
    {"operations"},
    {"exact"},
    {"interface", "trigger", "keras_rounding"},
    {"constants", "compiled"},
    {"check", "project", "handover", "nodes", "csim"},
    {"handlers", "rtl"},
    {"convert", "cost", "synthesis"},
    {"implementations"},
    {"divergence", "fidelity"},
    {"validate", "page"},
    {"stages"},
    {"rtl_stages"},
    {"scan"},
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


@functools.cache
def imported_modules(path: Path, at_run_time: bool = False) -> frozenset[str]:
    tree: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    if at_run_time:
        tree = WithoutTypeChecking().visit(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("library", SINGLE_IMPORTERS)
def test_one_importer_each(library: str) -> None:
    importers = {
        module_name(path)
        for path in FILES
        if any(name.split(".")[0] == library for name in imported_modules(path))
    }
    assert importers == SINGLE_IMPORTERS[library]


def test_only_the_command_line_knows_hls() -> None:
    for path in FILES:
        name = module_name(path)
        if name.startswith("keras_ae") and name != "hls.cli":
            assert not any(module.split(".")[0] == "hls" for module in imported_modules(path)), name


def test_nothing_imports_the_command_line() -> None:
    for path in FILES:
        assert "hls.cli" not in imported_modules(path), path


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_layers_point_downwards(path: Path) -> None:
    package, *room = module_name(path).split(".")[:2]
    layers = HLS_LAYERS if package == "hls" else LAYERS
    level = {name: number for number, names in enumerate(layers) for name in names}
    if not room:
        return
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == package and len(parts) > 1 and parts[1] in level and parts[1:2] != room:
            assert level[parts[1]] < level[room[0]], f"{module_name(path)} imports {module}"


def test_no_circles() -> None:
    names = {module_name(path): path for path in FILES}
    graph = {
        name: imported_modules(path, True) & set(names) - {name} for name, path in names.items()
    }
    assert sorted(TopologicalSorter(graph).static_order()) == sorted(names)


@pytest.mark.parametrize("module", ["keras_ae", "hls", "hls.cli"])
def test_import_loads_nothing_heavy(module: str) -> None:
    heavy = {"tensorflow", "keras", "qkeras", "hls4ml", "da4ml", "numpy", "matplotlib", "pydantic"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]"


def test_the_name_qkeras_has_one_owner() -> None:
    # hgq2 ships a folder of the same name, which breaks qkeras-v3.
    assert packages_distributions()["qkeras"] == ["qkeras-v3"]
