"""Maps of embeddings, recall by class, and retrieved rows."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.manifold import TSNE
from sklearn.metrics import recall_score
from sklearn.preprocessing import FunctionTransformer

from skrobust import ClassRecallDisplay, EmbeddingDisplay, RetrievalDisplay, retrieve_neighbors

Y = np.repeat(["a", "b", "c", "d"], [40, 30, 3, 1])


@pytest.fixture
def embedding():
    return np.random.RandomState(0).normal(size=(74, 5))


# ---- map of an embedding


def test_rare_classes_are_marked(embedding):
    display = EmbeddingDisplay.from_embedding(embedding, Y, rare_classes=["d", "c", "unseen"])
    assert display.is_rare.tolist() == [False, False, True, True]
    display.plot()
    sizes = [scatter.get_sizes()[0] for scatter in display.scatters_]
    assert min(sizes[2:]) > max(sizes[:2])
    assert [len(s.get_offsets()) for s in display.scatters_] == [40, 30, 3, 1]
    np.testing.assert_allclose(display.scatters_[3].get_offsets(), display.projected[Y == "d"])
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["a (40)", "b (30)", "c (3)", "d (1)"]
    colors = {to_hex(s.get_facecolor()[0]) for s in display.scatters_}
    assert len(colors) == 4


def test_many_common_classes_are_one_grey_cloud():
    y = np.repeat(np.arange(12), 4)
    E = np.random.RandomState(0).normal(size=(48, 3))
    display = EmbeddingDisplay.from_embedding(E, y, rare_classes=[10, 11]).plot()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["10 common classes", "10 (4)", "11 (4)"]
    assert len({to_hex(s.get_facecolor()[0]) for s in display.scatters_[:10]}) == 1


def test_projection_names_and_estimators(embedding):
    double = FunctionTransformer(lambda X: 2 * X)
    display = EmbeddingDisplay.from_estimator(double, embedding, Y, class_names=list("wxyz"))
    plain = EmbeddingDisplay.from_embedding(embedding, Y)
    np.testing.assert_allclose(np.abs(display.projected), 2 * np.abs(plain.projected))
    assert display.class_names == ["w", "x", "y", "z"]
    other = EmbeddingDisplay.from_embedding(
        embedding, Y, projection=TSNE(perplexity=5), random_state=0
    ).plot()
    assert other.ax_.get_xlabel() == "TSNE 1"
    with pytest.raises(ValueError, match="inconsistent numbers"):
        EmbeddingDisplay.from_embedding(embedding, Y[1:])
    with pytest.raises(ValueError, match="there are 4 classes"):
        EmbeddingDisplay.from_embedding(embedding, Y, class_names=["one"])


# ---- recall by class


def test_recalls_and_their_order():
    rng = np.random.RandomState(0)
    y_train = np.repeat(["b", "a", "c", "d"], [60, 35, 4, 1])
    y_true = rng.choice(["a", "b", "c"], size=90)
    predicted = {"one": rng.choice(["a", "b", "c"], size=90), "two": y_true}
    display = ClassRecallDisplay.from_predictions(
        y_true, predicted, y_train=y_train, rare_threshold=0.05
    )
    expected = recall_score(y_true, predicted["one"], average=None)
    np.testing.assert_allclose(display.recalls["one"], [*expected, np.nan])
    assert display.is_rare.tolist() == [False, False, True, True]
    assert [display.class_names[code] for code in display.order] == ["b", "a", "c", "d"]
    display.plot()
    np.testing.assert_allclose(display.lines_[0].get_ydata(), display.recalls["one"][[1, 0, 2, 3]])
    assert display.lines_[1].get_label() == "two (mean 1.00, rare 1.00)"
    # classes have no order that a line could follow
    assert {line.get_linestyle() for line in display.lines_} == {"None"}
    assert display.rare_span_.get_x() == 1.5
    assert display.ax_.get_xticklabels()[0].get_text() == "b\n60"


def test_no_rare_classes_and_no_methods():
    display = ClassRecallDisplay.from_predictions([0, 1], {"net": [0, 0]}, y_train=[0, 1]).plot()
    assert display.rare_span_ is None
    assert display.lines_[0].get_label() == "net (mean 0.50)"
    with pytest.raises(ValueError, match="y_pred is empty"):
        ClassRecallDisplay.from_predictions([0, 1], {}, y_train=[0, 1])


# ---- retrieval

FLAT = FunctionTransformer(lambda X: X.reshape(len(X), -1))


@pytest.mark.parametrize("shape", [(9,), (2, 9), (1, 5, 6), (2, 4, 5, 6)])
def test_nearest_rows_are_shown(shape):
    rng = np.random.RandomState(0)
    X, query = rng.normal(size=(20, *shape)), rng.normal(size=(2, *shape))
    y = np.arange(20) % 3
    display = RetrievalDisplay.from_estimator(FLAT, query, X, y, n_neighbors=3, y_query=[0, 1])
    for i in range(2):
        far = ((X - query[i]) ** 2).reshape(20, -1).sum(1)
        nearest = np.argsort(far)[:3]
        np.testing.assert_array_equal(display.labels[i], y[nearest])
        np.testing.assert_array_equal(display.neighbors[i, 0], X[nearest[0]])
    display.plot()
    panel, drawn = display.ax_[1, 1], X[nearest[0]]
    if len(shape) <= 2:
        shown = np.array([line.get_ydata() for line in panel.lines])
        np.testing.assert_array_equal(shown, np.atleast_2d(drawn))
    else:
        shown = drawn[0] if len(shape) == 3 else drawn[0, 2]
        np.testing.assert_array_equal(panel.images[0].get_array(), shown)
    assert display.ax_.shape == (2, 4)
    assert display.ax_[1, 0].get_title() == "query\n1\nrow 1"
    nearest = np.argsort(((X - query[0]) ** 2).reshape(20, -1).sum(1))[:3]
    for j, (label, row) in enumerate(zip(display.labels[0], nearest, strict=True)):
        title = display.ax_[0, j + 1].get_title().split("\n")
        assert title[0] == ("= 0" if label == 0 else f"≠ {label}")
        assert title[1] == f"distance {display.distances[0, j]:.2g}"
        assert title[2] == f"row {row}"


def test_flat_rows_names_and_unknown_queries():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(10, 12)), np.arange(10) % 2
    display = RetrievalDisplay.from_estimator(
        FLAT, X[:1], X, y, n_neighbors=2, input_shape=(1, 3, 4), names={0: "glioma", 1: "other"}
    ).plot()
    assert display.queries.shape == (1, 1, 3, 4)
    assert display.ax_[0, 0].get_title() == "query\nrow 0"
    assert display.ax_[0, 1].get_title() == "glioma\ndistance 0\nrow 0"
    with pytest.raises(ValueError, match="y_query has 2 entries, but there are 1 rows"):
        RetrievalDisplay.from_estimator(FLAT, X[:1], X, y, y_query=[0, 1])
    with pytest.raises(ValueError, match="ax holds 2 axes, but 3 panels"):
        display.plot(display.ax_[0, :2])


def test_rows_of_the_own_patient_are_left_out_and_patients_named():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(30, 4)), np.arange(30) % 3
    groups = np.array(["Ann", "Bob", "Eve"])[np.arange(30) // 10]
    query = X[[3, 12]] + 0.01
    display = RetrievalDisplay.from_estimator(
        FLAT, query, X, y, n_neighbors=4,
        groups_query=groups[[3, 12]], groups_labelled=groups,
    ).plot()  # fmt: skip
    for i, own in enumerate(("Ann", "Bob")):
        others = np.flatnonzero(groups != own)
        far = ((X[others] - query[i]) ** 2).sum(1)
        np.testing.assert_array_equal(display.neighbors[i], X[others[np.argsort(far)[:4]]])
        assert np.all(np.diff(display.distances[i]) >= 0)
    assert display.ax_[1, 0].get_title() == "query\nrow 1\npatient Bob"
    assert not display.ax_[0, 1].get_title().endswith("patient Ann")
    plain = RetrievalDisplay.from_estimator(FLAT, query, X, y, n_neighbors=1)
    np.testing.assert_array_equal(plain.neighbors[:, 0], X[[3, 12]])


def test_groups_of_retrieval_that_do_not_fit():
    X, y, groups = np.eye(5), [0] * 5, ["a", "a", "a", "b", "b"]
    with pytest.raises(ValueError, match="both groups_query and groups_labelled"):
        retrieve_neighbors(X[:1], X, y, 1, groups_query=["a"])
    with pytest.raises(ValueError, match="2 labelled rows of other groups than a, that of query"):
        retrieve_neighbors(X[:1], X, y, 3, groups_query=["a"], groups_labelled=groups)
    found = retrieve_neighbors(X[:1], X, y, 2, groups_query=["a"], groups_labelled=groups)
    assert sorted(found.indices[0]) == [3, 4]
