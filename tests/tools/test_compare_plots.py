"""Pictures of comparisons show the figures that they are given."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import imported_tool


@pytest.fixture(scope="module")
def plots():
    with imported_tool("compare_plots") as module:
        yield module


def test_bars_join_only_what_is_not_told_apart(plots):
    (ax,) = plots.ranks_on_a_line(["a", "b", "c"], np.array([1.1, 1.4, 2.9]), 0.5).axes
    bars = [c for c in ax.collections if c.get_linewidth()[0] == 4]
    assert len(bars) == 1
    (segment,) = bars[0].get_segments()
    assert segment[:, 0].min() < 1.1 < 1.4 < segment[:, 0].max() < 2.9
    assert [t.get_text() for t in ax.texts if "a " in t.get_text()] == ["a 1.10"]


def test_growth_is_a_line_of_the_power_through_the_points(plots):
    sizes = np.array([10.0, 100.0, 1000.0])
    (ax,) = plots.growth_of_seconds(dict(fit=pd.Series(2 * sizes**0.5, sizes)), dict(fit=0.5), "steps").axes
    points, line = ax.lines
    assert np.allclose(points.get_ydata(), line.get_ydata())
    assert points.get_label() == "fit, steps to the power of 0.50"


def quartiles(median):
    return dict(q1=median - 0.1, median=median, q3=median + 0.2)


def test_medians_at_numbers_are_joined_with_their_quartiles(plots):
    lines = dict(pico=[(1.0, dict(q1=1, median=1, q3=1)), (0.5, quartiles(1.7))])
    (ax,) = plots.medians(lines, "keep rate", "ratio").axes
    ((line, _, (bars,)),) = ax.containers
    assert line.get_xydata().tolist() == [[1.0, 1.0], [0.5, 1.7]]
    assert np.allclose([segment[:, 1] for segment in bars.get_segments()], [[1, 1], [1.6, 1.9]])
    assert ax.get_xlabel() == "keep rate"


def test_medians_at_names_lie_side_by_side_but_for_what_they_are_measured_against(plots):
    base = [(at, dict(q1=1.0, median=1.0, q3=1.0)) for at in ("224 px, batch 1", "512 px")]
    lines = dict(registers=base, a=[("224 px, batch 1", quartiles(0.5)), ("512 px", quartiles(0.9))])
    lines["b"] = [("512 px", quartiles(1.1))]
    (ax,) = plots.medians(lines, "setting", "ratio").axes
    a, b = (container.lines[0] for container in ax.containers)
    assert [c.get_label() for c in ax.containers] == ["a", "b"]
    assert a.get_ydata().tolist() == [0.5, 0.9]
    assert np.round(np.array(a.get_xdata(), dtype=float)).tolist() == [0, 1]
    assert 1 < b.get_xdata()[0] < 1.5 and a.get_xdata()[1] < b.get_xdata()[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["224 px,\nbatch 1", "512 px"]
