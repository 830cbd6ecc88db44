"""
Influence: which training images help, and which harm?
======================================================

A network is trained on tumour images, some with a wrong label. Its influence scores say, without
training again, which images raise the loss on held-out patients
(:class:`~skrobust.InfluenceReweighter`), and how an image would have to change to lower it
(:class:`~skrobust.InfluencePerturber`). Does it help to continue training with these scores?
On these generated images, and with one seed, the table at the end compares it with plain training,
and with label quality, which needs no held-out patients
(:class:`~skrobust.LabelQualityReweighter`). The user guide has the same comparison on real images,
with standard deviations.
"""

# %%
# Data
# ----
# The middle slices of generated volumes, four classes of tumour; a quarter of the patients is kept
# for the test. Of the training labels, 25% are wrong.
import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from skrobust import (
    ConvNet,
    EarlyLabelQuality,
    InfluenceDisplay,
    InfluencePerturber,
    InfluenceReweighter,
    LabelQualityReweighter,
    NetClassifier,
    PerturbationDisplay,
    SampleWeightDisplay,
    flip_labels,
    make_tumour_volumes,
)

parser = argparse.ArgumentParser(description="Influence")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


tumours = make_tumour_volumes(
    600, n_classes=4, n_rare=0, n_unlabeled=0, size=(4, 24, 24), random_state=3
)
X, masks = tumours.data[:, :, 2], tumours.masks[:, :, 2]
y, patient = tumours.target, tumours.groups
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(X, y, patient))
y_noisy, flipped = flip_labels(y[train], 0.25, random_state=0)
print(f"{len(train)} training images of {len(set(patient[train]))} patients, {len(test)} to test")
print(f"{flipped.sum()} training labels are wrong")

# %%
# Score, then weight
# ------------------
# The network trains for half of its epochs. Then the influence of every image on the loss over
# patients that the network has not seen is computed, in folds; positive influence is harmful. From
# then on the helpful images have more weight; the paper, which deals with noisy images with right
# labels, does the opposite. Scores are smoothed, which prevents an overconfident network from
# rating everything that lowers its confidence as helpful.
network = NetClassifier(ConvNet, module__width=8, max_epochs=options.epochs, random_state=0)
reweighter = InfluenceReweighter(
    network,
    warmup_epochs=options.epochs // 2,
    random_state=0,
).fit(X[train], y_noisy, groups=patient[train])
save(
    InfluenceDisplay.from_estimator(
        reweighter, X[train], y_noisy, n_rows=5, class_names=tumours.target_names
    )
    .plot()
    .figure_,
    "influence",
)

# %%
# The most harmful images are mostly mislabelled ones:
influence = np.nan_to_num(reweighter.influence_, nan=-np.inf)
worst = np.argsort(influence)[::-1][:50]
print(f"of the 50 most harmful images {flipped[worst].mean():.0%} are mislabelled")
print(f"of all images {flipped.mean():.0%}")

# %%
# The weights separate the two kinds, though not cleanly:
save(SampleWeightDisplay.from_estimator(reweighter, wrong=flipped).plot().figure_, "weights")

# %%
# Change the images
# -----------------
# The perturber changes the most harmful images slightly, against the gradient of their influence.
# The outline of the tumour beside it shows where the network wants an image to be different. The
# paper interprets this as attention to the tumour; here is the share of the change inside the
# outline, and the share of the image that the outline covers.
perturber = InfluencePerturber(
    network, warmup_epochs=options.epochs // 2, fraction=0.2, random_state=0
).fit(X[train], y_noisy, groups=patient[train])
panels = PerturbationDisplay.from_estimator(perturber, X[train], masks=masks[train], n_rows=4)
save(panels.plot().figure_, "perturbation")
every = PerturbationDisplay.from_estimator(perturber, X[train], masks=masks[train], n_rows=10**6)
print(f"share of the change inside the outline: {np.nanmean(every.share_inside):.2f}")
print(f"share of the image inside the outline: {every.masks.mean():.2f}")

# %%
# Is it worth it?
# ---------------
# All networks train for the same number of epochs; with the paper's settings of influence a fifth
# of the patients only judge. "other seed" shows what chance alone changes in a single run: smaller
# differences mean nothing.
arms = {
    "plain": network,
    "plain, other seed": NetClassifier(
        ConvNet, module__width=8, max_epochs=options.epochs, random_state=1
    ),
    "influence, harmful (paper)": InfluenceReweighter(
        network,
        warmup_epochs=options.epochs // 2,
        cv=None,
        emphasis="harmful",
        scaling="minmax",
        smoothing=None,
        random_state=0,
    ),
    "influence, helpful": reweighter,
    "perturbed": perturber,
    "label quality": LabelQualityReweighter(
        network, EarlyLabelQuality(network), veto=False, random_state=0
    ),
}
accuracy = {}
for name, estimator in arms.items():
    passed = {} if isinstance(estimator, NetClassifier) else {"groups": patient[train]}
    accuracy[name] = estimator.fit(X[train], y_noisy, **passed).score(X[test], y[test])
    print(f"{name:<28}{accuracy[name]:.3f}")

# sphinx_gallery_thumbnail_number = 3
fig, ax = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
ax.barh(list(accuracy), list(accuracy.values()), color="#0072B2")
ax.set(xlabel="Accuracy on other patients, right labels", xlim=(0, 1))
ax.invert_yaxis()
save(fig, "accuracy")
