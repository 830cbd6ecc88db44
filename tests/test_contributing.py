"""The method that the contributing page adds as an example works, and is as short as it says."""

import doctest
import re
import textwrap
from pathlib import Path

import numpy as np
from sklearn.base import clone

import skrobust.label_noise

PAGE = Path(__file__).parents[1] / "docs/contributing.rst"


def example():
    block = re.search(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text()).group(1)
    code = textwrap.dedent(block)
    scope = {"__name__": "skrobust.label_noise.example", "__package__": "skrobust.label_noise"}
    exec(compile(code, "example", "exec"), scope)
    return code, scope["NeighborLabelQuality"]


def test_the_example_is_short_and_its_example_runs():
    code, cls = example()
    assert len(code.splitlines()) < 60
    globs = {"NeighborLabelQuality": cls}
    for test in doctest.DocTestFinder().find(cls, "NeighborLabelQuality", globs=globs):
        assert doctest.DocTestRunner().run(test).failed == 0


def test_the_example_finds_wrong_labels_of_whole_patients():
    _, cls = example()
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(40), 3)
    truth = groups % 2
    X = rng.randn(120, 4) + 3 * truth[:, None]
    wrong = np.isin(groups, [3, 10, 24])
    distiller = clone(cls(9)).fit(X, np.where(wrong, 1 - truth, truth), groups=groups)
    found = np.isin(np.arange(120), distiller.noisy_indices_)
    assert not found[~wrong].any()
    assert found[wrong].sum() >= 8
    assert distiller.kept_[wrong].sum() <= 1
    weighted = skrobust.LabelQualityReweighter(
        skrobust.ClassWeightedKNeighborsClassifier(3), cls(9), use="select", veto=False
    )
    fitted = weighted.fit(X, np.where(wrong, 1 - truth, truth), groups=groups)
    assert (fitted.predict(X) == truth).mean() > 0.95
