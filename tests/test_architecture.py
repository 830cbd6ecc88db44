"""Imports run one way, every module has its place, and no file grows without end."""

import ast
from pathlib import Path

import pytest

import skrobust

ROOT = Path(skrobust.__file__).parent

# a part may import from the parts before it
LAYERS = [
    ["version"],
    ["utils"],
    ["datasets"],
    ["base", "evaluation"],
    ["neural"],
    ["label_noise", "outliers", "influence", "factor_mixing", "embedding"],
    ["__init__"],
]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
FILES = sorted(ROOT.rglob("*.py"))


def part_of(file):
    return file.relative_to(ROOT).with_suffix("").parts[0]


def imported_parts(file):
    """Yield the parts of skrobust that a file imports, absolute or relative."""
    package = ("skrobust", *file.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [[*base, alias.name] for alias in node.names] if len(base) == 1 else [base]
        else:
            continue
        yield from (name[1] for name in names if name[0] == "skrobust" and len(name) > 1)


def imported_packages(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def test_every_part_has_a_rank():
    assert {part_of(file) for file in FILES} <= set(RANK)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_run_one_way(file):
    part = part_of(file)
    for imported in imported_parts(file):
        assert imported == part or RANK[imported] < RANK[part], f"{part} imports {imported}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_single_import_points_and_length(file):
    packages = {name.split(".")[0]: name for name in imported_packages(file)}
    if part_of(file) != "neural":
        assert "skorch" not in packages
    private = [
        name
        for name in imported_packages(file)
        if name.startswith(("sklearn", "imblearn")) and any(p[0] == "_" for p in name.split("."))
    ]
    assert not private or file.name == "sklearn_private.py"


def test_matplotlib_is_only_imported_to_draw():
    import subprocess
    import sys

    code = "import sys, skrobust; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there_and_documented():
    assert len(set(skrobust.__all__)) == len(skrobust.__all__)
    for name in skrobust.__all__:
        assert getattr(skrobust, name).__doc__
