import base64
import csv
import hashlib
import html
import io
import json
import re

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from skrobust import LabelNoiseModel, apply_review, audit, flip_labels, make_mr_spectra
from skrobust.audit import review_template, write_review

HOSTILE = ["<script>alert(1)</script>", 'a "quoted", id', "two\nlines", "=1+1", "'=1+1", "-5", "@x"]


def patients_table(y, groups, **columns):
    """Return a table of patients in the order of `groups`, with the first label of each."""
    names, first = np.unique(groups, return_index=True)
    labels = np.asarray(y)[first]
    table = {"label": labels, "probability": 0.5, "suggested": labels, **columns}
    return pd.DataFrame(table, index=names)


def write(path, X, y=None, groups=None, patients=None, rows=None, **options):
    n = len(X)
    y = np.arange(n) % 2 if y is None else y
    if patients is None:
        groups = np.arange(n) if groups is None else groups
        patients = patients_table(y, groups)
    return write_review(path / "page.html", X, y, groups, patients, rows, **options)


def data_of(page):
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def written(path, X, *arguments, **options):
    return data_of(write(path, X, *arguments, **options))


def pixels_of(address):
    head, _, content = address.partition(",")
    assert head == "data:image/png;base64"
    image = matplotlib.image.imread(io.BytesIO(base64.b64decode(content)))
    return np.rint(255 * image).astype(int)


# ---------------------------------------------------------------------- the page


def test_page_loads_nothing_and_runs_its_own_script_only(tmp_path):
    title = "</title><script>alert('title')</script>"
    groups = np.array(HOSTILE)
    page = write(tmp_path, np.zeros((7, 3)), groups=groups, title=title)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"\b(src|href)=|@import|url\(", text)
    # the data, and the script that the policy allows; no id and no title opens a third
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [' type="application/json" id="data"', ""]
    policy = html.unescape(re.search(r'Security-Policy" content="([^"]*)"', text)[1])
    assert policy.startswith("default-src 'none'")
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for name, content in [("script-src", scripts[1][1]), ("style-src", styles[0])]:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert sorted(p["id"] for p in data_of(page)["patients"]) == sorted(HOSTILE)


def test_patients_in_order_with_their_least_probable_rows(tmp_path):
    y = np.array(["a"] * 6 + ["b"] * 4)
    groups = np.repeat([10, 20, 30], [3, 3, 4])
    patients = patients_table(y, groups).loc[[20, 30, 10]]
    patients["suggested"] = ["b", "b", "a"]
    patients["reasons"] = [["one", "two"], "three", []]
    rows = pd.DataFrame({"probability": [0.5, 0.4, 0.3, 0.9, 0.1, 0.8, 1, 1, 1, 1.0]})
    page = write(tmp_path, np.zeros((10, 2)), y, groups, patients, rows, n_patients=2, n_rows=2)
    data = data_of(page)
    assert [p["id"] for p in data["patients"]] == ["20", "30"]
    assert [p["reasons"] for p in data["patients"]] == [["one", "two"], ["three"]]
    assert [row["name"] for row in data["patients"][0]["drawn"]] == ["4", "5"]
    assert [row["probability"] for row in data["patients"][0]["drawn"]] == [0.1, 0.8]
    assert data["patients"][0]["rows"] == 3
    assert (data["all_patients"], data["all_rows"], data["classes"]) == (3, 10, ["a", "b"])


def test_probabilities_of_classes_say_what_rows_look_like(tmp_path):
    y, groups = np.array([0, 0, 0, 1]), np.array(["p", "p", "p", "q"])
    patients = patients_table(y, groups, suggested=[1, 1])
    rows = pd.DataFrame([[0.3, 0.7], [0.2, 0.8], [0.9, 0.1], [0.4, 0.6]])
    first, second = written(tmp_path, np.zeros((4, 2)), y, groups, patients, rows)["patients"]
    assert [row["name"] for row in first["drawn"]] == ["1", "0", "2"]
    assert [row["suggested"] for row in first["drawn"]] == ["1", "1", "0"]
    assert first["reasons"][0] == "2 of 3 rows look like 1."
    assert second["reasons"] == ["The label 1 is the most probable one."]


