"""
Factors of lesions: swapped, mixed, and tried as augmentation
=============================================================

:class:`~skrobust.FactorMixSampler` splits an image into a code that predicts its class and a code
of the rest. Swapped between images, the codes show what the network regards as the class; mixed,
they give new training images with soft labels. First come the diagnostics, which show whether the
split worked, then the pictures, then the question whether the new images help a classifier more
than rotating and scaling the old ones.

The images are generated (:func:`~skrobust.make_lesion_rois`): contrast and texture decide the
class, size and outline do not::

    python examples/methods/plot_04_factor_mixing.py --figures figures
"""

# %%
# Options
# -------
import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skrobust import (
    FactorMixSampler,
    FactorMixtureDisplay,
    FactorSwapDisplay,
    FactorTrainingDisplay,
    NetClassifier,
    ResamplingClassifier,
    compare_estimators,
    make_lesion_rois,
    summarize_comparison,
)

parser = argparse.ArgumentParser(description="Factor mixing")
parser.add_argument("--n-samples", type=int, default=200, help="images")
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


# %%
# Split
# -----
# The order in which the new images come from the old ones is in ``sample_indices_``, the
# proportions of the classes in ``mixture_``.
lesions = make_lesion_rois(options.n_samples, size=16, random_state=1)
X, y, patients = lesions.data, lesions.target, lesions.groups
sampler = FactorMixSampler(affine=False, max_epochs=60, random_state=0)
X_new, targets = sampler.fit_resample(X, y, groups=patients)
print({name: round(value, 2) for name, value in sampler.diagnostics_.items()})

# %%
# Are the factors separated?
# --------------------------
# The loss of the adversary is too optimistic. A fresh probe, on patients that it was not fitted to,
# should find the class in the residual code r no more often than guessing does.
display = FactorTrainingDisplay.from_estimator(sampler).plot()
save(display.figure_, "factor_training")

# %%
# Swapped codes
# -------------
# Columns should look like one class, and rows should keep size and position.
first = [int(np.flatnonzero(y == code)[0]) for code in range(4)]
small, large = np.argsort(np.where(y < 3, lesions.factors[:, 2], np.nan))[[5, (y < 3).sum() - 5]]
display = FactorSwapDisplay.from_estimator(
    sampler,
    X[first],
    X[[small, large]],
    class_names=lesions.target_names,
    residual_names=["small", "large"],
).plot()
save(display.figure_, "factor_swaps")

# %%
# Mixed codes
# -----------
# The new images keep the detail of the old ones and get a share of other classes; the bars are
# their soft labels.
display = FactorMixtureDisplay.from_estimator(
    sampler, X_new, class_names=lesions.target_names
).plot()
save(display.figure_, "factor_mixtures")


# %%
# Does it help?
# -------------
# Few images, noisier than those above, and the same network for all: plain, with random affine
# changes, and with the new images added. Folds keep patients together. With so few folds, look at
# the standard deviations before the means.
# sphinx_gallery_thumbnail_number = 2
def net(max_epochs, **params):
    return NetClassifier(max_epochs=max_epochs, random_state=0, **params)


few = make_lesion_rois(100, size=16, spread=0.4, noise=0.4, random_state=2)
mixing = FactorMixSampler(affine=False, class_epochs=15, max_epochs=20, random_state=0)
rivals = {
    "plain": net(40),
    "affine": net(40, augment="affine"),
    "affine, factor mixing": ResamplingClassifier(mixing, net(20, augment="affine")),
}
results = compare_estimators(
    rivals, few.data, few.target, groups=few.groups, cv=3, scoring="accuracy"
)
table = summarize_comparison(results, baseline="affine").drop(columns="metric")
print(table.round(3).to_string(index=False))
plt.show()
