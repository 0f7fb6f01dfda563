"""Any index, any order, any gap: the forecast is that of the regular series with NaN, or an error names the trouble."""

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sktime")
pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st
from sktime.forecasting.base import ForecastingHorizon

from timeseries import JumboForecaster
from timeseries.data.panel_timeline import timeline_for
from timeseries.data.timeline import timeline_of
from timeseries.fitting.forecasting import fit_network as FIT_NETWORK

T = 60
WEEK = pd.offsets.CustomBusinessDay(weekmask="Sun Mon Tue Wed Thu", holidays=["2021-02-01"])
FREQUENCIES = ["h", "min", "15min", "4h", "D", "2D", "B", "W-SUN", "W-WED", "2W", "MS", "ME", "2MS", "QS", "QE"]
FOUND = [*FREQUENCIES, "YS", "BMS", "BME"]  # without being told
FREQUENCIES += ["QS-NOV", "YS", "YE-MAR", "BMS", "BME", "BQS", "BQE", "SMS", "SME", "bh"]
FREQUENCIES += [WEEK, pd.DateOffset(months=1), pd.offsets.WeekOfMonth(week=2, weekday=4)]
QUICK = dict(deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", autouse=True)
def random_networks():
    """What is read matters here, not what is learned: weights are random, so that every value that is read counts."""

    def randomise(model, *args, **kwargs):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            for p in model.parameters():
                torch.nn.init.normal_(p, std=0.2)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("timeseries.estimators.forecaster_learning.fit_network", randomise)
        yield


def small(**arguments):
    options = dict(context_length=6, horizon=3, embed_dim=4, num_heads=2, depth=1, jumbo_multiplier=2, max_epochs=1)
    return JumboForecaster(**{**options, "random_state": 0, "pretrained": None, **arguments})


def walk(index, seed=0):
    return pd.DataFrame({"v": 20 + np.cumsum(np.random.default_rng(seed).normal(size=len(index)))}, index=index)


def bare(index):
    """Without its frequency."""
    return index if not isinstance(index, pd.DatetimeIndex) else pd.DatetimeIndex(index, freq=None)


def same(a, b, rtol=1e-5):
    assert a.index.equals(b.index)
    np.testing.assert_allclose(a, b, rtol=rtol)


def forecast_both_ways(y, regular, fh, rtol=1e-6, **options):
    """Of a table, and of the same with NaN in place of the rows that it lacks."""
    forecaster = small(**options).fit(y)
    forecast = forecaster.predict(fh=fh)
    same(forecast, small(**options).fit(regular).predict(fh=fh), rtol)
    return forecaster, forecast


# ---- one series


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("freq", FREQUENCIES, ids=str)
def test_rows_that_are_missing_are_nan_at_any_frequency(freq, zone):
    index = pd.date_range("2020-12-20", periods=T + 5, freq=freq, tz=zone)
    keep = np.sort(np.r_[0, T - 1, np.random.default_rng(0).choice(np.arange(1, T - 1), 35, replace=False)])
    y = walk(index)[:T]
    there = y.set_axis(bare(y.index)).iloc[keep].sample(frac=1, random_state=0)
    forecaster, forecast = forecast_both_ways(there, there.reindex(y.index), [1, 2, 5], freq=freq)
    assert forecast.index.equals(index[T + np.array([0, 1, 4])])
    dates = ForecastingHorizon(forecast.index, is_relative=False)
    same(forecaster.predict(fh=dates), forecast)


@pytest.mark.parametrize("zone", [None, "America/New_York"])
@pytest.mark.parametrize("freq", FOUND)
def test_the_frequency_is_found_though_rows_are_missing(freq, zone):
    index = pd.date_range("2021-02-20", periods=T + 3, freq=freq, tz=zone)
    y = walk(index[:T])
    keep = np.sort(np.r_[0, T - 1, np.random.default_rng(1).choice(np.arange(1, T - 1), 40, replace=False)])
    there = y.set_axis(bare(y.index)).iloc[keep]
    assert forecast_both_ways(there, there.reindex(y.index), [1, 3])[1].index.equals(index[[T, T + 2]])


@pytest.mark.parametrize("freq", ["D", "h", "M", "Q", "W", "2D", "3M"])
def test_gaps_of_periods(freq):
    index = pd.period_range("2020-01-01", periods=T + 2, freq=freq)
    y = walk(index[:T])
    forecaster, forecast = forecast_both_ways(y.drop(index[[3, 4, 40]]), y.drop(index[[3, 4, 40]]).reindex(y.index), 2)
    assert list(forecast.index) == list(index[T:])
    same(forecaster.predict(fh=ForecastingHorizon(index[T:], is_relative=False)), forecast)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(T),
        pd.RangeIndex(5, 5 + 3 * T, 3),
        pd.Index(7 * np.arange(T), dtype="int32"),
        pd.timedelta_range("1h", periods=T, freq="h"),
    ],
    ids=str,
)
def test_gaps_of_integers_and_durations(index):
    y = walk(index)
    there = y.drop(index[[3, 4, 50, 57]])
    _, forecast = forecast_both_ways(there, there.reindex(index), [1, 4])
    assert list(forecast.index) == [index[-1] + k * (index[1] - index[0]) for k in (1, 4)]