def test_noise_model_and_audit_write_pages(tmp_path):
    data = make_mr_spectra(30, n_voxels=4, n_points=64, impurity=0, random_state=0)
    y, wrong = flip_labels(data.target, 0.2, groups=data.groups, random_state=0)
    model = LabelNoiseModel(random_state=0).fit(data.data, y, groups=data.groups)
    page = write_review(tmp_path / "a.html", data.data, y, data.groups, model.patients_)
    ids = [p["id"] for p in data_of(page)["patients"]]
    assert ids == [str(name) for name in model.patients_.index]
    mislabelled = {str(name) for name in data.groups[wrong]}
    assert len(mislabelled & set(ids[:6])) >= 4
    report = audit(data.data, y, data.groups, random_state=0)
    shown = data_of(report.to_review(tmp_path / "b.html", n_patients=5))
    assert [p["id"] for p in shown["patients"]] == [str(p) for p in report.patients.index[:5]]
    assert shown["fingerprint"] == data_of(page)["fingerprint"]
    alone = audit(data.data, y, random_state=0).to_review(tmp_path / "c.html", n_patients=5)
    assert data_of(alone)["all_patients"] == len(y)


def test_what_was_not_judged_is_unknown(tmp_path):
    y = np.array(["a", "b"])
    patients = patients_table(y, [0, 1], probability=np.nan, suggested=np.nan)
    rows = pd.DataFrame({"probability": [np.nan, 0.5], "suggested": [np.nan, "b"]})
    first, second = written(tmp_path, np.zeros((2, 2)), y, [0, 1], patients, rows)["patients"]
    assert first["probability"] is None
    assert first["suggested"] is None
    assert first["reasons"] == ["The label could not be judged."]
    assert "suggested" not in first["drawn"][0]
    assert second["drawn"][0]["suggested"] == "b"


def test_names_of_rows_come_from_the_index(tmp_path):
    X = pd.DataFrame({"age": [1.0, 2.0]}, index=["scan 1", "scan 2"])
    names = [p["drawn"][0]["name"] for p in written(tmp_path, X)["patients"]]
    assert names == ["scan 1", "scan 2"]


# ---------------------------------------------------------------------- pictures


def curve_of(picture):
    step = (picture["end"] - picture["start"]) / 999
    return np.array([np.nan if i is None else picture["start"] + i * step for i in picture["y"]])


def test_curves_are_drawn_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 80)).cumsum(1)
    X[2, 10:20] = np.nan
    axis = pd.Series(np.linspace(4.3, 0.2, 80), name="ppm")
    y = np.array([0, 0, 0, 1, 1, 1])
    data = written(tmp_path, X, y, axis=axis)
    assert data["kind"] == "curves"
    np.testing.assert_allclose(data["shared"]["axis"], axis, rtol=1e-3)
    assert data["shared"]["axis_label"] == "ppm"
    for patient, row in zip(data["patients"], X, strict=True):
        ((picture,),) = [r["picture"] for r in patient["drawn"]]
        np.testing.assert_allclose(curve_of(picture), row, atol=np.ptp(row[row == row]) / 500)
        assert not picture["cut"]
    lower, middle, upper = data["shared"]["ranges"][1][0]["given"]
    np.testing.assert_allclose(middle, np.median(X[3:], axis=0), rtol=1e-3)
    np.testing.assert_allclose(lower, np.quantile(X[3:], 0.1, axis=0), rtol=1e-3)
    np.testing.assert_allclose(upper, np.quantile(X[3:], 0.9, axis=0), rtol=1e-3)


