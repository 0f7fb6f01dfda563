"""The page over HTTP, as a program asks it: answers, limits, errors as sentences, several visitors, no network."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

client = pytest.importorskip("gradio_client")

from gradio_client import Client, handle_file  # noqa: E402

from tests.tools.web.conftest import CASCADE, MODEL  # noqa: E402

AppError = Exception


def visit(page: str) -> Client:
    return Client(page, verbose=False, analytics_enabled=False)  # else the client itself tells its makers


def file_of(answer: object) -> str:
    """The file of a download button."""
    value = answer.get("value", answer) if isinstance(answer, dict) else answer
    return value["path"] if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def visitor(page) -> Client:
    return visit(page)


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "my photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)).save(path)
    return path


def cells(table: str) -> list[str]:
    return re.findall(r"<td>([^<]*)", table)


def refused(call, told: str) -> None:
    with pytest.raises(AppError) as raised:
        call()
    assert re.search(told, str(raised.value)), raised.value
    assert "Traceback" not in str(raised.value)


# ---- segment


def test_the_dial_changes_the_numbers_and_the_pictures(visitor, photo, named):
    full = visitor.predict(handle_file(photo), named(MODEL), api_name="/segment")
    less = visitor.predict(handle_file(photo), named(MODEL), 0.5, 0.5, api_name="/segment")
    (flops, _, kept), (fewer, _, kept_of_less) = cells(full[0]), cells(less[0])
    assert float(flops) > float(fewer) >= 0 and (kept, kept_of_less) == ("100%", "25%")
    assert "keep 0.5 at 0.5" in less[0] and "full" in full[0]
    overlay, labels = Image.open(file_of(full[6])), np.asarray(Image.open(file_of(full[5])))
    assert overlay.width >= 480 and labels.shape == (64, 96) and set(np.unique(labels)) <= {1, 2, 3}
    assert Path(file_of(full[5])).name == "my photo_labels.png" or Path(file_of(full[5])).name.endswith("_labels.png")
    assert np.asarray(Image.open(full[2])).shape != () and full[3] is None


def test_two_settings_side_by_side(visitor, photo, named):
    found = visitor.predict(handle_file(photo), named(MODEL), 1, 1, 0.6, True, 0.5, 1, api_name="/segment")
    assert len(cells(found[0])) == 6 and all(found[1:5])
    assert Path(found[1]).read_bytes() != Path(found[3]).read_bytes()


def test_a_cascade_says_who_answered(visitor, photo, named):
    (table, _, kept, *_) = visitor.predict(handle_file(photo), named(CASCADE), api_name="/segment")
    assert re.search(r"cascade, answered by &#x27;(first|second)&#x27;, member [12] of 2", table) and kept is None


def test_labels_are_those_of_the_command_line(visitor, photo, named, models, tmp_path):
    from jumbo_cli.commands.infer import COMMAND

    found = visitor.predict(handle_file(photo), named(MODEL), 0.7, 1, api_name="/segment")
    files = [models / "tiny" / name for name in ("tiny.py", "iter_8.pth")]
    code = COMMAND.run([*map(str, files), str(photo), "--out", str(tmp_path), "--labels", "--keep-rate", "0.7"])
    assert code == 0
    ours, theirs = (np.asarray(Image.open(path)) for path in (file_of(found[5]), tmp_path / "my photo_labels.png"))
    np.testing.assert_array_equal(ours, theirs)


def test_visitors_at_once_get_their_own_answers(page, named, tmp_path):
    rng, rates = np.random.default_rng(1), (1.0, 0.5, 0.7, 0.3)
    photos = []
    for n in range(4):
        photos.append(tmp_path / f"{n}.png")
        Image.fromarray(rng.integers(0, 255, (48 + 16 * n, 64, 3)).astype(np.uint8)).save(photos[-1])
    clients = [visit(page) for _ in photos]

    def ask(n: int) -> tuple:
        return clients[n].predict(handle_file(photos[n]), named(MODEL), rates[n], api_name="/segment")

    alone = [np.asarray(Image.open(file_of(ask(n)[5]))) for n in range(4)]
    together: dict[int, tuple] = {}
    threads = [threading.Thread(target=lambda n=n: together.update({n: ask(n)})) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, labels in enumerate(alone):
        assert labels.shape == (48 + 16 * n, 64)
        np.testing.assert_array_equal(np.asarray(Image.open(file_of(together[n][5]))), labels)
        assert f"keep {rates[n]:g}" in together[n][0] or rates[n] == 1


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("text.png", lambda p: p.write_text("no picture"), "^text.png is an unreadable file .*give a picture, as JPEG"),
        ("half.jpg", lambda p: _half(p), "^half.jpg is an unreadable file .*truncated"),
        ("wide.png", lambda p: Image.new("L", (6000, 5000)).save(p), "30,000,000 pixels, more than 25,000,000"),
        (
            "many.png",
            lambda p: Image.new("L", (2000, 1500)).save(p),
            "patches at this resolution, .* set the resolution",
        ),
    ],
)
def test_pictures_that_are_refused(visitor, named, tmp_path, name, write, told):
    write(tmp_path / name)
    refused(lambda: visitor.predict(handle_file(tmp_path / name), named(MODEL), api_name="/segment"), told)
    refused(lambda: visitor.predict(handle_file(tmp_path / name), named(MODEL), 0, api_name="/look_inside"), told)


def _half(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:400])


def test_a_file_that_is_too_large_is_refused_by_the_server(page):
    boundary = "x" * 20
    body = b"\r\n".join(
        [
            f"--{boundary}".encode(),
            b'Content-Disposition: form-data; name="files"; filename="big.png"',
            b"",
            bytes(20 * 2**20 + 1),
            f"--{boundary}--".encode(),
        ]
    )
    request = urllib.request.Request(
        f"{page}gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)
    assert raised.value.code == 413


def test_files_of_the_server_cannot_be_asked_for(visitor, page, named, models):
    secret = models / "tiny" / "iter_8.pth"
    refused(lambda: visitor.predict(str(secret), named(MODEL), api_name="/segment"), "FileData|meta")
    data = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    refused(lambda: visitor.predict(data, named(MODEL), api_name="/segment"), "(?i)not allowed|cannot|access|file")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{page}gradio_api/file={secret}")
    assert raised.value.code == 403


def test_a_checkpoint_that_holds_code_is_not_run(page, models, photo, tmp_path):
    ran = tmp_path / "ran"

    class Code:
        def __reduce__(self):
            return (Path.touch, (ran,))

    folder = models / "hostile"
    folder.mkdir()
    (folder / "tiny.py").write_bytes((models / "tiny" / "tiny.py").read_bytes())
    torch.save(dict(state_dict={"a": torch.zeros(1)}, meta=Code()), folder / "iter_1.pth")
    other = visit(page)
    name = f"{folder} (iter_1)"
    other.predict(api_name="/models")
    refused(
        lambda: other.predict(handle_file(photo), name, api_name="/segment"),
        "holds more than weights and numbers, and reading it could run code",
    )
    assert not ran.exists()


# ---- forecast


@pytest.fixture(scope="module")
def shops(tmp_path_factory) -> Path:
    days = pd.date_range("2024-01-01", periods=84).strftime("%Y-%m-%d")
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(dict(date=days, shop=shop, sales=10 + np.tile(np.arange(7), 12) + rng.normal(0, 0.5, 84)))
        for shop in ("north", "south")
    ]
    path = tmp_path_factory.mktemp("tables") / "shops.csv"
    pd.concat(parts).drop(index=[20, 21, 40]).to_csv(path, index=False)
    return path


def test_a_table_with_missing_days_is_read_forecast_and_tested(visitor, shops):
    told, time_column, series, targets, covariates = visitor.predict(handle_file(shops), api_name="/read_table")
    assert "a long table of 162 rows" in told and "6 steps have no value and count as gaps" in told
    assert [time_column["value"], series["value"], targets["value"], covariates["value"]] == [
        *("date", "shop"),
        *(["sales"], []),
    ]
    found = visitor.predict(handle_file(shops), "date", "shop", ["sales"], [], 7, 80, 0, api_name="/forecast")
    state, shown, figure, scores, spoken, download, _ = found
    assert state == "" and [choice for choice, _ in shown["choices"]] == ["north", "south"]
    names = [trace["name"] for trace in json.loads(figure["value"]["plot"])["data"]]
    assert names == ["80% interval", "observed", "forecast", "backtest", "seasonal naive"]
    ours, _, naive, _ = map(float, cells(scores))
    assert 0 < ours < naive and "season of 7" in scores and "lay in the 80% interval" in scores
    assert sum(int(cell.rstrip("%")) for cell in cells(spoken)) <= 100
    table = pd.read_csv(file_of(download))
    assert list(table.columns) == ["series", "time", "forecast", "lower", "upper"] and len(table) == 14
    assert table["time"].iloc[0].startswith("2024-03-25") and (table["lower"] < table["upper"]).all()


def test_the_forecast_is_that_of_the_library(visitor, shops):
    from timeseries import JumboForecaster
    from timeseries.data.csv_files import read_csv
    from timeseries.data.layout import arrange, find_layout

    found = visitor.predict(handle_file(shops), "date", "shop", ["sales"], [], 5, 90, 0, api_name="/forecast")
    table = read_csv(shops)
    y = arrange(table, find_layout(table)).y
    forecaster = JumboForecaster(max_epochs=0, random_state=0).fit(y, fh=range(1, 6))
    ours = pd.read_csv(file_of(found[5]))
    np.testing.assert_allclose(ours["forecast"], forecaster.predict().iloc[:, 0])
    np.testing.assert_allclose(ours[["lower", "upper"]], forecaster.predict_interval(coverage=0.9))


def test_covariates_and_short_series_say_what_they_lack(visitor, tmp_path):
    days = pd.date_range("2024-01-01", periods=10).strftime("%Y-%m-%d")
    path = tmp_path / "short.csv"
    pd.DataFrame(dict(date=days, value=np.arange(10.0), price=1.0)).to_csv(path, index=False)
    state, *_ = visitor.predict(
        handle_file(path), "date", "(none)", ["value"], ["price"], 12, 80, 0, api_name="/forecast"
    )
    assert "Covariates have no effect without training" in state
    assert "No backtest: no series is longer than 12 steps" in state


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (("when", "shop", ["sales"], [], 7, 80, 0), "There is no column &#x27;when&#x27;|no column 'when'"),
        (("date", "(none)", ["sales"], [], 7, 80, 0), "more than once: choose the column that names the series"),
        (("date", "shop", [], [], 7, 80, 0), "(?i)no column to forecast is chosen"),
        (("date", "shop", ["sales"], [], 5000, 80, 0), "5000|1,000|1000"),
    ],
)
def test_wrong_choices_are_told(visitor, shops, columns, told):
    refused(lambda: visitor.predict(handle_file(shops), *columns, api_name="/forecast"), told)


def test_a_picture_named_csv_is_told(visitor, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    path = (tmp_path / "a.png").rename(tmp_path / "picture.csv")
    refused(lambda: visitor.predict(handle_file(path), api_name="/read_table"), "^picture.csv is not a text: save the")


# ---- classify


@pytest.fixture(scope="module")
def waves(tmp_path_factory) -> Path:
    rng, n = np.random.default_rng(0), 24
    X = np.sin(np.arange(40) / (2 + 4 * (np.arange(n)[:, None] % 2))) + 0.1 * rng.normal(size=(n, 40))
    path = tmp_path_factory.mktemp("waves") / "waves.csv"
    pd.DataFrame(X).assign(label=np.array(["slow", "fast"])[np.arange(n) % 2]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("epochs", [0, 1], ids=["pretrained", "trained"])
def test_series_are_classified_and_drawn(visitor, waves, epochs):
    told, label = visitor.predict(handle_file(waves), api_name="/read_labelled")
    assert "Read 24 series of 40 steps" in told and label["value"] == "label"
    state, scores, number, about, picture = visitor.predict(
        handle_file(waves), "label", 30, epochs, api_name="/classify"
    )
    assert state == "" and cells(scores)[:2] == ["100.0%", "50.0%"] and "tested on 8" in scores
    assert number["maximum"] == 8 and "which is right" in about and Image.open(picture).width > 500


def test_a_fit_is_cancelled(visitor, waves):
    """And soon: a whole fit would take many times as long."""
    job = visitor.submit(handle_file(waves), "label", 30, 60, api_name="/classify")
    deadline = time.monotonic() + 60
    while not any("epoch" in output[0] for output in job.outputs()) and time.monotonic() < deadline:
        time.sleep(0.1)
    running = re.findall(r"epoch (\d+) of at most 60", job.outputs()[-1][0])
    assert running and int(running[0]) < 50
    visitor.predict(api_name="/stop_fit")
    refused(lambda: job.result(timeout=60), "(?i)stopped while fitting, epoch .* nothing was kept")
    # and the next visitor's work begins
    assert visitor.predict(handle_file(waves), "label", 30, 0, api_name="/classify")[0] == ""


def test_one_class_is_told(visitor, tmp_path):
    pd.DataFrame(np.ones((6, 5))).assign(label="a").to_csv(tmp_path / "one.csv", index=False)
    refused(
        lambda: visitor.predict(handle_file(tmp_path / "one.csv"), "label", 30, 0, api_name="/classify"),
        "6 series of 1 classes are too few",
    )


# ---- look inside, and the whole


def test_attention_and_features(visitor, photo, named):
    told, attention, features = visitor.predict(handle_file(photo), named(MODEL), 1, api_name="/look_inside")
    assert "Block 1 of 0 to 1." in told and Image.open(attention).width > 900
    assert np.asarray(Image.open(features)).std() > 0
    refused(lambda: visitor.predict(handle_file(photo), named("none"), 0, api_name="/look_inside"), "choices|no model")


def test_nothing_left_the_machine(page, visitor, requests_to_others):
    """In all that the tests above asked of the page; and the guard works."""
    assert requests_to_others == []
    with pytest.raises(OSError, match="refused by the tests"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(OSError, match="refused by the tests"):
        socket.getaddrinfo("example.org", 443)
    assert len(requests_to_others) == 2
    requests_to_others.clear()


FRESH = """
import socket, sys, urllib.request
from pathlib import Path
asked, real = [], socket.getaddrinfo
def look_up(host, *args, **kwargs):
    if host not in (None, "localhost", "127.0.0.1", "::1"):
        asked.append(host)
        raise OSError("refused")
    return real(host, *args, **kwargs)
socket.getaddrinfo = look_up
from jumbo_web.serve import serving
from jumbo_web.loading import libraries
with serving([Path(sys.argv[1])]) as address:
    assert b"Jumbo" in urllib.request.urlopen(address).read()
    libraries()
print("asked:", *asked)
"""


def test_a_fresh_page_asks_nobody(models, page):
    """From its first import on: that is when statistics and checks for versions would go out."""
    done = subprocess.run([sys.executable, "-c", FRESH, models], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "asked:\n"


def test_the_page_names_no_other_server_to_load_from(page):
    html = urllib.request.urlopen(page).read().decode()
    loaded = re.findall(r"""<(?:script|link)[^>]+(?:src|href)=["'](https?://[^"']+)""", html)
    assert [address for address in loaded if not address.startswith(page.rstrip("/"))] == []
    assert "fonts.googleapis" not in html
