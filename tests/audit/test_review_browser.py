"""The review page as people use it, in headless Chromium."""

import csv
import io
import re
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skrobust
from skrobust import apply_review
from skrobust.audit import review_template, write_review
from skrobust.audit.command_line import main

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.common.exceptions import NoSuchElementException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support import expected_conditions  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="no Chromium with chromedriver (Debian: apt-get install chromium chromium-driver)",
)

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">, 'q' =1\nnext"
# patient 5 has several labels, patient 4 an id that is markup, a formula and two lines of CSV
NAMES = ["P1", "=1+1", "__proto__", HOSTILE, "several", "P6"]
CLASSES = ["COV", "CTRL", "other"]
LABELS = ["COV", "CTRL", "COV", "other", "COV", "CTRL"]
SUGGESTED = ["CTRL", "COV", "other", "COV", "CTRL", "CTRL"]


def data_set():
    groups = np.repeat(NAMES, 3)
    y = np.repeat(LABELS, 3)
    y[12:15] = ["COV", "CTRL", "COV"]
    return y, groups


def page_of(path, kind="curves", **options):
    y, groups = data_set()
    rng = np.random.default_rng(0)
    X = {
        "curves": rng.normal(size=(18, 120)).cumsum(1),
        "images": rng.integers(0, 256, size=(18, 24, 24), dtype=np.uint8),
        "volumes": rng.integers(0, 256, size=(18, 12, 12, 12), dtype=np.uint8),
        "table": pd.DataFrame(rng.normal(size=(18, 20))).assign(
            text=["a long text without any space".replace(" ", "_") * 4] * 18
        ),
    }[kind]
    table = {
        "label": LABELS,
        "probability": [0.01, 0.0001, 0.3, 0.4, 0.45, 0.9],
        "suggested": SUGGESTED,
        "reasons": ["3 of 3 rows look like <b>CTRL</b>", "b", "c", "d", "e", "f"],
    }
    rows = pd.DataFrame({"probability": np.linspace(0, 1, 18), "suggested": "CTRL"})
    patients = pd.DataFrame(table, index=NAMES)
    return write_review(path, X, y, groups, patients, rows, **options)


@pytest.fixture(scope="module")
def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("page") / "review.html")


class Page:
    """The page in a browser, as a person sees it."""

    def __init__(self, driver, path, downloads):
        self.driver, self.downloads = driver, downloads
        self.wait = WebDriverWait(driver, 30, poll_frequency=0.02)
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
        )
        self.forget()
        self.open(path)

    def forget(self):
        """Empty the browser's store."""
        # not localStorage.clear(): Chromium may clear after the next page has begun to write
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd(
            "Storage.clearDataForOrigin", {"origin": "file://", "storageTypes": "local_storage"}
        )

    def open(self, path):
        self.driver.get(path.as_uri())
        self.wait.until(lambda _: self.text("#about"))

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def press(self, *keys):
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def click(self, text):
        """Click the button with a text, its key left out."""
        found = self.driver.find_elements(By.XPATH, f"//button[normalize-space(text())='{text}']")
        (button,) = [button for button in found if button.is_displayed()]
        button.click()

    @property
    def name(self):
        return self.find("#name").get_property("textContent")

    @property
    def listed(self):
        return [e.get_property("textContent") for e in self.all("#patients .id")]

    @property
    def marks(self):
        return [e.get_property("textContent") for e in self.all("#patients .mark")]

    @property
    def pressed(self):
        return [b.text.split("\n")[0] for b in self.all("#choices [aria-pressed=true]")]

    def exported(self):
        for file in self.downloads.iterdir():
            file.unlink()
        self.press("e")
        # the browser renames the file when it is complete
        return self.wait.until(lambda _: next(self.downloads.glob("*.csv"), None))

    def put(self, path, answer=None):
        """Import a file; `answer` says what to do with the question that comes."""
        self.find("#file").send_keys(str(path))
        if answer is not None:
            question = self.wait.until(expected_conditions.alert_is_present())
            self.question = question.text
            getattr(question, answer)()
        self.wait.until(lambda _: self.find("#file").get_property("value") == "")


@pytest.fixture
def browser(chromium, page, tmp_path):
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.set_window_size(1200, 900)
    (tmp_path / "downloads").mkdir()
    yield Page(chromium, page, tmp_path / "downloads")
    # no error in the page, no resource missing, nothing blocked by its policy
    assert [line["message"] for line in chromium.get_log("browser")] == []


