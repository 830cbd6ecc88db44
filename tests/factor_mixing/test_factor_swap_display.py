"""The swap grid shows what the sampler decodes."""

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skrobust import FactorMixSampler
from skrobust.factor_mixing import FactorSwapDisplay

mpl.use("Agg")


@pytest.fixture(scope="module", params=[(1, 6, 5), (1, 3, 4, 5), (1, 30), (30,)], ids=str)
def fitted(request):
    X = np.random.RandomState(0).rand(20, *request.param)
    sampler = FactorMixSampler(
        width=2, n_codes=4, class_epochs=1, max_epochs=1, factor=0, random_state=0
    )
    sampler.fit_resample(X, np.arange(20) % 2)
    return sampler, X


def test_every_panel_is_a_swap(fitted):
    sampler, X = fitted
    display = FactorSwapDisplay.from_estimator(sampler, X[:3], X[3:5], class_names="xyz")
    assert display.swapped.shape == (2, 3, *X.shape[1:])
    for i in range(2):
        for j in range(3):
            expected = sampler.swap(X[j : j + 1], X[3 + i : 4 + i])[0]
            assert_allclose(display.swapped[i, j], expected, atol=1e-6)
    assert display.class_names == ["x", "y", "z"]
    assert display.residual_names == ["r 0", "r 1"]
    display.plot()
    assert display.ax_.shape == (3, 4)
    assert [ax.get_title() for ax in display.ax_[0, 1:]] == ["x", "y", "z"]
    shown = X[3:5]
    for i in (0, 1):
        panel = display.ax_[1 + i, 0]
        if panel.images:
            picture = shown[i, 0] if X.ndim == 4 else shown[i, 0, 1]
            assert_array_equal(panel.images[0].get_array(), picture)
            assert panel.images[0].get_clim() == display.ax_[2, 3].images[0].get_clim()
        else:
            assert_array_equal(panel.lines[0].get_ydata(), shown[i].ravel())
    mpl.pyplot.close(display.figure_)


def test_bad_input_is_named(fitted):
    sampler, X = fitted
    with pytest.raises(ValueError, match=r"2 names were given.*there are 3 rows of X_class"):
        FactorSwapDisplay.from_estimator(sampler, X[:3], X[:2], class_names=["a", "b"])
    display = FactorSwapDisplay.from_estimator(sampler, X[:2], X[:1])
    axes = mpl.pyplot.subplots(1, 2)[1]
    with pytest.raises(ValueError, match="ax holds 2 axes, but 6 panels are drawn"):
        display.plot(axes)
    mpl.pyplot.close("all")