# ---- panels


@settings(max_examples=15, **QUICK)
@given(
    freq=st.sampled_from([("D", None), ("h", "Europe/Berlin"), ("D", "Europe/Berlin"), ("BME", None), ("W-TUE", None)]),
    begin=st.sampled_from(["2021-03-25", "2021-10-27", "2020-01-01"]),
    spans=st.lists(st.tuples(st.integers(0, 25), st.integers(32, T)), min_size=1, max_size=4),
    missing=st.floats(0, 0.3),
    seed=st.integers(0, 99),
)
def test_series_with_different_troubles(freq, begin, spans, missing, seed):
    rng = np.random.default_rng(seed)
    index = pd.date_range(begin, periods=T + 6, freq=freq[0], tz=freq[1])
    parts = {"whole": walk(index[:T])}
    for n, (first, last) in enumerate(spans):
        part = walk(index[first:last], seed=n)
        parts[f"s{n}"] = part[(rng.random(len(part)) >= missing) | (np.arange(len(part)) == 0)]
    y = pd.concat(parts, names=["series", "time"]).sample(frac=1, random_state=seed)
    regular = pd.concat({k: p.reindex(index[:T]) for k, p in parts.items()}, names=["series", "time"])
    forecaster, forecast = forecast_both_ways(y, regular, [1, 6])
    assert set(forecast.index.get_level_values(1)) == {index[T], index[T + 5]}
    same(forecaster.predict(fh=ForecastingHorizon(index[[T, T + 5]], is_relative=False)), forecast)
    past = [small(insample=True).fit(table).predict(fh=[-9, 0, 2]) for table in (y, regular)]
    same(*past)


def test_a_member_that_ends_before_the_clocks_change():
    for day in ("2021-03-26", "2021-10-29"):
        index = pd.date_range(day, periods=72, freq="h", tz="Europe/Berlin")
        y = pd.concat({"a": walk(index), "b": walk(index[:30])}, names=["series", "time"])
        utc = pd.concat({"a": walk(index).tz_convert("UTC"), "b": walk(index[:30]).tz_convert("UTC")})
        out, plain = (small().fit(table).predict(fh=[1, 2]) for table in (y, utc))
        np.testing.assert_allclose(out, plain)
        assert list(out.loc["b"].index) == list(index[-1] + pd.to_timedelta([1, 2], "h"))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pd.date_range("2020-01-01", periods=T), pd.date_range("2020-01-05", periods=8, freq="W")),
        (pd.date_range("2020-01-01", periods=3 * T), pd.date_range("2020-01-01", periods=5, freq="MS")),
        (pd.date_range("2020-01-01", periods=T, freq="MS"), pd.date_range("2020-01-01", periods=9, freq="QS")),
        (pd.date_range("2020-01-01", periods=5 * T, freq="h"), pd.date_range("2020-01-01", periods=9)),
        (pd.RangeIndex(T), pd.RangeIndex(0, T, 7)),
        (pd.period_range("2020-01-01", periods=T, freq="D"), pd.period_range("2020-01-05", periods=8, freq="W")[:0]),
    ],
    ids=str,
)
def test_a_panel_of_several_frequencies_is_refused_by_the_name_of_the_series(a, b):
    if isinstance(a, pd.PeriodIndex):
        b = a[::7]
    y = pd.concat({"a": walk(a), "b": walk(b)}, names=["series", "time"])
    with pytest.raises(ValueError, match="the panel mixes frequencies.*the series 'b' goes on as"):
        small().fit(y)
    known = "D" if isinstance(a, pd.PeriodIndex) else 1 if isinstance(a, pd.RangeIndex) else a.freq
    regular = pd.concat({"a": walk(a), "b": walk(b).reindex(a[a <= b[-1]])}, names=["series", "time"])
    forecast_both_ways(y, regular, [1, 2], freq=known)  # unless it is said that rows are missing


