"""The results of a study that was stopped in the midst of a line."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

path = Path(__file__).parents[1] / "examples/benchmarks/resumable.py"
spec = spec_from_file_location("resumable", path)
resumable = module_from_spec(spec)
spec.loader.exec_module(resumable)


def table(path):
    return resumable.ResumableTable(path, ["arm", "seed"], ["arm", "seed", "score"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    file = tmp_path_factory.mktemp("results") / "study.csv"
    for seed in range(3):
        table(file).add(arm=f"arm é, {seed}", seed=seed, score=seed / 3)
    return file.read_bytes()


def test_cut_at_every_byte_the_whole_lines_stay(whole, tmp_path):
    file = tmp_path / "study.csv"
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        n_whole = max(0, whole[:length].count(b"\n") - 1)
        again = table(file)
        assert len(again.frame) == n_whole
        for seed in range(3):
            arm = f"arm é, {seed}"
            assert again.has(arm, seed) == (seed < n_whole)
            if not again.has(arm, seed):
                again.add(arm=arm, seed=seed, score=seed / 3)
        assert file.read_bytes() == whole