def lines_of(path):
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_patients_with_reasons_and_pictures(browser):
    assert browser.listed == NAMES
    assert browser.name == "P1"
    assert browser.text("#reasons") == "3 of 3 rows look like <b>CTRL</b>"
    facts = browser.text("#facts").split("\n")
    assert facts == ["Label", "COV", "Probability of the label", "1.0%", "Most probable", "CTRL",
                     "Rows", "3", "Place in the list", "1 of 6"]  # fmt: skip
    assert browser.text("#about") == "6 patients, 18 rows; classes: COV, CTRL, other"
    assert len(browser.all("#plots .curve")) == 3
    assert len(browser.all("#plots .middle")) == 3  # one for each class
    briefs = [e.get_property("textContent") for e in browser.all("#patients .brief")]
    assert briefs[::5] == ["1.0% · COV → CTRL", "90% · CTRL"]
    browser.press("j")
    assert "< 0.1%" in browser.text("#facts")


def test_every_key_of_a_decision(browser):
    browser.press("r")
    assert browser.name == "=1+1"  # it goes on by itself
    browser.press("1", "u")
    assert browser.marks == ["right", "is COV", "unsure", "", "", ""]
    assert browser.text("#progress") == "3 of 6 decided: 1 right, 1 wrong, 1 unsure"
    assert browser.find("#bar").get_property("value") == 3
    # the label that it has is no correction, and there is no fourth class
    browser.press("3", "4")
    assert browser.name == HOSTILE
    assert browser.marks[3] == ""
    browser.press("2")
    assert browser.marks[3] == "is CTRL"
    browser.press("k", "c")
    assert browser.marks[3] == ""
    assert browser.name == HOSTILE  # after clearing it stays
    browser.press("z")
    assert browser.marks[3] == "is CTRL"
    browser.press("z", "z")
    assert browser.marks == ["right", "is COV", "", "", "", ""]
    assert browser.name == "__proto__"
    browser.press("z", "z", "z")
    assert browser.text("#status") == "Nothing to undo."
    assert browser.text("#progress").startswith("0 of 6")


def test_every_button_of_a_decision(browser):
    browser.find("#advance").click()
    browser.click("Label right")
    assert (browser.name, browser.pressed) == ("P1", ["Label right R"])
    browser.click("Wrong, is CTRL")
    assert browser.pressed == ["Wrong, is CTRL 2"]
    browser.click("Wrong, is other")
    assert browser.pressed == ["Wrong, is other 3"]
    browser.click("Unsure")
    assert browser.pressed == ["Unsure U"]
    browser.click("Clear")
    assert browser.pressed == []
    assert len(browser.all("#choices .wrong")) == 2  # not the label that it has
    browser.click("Next")
    assert browser.name == "=1+1"
    browser.click("Previous")
    assert browser.name == "P1"
    browser.all("#patients button")[4].click()
    assert browser.name == "several"
    assert "COV in 2 rows, CTRL in 1 row." in browser.text("#several")
    assert len(browser.all("#choices .wrong")) == 3
    browser.click("All rows are COV")
    assert browser.marks[4] == "is COV"


def test_moving_by_keys(browser):
    browser.press("j", Keys.ARROW_RIGHT)
    assert browser.name == "__proto__"
    browser.press("k", Keys.ARROW_LEFT, "k")
    assert (browser.name, browser.text("#status")) == ("P1", "This is the first patient.")
    browser.press("u", "u", "k", "k", "t")
    assert browser.name == "__proto__"
    browser.press(*"jjj", "r")
    assert (browser.name, browser.text("#status")) == ("P6", "No further patient in the list.")
    browser.press("t")
    assert browser.name == "__proto__"


def test_notes(browser):
    browser.press("n")
    browser.press('rust, "x"\n=2')  # letters are text here, no decisions
    browser.press(Keys.ESCAPE)
    browser.press("j", "k")
    assert browser.find("#note").get_property("value") == 'rust, "x"\n=2'
    assert browser.marks[0] == "✎ "
    browser.press("u")
    assert browser.marks[0] == "✎ unsure"
    assert browser.find("#note").get_property("value") == ""  # that of the next patient
    (line,) = lines_of(browser.exported())
    assert (line["decision"], line["note"]) == ("unsure", 'rust, "x"\n=2')


