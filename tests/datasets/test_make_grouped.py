import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skrobust
from skrobust import make_grouped


def study(folder, files):
    """Write one number into every file."""
    for number, name in enumerate(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n{number}\n")
    return folder


FILES = ["ill/P2/a.csv", "ill/P2/b.csv", "well/P1/a.csv", "well/P3/b.csv"]


def test_rows_in_the_order_of_the_paths(tmp_path):
    study(tmp_path, FILES[::-1])
    found = make_grouped(tmp_path, np.loadtxt)
    assert found.files.tolist() == [str(tmp_path / name) for name in FILES]
    assert found.data.tolist() == [[3, 3], [2, 2], [1, 1], [0, 0]]
    assert found.target.tolist() == ["ill", "ill", "well", "well"]
    assert found.groups.tolist() == ["P2", "P2", "P1", "P3"]
    assert found.layout == "rows of 2 numbers"
    assert set(found) == {"data", "target", "groups", "files", "layout"}
    again = make_grouped(map(str, [tmp_path / name for name in FILES]), np.loadtxt)
    np.testing.assert_array_equal(again.data, found.data)


@pytest.mark.parametrize(
    ("pattern", "files", "want"),
    [
        ("{label}_{patient}.csv", ["ill_P1.csv"], ("ill", "P1", {})),
        ("{label}/{patient}/{visit}_*.csv", ["a/P1/v1_x.csv"], ("a", "P1", {"visit": "v1"})),
        ("{label}/{patient}/{patient}_?.csv", ["a/P1/P1_1.csv", "a/P2/P1_1.csv"], ("a", "P1", {})),
        ("{label}/{patient}/**/x.csv", ["a/P1/b/c/x.csv"], ("a", "P1", {})),
        ("{label}/**/{patient}.csv", ["a/P1.csv"], ("a", "P1", {})),
        ("[{label}]/{patient}+.csv", ["[a]/P1+.csv", "a/P11.csv"], ("a", "P1", {})),
        (
            "{label}/{patient}/*.csv",
            ["a/P1/b.csv", "a/P1/._b.csv", "a/.g/b.csv"],
            ("a", "P1", {}),
        ),
    ],
)
def test_patterns(tmp_path, pattern, files, want):
    found = make_grouped(study(tmp_path / "root", files), np.loadtxt, pattern)
    label, patient, others = want
    assert (found.target.tolist(), found.groups.tolist()) == ([label], [patient])
    assert {name: found[name].tolist() for name in others} == {k: [v] for k, v in others.items()}
    assert found.files.tolist() == [str(tmp_path / "root" / files[0])]


def test_several_rows_of_a_file(tmp_path):
    study(tmp_path, FILES)
    for read in (lambda path: [np.zeros(3), np.ones(3)], lambda path: iter(np.eye(2, 3))):
        found = make_grouped(tmp_path, read)
        assert found.data.shape == (8, 3)
        assert found.groups.tolist() == np.repeat(["P2", "P2", "P1", "P3"], 2).tolist()
        assert found.files[1] == found.files[0] != found.files[2]
    one = make_grouped(tmp_path, lambda path: np.zeros((2, 3)))
    assert one.data.shape == (4, 2, 3)
    series = make_grouped(tmp_path, lambda path: pd.Series([1.0, 2.0]))
    assert series.data.tolist() == [[1, 2]] * 4


def test_tables(tmp_path):
    study(tmp_path, FILES)

    def read(path):
        n = {"P1": 0, "P2": 1, "P3": 3}[path.parent.name]
        return pd.DataFrame({"age": range(n), "sex": ["f"] * n})

    found = make_grouped(tmp_path, read)
    assert found.data["age"].tolist() == [0, 0, 0, 1, 2]
    assert found.data.index.tolist() == list(range(5))
    assert found.groups.tolist() == ["P2", "P2", "P3", "P3", "P3"]
    assert found.target.tolist() == ["ill", "ill", "well", "well", "well"]


@pytest.mark.parametrize("kind", [dict, pd.Series])
def test_labels_from_a_table(tmp_path, kind):
    study(tmp_path, ["P1/a.csv", "P2/a.csv", "P2/b.csv"])
    found = make_grouped(tmp_path, np.loadtxt, "{patient}/*.csv", labels=kind({"P2": 1, "P1": 0}))
    assert found.target.tolist() == [0, 1, 1]
    numbered = study(tmp_path / "n", ["1/a.csv", "2/a.csv"])
    found = make_grouped(numbered, np.loadtxt, "{patient}/*.csv", labels=kind({2: "b", 1: "a"}))
    assert found.target.tolist() == ["a", "b"]


def test_same_name_under_two_labels_warns(tmp_path):
    study(tmp_path, ["ill/01/a.csv", "well/01/a.csv", "well/02/a.csv"])
    with pytest.warns(UserWarning, match=r"1 patients have several labels, such as \['01'\]"):
        make_grouped(tmp_path, np.loadtxt)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pattern": "{label}/*/*.csv"}, ValueError, "has no {patient}"),
        ({"pattern": "{patient}/*/*.csv"}, ValueError, "lacks {label}, and labels are not given"),
        ({"labels": {"P1": 0}}, ValueError, "has {label}, and labels are given, too"),
        ({"pattern": "{label}/{patient}/{data}.csv"}, ValueError, r"names \['data'\], which are"),
        ({"pattern": "{label}/{patient}/{1}.csv"}, ValueError, "has '.1.', expected names"),
        ({"pattern": "{label}/{patient"}, ValueError, "has '.', expected names"),
        ({"pattern": "{label}/{patient}/*.png"}, FileNotFoundError, "No file in .* fits"),
        ({"paths": "nowhere"}, FileNotFoundError, "No folder 'nowhere'"),
        ({"paths": ["ill/P9/a.csv"]}, FileNotFoundError, r"No file .*P9.* \(1 are missing\)"),
        (
            {"pattern": "*/{patient}/*.csv", "labels": {"P1": 0, "P2": np.nan}},
            ValueError,
            r"labels lacks 2 of the patients, such as \['P2', 'P3'\]",
        ),
        (
            {"pattern": "*/{patient}/*.csv", "labels": pd.Series([1, 2], index=["P1", "P1"])},
            ValueError,
            r"several entries for \['P1'\]",
        ),
        ({"read": lambda path: 1 / 0}, ValueError, "a.csv' could not be read: ZeroDivisionError"),
        ({"read": lambda path: [1, 2]}, ValueError, r"has shape \(\)"),
        ({"read": lambda path: []}, ValueError, "the 4 files hold no rows"),
        (
            {"read": lambda path: np.zeros(3 + (path.name == "b.csv"))},
            ValueError,
            r"b.csv' has shape \(4,\), but the first of .*a.csv' has \(3,\)",
        ),
        (
            {"read": lambda path: pd.DataFrame({path.stem: [1]})},
            ValueError,
            r"has the columns \['b'\], but .* has \['a'\]",
        ),
        (
            {"read": lambda path: pd.DataFrame() if path.stem == "b" else np.zeros(1)},
            ValueError,
            "a DataFrame for some files",
        ),
    ],
)
def test_errors(tmp_path, options, error, message):
    study(tmp_path, FILES)
    arguments = {"paths": tmp_path, "read": np.loadtxt, **options}
    with pytest.raises(error, match=message):
        make_grouped(**arguments)


