"""Panels in the format of the Monash archive."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from tests.conftest import SHARED
from timeseries.datasets import SeriesPanel, load_tsf

HEAD = """# a comment
@relation sales
@attribute series_name string
@attribute start_timestamp date
@frequency monthly
@horizon 3
@missing true
@equallength false
@data
"""
SERIES = "b:1990-01-01 00-00-00:1,2,?,4\na:1991-06-15 00-00-00:5,-6.5,7e2\n"


def write(path, text):
    path.write_text(text)
    return path


def test_a_panel_with_dates(tmp_path):
    panel = load_tsf(write(tmp_path / "sales.tsf", HEAD + SERIES))
    assert (panel.name, panel.horizon, panel.frequency, panel.season) == ("sales", 3, "monthly", 12)
    assert panel.names == ["b", "a"]
    b, a = panel.table.loc["b", "value"], panel.table.loc["a", "value"]
    assert b.index.equals(pd.period_range("1990-01", periods=4, freq="M", name="time"))
    assert a.index.equals(pd.period_range("1991-06", periods=3, freq="M", name="time"))
    assert np.array_equal(b, [1, 2, np.nan, 4], equal_nan=True) and a.tolist() == [5, -6.5, 700]


def test_values_are_those_of_sktimes_reader(tmp_path):
    from sktime.datasets import load_tsf_to_dataframe

    path = write(tmp_path / "sales.tsf", HEAD + SERIES)
    theirs, facts = load_tsf_to_dataframe(str(path), return_type="pd-multiindex")
    ours = load_tsf(path)
    assert facts["forecast_horizon"] == ours.horizon and facts["frequency"] == ours.frequency
    for name in ours.names:
        told = pd.to_numeric(theirs.loc[name, "series_value"], errors="coerce")
        assert np.array_equal(told, ours.table.loc[name, "value"], equal_nan=True)


@pytest.mark.parametrize(
    ("frequency", "season", "last"),
    [
        ("yearly", 1, pd.Period("1803", "Y")),
        ("quarterly", 4, pd.Period("1800Q4", "Q")),
        ("weekly", 1, pd.Timestamp("1800-01-22")),
        ("daily", 1, pd.Timestamp("1800-01-04")),
        ("hourly", 24, pd.Timestamp("1800-01-01 03:00")),
        ("half_hourly", 48, pd.Timestamp("1800-01-01 01:30")),
        ("10_minutes", 144, pd.Timestamp("1800-01-01 00:30")),
        ("minutely", 1440, pd.Timestamp("1800-01-01 00:03")),
        ("4_seconds", 900, pd.Timestamp("1800-01-01 00:00:12")),
    ],
)
def test_frequencies(tmp_path, frequency, season, last):
    text = HEAD.replace("monthly", frequency) + "a:1800-01-01 00-00-00:1,2,3,4\n"
    panel = load_tsf(write(tmp_path / "a.tsf", text))
    assert panel.season == season and panel.table.index[-1] == ("a", last)
    assert load_tsf(tmp_path / "a.tsf", season=7).season == 7


def test_years_beyond_the_limits_of_nanoseconds(tmp_path):
    values = ",".join(["1"] * 1000)
    text = HEAD.replace("monthly", "yearly") + f"a:1500-01-01 00-00-00:{values}\nb:1990-01-01 00-00-00:1,2\n"
    panel = load_tsf(write(tmp_path / "a.tsf", text))
    assert [panel.table.loc[name].index[-1].year for name in "ab"] == [2499, 1991]


def test_files_that_say_less(tmp_path):
    panel = load_tsf(write(tmp_path / "a.tsf", "@attribute state string\n@data\nNSW:1,2\nVIC:3\n"))
    assert panel.table.index.tolist() == [("T1", 0), ("T1", 1), ("T2", 0)]
    assert (panel.horizon, panel.frequency, panel.season) == (None, None, 1)


def test_some_series(tmp_path):
    lines = "".join(f"s{n}:1990-01-01 00-00-00:{n},1,2\n" for n in range(10))
    panel = load_tsf(write(tmp_path / "a.tsf", HEAD + lines))
    some = panel.some(4)
    assert some.names == ["s0", "s3", "s6", "s9"] and len(some.table) == 12
    assert (some.horizon, some.frequency, some.season, some.name) == (3, "monthly", 12, "a")
    assert panel.some(11) is panel
    with pytest.raises(ValueError, match="series must be at least 1"):
        panel.some(0)


def changed(old, new, text=HEAD + SERIES):
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (changed("-6.5", "six"), r"line 11: values are numbers, or \? where missing, got 'six'"),
        (changed("-6.5", ""), "line 11: values are numbers, .* got ''"),
        (changed("-6.5", "inf"), r"line 11: there is an infinite value: write \? for what is missing"),
        (
            changed("1991-06-15 00-00-00", "June 1991"),
            "line 11: a start is written like 1990-01-31 00-00-00, got 'Ju",
        ),
        (changed("a:1991-06-15 00-00-00", "a"), "line 11: 2 attributes stand before the values, got 1"),
        (changed("a:1991", "b:1991"), "line 11: the series 'b' is there already: give each a name of its own"),
        (changed("monthly", "fortnightly"), "line 5: the frequency is one of yearly, .* got '@frequency fortnightly'"),
        (changed("@horizon 3", "@horizon soon"), "line 6: the horizon is a whole number of steps from 1"),
        (changed("@horizon 3", "@horizon 0"), "line 6: the horizon is a whole number of steps from 1"),
        (changed("date\n", "time\n"), "line 4: an attribute has a name and a type, string, date or numeric"),
        (changed("@data\n", ""), "line 9: @data has to come before the series"),
        (HEAD, "holds no series: write them below the line @data, one series on each line"),
        ("", "holds no series"),
    ],
)
def test_malformed_files(tmp_path, text, told):
    with pytest.raises(ValueError, match=f"a.tsf.*{told}"):
        load_tsf(write(tmp_path / "a.tsf", text))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data at .*absent.tsf: give a .tsf file"):
        load_tsf(tmp_path / "absent.tsf")


TABLE = pd.DataFrame({"value": [1.0]}, index=pd.MultiIndex.from_tuples([("a", 0)]))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(table=TABLE.droplevel(0)), "takes a table of one column with an index of series and time, got DataFrame"),
        (dict(table=TABLE["value"]), "got Series with 2 levels"),
        (dict(table=TABLE.assign(other=1)), r"\(2,\) columns"),
        (dict(horizon=0), "horizon must be at least 1 step"),
        (dict(season=0), "season must be at least 1 step"),
    ],
)
def test_what_is_no_panel(wrong, told):
    with pytest.raises(ValueError, match=told):
        SeriesPanel(**{"table": TABLE, **wrong})


@pytest.mark.parametrize(
    ("name", "series", "horizon", "season"),
    [("m3_monthly", 1428, 18, 12), ("m3_quarterly", 756, 8, 4), ("m3_yearly", 645, 6, 1), ("m4_hourly", 414, 48, 24)],
)
def test_real_files(name, series, horizon, season):
    path = SHARED / "data" / "forecasting" / f"{name}.tsf"
    if not path.is_file():
        pytest.skip("the benchmark files are not beside this checkout")
    panel = load_tsf(path)
    assert (len(panel.names), panel.horizon, panel.season) == (series, horizon, season)