def test_equal_heights_do_not_depend_on_gain_and_offset(tmp_path):
    rng = np.random.default_rng(0)
    X = np.tile(rng.normal(size=100), (4, 1))
    X = X * [[1], [7], [0.2], [100]] + [[0], [5], [-3], [20]]
    scaled = written(tmp_path, X)["shared"]["ranges"][0][0]["scaled"]
    np.testing.assert_allclose(scaled[0], scaled[2], atol=2e-3)


def test_long_curves_are_averaged_and_spikes_are_cut(tmp_path):
    X = np.tile(np.sin(np.linspace(0, 6, 2000)), (2, 1))
    X[1, 1001] = 1000.0
    first, second = [p["drawn"][0]["picture"][0] for p in written(tmp_path, X)["patients"]]
    assert len(first["y"]) == 500
    np.testing.assert_allclose(curve_of(first), X[0].reshape(500, 4).mean(1), atol=0.01)
    assert not first["cut"]
    assert second["cut"]
    assert curve_of(second).max() < 10
    # the spike takes no room from the rest of the curve
    there = np.arange(500) != 250
    np.testing.assert_allclose(curve_of(second)[there], curve_of(first)[there], atol=0.02)


def test_channels_are_drawn_one_by_one(tmp_path):
    X = np.stack([np.zeros((2, 50)), np.ones((2, 50)), np.full((2, 50), 2)], axis=1)
    data = written(tmp_path, X, input_shape=(3, 50))
    assert data["shared"]["channels"] == 3
    values = [curve_of(c)[0] for c in data["patients"][0]["drawn"][0]["picture"]]
    assert values == [0, 1, 2]


def test_images_of_bytes_are_drawn_as_they_are(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, size=(2, 20, 24), dtype=np.uint8)
    data = written(tmp_path, X)
    assert data["kind"] == "images"
    for patient, image in zip(data["patients"], X, strict=True):
        np.testing.assert_array_equal(pixels_of(patient["drawn"][0]["picture"]), image)
    colours = np.random.default_rng(0).integers(0, 256, size=(2, 3, 20, 24), dtype=np.uint8)
    drawn = written(tmp_path, colours)["patients"][1]["drawn"][0]["picture"]
    np.testing.assert_array_equal(pixels_of(drawn), np.moveaxis(colours[1], 0, -1))


def test_images_of_numbers_go_from_black_to_white(tmp_path):
    X = np.linspace(-3, 5, 400).reshape(1, 20, 20) * [[[1]], [[1000]]]
    X[1, 0, 0] = np.nan
    for patient in written(tmp_path, X)["patients"]:
        drawn = pixels_of(patient["drawn"][0]["picture"]).ravel()
        assert drawn.min() == 0
        assert drawn.max() == 255
        np.testing.assert_allclose(drawn[5:-5], np.linspace(0, 255, 400)[5:-5], atol=3)
    flat = written(tmp_path, np.full((2, 20, 20), 3.0))["patients"][0]["drawn"][0]
    assert not pixels_of(flat["picture"]).any()


def test_middle_slices_of_volumes(tmp_path):
    X = np.random.default_rng(0).integers(1, 256, size=(2, 10, 12, 14), dtype=np.uint8)
    data = written(tmp_path, X)
    assert data["kind"] == "volumes"
    drawn = pixels_of(data["patients"][0]["drawn"][0]["picture"])
    np.testing.assert_array_equal(drawn[:, :14], X[0, 5])
    np.testing.assert_array_equal(drawn[:10, 16:30], X[0, :, 6])
    np.testing.assert_array_equal(drawn[:10, 32:44], X[0, :, :, 7])


def test_large_images_are_averaged(tmp_path):
    X = np.zeros((2, 400, 200), np.uint8)
    X[:, :200] = 200
    drawn = pixels_of(written(tmp_path, X)["patients"][0]["drawn"][0]["picture"])
    assert drawn.shape == (160, 80)
    assert set(drawn[:79].ravel()) == {200}
    assert set(drawn[81:].ravel()) == {0}


