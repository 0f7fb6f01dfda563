"""The page in a real browser, as a person uses it: `make test-web`. Needs Chromium and playwright for Python."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.tools.web.conftest import CASCADE, MODEL

pytestmark = pytest.mark.web

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
SLOW = 90_000  # milliseconds that anything may take on a busy machine
FIRST_PAGE, ANSWER = 10, 2  # seconds


@pytest.fixture(scope="session")
def browser() -> Iterator:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if find_spec("playwright") is None:
        pytest.exit("no playwright: install it with `pip install playwright` (no browser of its own is needed)", 1)
    if program is None:
        pytest.exit("no Chromium: `apt-get install chromium` on Debian, or give its path in the variable CHROMIUM", 1)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


class Visit:
    """A tab of the browser on the page; it counts what is asked of other machines."""

    def __init__(self, browser, address: str, size: str = "wide", theme: str = "light") -> None:
        width, height = SIZES[size]
        self.tab = browser.new_page(viewport=dict(width=width, height=height))
        self.tab.set_default_timeout(SLOW)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.goto(f"{address}?__theme={theme}")
        self.tab.wait_for_selector("#segment-scenes img")

    def go(self, name: str) -> None:
        """Open a tab of the page; on narrow screens it may be in a menu."""
        button = self.tab.get_by_role("tab", name=name)
        if button.first.is_visible():
            button.first.click()
        else:
            self.tab.locator(".overflow-menu > button").first.click()
            self.tab.locator(".overflow-dropdown button", has_text=name).click()

    def drop(self, where: str, path: Path) -> None:
        self.tab.locator(f"#{where} input[type=file]").set_input_files(str(path))

    def choose(self, where: str, name: str) -> None:
        self.tab.locator(f"#{where} input").click()
        self.tab.get_by_role("option", name=name).click()

    def set(self, slider: str, value: float) -> None:
        box = self.tab.locator(f"#{slider} input[type=number]")
        box.fill(str(value))
        box.blur()

    def text(self, where: str, pattern: str) -> str:
        """The text of an element, once it fits."""
        found = self.tab.locator(f"#{where}", has_text=re.compile(pattern))
        found.wait_for()
        return found.inner_text()

    def others(self) -> list[str]:
        here = ("http://127.0.0.1:", "data:", "blob:")
        return [url for url in self.asked if not url.startswith(here)]

    def overflow(self) -> int:
        """Pixels by which something is wider than the window."""
        return self.tab.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")

    def close(self) -> None:
        self.tab.close()
        assert self.others() == [] and self.errors == []


@pytest.fixture()
def visit(browser, page) -> Iterator[Visit]:
    visit = Visit(browser, page)
    yield visit
    visit.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8)).save(path)
    return path


def test_a_picture_is_dropped_and_the_dial_moved(visit, photo, named):
    visit.choose("model", named(MODEL))
    visit.drop("segment-picture", photo)
    full = visit.text("segment-numbers", "full")
    visit.set("keep-rate", 0.5)
    less = visit.text("segment-numbers", "keep 0.5")
    numbers = [float(re.search(r"\t([\d.]+)\t", text)[1]) for text in (full, less)]
    assert numbers[0] > numbers[1] > 0 and "100%" in full and "25%" in less
    begin = time.monotonic()
    visit.set("keep-rate", 0.7)
    visit.text("segment-numbers", "keep 0.7")
    assert time.monotonic() - begin < ANSWER
    with visit.tab.expect_download() as download:
        visit.tab.locator("#download-labels").click()
    with Image.open(download.value.path()) as labels:
        assert labels.size == (512, 512)


def test_two_settings_and_a_cascade(visit, named):
    visit.choose("model", named(MODEL))
    visit.tab.locator("#segment-scenes button img").first.click()
    visit.text("segment-numbers", "full")
    visit.tab.get_by_label("Compare with a second setting").click()
    visit.set("keep-rate-of-the-second-setting", 0.5)
    assert "full" in visit.text("segment-numbers", "keep 0.5")
    visit.choose("model", named(CASCADE))
    visit.text("segment-numbers", "answered by .*, member [12] of 2")


def test_a_text_named_png_is_told_in_a_sentence(visit, tmp_path):
    (tmp_path / "text.png").write_text("no picture at all")
    visit.drop("segment-picture", tmp_path / "text.png")
    toast = visit.tab.get_by_text("text.png is an unreadable file")
    toast.first.wait_for()
    assert "Traceback" not in visit.tab.content()


def test_a_table_with_missing_days_is_dropped(visit, tmp_path):
    days = pd.date_range("2024-01-01", periods=84).strftime("%Y-%m-%d")
    sales = 10 + np.tile(np.arange(7), 12) + np.random.default_rng(0).normal(0, 0.5, 84)
    pd.DataFrame(dict(date=days, sales=sales)).drop(index=[20, 21]).to_csv(tmp_path / "days.csv", index=False)
    visit.go("Forecast")
    visit.drop("forecast-file", tmp_path / "days.csv")
    assert "Read as one series of 82 rows" in visit.text("forecast-read", "2 steps have no value and count as gaps")
    assert "seasonal naive" in visit.text("forecast-scores", "JumboForecaster")
    visit.tab.locator("#forecast-figure .plotly .main-svg").first.wait_for()
    assert "%" in visit.text("forecast-experts", "who spoke")


def test_a_fit_is_stopped(visit, tmp_path):
    rng, n = np.random.default_rng(0), 24
    X = np.sin(np.arange(40) / (2 + 4 * (np.arange(n)[:, None] % 2))) + 0.1 * rng.normal(size=(n, 40))
    pd.DataFrame(X).assign(label=np.arange(n) % 2).to_csv(tmp_path / "waves.csv", index=False)
    visit.go("Classify series")
    visit.drop("classify-file", tmp_path / "waves.csv")
    visit.text("classify-read", "Read 24 series")
    visit.set("classify-epochs", 60)
    visit.tab.locator("#fit").click()
    visit.text("classify-state", "epoch")
    visit.tab.locator("#fit-stop").click()
    visit.tab.get_by_text(re.compile("Stopped while fitting, epoch .*nothing was kept")).first.wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_tab_fits_the_window_and_nothing_is_fetched_from_elsewhere(browser, page, named, size, theme):
    """With SCREENSHOTS=folder the tabs are also photographed, to be looked at."""
    visit = Visit(browser, page, size, theme)
    shots = os.environ.get("SCREENSHOTS")
    visit.choose("model", named(MODEL))
    visit.tab.locator("#segment-scenes button img").nth(3).click()
    visit.text("segment-numbers", "full")
    steps = {
        "Segment": lambda: None,
        "Forecast": lambda: (visit.choose("forecast-example", "Three shops"), visit.text("forecast-scores", "MASE")),
        "Classify series": lambda: (
            visit.choose("classify-example", "Italian"),
            visit.text("classify-read", "67 series"),
            visit.set("classify-epochs", 1),
            visit.tab.locator("#fit").click(),
            visit.text("classify-scores", "accuracy"),
        ),
        "Look inside": lambda: (
            visit.tab.locator("#inside-scenes button img").nth(3).click(),
            visit.text("inside-told", "The colours show"),
        ),
    }
    for name, use in steps.items():
        visit.go(name)
        use()
        assert visit.overflow() <= 0, name
        if shots:
            time.sleep(2)
            file = f"{name.lower().replace(' ', '_')}_{size}_{theme}.png"
            visit.tab.screenshot(path=str(Path(shots, file)), full_page=True)
    visit.close()


def test_the_first_page_comes_soon_after_the_command(browser, models):
    words = [sys.executable, str(ROOT / "tools" / "web.py"), "--models", str(models), "--port", "7977"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")])}
    begin = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            address = process.stdout.readline().split()[0]
            tab = browser.new_page()
            tab.goto(address)
            tab.get_by_text("Drop a picture").first.wait_for()
            assert time.monotonic() - begin < FIRST_PAGE
            tab.close()
        finally:
            process.terminate()
