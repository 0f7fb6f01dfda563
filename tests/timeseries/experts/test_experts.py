"""What holds for every expert."""

import numpy as np
import pytest

from timeseries.experts import NAMES, Opinions, opinions

H = 15
KINDS = ("noise", "walk", "trend", "season", "growing", "autoregression", "intermittent", "heavy", "spikes", "shift")
ODD = {
    "one observation": [5.0],
    "two": [1.0, 2.0],
    "three": [1.0, 5.0, 2.0],
    "seven": [1.0, 5.0, 2.0, 3.0, 9.0, 1.0, 2.0],
    "constant": [3.0] * 40,
    "zeros": [0.0] * 40,
    "one that is not zero": [0.0] * 20 + [7.0] + [0.0] * 19,
    "negative": list(-1.0 - np.arange(40) % 5),
    "both signs": list(np.sin(np.arange(50.0))),
    "huge": list(1e140 * (1 + np.sin(np.arange(50.0)))),
    "tiny": list(1e-200 * (2 + np.sin(np.arange(50.0)))),
    "far from zero": list(1e9 + np.sin(np.arange(50.0))),
    "exponential": list(np.exp(np.arange(60.0))),
    "a line": list(np.arange(50.0)),
    "hole": [1.0, 2.0, float("nan"), 4.0, 2.0, 1.0, 3.0, 5.0, float("nan"), float("nan"), 2.0, 3.0],
}
PERIODS = ([1, 1], [4, 1], [12, 1], [7, 30], [24, 168], [12, 4])


def ask(y, periods=(12, 1), horizon=H):
    return opinions(np.atleast_2d(y), np.tile(periods, (len(np.atleast_2d(y)), 1)), horizon)


def close(one: Opinions, other: Opinions, tolerance: float = 1e-6) -> None:
    for name, a, b in zip(one._fields, one, other, strict=True):
        size = np.abs(b).max() + 1e-12
        for e, expert in enumerate(NAMES):
            np.testing.assert_allclose(a[:, e] / size, b[:, e] / size, atol=tolerance, err_msg=f"{name} of {expert}")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("periods", PERIODS, ids=str)
@pytest.mark.parametrize("y", ODD.values(), ids=ODD.keys())
def test_every_expert_answers(y, periods):
    said = ask(y, periods, 30)
    assert said.point.shape == said.spread.shape == (1, len(NAMES), 30)
    assert said.error.shape == (1, len(NAMES))
    for name, values in zip(said._fields, said, strict=True):
        assert np.isfinite(values).all(), [NAMES[e] for e in np.unique(np.argwhere(~np.isfinite(values))[:, 1])]
        assert name == "point" or (values > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_scale(series, kind):
    y = series(kind, 6)
    said, scaled = ask(y), ask(y * 1000.0)
    close(Opinions(*(a * 1000.0 for a in said)), scaled)


@pytest.mark.parametrize("kind", KINDS)
def test_shift_of_additive_forms(series, kind):
    y = series(kind, 6)
    y = y - y.max() - 1.0  # nothing is positive, and so all forms are additive
    said, shifted = ask(y), ask(y - 50.0)
    which = [e for e, name in enumerate(NAMES) if name != "intermittent"]  # zero is no value like others to it
    np.testing.assert_allclose(said.point[:, which] - 50.0, shifted.point[:, which], atol=1e-5 * np.ptp(y))
    np.testing.assert_allclose(said.spread[:, which], shifted.spread[:, which], rtol=1e-3, atol=1e-5 * np.ptp(y))


@pytest.mark.parametrize("periods", PERIODS, ids=str)
def test_a_batch_gives_each_what_it_gets_alone(series, periods):
    y = np.concatenate([series(kind, 1, 80) for kind in KINDS])
    for row in range(len(y)):
        y[row, : 8 * row] = np.nan
    together = ask(y, periods)
    for row in range(len(y)):
        close(Opinions(*(a[row : row + 1] for a in together)), ask(y[row, 8 * row :], periods))


def test_left_padding_does_not_matter(series):
    y = series("season", 4)
    padded = np.concatenate([np.full((4, 40), np.nan), y], 1)
    close(ask(y), ask(padded))


def test_each_series_has_its_own_periods(series):
    y = series("season", 3)
    said = opinions(y, np.array([[12, 1], [1, 1], [4, 12]]), H)
    close(Opinions(*(a[:1] for a in said)), ask(y[:1], [12, 1]))
    close(Opinions(*(a[1:2] for a in said)), ask(y[1:2], [1, 1]))
    close(Opinions(*(a[2:] for a in said)), ask(y[2:], [4, 12]))


@pytest.mark.parametrize("kind", ["noise", "walk", "season"])
def test_spreads_are_those_of_the_errors(series, kind):
    y = series(kind, 300, 120 + H)
    said = ask(y[:, :-H])
    scaled = (y[:, None, -H:] - said.point) / said.spread
    for name in ("ets", "damped", "theta", "autoregression"):
        size = np.sqrt((scaled[:, NAMES.index(name)] ** 2).mean())
        assert 0.7 < size < 1.5, (name, size)


BAD = {
    "one series": (np.ones(9), np.ones((1, 2), int), 3, ValueError, "(n, T)"),
    "periods of others": (np.ones((2, 9)), np.ones((1, 2), int), 3, ValueError, "(2, P)"),
    "no period": (np.ones((1, 9)), np.zeros((1, 1), int), 3, ValueError, "give 1 for no season"),
    "half a period": (np.ones((1, 9)), np.full((1, 1), 2.5), 3, ValueError, "integers"),
    "no horizon": (np.ones((1, 9)), np.ones((1, 1), int), 0, ValueError, "horizon"),
    "half a horizon": (np.ones((1, 9)), np.ones((1, 1), int), 2.5, TypeError, "horizon"),
    "nothing": (np.full((1, 9), np.nan), np.ones((1, 1), int), 3, ValueError, "no observed value"),
    "infinity": (np.full((1, 9), np.inf), np.ones((1, 1), int), 3, ValueError, "infinite"),
}


@pytest.mark.parametrize(("values", "periods", "horizon", "error", "says"), BAD.values(), ids=BAD.keys())
def test_bad_input(values, periods, horizon, error, says):
    with pytest.raises(error) as caught:
        opinions(values, periods, horizon)
    assert says in str(caught.value)


def test_no_series_is_no_opinion():
    said = opinions(np.ones((0, 20)), np.ones((0, 2), int), 4)
    assert said.point.shape == (0, len(NAMES), 4)