# ---- what has no common frequency


def dates(*days):
    return pd.DatetimeIndex([pd.Timestamp(day) for day in days])


TRADING = pd.DatetimeIndex([t for t in pd.date_range("2020-01-01", periods=800, freq="h") if 9 <= t.hour < 16])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (dates("2020-01-01", "2020-01-02"), "2020-01-01.* and 2020-01-02.* are too few dates to find.*freq='D'"),
        (dates("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04 05:00"), "not evenly spaced.*comes 2020-01-04 05"),
        (bare(pd.date_range("2020-01-31", periods=9, freq="SME")), "not evenly spaced.*after 2020-02-15.*2020-02-29"),
        (
            bare(pd.date_range("2020-01-01", periods=T, freq=WEEK)),
            "never a Friday, first missing on 2020-01-03.*weekmask",
        ),
        (TRADING, "never a row at 16:00:00, first missing on 2020-01-01: give freq='h' if these rows are"),
        (bare(pd.bdate_range("2020-01-06", periods=12)).delete(3), "first after 2020-01-08.*freq='D' or freq='B'"),
        (pd.Index([0, 1, 2, 3, 5, 6, 10**8]), "100000001 steps lie between the first and the last row, which has 7"),
        (pd.Index([0, 5, 10, 12, 17]), "not evenly spaced.*next time comes 5 later, but after 10 comes 12"),
        (pd.Index([0, 5]), "0 and 5 are too few times to find their step: give freq"),
    ],
    ids=str,
)
def test_times_without_one_frequency_are_refused(index, message):
    with pytest.raises(ValueError, match=message):
        small().fit(walk(index))


def test_the_series_with_the_odd_time_is_named():
    days = pd.date_range("2020-01-01", periods=T)
    y = pd.concat({"a": walk(days), "b": walk(days[:9].append(days[9:10] + pd.Timedelta("5min 1s")))})
    with pytest.raises(
        ValueError, match=r"2020-01-10 00:05:01. .*it is in 2020-01-10 00:05:01 of series 'b'|series 'b'"
    ):
        small().fit(y)
    with pytest.raises(ValueError, match="2020-01-10 00:05:01 of series 'b' in y is none of the times of the frequenc"):
        small(freq="D").fit(y)


@pytest.mark.parametrize("freq", ["bogus", 0, -1, "-1D", True, 1.5])
def test_what_is_no_frequency(freq):
    with pytest.raises(ValueError, match="is no frequency: give a frequency of pandas, such as 'D' or 'MS'"):
        small(freq=freq)


def test_a_frequency_of_another_kind():
    days = pd.date_range("2020-01-01", periods=T)
    for index, freq, error, message in (
        (days, 2, TypeError, "freq 2 is a step of integers, the index holds dates"),
        (pd.RangeIndex(T), "D", TypeError, "freq 'D' is for dates, the index holds integers"),
        (days.to_period(), "W", ValueError, "freq 'W', but the periods have D"),
        (days, "W-SUN", ValueError, "2020-01-01 00:00:00 is no date of the frequency W-SUN"),
        (days, "2D", ValueError, "2020-01-02 00:00:00 in y is none of the times of the frequency 2D through"),
    ):
        with pytest.raises(error, match=message):
            small(freq=freq).fit(walk(index))


