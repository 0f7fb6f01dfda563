"""Windows are cut on demand, and never reach beyond their series."""

import tracemalloc

import numpy as np
import pytest
import torch

from timeseries.data.windows import Cuts, Panel, pad_together


def test_windows_hold_what_is_there_and_nothing_else():
    a, b = np.arange(10.0)[:, None], np.arange(100.0, 104.0)[:, None]
    panel = Panel([a, b])
    values, observed = panel.windows(torch.tensor([0, 1, 1]), torch.tensor([4, 2, 4]), before=3, after=2)
    assert observed[:, 0].tolist() == [[True] * 5, [False, True, True, True, True], [True, True, True, False, False]]
    back = values[:, 0].double().numpy() * panel.scale[[0, 1, 1]] + panel.location[[0, 1, 1]]
    assert np.allclose(back[0], [1, 2, 3, 4, 5]) and np.allclose(back[1, 1:], [100, 101, 102, 103])
    assert (values[~observed] == 0).all()
    whole = panel.windows(torch.tensor([0]), torch.tensor([5]), 2, 2)
    assert whole.observed is None


def test_missing_values_and_large_levels_survive():
    x = 1e9 + np.sin(np.arange(50.0))[:, None] * [[1, 2]]
    x[7, 0] = np.nan
    panel = Panel([x])
    assert not panel.observed[0, 7] and panel.observed[1].all()
    back = panel.values.double().numpy().T * panel.scale[0] + panel.location[0]
    assert np.nanmax(np.abs(back - x)) < 1e-5  # float32 alone would be off by up to 32
    constant = Panel([np.full((5, 1), 3.0), np.full((5, 1), np.nan)])
    assert constant.scale.tolist() == [[1], [1]] and constant.location.tolist() == [[3], [0]]


def test_cuts_are_numbered_through():
    cuts = Cuts(torch.tensor([2, 5, 1]), torch.tensor([4, 4, 2]))  # the second series has none
    assert len(cuts) == 5
    series, at = cuts[torch.arange(5)]
    assert list(zip(series.tolist(), at.tolist(), strict=True)) == [(0, 2), (0, 3), (0, 4), (2, 1), (2, 2)]


def test_memory_grows_with_the_series_and_not_with_its_windows():
    tracemalloc.start()
    panel = Panel([np.random.default_rng(0).normal(size=(200_000, 1))])
    cuts = Cuts(torch.tensor([512]), torch.tensor([199_000]))
    panel.windows(*cuts[torch.arange(64)], 512, 96)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cuts) > 190_000 and peak < 40e6  # all windows would take 480 MB


def test_a_padded_batch_marks_its_padding():
    a, b = torch.ones(2, 5), torch.ones(2, 3)
    b[0, 1] = torch.nan
    values, observed = pad_together([a, b], torch.device("cpu"))
    assert (
        values.shape == (2, 2, 5) and observed[0].all() and observed[1].tolist() == [[1, 0, 1, 0, 0], [1, 1, 1, 0, 0]]
    )
    assert pad_together([a, a], torch.device("cpu")).observed is None


def test_infinite_values_are_refused():
    with pytest.raises(ValueError, match="infinite values: replace them with NaN"):
        Panel([np.array([[1.0], [np.inf]])])
