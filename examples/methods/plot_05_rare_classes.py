"""
Rare classes: an embedding, its neighbours, and the strong baseline
===================================================================

Eight types of tumour, three of which make up at most one scan in a hundred each.
:class:`~skrobust.TripletEmbedder` learns an embedding in which the scans of a type are close
together. The class is then predicted from the nearest class centre or the nearest scans, which are
also similar cases to look at. The methods to beat are networks that classify directly, plain and
with the usual remedies for imbalanced classes.

The volumes are generated (:func:`~skrobust.make_tumour_volumes`)::

    python examples/methods/plot_05_rare_classes.py --figures figures
"""

# %%
# Options
# -------
import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline

from skrobust import (
    ClassRecallDisplay,
    ClassWeightedKNeighborsClassifier,
    EmbeddingDisplay,
    NetClassifier,
    RetrievalDisplay,
    TripletEmbedder,
    class_recall_score,
    make_tumour_volumes,
    rank_5_accuracy_scorer,
)
from skrobust.neural.splits import validation_split

parser = argparse.ArgumentParser(description="Rare classes")
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--figures", type=Path, help="folder to save the figures in")
options = parser.parse_args()


def save(figure, name):
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.figures / f"{name}.png", dpi=120, bbox_inches="tight")


# %%
# The data
# --------
# Half of the patients are for training. ``keep_rare`` leaves a type with a single patient there.
data = make_tumour_volumes(
    700, n_classes=8, n_rare=3, n_unlabeled=200, size=(6, 16, 16), spread=0.03, random_state=0
)
train, test = validation_split(data.target, 0.5, data.groups, random_state=0, keep_rare=True)
X, y, X_test, y_test = data.data[train], data.target[train], data.data[test], data.target[test]
rare = data.rare_classes
print(data.DESCR)
print("training rows of each type:", pd.Series(y).value_counts().sort_index().tolist())

# %%
# Networks that classify
# ----------------------
# Plain, with class-balanced batches and random rotations, scalings and shifts, and with scores
# adjusted to the shares of the types.
common = {"max_epochs": options.epochs, "random_state": 0}
fitted = {
    "cross entropy": NetClassifier(**common),
    "balanced, augmented": NetClassifier(**common, balanced_batches=True, augment="affine"),
    "logit-adjusted": NetClassifier(**common, logit_adjustment=1.0),
}
for clf in fitted.values():
    clf.fit(X, y)

# %%
# An embedding, with three ways to predict
# ----------------------------------------
# Scans without diagnosis are used in the pretraining: two changed views of a scan should be close
# together. The embedding is learned once. With plain votes of the nearest neighbours, a type with
# few scans is outvoted; with class centres, or votes weighted by class, it is not.
embedder = TripletEmbedder(**common, pretrain="batch_all", pretrain_epochs=5)
embedder.fit(X, y, X_unlabeled=data.data_unlabeled)
E = embedder.transform(X)
for name, last in {
    "embedding + kNN(7)": KNeighborsClassifier(7),
    "embedding + weighted kNN(7)": ClassWeightedKNeighborsClassifier(7),
    "embedding + centroid": NearestCentroid(),
}.items():
    pipe = make_pipeline(embedder, last)
    last.fit(E, y)  # what pipe.fit would do, without training the embedding again
    fitted[name] = pipe

# %%
# Recalls
# -------
# Micro: share of all test rows. Macro: mean over the types. Rare: mean over the rare types. There
# are few test rows of those, so that one set of volumes proves nothing; the user guide has a study
# with several seeds.
predicted = {name: model.predict(X_test) for name, model in fitted.items()}
table = pd.DataFrame(
    {
        name: {
            "micro": class_recall_score(y_test, labels, average="micro"),
            "macro": class_recall_score(y_test, labels),
            "rare": class_recall_score(y_test, labels, classes=rare),
        }
        for name, labels in predicted.items()
    }
).T
print(table.round(2).to_string())
neighbours = fitted["embedding + kNN(7)"]
rank_5 = rank_5_accuracy_scorer(neighbours, X_test, y_test)
print(f"a scan of the right type among the 5 nearest: {rank_5:.2f} of the test scans")

shown = ["cross entropy", "logit-adjusted", "embedding + centroid"]
recalls = ClassRecallDisplay.from_predictions(
    y_test, {name: predicted[name] for name in shown}, y_train=y, class_names=data.target_names
).plot()
save(recalls.figure_, "recalls")

# %%
# A map of the embedding
# ----------------------
# Test scans, by the first two principal components of the embedding.
embedding_map = EmbeddingDisplay.from_estimator(
    embedder, X_test, y_test, rare_classes=rare, class_names=data.target_names
).plot()
save(embedding_map.figure_, "embedding")

# %%
# Similar cases
# -------------
# The labelled scans nearest to four test scans, the last of a rare type. Training and test scans
# are of different patients.
# sphinx_gallery_thumbnail_number = 3
some = [next(i for i, label in enumerate(y_test) if label == code) for code in (0, 2, 4, 5)]
cases = RetrievalDisplay.from_estimator(
    embedder, X_test[some], X, y, y_query=y_test[some], names=dict(enumerate(data.target_names))
).plot()
save(cases.figure_, "cases")
plt.show()