def test_two_dates_and_their_frequency():
    days = bare(pd.date_range("2020-01-30", periods=2))
    assert small(freq="D").fit(walk(days)).predict(fh=[1]).index[0] == pd.Timestamp("2020-02-01")
    alone = pd.concat({"a": walk(days[:1]), "b": walk(pd.date_range("2020-01-30", periods=9))})
    assert len(small().fit(alone).predict(fh=[1])) == 2  # the others of a panel tell it


def test_horizons_that_do_not_fit():
    days = pd.date_range("2020-01-01", periods=T)
    forecaster = small().fit(walk(days))
    for fh, error, message in (
        (days[-3:] + pd.Timedelta("3D 5h"), ValueError, "05:00:00 in fh is none of the series' times"),
        ((days[-3:] + pd.Timedelta("3D")).tz_localize("UTC"), TypeError, "fh has dates with a time zone, UTC"),
        (
            (days[-3:] + pd.Timedelta("3D")).to_period(),
            TypeError,
            "fh has periods of frequency D, the series have dates",
        ),
    ):
        with pytest.raises(error, match=message):
            forecaster.predict(fh=ForecastingHorizon(fh, is_relative=False))
    ahead = forecaster.predict(fh=ForecastingHorizon(pd.to_timedelta([1, 2], "D")))
    same(ahead, forecaster.predict(fh=[1, 2]))
    with pytest.raises(NotImplementedError, match="in-sample prediction.*insample=True"):
        forecaster.predict(fh=[0])


# ---- what was last known


def wide(**ends):
    index = pd.date_range("2020-01-01", periods=300)
    table = pd.DataFrame({name: 20.0 + 0 * np.arange(300) for name in ends}, index=index)
    for name, (first, last) in ends.items():
        table.iloc[:first, table.columns.get_loc(name)] = np.nan
        table.iloc[last:, table.columns.get_loc(name)] = np.nan
    return table