def test_filter_and_search(browser):
    browser.press("r", "1", "u", "k")
    found = {}
    for _ in range(7):
        browser.press("f")
        found[browser.find("#filter").get_property("value")] = browser.listed
    assert found == {
        "todo": NAMES[3:], "doubted": NAMES[:5], "right": NAMES[:1], "wrong": NAMES[1:2],
        "unsure": NAMES[2:3], "note": [], "all": NAMES,
    }  # fmt: skip
    browser.press("/")
    browser.press("PROTO")
    assert browser.listed == ["__proto__"]
    assert browser.name == "__proto__"
    assert browser.text("#found") == "1 of 6 patients"
    browser.find("#search").clear()
    browser.find("#search").send_keys("other")
    assert browser.listed == [HOSTILE]
    browser.find("#search").clear()
    browser.find("#search").send_keys("x")
    browser.find("#search").send_keys(Keys.BACKSPACE, Keys.ESCAPE)
    browser.press("u")
    assert browser.marks[3] == "unsure"
    # decided patients leave the list of those to do
    browser.press("f")
    browser.press("t", "r")
    assert browser.listed == ["several"]


def test_reload_keeps_everything(browser, page):
    browser.find("#reviewer").send_keys("Dr. No", Keys.ESCAPE)
    browser.press("r", "1")
    browser.press("n")
    browser.press("look again", Keys.ESCAPE)
    for _ in range(10):
        browser.open(page)
        assert browser.marks == ["right", "is COV", "✎ ", "", "", ""]
        assert browser.name == "__proto__"
        assert browser.find("#note").get_property("value") == "look again"
        assert browser.find("#reviewer").get_property("value") == "Dr. No"


def test_another_page_of_the_same_data_and_of_other_data(browser, page, tmp_path):
    browser.press("r", "1", "u")
    fewer = page_of(tmp_path / "fewer.html", n_patients=2)
    browser.open(fewer)
    assert browser.marks == ["right", "is COV"]
    assert browser.text("#progress").endswith("0 unsure; 1 more of other pages")
    assert len(lines_of(browser.exported())) == 3
    y, groups = data_set()
    patients = pd.DataFrame(
        {"label": ["CTRL"], "probability": [0.1], "suggested": ["COV"]}, index=["P6"]
    )
    y[0] = "CTRL"
    browser.open(write_review(tmp_path / "other.html", np.zeros((18, 2)), y, groups, patients))
    assert browser.marks == [""]
    browser.open(page)
    assert browser.marks[:3] == ["right", "is COV", "unsure"]


def test_export_becomes_labels(browser):
    y, groups = data_set()
    browser.find("#reviewer").send_keys("Ann", Keys.ESCAPE)
    browser.press("2", "r", "u", "1", "2")
    path = browser.exported()
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    lines = lines_of(path)
    # what a spreadsheet program would run starts with an apostrophe
    assert [line["patient"] for line in lines] == ["P1", "'=1+1", "__proto__", HOSTILE, "several"]
    assert {line["reviewer"] for line in lines} == {"Ann"}
    assert [line["decision"] for line in lines] == ["wrong", "right", "unsure", "wrong", "wrong"]
    template = review_template(y, groups).set_index("patient")
    assert [line["data"] for line in lines] == template.loc[
        [line["patient"] for line in lines], "data"
    ].tolist()
    labels, trusted = apply_review(y, groups, path)
    want = pd.Series(y).mask(groups == "P1", "CTRL").mask(groups == HOSTILE, "COV")
    assert labels.tolist() == want.mask(groups == "several", "CTRL").tolist()
    assert trusted.tolist() == np.isin(groups, ["P1", "=1+1", HOSTILE, "several"]).tolist()


def test_import_restores_decisions(browser, page, tmp_path):
    browser.press("2", "r", "u", "1", "2")
    browser.press("n")
    browser.press("a;b", Keys.ESCAPE)
    path = tmp_path / "kept.csv"
    shutil.copy(browser.exported(), path)
    before = browser.marks
    browser.forget()
    browser.open(page)
    assert browser.marks == [""] * 6
    # as saved by a spreadsheet program of another country
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.to_csv(path, sep=";", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    browser.put(path)
    assert browser.marks == before
    assert browser.text("#status") == "Imported 6 patients."
    assert browser.find("#warning").get_property("hidden")
    browser.open(page)
    assert browser.marks == before


def test_import_asks_before_it_replaces(browser, tmp_path):
    browser.press("r")
    path = tmp_path / "kept.csv"
    shutil.copy(browser.exported(), path)
    browser.press("k", "u")
    browser.put(path, "dismiss")
    assert browser.question.startswith("1 of the decisions here differ")
    assert browser.marks[0] == "unsure"
    browser.put(path, "accept")
    assert browser.marks[0] == "right"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("data", "skrobust-000000000000-0", "it belongs to other data"),
        ("patient", "P2", '"P2" was "P1" when the file was written'),
        ("decision", "maybe", 'the decision is "maybe"'),
        ("new_label", "CTRL", '"right" does not go with the new label "CTRL"'),
    ],
)
def test_import_refuses_other_files(browser, tmp_path, column, value, message):
    table = review_template(*data_set())
    table = table[table["patient"] == "P1"].assign(decision="right")
    table[column] = value
    table.to_csv(tmp_path / "other.csv", index=False)
    browser.put(tmp_path / "other.csv")
    warning = browser.text("#warning")
    assert warning.startswith("The file was not imported: ")
    assert message in warning
    assert browser.marks == [""] * 6


