"""A long training says at its beginning how long it takes, once; a short one says nothing."""

import logging

import pytest
import torch

from timeseries.fitting import notice
from timeseries.fitting.notice import Notice

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved on."""
    now = [100.0]
    monkeypatch.setattr(notice, "monotonic", lambda: now[0])
    return now


def steps(notice: Notice, clock: list[float], seconds: float, count: int, epochs: int = 10, of: int = 50) -> None:
    after_step = notice.watch(epochs, of, CPU)
    clock[0] += 5.0  # before the first step
    for _ in range(count):
        after_step()
        clock[0] += seconds


def test_a_long_training_says_so_once(clock, caplog):
    notice = Notice("JumboForecaster", "training")
    steps(notice, clock, 0.1, 11)
    assert not caplog.records  # there is not yet enough to tell
    steps(notice, clock, 0.1, 30)
    steps(notice, clock, 0.1, 30)
    (said,) = caplog.messages
    assert said == (
        "JumboForecaster: training takes about 50 s on cpu (up to 10 epochs, fewer if they stop gaining); "
        "verbose=1 shows progress, Ctrl-C keeps the best weights so far"
    )
    (record,) = caplog.records
    assert record.name.startswith("timeseries.") and record.levelno == logging.WARNING


@pytest.mark.parametrize(
    ("seconds", "members", "told"),
    [(0.1, 3, "training of 3 networks takes about 2 min"), (2.0, 1, "training takes about 17 min")],
)
def test_members_are_trained_one_after_another(clock, caplog, seconds, members, told):
    steps(Notice("JumboClassifier", "training", members), clock, seconds, 20)
    assert told in caplog.text


@pytest.mark.parametrize(
    ("seconds", "count", "of"),
    [(0.019, 500, 50), (0.9, 1, 50), (0.5, 2, 50), (0.4, 20, 2)],
)
def test_a_short_training_says_nothing(clock, caplog, seconds, count, of):
    steps(Notice("JumboForecaster", "training"), clock, seconds, count, of=of)
    assert not caplog.records


def test_the_rest_of_an_unseen_fit_is_not_timed_again(clock, caplog):
    """Short as the first run promises to be, a second one after it, which may be slower, comes too late for a word."""
    notice = Notice("JumboForecaster", "training")
    steps(notice, clock, 0.015, 100)
    steps(notice, clock, 1.0, 100)
    assert not caplog.records
