"""Imports run one way, other libraries come in at one place, and public names are documented."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import skrobust

ROOT = Path(skrobust.__file__).parent

# a room may import from the rows above its own, and not from its neighbours
TABLE = [
    ["version"],
    ["utils"],
    ["datasets"],
    ["base", "evaluation"],
    ["neural"],
    ["label_noise", "outliers", "influence", "factor_mixing", "embedding"],
    ["audit"],
    ["moved", "__main__"],
    ["__init__"],
]
ROW = {room: row for row, rooms in enumerate(TABLE) for room in rooms}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(file):
    return file.relative_to(ROOT).with_suffix("").parts[0]


def imports(file):
    """Yield the full name of every import, relative ones included."""
    package = ("skrobust", *file.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield from ([*base, alias.name] for alias in node.names)


def test_rooms_import_one_way():
    assert {room_of(file) for file in FILES} == set(ROW)
    wrong = {
        f"{file.relative_to(ROOT)} imports {'.'.join(name)}"
        for file in FILES
        for name in imports(file)
        if name[0] == "skrobust"
        and name[1] in ROW
        and name[1] != room_of(file)
        and ROW[name[1]] >= ROW[room_of(file)]
    }
    assert not wrong


def test_other_libraries_come_in_at_one_place():
    wrong = set()
    for file in FILES:
        for name in imports(file):
            private = name[0] in ("sklearn", "imblearn") and any(p[0] == "_" for p in name)
            if (name[0] == "skorch" and room_of(file) != "neural") or (
                private and file.name != "sklearn_private.py"
            ):
                wrong.add(f"{file.relative_to(ROOT)} imports {'.'.join(name)}")
    assert not wrong


def test_matplotlib_is_only_imported_to_draw():
    code = "import sys, skrobust; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there_and_documented():
    assert len(set(skrobust.__all__)) == len(skrobust.__all__)
    for name in skrobust.__all__:
        assert getattr(skrobust, name).__doc__


def test_the_guide_imports_every_top_level_name():
    root = ROOT.parent
    pages = [*root.glob("docs/user_guide/*"), *root.glob("docs/findings/*"), root / "README.md"]
    code = "\n".join(re.sub(r"^ *(>>>|\.\.\.) ?", "", p.read_text(), flags=re.M) for p in pages)
    code += "\n".join(p.read_text() for p in root.glob("examples/*/plot_*.py"))
    lines = re.findall(r"^ *from skrobust import (\([^)]*\)|.*)", code, flags=re.MULTILINE)
    assert set(skrobust.__all__) - {"__version__"} <= set(re.findall(r"\w+", " ".join(lines)))


def test_the_table_of_the_papers_leads_to_functions_that_are_there():
    page = (ROOT.parent / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| \w+ \| [^|]+ \| `([\w/]+\.py)` \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) >= 20
    for file, name in rows:
        defined = {
            node.name
            for node in ast.parse((ROOT / file).read_text()).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        assert name in defined, f"{file} has no {name}"