@pytest.mark.parametrize("shape", [(80, 80), (24, 24, 24), (1000,), (60,)])
def test_page_of_100_patients_stays_below_15_megabytes(tmp_path, shape):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(2400, *shape), dtype=np.uint8)
    page = write(tmp_path, X, groups=np.repeat(np.arange(100), 24))
    assert page.stat().st_size < 15e6


def table_of_visits():
    X = pd.DataFrame(
        {
            "age": np.arange(40.0),
            "sex": ["f", "m"] * 20,
            "lab": np.r_[np.zeros(39), 99.0],
            "gaps": pd.array([None, 3] * 20, dtype="Int64"),
            "when": pd.date_range("2020-01-01", periods=40),
            "smoker": [True, False] * 20,
        }
    )
    return X, np.array(["ill"] * 20 + ["well"] * 20), np.repeat(np.arange(20), 2)


def test_values_of_tables_beside_the_ranges_of_the_classes(tmp_path):
    X, y, groups = table_of_visits()
    data = written(tmp_path, X, y, groups)
    assert data["kind"] == "table"
    columns = {c["name"]: c for c in data["shared"]["columns"]}
    want = X.loc[y == "well", "age"].quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(columns["age"]["classes"][1]["range"], want, rtol=1e-3)
    assert columns["gaps"]["classes"][0]["missing"] == 0.5
    last = data["patients"][19]
    assert [row["picture"][0] for row in last["drawn"]] == [38.0, 39.0]
    assert [row["picture"][3] for row in last["drawn"]] == [None, 3.0]
    assert last["texts"]["1"] == [["f", [0.5, 0.5]], ["m", [0.5, 0.5]]]
    assert [row["picture"][1] for row in last["drawn"]] == [0, 1]
    assert last["order"][0] == 2  # the column in which this patient is unlike its class


def test_same_table_as_array_and_polars(tmp_path):
    pl = pytest.importorskip("polars")
    X, y, groups = table_of_visits()
    X = X[["age", "sex"]]
    want = written(tmp_path, X, y, groups)
    for other in (X.to_numpy(dtype=object), pl.from_pandas(X)):
        found = written(tmp_path, other, y, groups)
        assert found["patients"] == want["patients"]


def test_kind_by_number_of_columns(tmp_path):
    kinds = {}
    for n in (63, 64, 100, 101):
        X = np.zeros((4, n))
        kinds[n] = [written(tmp_path, rows)["kind"] for rows in (X, pd.DataFrame(X))]
    assert kinds == {
        63: ["table", "table"], 64: ["curves", "table"],
        100: ["curves", "table"], 101: ["curves", "curves"],
    }  # fmt: skip
    assert written(tmp_path, np.zeros((4, 200)), pictures="table")["kind"] == "table"
    assert written(tmp_path, np.zeros((4, 20)), pictures="curves")["kind"] == "curves"
    assert written(tmp_path, np.zeros((4, 20)), pictures="none")["kind"] == "none"
    assert written(tmp_path, np.zeros((4, 20)), axis=np.arange(20))["kind"] == "curves"
    images = write(tmp_path, np.zeros((4, 400)), input_shape=(1, 20, 20))
    assert data_of(images)["kind"] == "images"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pictures": "movie"}, "pictures is 'movie', expected one of"),
        ({"pictures": "images"}, "rows of X are table of shape"),
        ({"X": np.zeros((4, 3, 6))}, "can be read in several ways"),
        ({"X": np.zeros((4, 2, 2, 2, 2, 2))}, "cannot be drawn"),
        ({"X": np.zeros(4)}, "needs one row per line"),
        ({"X": np.zeros((4, 70)), "axis": np.arange(60)}, "axis has 60 entries"),
        ({"X": np.zeros((4, 70)), "axis": np.zeros(70)}, "all rise, or all fall"),
        ({"axis": np.arange(3), "pictures": "table"}, "drawn as a table"),
        ({"X": np.zeros((4, 20, 20)), "axis": np.arange(20)}, "rows of X are images"),
        ({"X": np.zeros((3, 3))}, "inconsistent numbers of samples"),
        ({"n_patients": 0}, "n_patients == 0"),
        ({"rows": pd.DataFrame({"probability": [1.0]})}, "rows has 1 lines, but X has 4 rows"),
        ({"rows": pd.DataFrame({"p": [1.0] * 4})}, "expected 'probability'"),
        (
            {"rows": pd.DataFrame({"probability": [1.0] * 4, "suggested": ["z"] * 4})},
            r"rows has the suggested class \['z'\]",
        ),
        ({"patients": pd.DataFrame({"label": [0]})}, "lacks the columns"),
        ({"groups": list("abcd"), "patients": patients_table([0, 1], ["a", "x"])}, r"\['x'\], not"),
        ({"patients": patients_table([0, 7], [0, 1])}, r"label class \[7\], but the classes"),
        ({"patients": patients_table([0, 1], [0, 1]).iloc[[0, 0]]}, "in several lines"),
    ],
)
def test_page_errors(tmp_path, change, message):
    arguments = {"X": np.zeros((4, 3)), "y": [0, 1, 0, 1], "groups": [0, 1, 2, 3], **change}
    with pytest.raises(ValueError, match=message):
        write(tmp_path, **arguments)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["patients", "rows"])
