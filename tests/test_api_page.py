import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(
    path.parent.name
    for path in (ROOT / "skrobust").glob("*/__init__.py")
    if path.parent.name != "utils"
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_api_page_lists_the_public_names(folder):
    page = (ROOT / "docs/api.rst").read_text()
    listed = re.findall(rf"^(?:   |- ``){folder}\.(\w+)", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(importlib.import_module(f"skrobust.{folder}").__all__)
