"""Tables to series and back, and what series of a panel share."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from timeseries.frames import distinct_indices, ends_of, instances_of
from timeseries.windows import Panel, mean_and_spread


def panel():
    days = pd.date_range("2024", periods=6, freq="D")
    parts = [("a", days), ("b", days), ("c", days[1:]), ("d", days)]
    index = pd.MultiIndex.from_tuples([(n, t) for n, times in parts for t in times], names=["series", "time"])
    return pd.DataFrame({"x": np.arange(len(index), dtype=float)}, index=index)


def test_series_share_equal_times():
    table = panel()
    shuffled = table.sample(frac=1, random_state=0)
    shuffled = shuffled.sort_index(level="time", kind="stable", sort_remaining=False)  # series mixed, times in order
    for given in (table, shuffled):
        instances = {i.key: i for i in instances_of(given)}
        for key, i in instances.items():
            pd.testing.assert_index_equal(i.index, table.loc[key].index, check_names=False)
            assert (i.values[:, 0] == table.loc[key, "x"]).all()
        a, b, c, d = (instances[key].index for key in "abcd")
        assert a is b is d and c is not a
        assert len(distinct_indices(instances.values())) == 2


def test_ends_are_copies_that_share_times():
    instances = instances_of(panel())
    ends = ends_of(instances, 2)
    assert [len(i.index) for i in ends] == [2] * 4 and ends[0].index is ends[1].index
    assert all(
        (e.values == i.values[-2:]).all() and e.values.base is None for e, i in zip(ends, instances, strict=True)
    )


@pytest.mark.parametrize("gaps", [False, True])
def test_many_series_at_once_are_standardised_as_one_by_one(gaps):
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(T, 2)) * 10 + 5 for T in [7, *[5] * 300, 9, 5]]
    if gaps:
        for s in series[::3]:
            s[1:3, 1] = np.nan
    together = Panel(series)
    for n in (0, 1, 200, 300, 301, 302):
        mean, spread = mean_and_spread(series[n])
        np.testing.assert_allclose(together.location[n], mean)
        np.testing.assert_allclose(together.scale[n], spread)
        alone = Panel([series[n]])
        a, b = together.starts[n], together.ends[n]
        np.testing.assert_allclose(together.values[:, a:b], alone.values, rtol=1e-6)
        if gaps:
            seen = np.ones_like(series[n].T, dtype=bool) if alone.observed is None else alone.observed.numpy()
            assert (together.observed[:, a:b].numpy() == seen).all()