def test_page_needs_tables(tmp_path, name):
    with pytest.raises(TypeError, match=f"{name} is a list, expected a DataFrame"):
        write(tmp_path, np.zeros((2, 2)), **{name: [1, 2]})


# ---------------------------------------------------------------------- apply_review

Y = np.array(["ill", "ill", "well", "well", "ill", "well"])
GROUPS = np.array(["P1", "P1", "P2", "P2", "P3", "P3"])  # P3 has several labels


def save(path, table, sep=",", encoding="utf-8"):
    path = path / "review.csv"
    table.to_csv(path, index=False, sep=sep, encoding=encoding, quoting=csv.QUOTE_ALL)
    return path


def review(path, decisions, y=Y, groups=GROUPS, **options):
    """Save a review; decisions are {patient: decision or (decision, new label)}."""
    table = review_template(y, groups).set_index("patient", drop=False)
    for patient, decision in decisions.items():
        columns = ["decision", "new_label"]
        table.loc[patient, columns] = decision if isinstance(decision, tuple) else (decision, "")
    return save(path, table[table["decision"] != ""], **options)


def test_decisions_become_labels_and_trusted_rows(tmp_path):
    path = review(tmp_path, {"P1": ("wrong", "well"), "P2": "unsure"})
    labels, trusted = apply_review(Y, GROUPS, path)
    assert labels.tolist() == ["well", "well", "well", "well", "ill", "well"]
    assert trusted.tolist() == [True, True, False, False, False, False]
    assert labels.dtype == Y.dtype
    assert Y[0] == "ill"  # the array given stays as it is