# ---------------------------------------------------------------------- recipes of the guide


def recipe(call):
    """Return the code of the guide that ends in a call."""
    page = Path(skrobust.__file__).parents[1] / "docs/user_guide/datasets.rst"
    blocks = re.findall(r"code-block:: python\n\n((?:   .*\n|\n)+)", page.read_text())
    (block,) = [block for block in blocks if call in block]
    return "\n".join(line[3:] for line in block.splitlines())


def run_recipe(folder, call, monkeypatch):
    monkeypatch.chdir(folder)
    names = {}
    exec(recipe(call), names)
    return names


PLACES = ["ill/P01", "well/P02", "well/P03"]


def folders(tmp_path):
    for place in PLACES:
        folder = tmp_path / "study" / place
        folder.mkdir(parents=True)
        yield folder


def test_recipe_for_spectra(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for folder in folders(tmp_path):
        for name in ("spot 1.csv", "spot 2.csv"):
            places = rng.permutation(np.linspace(390 + rng.uniform(), 1610, 900))
            table = np.column_stack([places, 2 * places + 1])
            np.savetxt(folder / name, table, delimiter=",", header="place,value")
    names = run_recipe(tmp_path, "spectra = ", monkeypatch)
    spectra = names["spectra"]
    assert spectra.data.shape == (6, 600)
    np.testing.assert_allclose(spectra.data, np.tile(2 * names["axis"] + 1, (6, 1)))
    assert spectra.groups.tolist() == ["P01", "P01", "P02", "P02", "P03", "P03"]
    # a file that does not reach the end of the axis
    short = np.column_stack([np.linspace(390, 1000), np.zeros(50)])
    np.savetxt(folder / "spot 3.csv", short, delimiter=",", header="place,value")
    assert np.isnan(names["read_spectrum"](folder / "spot 3.csv")[-1])


def test_recipe_for_png(tmp_path, monkeypatch):
    image = pytest.importorskip("matplotlib.image")
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 12, 16), dtype=np.uint8)
    for picture, folder in zip(pixels, folders(tmp_path), strict=True):
        image.imsave(folder / "slice_7.png", np.stack([picture] * 3, axis=-1))
    images = run_recipe(tmp_path, "images = ", monkeypatch)["images"]
    np.testing.assert_allclose(images.data, pixels / 255, atol=1e-6)
    assert images.layout == "images of 12 x 16, one channel"
    assert images.slice.tolist() == ["7"] * 3


