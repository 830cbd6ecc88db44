import numpy as np
import pytest

from skrobust.datasets import load_grouped_npz

ARRAYS = {
    "X": np.array([[0.0, np.nan], [1.0, 2.0], [3.0, 4.0]], dtype=np.float32),
    "y": np.array([0, 1, 1]),
    "groups": np.array(["p1", "p2", "p2"]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_round_trip(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, **ARRAYS, class_names=np.array(["healthy", "tumour"]), age=np.array([1, 2, 3]))
    data = load_grouped_npz(path)
    for name, key in [("data", "X"), ("target", "y"), ("groups", "groups")]:
        np.testing.assert_array_equal(data[name], ARRAYS[key])
        assert data[name].dtype == ARRAYS[key].dtype
    assert data.target_names == ["healthy", "tumour"]
    assert data.age.tolist() == [1, 2, 3]
    assert data.filename == str(path)
    assert set(data) == {"data", "target", "groups", "target_names", "filename", "age", "layout"}
    for got, want in zip(
        load_grouped_npz(str(path), return_X_y_groups=True), ARRAYS.values(), strict=True
    ):
        np.testing.assert_array_equal(got, want)


def test_images_and_no_class_names(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **{**ARRAYS, "X": np.zeros((3, 4, 5), dtype=np.uint8)})
    data = load_grouped_npz(path)
    assert data.data.shape == (3, 4, 5)
    assert data.data.dtype == np.uint8
    assert "target_names" not in data


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load_grouped_npz(tmp_path / "none.npz")


@pytest.mark.parametrize("kind", ["npy", "text"])
def test_not_an_npz_file(tmp_path, kind):
    path = tmp_path / "a.npz"
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_text("hello")
    with pytest.raises(ValueError, match="not an npz file"):
        load_grouped_npz(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": None}, r"no array named groups; it holds \['X', 'y'\]"),
        ({"y": None, "X": None}, r"no array named X or y"),
        ({"y": np.array([0, 1])}, r"X has shape \(3, 2\) and y has shape \(2,\)"),
        ({"groups": np.array([0, 1])}, "groups has 2 entries"),
        ({"groups": np.array([0, 1, np.nan])}, "groups contains missing values"),
        ({"groups": np.array(["a", None, "b"], dtype=object)}, "Pickled objects are refused"),
        ({"filename": np.array([1])}, r"\['filename'\]"),
    ],
)
def test_bad_content(tmp_path, change, message):
    path = tmp_path / "a.npz"
    arrays = {key: value for key, value in {**ARRAYS, **change}.items() if value is not None}
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        load_grouped_npz(path)


def test_damaged_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **{**ARRAYS, "X": np.arange(3000.0).reshape(3, 1000)})
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="cannot be read"):
        load_grouped_npz(path)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((7,), "rows of 7 numbers"), ((64, 64), "images of 64 x 64, one channel"),
     ((24, 24, 24), "volumes of 24 x 24 x 24, one channel"),
     ((1, 288), "signals of 288, one channel"), ((3, 32, 40), "images of 32 x 40, 3 channels"),
     ((3, 500), "can be read in several ways")],
)  # fmt: skip
def test_the_layout_is_said(tmp_path, shape, layout):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, *shape)), y=[0, 1], groups=[0, 1])
    assert layout in load_grouped_npz(tmp_path / "a.npz").layout