def test_import_refuses_what_is_no_review(browser, tmp_path):
    path = tmp_path / "other.csv"
    for content, message in [
        (b"a,b\n1,2\n", "it lacks the columns patient, decision, new_label, data"),
        (b"", "it lacks the columns"),
        (b"patient,decision,new_label,data\nP1,right\n", "2 cells, but 4 columns"),
        (b'patient,decision,new_label,data\n"P1', "a quotation mark is not closed"),
        ("patient\nJürgen".encode("cp1252"), "it is not UTF-8"),
    ]:
        path.write_bytes(content)
        browser.put(path)
        assert message in browser.text("#warning")


def test_the_way_of_the_guide(browser, tmp_path, monkeypatch, capsys):
    """From a CSV file to a table of scores, by the commands of the guide."""
    page = Path(skrobust.__file__).parents[1] / "docs/user_guide/review.rst"
    blocks = re.findall(r"code-block:: (\w+)\n\n((?:   .*\n|\n)+)", page.read_text())
    assert [kind for kind, _ in blocks] == ["python", "bash", *["python"] * 4]
    codes = [textwrap.dedent(code) for _, code in blocks]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(codes[0], names)
    command = codes[1].replace("\\\n", " ").split()
    assert command[:3] == ["python", "-m", "skrobust"]
    assert main([*command[3:], "--quiet"]) in (0, 1)

    def review():
        """Decide about the first 20 patients by what is known, and save the file."""
        browser.open(tmp_path / "review.html")
        wrong = set(names["visits"].loc[names["wrong"], "patient"])
        for patient in browser.listed[:20]:
            assert browser.name == patient
            right = browser.text("#facts .label") == "healthy"
            browser.press("r" if patient not in wrong else "2" if right else "1")
        shutil.copy(browser.exported(), tmp_path)
        return len(wrong & set(browser.listed[:20]))

    n_wrong = review()
    assert n_wrong >= 8
    given = names["visits"]["diagnosis"]
    exec(codes[2], names)  # the page of the noise model: the same data, so the same decisions
    browser.open(tmp_path / "review.html")
    assert browser.text("#progress").startswith("20 of 80 decided")
    exec(codes[3], names)
    changed = (names["labels"] != given).groupby(names["patient"]).any()
    assert changed.sum() == n_wrong
    assert names["trusted"].sum() == 20 * 4
    exec(codes[4], names)
    assert (names["clf"].quality_[names["trusted"]] == 1).all()
    capsys.readouterr()
    exec(codes[5], names)
    table = capsys.readouterr().out
    assert "| labels reviewed | 0." in table
    assert "Positive class: ill." in table


def test_hostile_names_are_text(browser):
    browser.press("j", "j", "j", "r")
    assert browser.driver.title == "Patients to look at again"
    assert browser.listed[3] == HOSTILE
    for selector in ("#name img", "#patients img", "#reasons b"):
        with pytest.raises(NoSuchElementException):
            browser.find(selector)


def test_any_name_and_class_goes_there_and_back(browser, tmp_path):
    signs = [
        *"ab7=+-@'\"<>&;,\t\r\n|\\/%$ ",
        "\u2028",
        "\u00e9",
        "\u202e",
        "\U0001f600",
        "\x00",
        "＝",
    ]
    rng = np.random.default_rng(0)
    names = sorted({"".join(rng.choice(signs, size=rng.integers(1, 6))) for _ in range(40)})
    classes = ["=a\n,", "'b\";"]
    y, groups = np.array(classes * 20)[: len(names)], np.array(names, dtype=object)
    patients = pd.DataFrame({"label": y, "probability": 0.1, "suggested": y}, index=groups)
    X = np.zeros((len(names), 2))
    browser.open(write_review(tmp_path / "page.html", X, y, groups, patients))
    assert browser.listed == names
    order = sorted(classes)
    for label in y:
        browser.press("2" if label == order[0] else "1")
    path = tmp_path / "kept.csv"
    shutil.copy(browser.exported(), path)
    labels, trusted = apply_review(y, groups, path)
    assert trusted.all()
    assert (labels != y).all()
    browser.forget()
    browser.open(tmp_path / "page.html")
    browser.put(path)
    assert browser.text("#progress").startswith(f"{len(names)} of {len(names)} decided")
    assert browser.exported().read_bytes() == path.read_bytes()