def test_recipe_for_nifti(tmp_path, monkeypatch):
    nibabel = pytest.importorskip("nibabel")
    ramp = np.arange(16.0)[:, None, None] * np.ones((16, 16, 16))
    for sign, folder in zip((1, 1, -1), folders(tmp_path), strict=True):
        # the last is stored from left to right the other way round
        voxels = ramp[::sign].astype(np.float32)
        volume = nibabel.Nifti1Image(voxels, np.diag([sign, 1, 1, 1.0]))
        nibabel.save(volume, folder / "t1.nii.gz")
    volumes = run_recipe(tmp_path, "volumes = ", monkeypatch)["volumes"]
    assert volumes.data.shape == (3, 32, 32, 32)
    np.testing.assert_allclose(volumes.data[2], volumes.data[0], atol=1e-4)
    np.testing.assert_allclose(volumes.data[0][:, 5, 5], np.linspace(0, 15, 32), atol=1e-4)


def test_recipe_for_dicom(tmp_path, monkeypatch):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    for folder in folders(tmp_path):
        # the order of the names is not that of the slices
        for name, height in [("a", 20.0), ("b", 0.0), ("c", 10.0)]:
            data = pydicom.Dataset()
            data.file_meta = pydicom.dataset.FileMetaDataset()
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, pydicom.uid.generate_uid()
            data.file_meta.MediaStorageSOPClassUID = CTImageStorage
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
            data.Rows, data.Columns = 8, 9
            data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
            data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
            data.PixelRepresentation = 0
            data.ImagePositionPatient = [0, 0, height]
            data.RescaleSlope, data.RescaleIntercept = 2, -1000
            data.PixelData = np.full((8, 9), height, dtype="<u2").tobytes()
            data.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    series = run_recipe(tmp_path, "series = ", monkeypatch)["series"]
    assert series.data.shape == (3, 3, 8, 9)
    assert series.data[1, :, 0, 0].tolist() == [-1000, -980, -960]
    assert series.groups.tolist() == ["P01", "P02", "P03"]