def test_patients_with_several_labels(tmp_path):
    labels, trusted = apply_review(Y, GROUPS, review(tmp_path, {"P3": "right"}))
    assert labels.tolist() == Y.tolist()
    assert trusted.tolist() == [False] * 4 + [True] * 2
    # both classes are corrections, also that of half of the rows
    for label in ("ill", "well"):
        labels, trusted = apply_review(Y, GROUPS, review(tmp_path, {"P3": ("wrong", label)}))
        assert labels.tolist() == [*Y[:4], label, label]
        assert trusted.tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    "y",
    [
        [0, 0, 1, 1],
        ["b", "b", "longer", "longer"],
        np.array([0.0, 0.0, 2.0, 2.0], dtype=np.float32),
        np.array([False, False, True, True]),
        np.array(["b", "b", "c", "c"], dtype=object),
        pd.Series(["b", "b", "c", "c"], index=[5, 3, 9, 1], name="diagnosis"),
        pd.Series(["b", "b", "c", "c"], dtype="category"),
        pd.Series([0, 0, 1, 1], dtype="Int64"),
        pd.Series(["b", "b", "c", "c"], dtype="string"),
        pd.Series([True, True, False, False], dtype="boolean"),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}",
)
def test_labels_keep_their_type(tmp_path, y):
    groups = ["p", "p", "q", "r"]
    other = review_template(y, groups)["label"][1]
    path = review(tmp_path, {"p": ("wrong", other)}, y, groups)
    labels, _ = apply_review(y, groups, path)
    assert type(labels) is type(y)
    if isinstance(y, pd.Series):
        want = y.copy()
        want.iloc[:2] = y.iloc[2]
        pd.testing.assert_series_equal(labels, want)
    elif isinstance(y, list):
        assert labels == [y[2]] * 4
        assert type(labels[0]) is type(y[0])
    else:
        np.testing.assert_array_equal(labels, np.repeat(y[2], 4))
        assert labels.dtype == y.dtype


def test_rows_in_another_order(tmp_path):
    order = np.random.default_rng(0).permutation(6)
    path = review(tmp_path, {"P1": ("wrong", "well"), "P2": "right"})
    want, trusted = apply_review(Y, GROUPS, path)
    labels, trusted_too = apply_review(Y[order], GROUPS[order], path)
    np.testing.assert_array_equal(labels, want[order])
    np.testing.assert_array_equal(trusted_too, trusted[order])


@pytest.mark.parametrize(("sep", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8"), (",", "utf-8")])
def test_hostile_ids_come_back_from_any_spreadsheet(tmp_path, sep, encoding):
    groups = np.array([*HOSTILE, "Jürgen; M."])
    y = np.arange(len(groups)) % 2
    table = review_template(y, groups)
    assert not table["patient"].str.match(r"[=+\-@]").any()  # nothing that would be a formula
    table["decision"] = "wrong"
    table["new_label"] = [str(1 - int(label)) for label in table["label"]]
    labels, trusted = apply_review(y, groups, save(tmp_path, table, sep, encoding))
    np.testing.assert_array_equal(labels, 1 - y)
    assert trusted.all()


def test_empty_review_changes_nothing(tmp_path):
    labels, trusted = apply_review(Y, GROUPS, review(tmp_path, {}))
    assert labels.tolist() == Y.tolist()
    assert not trusted.any()


def test_second_review_of_corrected_labels(tmp_path):
    path = review(tmp_path, {"P1": ("wrong", "well")})
    labels, _ = apply_review(Y, GROUPS, path)
    with pytest.raises(ValueError, match=r"belongs to other data.*as they were when the page"):
        apply_review(labels, GROUPS, path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("decision", "maybe", "line 2: the decision is 'maybe'"),
        (
            "decision",
            "wrong",
            "line 2: patient 'P1' is wrong and gets the new label '', not",
        ),
        ("new_label", "well", "new label 'well', but the decision is 'right'"),
        ("patient", "P9", "the patient is 'P9', but was 'P1'"),
        ("data", "skrobust-000000000000-0", "belongs to other data"),
        ("data", "", "belongs to other data"),
        ("data", "P1", "belongs to other data"),
    ],
)
def test_errors_name_the_line(tmp_path, column, value, message):
    table = review_template(Y, GROUPS)
    table.loc[0, "decision"] = "right"
    table.loc[0, column] = value
    with pytest.raises(ValueError, match=message):
        apply_review(Y, GROUPS, save(tmp_path, table))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("dead", r"not a class of y\. The classes are \['ill', 'well'\]"),
        ("ill", "the label it has"),
    ],
)
def test_wrong_new_labels(tmp_path, label, message):
    with pytest.raises(ValueError, match=message):
        apply_review(Y, GROUPS, review(tmp_path, {"P1": ("wrong", label)}))