@pytest.mark.parametrize("how", ["columns", "panel", "alone", "update"])
def test_a_series_that_ended_long_ago_is_forecast_from_what_was_last_known(how, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("timeseries.estimators.forecaster_learning.fit_network", FIT_NETWORK)
    table = wide(whole=(0, 300), ended=(0, 100), began=(270, 300), both=(40, 60))
    y = table.T.stack(future_stack=True).to_frame("v") if how == "panel" else table
    if how == "alone":
        y = table[["ended"]]
    forecaster = small(context_length=16)
    if how == "update":
        forecaster.fit(y[:120]).update(y[120:], update_params=False)
        y = y.drop(columns="began")
    else:
        forecaster.fit(y)
    out = forecaster.predict(fh=[1, 3, 9])
    np.testing.assert_allclose(out[y.columns], 20, atol=0.5)


def test_a_channel_is_forecast_as_if_it_stood_alone():
    index = pd.date_range("2020-01-01", periods=T)
    y = pd.concat([walk(index, n).set_axis([f"c{n}"], axis=1) for n in range(3)], axis=1)
    y.iloc[30:, 1] = np.nan
    y.iloc[-4:, 2] = np.nan
    together = small().fit(y).predict(fh=[1, 3, 5])
    for n, column in enumerate(y):
        alone = small().fit(y[[column]].dropna()).predict(fh=np.array([1, 3, 5]) + [0, 30, 4][n])
        np.testing.assert_allclose(together[column], alone[column], rtol=1e-5)


# ---- update


@settings(max_examples=30, **QUICK)
@given(
    index=st.sampled_from(
        [
            pd.date_range("2021-03-01", periods=T),
            pd.date_range("2021-10-29", periods=T, freq="h", tz="Europe/Berlin"),
            pd.date_range("2021", periods=T, freq="BME"),
            pd.RangeIndex(T),
        ]
    ),
    panel=st.booleans(),
    covariate=st.booleans(),
    insample=st.booleans(),
    parts=st.integers(1, 4),
    contiguous=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_split_into_fit_and_updates_forecasts_as_one_fit(
    index, panel, covariate, insample, parts, contiguous, seed
):
    rng = np.random.default_rng(seed)
    y = walk(index, seed)
    later = index[-1:] + 1 * index.freq if isinstance(index, pd.DatetimeIndex) else pd.RangeIndex(T, T + 1)
    X = pd.DataFrame({"x": rng.normal(size=T + 1)}, index=bare(index).append(bare(later)))
    if panel:
        y = pd.concat({k: y * s + rng.normal(size=y.shape) for k, s in (("a", 1), ("b", -2))}, names=["series", "time"])
        X = pd.concat(dict.fromkeys("ab", X), names=["series", "time"])
    first = y.index.get_level_values(-1) < index[35]
    new = ~first
    if not contiguous:
        first &= rng.random(len(y)) > 0.2
        new = ~first & (rng.random(len(y)) > 0.2)
    order = np.flatnonzero(new) if contiguous else rng.permutation(np.flatnonzero(new))
    options = dict(insample=insample, freq=getattr(index, "freq", None))
    beside = (lambda t: dict(X=X.loc[t.index])) if covariate else (lambda t: {})
    updated = small(**options).fit(y[first], **beside(y[first]))
    for rows in np.array_split(order, parts):
        if rng.random() < 0.5:
            wrong = y.iloc[rows] * 1.5  # to be revised
            updated.update(wrong, **beside(wrong), update_params=False)
        updated.update(y.iloc[rows], **beside(y.iloc[rows]), update_params=False)
    whole = y[first | new]
    once = small(**options).fit(whole, **beside(whole))
    updated.networks_ = once.networks_
    fh, ahead = ([-3, 0, 1] if insample else [1]), (dict(X=X) if covariate else {})
    same(updated.predict(fh=fh, **ahead), once.predict(fh=fh, **ahead))


def test_updates_that_cannot_be_right():
    days = pd.date_range("2020-01-01", periods=T)
    y = walk(days).assign(w=1.0)
    forecaster = small().fit(y[:50])
    for table, error, message in (
        (pd.concat([y[50:], y[55:]]), ValueError, "y has duplicates: 2020-02-25 00:00:00 occurs 2 times"),
        (y[50:].set_axis(days[50:] + pd.Timedelta("1h")), ValueError, "2020-02-20 01:00:00 in y is none of the times"),
        (y[50:].tz_localize("UTC"), TypeError, "y has dates with a time zone, UTC, the series have dates without"),
        (y[50:].rename(columns={"w": "z"}), ValueError, r"fitted on the columns \['v', 'w'\].*\['v', 'z'\]"),
    ):
        with pytest.raises(error, match=message):
            forecaster.update(table, update_params=False)
    a, b = (small().fit(y[:50]).update(t, update_params=False) for t in (y[50:], y[50:][["w", "v"]]))
    same(a.predict(fh=[1, 2]), b.predict(fh=[1, 2]))


def test_a_late_row_does_not_turn_back_time():
    y = walk(pd.date_range("2020-01-01", periods=T))
    forecaster = small().fit(y[:50]).update(y[55:], update_params=False).update(y[50:52], update_params=False)
    assert forecaster.predict(fh=[1]).index[0] == pd.Timestamp("2020-03-01")


def test_arrays_go_on_where_the_series_ends():
    y = walk(pd.RangeIndex(T)).to_numpy()
    forecaster, once = small().fit(y[:50]).update(y[50:], update_params=False), small().fit(y)
    forecaster.networks_ = once.networks_
    np.testing.assert_allclose(forecaster.predict(fh=[1, 2]), once.predict(fh=[1, 2]), rtol=1e-5)


# ---- covariates


@pytest.fixture(scope="module")
def beside():
    index = pd.date_range("2020-01-01", periods=T + 9)
    rng = np.random.default_rng(0)
    return walk(index[:T]), pd.DataFrame({"a": rng.normal(size=T + 9), "b": rng.normal(size=T + 9)}, index=index)


@pytest.mark.parametrize("past", [None, ["a"], "all"])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: X.to_period("D"), TypeError, "X has periods of frequency D, the series have dates"),
        (lambda X: X.tz_localize("UTC"), TypeError, "X has dates with a time zone, UTC, the series have dates without"),
        (lambda X: X.reset_index(drop=True), TypeError, "X has integers, the series have dates"),
        (lambda X: X.set_axis(X.index + pd.Timedelta("6h")), ValueError, "X has no row at any time of y.*06:00:00"),
        (lambda X: X.set_axis(X.index + pd.Timedelta("900D")), ValueError, "X has no row at any time of y.*2022-0"),
    ],
    ids=["periods", "zone", "numbers", "hour", "years"],
)
def test_covariates_at_other_times_are_refused(beside, past, change, error, message):
    y, X = beside
    with pytest.raises(error, match=message):
        small(past_covariates=past).fit(y, X=change(X[:T]))
    forecaster = small(past_covariates=past).fit(y, X=X[:T])
    with pytest.raises(error, match=message):
        forecaster.predict(fh=[1, 2], X=change(X[T:]))


