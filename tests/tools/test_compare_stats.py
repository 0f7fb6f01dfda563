import math

import numpy as np
import pytest

from tests.conftest import imported_tool


@pytest.fixture(scope="module")
def stats():
    with imported_tool("compare_stats") as module:
        yield module


def test_paired_counts_and_means(stats):
    found = stats.paired(np.array([1.0, 2, 3, 4]), np.array([1.0, 1, 5, 3]), higher_is_better=True)
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.mean == 0.0
    assert found.error == pytest.approx(np.std([0, 1, -2, 1], ddof=1) / 2)
    assert found.low < 0 < found.high
    assert found.p is None  # four pairs can show nothing
    assert found.verdict == "too few pairs to tell"


def test_lower_can_be_better(stats):
    found = stats.paired(np.array([1.0, 1]), np.array([2.0, 3]), higher_is_better=False)
    assert (found.wins, found.mean) == (2, 1.5)


def test_six_of_six_is_what_wilcoxon_says(stats):
    found = stats.paired(np.arange(6) + 1.0 + np.arange(6) / 10, np.arange(6), higher_is_better=True)
    assert found.p == pytest.approx(2 / 2**6)
    assert found.verdict == "better"
    assert found._replace(mean=-1.0).verdict == "worse"
    equal = stats.paired(np.ones(6), np.ones(6), higher_is_better=True)
    assert (equal.p, equal.verdict) == (None, "not told apart")


def test_ranks_share_what_is_equal(stats):
    figures = np.array([[0.9, 0.8, 0.9], [0.5, 0.6, 0.4]])
    np.testing.assert_allclose(stats.mean_ranks(figures, higher_is_better=True), [1.75, 2, 2.25])
    np.testing.assert_allclose(stats.mean_ranks(-figures, higher_is_better=False), [1.75, 2, 2.25])


def test_critical_difference_is_that_of_the_tables(stats):
    # Demšar (2006), table 5: q of 0.05 is 2.343 for 3 models and 2.569 for 4
    assert stats.critical_difference(3, 10) == pytest.approx(2.343 * math.sqrt(3 * 4 / 60), rel=1e-3)
    assert stats.critical_difference(4, 14) == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 14)), rel=1e-3)


def test_growth_is_the_slope_on_logarithmic_scales(stats):
    sizes = np.array([10, 100, 1000, 10000])
    slope, error = stats.growth_exponent(sizes, 3e-3 * sizes**1.5)
    assert slope == pytest.approx(1.5)
    assert error == pytest.approx(0, abs=1e-6)


def test_a_trend_is_a_rank_correlation(stats):
    sizes = np.array([1, 2, 3, 4, 5, 6])
    assert stats.trend(sizes, sizes**3.0)[0] == pytest.approx(1)
    assert stats.trend(sizes, -(sizes**3.0))[1] < 0.05
    assert stats.trend(sizes, np.array([1.0, -1, 1, -1, 1, -1]))[1] > 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda stats: stats.paired(np.ones(2), np.ones(3), higher_is_better=True),
        lambda stats: stats.paired(np.ones(0), np.ones(0), higher_is_better=True),
        lambda stats: stats.trend(np.arange(5), np.arange(5)),
        lambda stats: stats.trend(np.ones(6), np.arange(6)),
        lambda stats: stats.growth_exponent(np.array([1, 2]), np.array([1.0, 2.0])),
    ],
)
def test_too_little_is_refused(stats, call):
    with pytest.raises(ValueError, match="give"):
        call(stats)
