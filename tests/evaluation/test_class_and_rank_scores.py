"""Recall by class, rank-k accuracy and retrieval against loops and scikit-learn."""

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust.embedding import retrieve_neighbors
from skrobust.evaluation import (
    class_recall_score,
    macro_recall_scorer,
    rank_5_accuracy_scorer,
    rank_k_accuracy_score,
    rare_classes,
)


@pytest.fixture
def labels():
    rng = np.random.RandomState(0)
    names = np.array(["a", "b", "c", "d"])
    return names[rng.randint(4, size=200)], names[rng.randint(4, size=200)]


def test_recall_is_that_of_sklearn_where_all_classes_occur(labels):
    y, pred = labels
    some = ["d", "b"]
    for average in ("macro", "micro", None):
        expected = recall_score(y, pred, labels=some, average=average)
        np.testing.assert_allclose(
            class_recall_score(y, pred, classes=some, average=average), expected
        )
    assert class_recall_score(y, pred, average="micro") == accuracy_score(y, pred)


def test_absent_classes_are_left_out(labels):
    y, pred = labels
    rows = y != "c"
    with_c = class_recall_score(y[rows], pred[rows], classes=["b", "c"])
    assert with_c == class_recall_score(y[rows], pred[rows], classes=["b"])
    by_class = class_recall_score(y[rows], pred[rows], classes=["b", "c"], average=None)
    assert by_class[0] == with_c
    assert np.isnan(by_class[1])
    with pytest.warns(UndefinedMetricWarning, match="no row of the classes"):
        assert np.isnan(class_recall_score(y[rows], pred[rows], classes=["c"]))


def test_bad_input_is_named(labels):
    y, pred = labels
    with pytest.raises(ValueError, match="average is 'weighted'"):
        class_recall_score(y, pred, average="weighted")
    with pytest.raises(ValueError, match="duplicates"):
        class_recall_score(y, pred, classes=["a", "a"])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        class_recall_score(y, pred[1:])
    with pytest.raises(ValueError, match="threshold is 2"):
        rare_classes(y, 2)
    with pytest.raises(ValueError, match="k is 3"):
        rank_k_accuracy_score(["a"], [["a", "b"]], k=3)
    with pytest.raises(ValueError, match="dimension"):
        rank_k_accuracy_score(["a"], ["a"])
    with pytest.raises(ValueError, match="2 labelled rows"):
        retrieve_neighbors([[0.0]], [[0.0], [1.0]], ["a", "b"], 3)


def test_rare_is_at_most_the_threshold():
    y = np.repeat([5, 7, 9], [98, 1, 1])
    assert rare_classes(y).tolist() == [7, 9]
    assert rare_classes(y, 0.009).tolist() == []
    assert rare_classes(y, 1).tolist() == [5, 7, 9]


def test_retrieval_and_rank_against_loops():
    rng = np.random.RandomState(0)
    query, rows, y = rng.normal(size=(30, 3)), rng.normal(size=(50, 3)), rng.randint(6, size=50)
    found = retrieve_neighbors(query, rows, y, 7)
    for i, x in enumerate(query):
        far = np.linalg.norm(rows - x, axis=1)
        nearest = np.argsort(far)[:7]
        np.testing.assert_array_equal(found.indices[i], nearest)
        np.testing.assert_allclose(found.distances[i], far[nearest])
        np.testing.assert_array_equal(found.labels[i], y[nearest])
    truth = rng.randint(6, size=30)
    for k in (1, 4, 7):
        hits = [truth[i] in found.labels[i, :k].tolist() for i in range(30)]
        assert rank_k_accuracy_score(truth, found.labels, k) == np.mean(hits)


def test_scorers_in_a_search():
    rng = np.random.RandomState(0)
    y = np.array(["p", "q", "r"])[np.repeat([0, 1, 2], [40, 30, 8])]
    X = rng.normal(size=(78, 4)) + 1.5 * (y == "r")[:, None]
    pipe = make_pipeline(StandardScaler(), KNeighborsClassifier(3)).fit(X[::2], y[::2])
    assert macro_recall_scorer(pipe, X, y) == recall_score(y, pipe.predict(X), average="macro")
    train = pipe[0].transform(X[::2])
    found = retrieve_neighbors(pipe[0].transform(X), train, y[::2], 5)
    assert rank_5_accuracy_scorer(pipe, X, y) == rank_k_accuracy_score(y, found.labels, 5)
    rare = make_scorer(class_recall_score, classes=rare_classes(y, 0.2))
    scoring = {"macro": macro_recall_scorer, "rank": rank_5_accuracy_scorer, "rare": rare}
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            search = GridSearchCV(
                pipe, {"kneighborsclassifier__n_neighbors": [1, 3]}, scoring=scoring, refit="rare"
            ).fit(X, y)
            assert np.isfinite(search.cv_results_["mean_test_rank"]).all()
            alone = cross_validate(pipe, X, y, scoring=rank_5_accuracy_scorer)
            assert (alone["test_score"] <= 1).all()
    with pytest.raises(TypeError, match="needs a KNeighborsClassifier"):
        rank_5_accuracy_scorer(LogisticRegression().fit(X, y), X, y)