def test_covariates_of_other_series_are_refused(beside):
    y, X = beside
    panel, one = pd.concat({"a": y, "b": y}), pd.concat({"a": X})
    with pytest.raises(ValueError, match="X has no row at any time of y of series 'b'"):
        small().fit(panel, X=one)
    with pytest.raises(ValueError, match=r"fitted without X, predict got \['a', 'b'\]: fit with X, or leave"):
        small().fit(y).predict(fh=[1], X=X)


def test_covariates_that_say_nothing_of_what_is_to_come(beside):
    y, X = beside
    forecaster = small().fit(y, X=X[:T])
    with pytest.raises(ValueError, match=r"X has no value of \['a'\] at the steps to forecast: all are NaN.*past_cov"):
        forecaster.predict(fh=[1, 2], X=X[T:].assign(a=np.nan))
    known = X[T:].copy()
    known.iloc[0, 0] = np.nan  # one that is missing is no fault
    assert forecaster.predict(fh=[1, 2], X=known).notna().all(axis=None)
    past = small(past_covariates=["a"]).fit(y, X=X[:T])
    same(past.predict(fh=[1, 2], X=X[T:].assign(a=np.nan)), past.predict(fh=[1, 2], X=X[T:][["b"]]))


def test_covariates_are_found_by_name_and_time(beside):
    y, X = beside
    expected = small().fit(y, X=X[:T]).predict(fh=[1, 2], X=X[T:])
    turned = X[["b", "a"]].iloc[::-1]
    forecaster = small().fit(y, X=X[:T])
    same(forecaster.predict(fh=[1, 2], X=turned), expected)
    same(small().fit(y, X=X.resample("6h").ffill()).predict(fh=[1, 2], X=X), expected)  # those between are left out
    a, b = (small().fit(y[:50], X=X[:50]).update(y[50:], X=t, update_params=False) for t in (X[50:T], turned))
    same(a.predict(fh=[1, 2], X=X), b.predict(fh=[1, 2], X=X))
    tokyo = X.tz_localize("UTC").tz_convert("Asia/Tokyo")  # the same instants on another clock
    out = small().fit(y.tz_localize("UTC"), X=tokyo).predict(fh=[1, 2], X=tokyo)
    same(out.tz_localize(None), expected)


# ---- the timeline itself


@settings(max_examples=60, **QUICK)
@given(
    freq=st.sampled_from(FREQUENCIES + ["s", "ms", "W-FRI", "YE", "3YS"]),
    zone=st.sampled_from([None, "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    begin=st.integers(0, 10_000),
    steps=st.lists(st.integers(-300, 300), min_size=1, max_size=9),
)
def test_steps_and_times_are_one_to_one(freq, zone, begin, steps):
    start = pd.Timestamp("1995-01-01 09:30") + pd.Timedelta(days=begin)
    index = pd.date_range(start, periods=40, freq=freq, tz=zone)
    timeline = timeline_of(bare(index), freq)
    assert list(timeline.steps(index, "y")) == list(range(40))
    assert timeline.times(np.arange(40)).equals(index)
    assert list(timeline.steps(timeline.times(np.array(steps)), "y")) == steps


def test_a_level_of_a_panel_keeps_its_frequency():
    index = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2020-01-31", periods=9, freq="SME")])
    assert timeline_for(pd.DataFrame({"v": 0.0}, index=index), None).frequency == "SME-15"