def test_hiding_what_the_model_thinks(browser):
    browser.press("h")
    assert browser.find("#blind").is_selected()
    assert "Most probable" not in browser.text("#facts")
    assert not browser.find("#reasons").is_displayed()
    assert "%" not in browser.text("#patients") + browser.text("#pictures .rows")
    browser.find("#blind").click()
    assert "Most probable" in browser.text("#facts")


def test_curves(browser):
    given = browser.find("#plots .curve").get_attribute("d")
    browser.press("s")
    assert browser.find("#plots .curve").get_attribute("d") != given
    browser.find("#scale").click()
    assert browser.find("#plots .curve").get_attribute("d") == given
    browser.all("#pictures .rows button")[1].click()
    assert [c.get_attribute("class") for c in browser.all("#plots .curve")] == [
        "curve", "curve chosen", "curve",
    ]  # fmt: skip
    browser.all("#pictures .rows button")[1].click()
    assert not browser.all("#plots .chosen")


def test_help_and_file_keys(browser):
    browser.press("?")
    assert browser.find("#help").is_displayed()
    browser.press("r")  # no decision while the help is open
    browser.press(Keys.ESCAPE)
    assert not browser.find("#help").is_displayed()
    assert browser.marks[0] == ""
    browser.click("Help")
    browser.click("Close")
    assert not browser.find("#help").is_displayed()
    browser.driver.execute_script(
        "document.getElementById('file').addEventListener('click', (event) => {"
        "  event.preventDefault(); document.title += '!'; });"
    )
    browser.press("i")
    browser.click("Import CSV")
    assert browser.driver.title.endswith("!!")
    browser.press("r")
    browser.click("Export CSV")
    assert browser.text("#status") == "Exported 1 patient."


def test_decisions_outlive_a_page_that_clears_the_store(browser, page):
    """All pages opened from files have one store in Chromium."""
    browser.press("2", "r")
    before = browser.marks
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.open(page)
    browser.driver.execute_script("localStorage.clear()")
    browser.wait.until(lambda _: browser.driver.execute_script("return localStorage.length"))
    browser.driver.close()
    browser.driver.switch_to.window(first)
    assert browser.marks == before
    browser.open(page)
    assert browser.marks == before


def test_browser_that_keeps_nothing(browser, page):
    script = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": "Storage.prototype.setItem = () => { throw new Error('full'); };"},
    )
    browser.open(page)
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert "does not keep the decisions" in browser.text("#warning")
    browser.press("r")
    assert browser.marks[0] == "right"
    (line,) = lines_of(browser.exported())
    assert line["decision"] == "right"


@pytest.mark.parametrize("kind", ["curves", "images", "volumes", "table"])
def test_phone_has_no_sideways_scroll(browser, tmp_path, kind):
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    browser.open(page_of(tmp_path / "page.html", kind))
    width = "return [document.documentElement.scrollWidth, window.innerWidth]"
    for _ in range(5):
        assert browser.driver.execute_script(width) == [360, 360]
        # the decision stays in sight
        place = browser.find("#choices .right").rect
        assert 0 <= place["y"] - browser.driver.execute_script("return scrollY") <= 740
        browser.press("j")
    assert not browser.find("#search").is_displayed()
    browser.find("#list-button").click()
    assert browser.find("#search").is_displayed()
    assert browser.driver.execute_script(width) == [360, 360]
    browser.all("#patients button")[1].click()
    assert (browser.name, browser.find("#search").is_displayed()) == ("=1+1", False)


def test_pictures_can_be_enlarged(browser, tmp_path):
    browser.open(page_of(tmp_path / "page.html", "volumes"))
    browser.find(".images button").click()
    assert browser.find("#large").is_displayed()
    size = "return document.getElementById('large-picture').naturalWidth"
    assert browser.driver.execute_script(size) == 3 * 12 + 2 * 2
    browser.click("Close")
    assert not browser.find("#large").is_displayed()


def test_tables_show_the_columns_that_differ_most(browser, tmp_path):
    browser.open(page_of(tmp_path / "page.html", "table"))
    assert len(browser.all(".values tr")) == 12
    browser.click("Show all 21 columns")
    assert len(browser.all(".values tr")) == 21
    browser.click("Show fewer columns")
    assert len(browser.all(".values tr")) == 12