def test_number_of_an_unknown_patient(tmp_path):
    table = review_template(Y, GROUPS)
    table.loc[0, ["patient", "data"]] = ["P9", table.loc[0, "data"][:-1] + "7"]
    with pytest.raises(ValueError, match="unknown patient 'P9'"):
        apply_review(Y, GROUPS, save(tmp_path, table))


def test_ids_changed_by_a_spreadsheet_program(tmp_path):
    groups = np.array(["007", "007", "7", "7", "8", "8"])
    table = review_template(Y, groups)
    table["decision"], table["patient"] = "right", ["7", "7", "8"]
    with pytest.raises(ValueError, match="the patient is '7', but was '007'"):
        apply_review(Y, groups, save(tmp_path, table))


def test_patient_twice(tmp_path):
    table = review_template(Y, GROUPS)
    table["decision"] = "right"
    path = save(tmp_path, pd.concat([table, table.iloc[:1]]))
    with pytest.raises(ValueError, match="line 5: patient 'P1' is in line 2, too"):
        apply_review(Y, GROUPS, path)


def test_files_that_are_no_review(tmp_path):
    with pytest.raises(FileNotFoundError, match="Export it from the review page"):
        apply_review(Y, GROUPS, tmp_path / "none.csv")
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['patient', 'decision'"):
        apply_review(Y, GROUPS, path)
    path.write_text("patient,decision,new_label,data\nP1,right\n")
    with pytest.raises(ValueError, match="line 2: 2 cells, but there are 4 columns"):
        apply_review(Y, GROUPS, path)
    path.write_text('patient,decision,new_label,data\n"P1,right')
    with pytest.raises(ValueError, match="is not CSV"):
        apply_review(Y, GROUPS, path)
    path.write_bytes("patient,decision,new_label,data\nJürgen,right,,x\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"is not UTF-8.*'CSV UTF-8'"):
        apply_review(Y, GROUPS, path)


def test_whole_numbers_are_the_same_in_every_type(tmp_path):
    path = review(tmp_path, {"7": ("wrong", "1")}, np.array([0, 0, 1]), np.array([7, 7, 8]))
    for y, groups in [
        (np.array([0.0, 0.0, 1.0]), np.array([7.0, 7.0, 8.0])),
        (np.array(["0", "0", "1"]), np.array(["7", "7", "8"])),
    ]:
        labels, trusted = apply_review(y, groups, path)
        np.testing.assert_array_equal(labels, np.repeat(y[2:], 3))
        assert trusted.tolist() == [True, True, False]
    patients = patients_table([0.0, 1.0], [7.0, 8.0])
    shown = written(tmp_path, np.zeros((3, 2)), [0, 0, 1], [7, 7, 8], patients)["patients"]
    assert [(p["id"], p["label"]) for p in shown] == [("7", "0"), ("8", "1")]


def test_rows_without_groups(tmp_path):
    shown = written(
        tmp_path, np.zeros((3, 2)), [0, 1, 1], None, patients_table([0, 1, 1], range(3))
    )
    assert [p["id"] for p in shown["patients"]] == ["0", "1", "2"]
    path = review(tmp_path, {"1": ("wrong", "0"), "2": "right"}, [0, 1, 1], None)
    labels, trusted = apply_review([0, 1, 1], None, path)
    assert (labels, trusted.tolist()) == ([0, 0, 1], [False, True, True])


@pytest.mark.parametrize(("y", "groups"), [(["", "b"], [1, 2]), (["a", "b"], ["", "q"])])
def test_empty_names_are_refused(y, groups):
    with pytest.raises(ValueError, match="is an empty text"):
        review_template(y, groups)


def test_ids_that_read_the_same():
    class Odd(str):
        def __str__(self):
            return "odd"

    groups = np.array([Odd("a"), Odd("b")], dtype=object)
    with pytest.raises(ValueError, match="two patients read the same"):
        review_template([0, 1], groups)
