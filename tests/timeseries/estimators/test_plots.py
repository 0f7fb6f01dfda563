"""Pictures of forecasts and of what a classifier attends to: they can be read, and say what they do not show."""

import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sktime")
from matplotlib import pyplot as plt

from timeseries import JumboClassifier, JumboForecaster
from timeseries.estimators.plotting import plot_attention, plot_forecast, plot_kept

SPANS, VALUES = [(0, 4), (4, 8)], np.arange(8.0)[:, None]


@pytest.fixture(autouse=True)
def without_windows():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def drawn(index, size=(9, 3.6), *, ahead=12, coverages=(0.95, 0.8), spoken=None, **subplots):
    """The picture of a wave over an index, whose last values are forecast."""
    values = pd.Series(10 + 5 * np.sin(np.arange(len(index))), index=index, name="a name")
    past, center = values[:-ahead], values[-ahead:]
    bounds = [(c, center - 4 * c, center + 4 * c) for c in coverages]
    figure, ax = plt.subplots(figsize=size, **subplots)
    plot_forecast(past, center, bounds, ax, spoken)
    figure.canvas.draw()
    return ax


INDICES = {
    "hours over a new year": pd.date_range("2024-12-29 05:00", periods=150, freq="h"),
    "days": pd.date_range("2025-02-03", periods=60, freq="D"),
    "days over years": pd.date_range("2019-11-10", periods=1500, freq="D"),
    "months": pd.period_range("1949-01", periods=144, freq="M"),
    "quarters": pd.period_range("1990Q1", periods=70, freq="Q"),
    "years": pd.period_range("1800", periods=114, freq="Y"),
    "integers": pd.RangeIndex(30, 75),
}


@pytest.mark.parametrize("size", [(3, 2.5), (5, 3), (9, 3.6)], ids=str)
@pytest.mark.parametrize("name", INDICES)
def test_dates_do_not_overlap_and_the_legend_covers_no_data(name, size):
    ax = drawn(INDICES[name], size)
    labels = [text for text in ax.get_xticklabels() if text.get_text()]
    low, high = ax.get_xlim()
    boxes = sorted(
        (text.get_window_extent() for text in labels if low <= text.get_position()[0] <= high), key=lambda box: box.x0
    )
    assert len(boxes) >= 2
    for one, other in zip(boxes, boxes[1:], strict=False):
        assert one.x1 < other.x0, [text.get_text() for text in labels]
    legend = ax.get_legend().get_window_extent()
    lines = [ax.transData.transform(np.column_stack(line.get_data())) for line in _as_numbers(ax)]
    shades = [ax.transData.transform(path.vertices) for shade in ax.collections for path in shade.get_paths()]
    for points in (*lines, *shades):
        assert not legend.count_contains(points)
    whole = ax.get_figure().bbox
    assert whole.x0 <= legend.x0 and legend.x1 <= whole.x1 and legend.y1 <= whole.y1


def _as_numbers(ax):
    """Lines whose data are numbers of the axis."""
    for line in ax.lines:
        line.set_data(ax.convert_xunits(line.get_xdata()), line.get_ydata())
        yield line


def test_dates_say_their_year_once():
    ax = drawn(INDICES["days"])
    assert ax.xaxis.get_offset_text().get_text().startswith("2025")
    assert all("2025" not in text.get_text() for text in ax.get_xticklabels())


def test_steps_are_whole_numbers():
    ticks = drawn(pd.RangeIndex(20), ahead=5).get_xticks()
    assert np.array_equal(ticks, ticks.round())


def test_what_is_drawn_later_is_seen():
    """Such as the values that came, above all others."""
    ax = drawn(INDICES["months"])
    ax.plot(INDICES["months"].to_timestamp()[-5:], [90.0] * 5)
    assert ax.get_ylim()[1] > 90


def test_the_experts_that_spoke_are_named_with_their_weights():
    spoken = pd.Series({"theta": 0.2, "seasonal_naive_2": 0.7, "last": 0.1, "mean": 0.001})
    ax = drawn(INDICES["days"], spoken=spoken, layout="constrained")
    assert ax.get_xlabel() == "forecast by 70% seasonal naive 2, 20% theta, 10% last"
    said, year = ax.xaxis.label.get_window_extent(), ax.xaxis.get_offset_text().get_window_extent()
    assert not said.overlaps(year)


def test_the_title_of_a_series_of_a_hierarchy():
    index = pd.date_range("2025-01-01", periods=40, freq="D")
    table = pd.DataFrame({"sales": np.arange(40.0)}, index=index)
    panel = pd.concat({("north", "shop 1"): table}, names=["region", "shop", "day"])
    forecaster = JumboForecaster(max_epochs=0, random_state=0).fit(panel, fh=range(1, 4))
    assert forecaster.plot().get_title() == "north, shop 1, sales"


# ---- what a classifier attends to


@pytest.mark.parametrize("plot", [plot_attention, plot_kept])
def test_a_share_above_zero_is_said_without_a_warning(plot):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot(VALUES, SPANS, np.array([0.2, 0.6]), 0.25)
    assert ax.get_title().endswith("the encoder's share in the answer: 0.25")


@pytest.mark.parametrize("plot", [plot_attention, plot_kept])
def test_at_share_zero_the_picture_and_a_warning_say_that_it_explains_nothing(plot):
    with pytest.warns(UserWarning, match="share in the answer is 0.*convolutions answer alone"):
        ax = plot(VALUES, SPANS, np.array([0.2, 0.6]), 0.0)
    assert ax.get_title().endswith("the encoder's share in the answer: 0, so this explains no answer")


def test_titles_say_the_numbers_behind_the_colours():
    assert "(0.50 to 1.50 times the mean patch)" in plot_attention(VALUES, SPANS, np.array([0.2, 0.6]), 1).get_title()
    assert "(50% of the patches to the end)" in plot_kept(VALUES, SPANS, np.array([0.5, 1.0]), 1).get_title()


def test_the_share_is_that_of_the_classifier():
    X, labels = np.random.default_rng(0).normal(size=(12, 1, 40)), np.array(["a", "b"] * 6)
    small = dict(embed_dim=8, num_heads=2, depth=1, jumbo_multiplier=2, random_state=0, pretrained=None)
    with pytest.warns(UserWarning, match="share in the answer is 0") as told:
        JumboClassifier(max_epochs=0, num_kernels=84, **small).fit(X, labels).plot_kept(X[:1], 0.5)
    assert told[-1].filename == __file__  # where it was asked for
    alone = JumboClassifier(max_epochs=1, num_kernels=0, **small).fit(X, labels)
    assert "share in the answer: 1" in alone.plot_attention(X[:1]).get_title()
