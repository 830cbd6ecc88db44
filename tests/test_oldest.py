"""The constraints of the oldest versions are those that setup.cfg declares."""

from configparser import ConfigParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def declared():
    """Return the lowest version of every package that the tests need, by name."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"] + config["options.extras_require"]["test"]
    lowest = {}
    for requirement in map(Requirement, lines.split()):
        (specifier,) = requirement.specifier
        assert specifier.operator == ">="
        lowest[requirement.name] = Version(specifier.version)
    return lowest


def test_constraints_are_the_declared_versions():
    lines = (ROOT / "oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: Version(version) for name, version in pinned.items()} == declared()


def test_extras_ask_for_the_same_versions():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    asked = [line for lines in config["options.extras_require"].values() for line in lines.split()]
    for requirement in map(Requirement, asked):
        (specifier,) = requirement.specifier
        version = Version(specifier.version)
        assert version == declared().get(requirement.name, version), requirement


def test_torch_is_named_the_same_everywhere():
    lines = (ROOT / "oldest.txt").read_text().splitlines()
    (torch,) = [line for line in lines if line.startswith("torch==")]
    assert torch in (ROOT / "noxfile.py").read_text()
    assert torch in (ROOT / "README.md").read_text()
