"""fetch_brain_tumour against a local server with small files of the same layout."""

import hashlib
import io
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from skrobust import fetch_brain_tumour
from skrobust.datasets.files import download, get_data_home

h5py = pytest.importorskip("h5py")
# the function has the name of its module
part = sys.modules["skrobust.datasets.files"]


def matlab_file(image, mask, label, patient):
    """Return a file of version 7.3: columns first, text as character codes."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("cjdata")
        group["image"], group["tumorMask"] = image.T, mask.T
        group["label"] = np.array([[float(label)]])
        group["PID"] = np.array([[ord(c)] for c in patient], dtype=np.uint16)
        group["tumorBorder"] = np.zeros((1, 8))
    return content.getvalue()


def slices():
    rng = np.random.RandomState(0)
    for number, (label, patient, size) in enumerate(
        [(1, "100360", 512), (2, "MR017260F", 512), (3, "MR017260F", 256), (1, "99", 512)], 1
    ):
        image = rng.randint(0, 3000, (size, size)).astype(np.int16)
        mask = np.zeros((size, size), np.uint8)
        mask[size // 4 : size // 2, : size // 4] = 1
        yield number, image, mask, label, patient


@pytest.fixture
def server(monkeypatch):
    """Serve two archives; `asked` holds the Range headers, `broken` cuts the next answer short."""
    files, archives = {}, []
    contents = list(slices())
    for name, members in (("a.zip", contents[2:]), ("b.zip", contents[:2])):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("cvind.mat", b"no slice")
            for number, *rest in members:
                archive.writestr(f"{number}.mat", matlab_file(*rest))
        files[f"/{name}"] = data.getvalue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.headers.get("Range"))
            body = files[self.path]
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            if start and not server.resumes:
                start = 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if server.broken:
                server.broken -= 1
                self.wfile.write(body[start : start + 1000])
            else:
                self.wfile.write(body[start:])

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.broken, server.resumes, server.files = [], 0, True, files
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path, body in files.items():
        url = f"http://127.0.0.1:{server.server_port}{path}"
        archives.append((path[1:], url, hashlib.sha256(body).hexdigest()))
    monkeypatch.setattr(part, "_ARCHIVES", tuple(archives))
    yield server
    server.shutdown()
    server.server_close()


def test_full_size_is_what_was_stored(server, tmp_path):
    found = fetch_brain_tumour(data_home=tmp_path)
    assert found.data.shape == found.masks.shape == (4, 1, 512, 512)
    assert found.data.dtype == np.int16
    for i, (number, image, mask, label, patient) in enumerate(slices()):
        assert found.image_number[i] == number
        assert found.target[i] == label - 1
        assert found.groups[i] == patient
        if image.shape[0] == 512:
            assert np.array_equal(found.data[i, 0], image)
            assert np.array_equal(found.masks[i, 0], mask == 1)
        else:
            assert np.array_equal(found.data[i, 0, ::2, ::2], image)
            assert np.array_equal(found.data[i, 0, 1::2, 1::2], image)
    assert found.target_names[found.target[1]] == "glioma"


def test_resized_by_area_and_read_from_the_cache(server, tmp_path):
    X, y, groups = fetch_brain_tumour(data_home=tmp_path, size=64, return_X_y_groups=True)
    assert X.shape == (4, 1, 64, 64)
    assert X.dtype == np.float32
    image = next(slices())[1]
    np.testing.assert_allclose(X[0, 0], image.reshape(64, 8, 64, 8).mean((1, 3)), rtol=1e-5)
    assert y.tolist() == [0, 1, 2, 0]
    assert len(server.asked) == 2
    masks = fetch_brain_tumour(data_home=tmp_path, size=64, download_if_missing=False).masks
    assert masks[:, 0].sum((1, 2)).tolist() == [16 * 16] * 4
    fetch_brain_tumour(data_home=tmp_path, size=50)
    assert len(server.asked) == 2
    assert groups.dtype.kind == "U"


def test_a_broken_download_goes_on(server, tmp_path):
    server.broken = 2
    fetch_brain_tumour(data_home=tmp_path, size=8)
    assert server.asked == [None, "bytes=1000-", "bytes=2000-", None]
    assert not list((tmp_path / "brain_tumour").glob("*.part*"))


def test_the_next_call_goes_on(server, tmp_path):
    server.broken = 1
    with pytest.raises(OSError, match=r"1000 of \d+ bytes came.*Call again"):
        fetch_brain_tumour(data_home=tmp_path, size=8, n_retries=0)
    fetch_brain_tumour(data_home=tmp_path, size=8, n_retries=0)
    assert server.asked[1] == "bytes=1000-"


def test_a_server_that_cannot_resume_sends_all(server, tmp_path):
    server.broken, server.resumes = 1, False
    fetch_brain_tumour(data_home=tmp_path, size=8)
    assert server.asked[:2] == [None, "bytes=1000-"]


def test_a_finished_part_is_taken_up(server, tmp_path):
    _, url, sha256 = part._ARCHIVES[0]
    (tmp_path / "a.zip.part").write_bytes(server.files["/a.zip"])
    download(url, tmp_path / "a.zip", sha256)
    assert (tmp_path / "a.zip").read_bytes() == server.files["/a.zip"]


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    _, url, _ = part._ARCHIVES[0]
    with pytest.raises(OSError, match="SHA-256"):
        download(url, tmp_path / "a.zip", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_errors_say_what_to_do(server, tmp_path, monkeypatch):
    with pytest.raises(OSError, match="download_if_missing=True"):
        fetch_brain_tumour(data_home=tmp_path, download_if_missing=False)
    with pytest.raises(ValueError, match="size"):
        fetch_brain_tumour(data_home=tmp_path, size=0)
    gone = ("c.zip", "http://127.0.0.1:1/c.zip", "")
    monkeypatch.setattr(part, "_ARCHIVES", (gone,))
    with pytest.raises(OSError, match="save it as"):
        fetch_brain_tumour(data_home=tmp_path, n_retries=0)


def test_another_layout_is_named(server, tmp_path, monkeypatch):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        inside = io.BytesIO()
        with h5py.File(inside, "w") as file:
            file.create_group("other")
        archive.writestr("1.mat", inside.getvalue())
    (tmp_path / "brain_tumour").mkdir()
    (tmp_path / "brain_tumour" / "a.zip").write_bytes(body.getvalue())
    monkeypatch.setattr(part, "_ARCHIVES", (part._ARCHIVES[0],))
    with pytest.raises(ValueError, match=r"1\.mat does not have the layout"):
        fetch_brain_tumour(data_home=tmp_path)


def test_data_home_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path / "here"))
    assert get_data_home() == tmp_path / "here"
    assert get_data_home(tmp_path) == tmp_path
