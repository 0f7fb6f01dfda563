"""Pairs of series: seeded, finite, of one process each, and fast enough to learn from."""

import time

import numpy as np
import pytest

from timeseries.synthetic import COMPONENTS, draw_pairs
from timeseries.synthetic.pairs import RELATIVES


def standardised(x):
    return (x - x.mean(axis=-1, keepdims=True)) / (x.std(axis=-1, keepdims=True) + 1e-9)


@pytest.mark.parametrize(("n", "steps"), [(1, 2), (3, 17), (130, 512)])
def test_shapes(n, steps):
    drawn = draw_pairs(n, steps, 0)
    assert drawn.shape == (n, 2, steps) and drawn.dtype == np.float32
    assert np.isfinite(drawn).all()


def test_a_seed_decides_everything():
    assert (draw_pairs(20, 64, 1) == draw_pairs(20, 64, 1)).all()
    assert not (draw_pairs(20, 64, 1) == draw_pairs(20, 64, 2)).all()
    assert not (draw_pairs(20, 64, (1, 0)) == draw_pairs(20, 64, (1, 1))).all()


def test_the_two_series_of_a_pair_are_alike_but_not_the_same():
    drawn = standardised(draw_pairs(400, 128, 0))
    assert not (drawn[:, 0] == drawn[:, 1]).all(axis=1).any()
    own = (drawn[:, 0] * drawn[:, 1]).mean(axis=1)
    others = (drawn[:, 0] * np.roll(drawn[:, 1], RELATIVES * 7, axis=0)).mean(axis=1)
    assert own.mean() > 0.3 and abs(others.mean()) < 0.1


def test_relatives_are_closer_than_strangers():
    spectra = np.log(np.abs(np.fft.rfft(standardised(draw_pairs(800, 128, 0)[:, 0]), axis=1)) + 1)
    near = np.abs(spectra - np.roll(spectra.reshape(-1, RELATIVES, 65), 1, axis=1).reshape(-1, 65)).mean()
    far = np.abs(spectra - np.roll(spectra, 4 * RELATIVES, axis=0)).mean()
    assert near < 0.9 * far


@pytest.mark.parametrize("name", COMPONENTS)
def test_components_draw_what_their_parameters_say(name):
    component, time_of = COMPONENTS[name], np.linspace(0, 1, 256)
    p = component.parameters(np.random.default_rng(0), 300)
    one, other = (component.series(np.random.default_rng(seed), p, time_of) for seed in (1, 2))
    assert one.shape == (300, 256) and np.isfinite(one).all()
    assert not (one == other).all()
    assert np.median(one.std(axis=1)) == pytest.approx(1, abs=0.6)
    powers = [np.log(np.abs(np.fft.rfft(v, axis=1)) + 1) for v in (one, other)]
    assert np.abs(powers[0] - powers[1]).mean() < 0.8 * np.abs(powers[0] - powers[1][::-1]).mean()


def test_speed():
    draw_pairs(64, 512, 0)
    begun = time.process_time()
    draw_pairs(256, 512, 1)
    assert 512 / (time.process_time() - begun) > 1000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 10, 0), ValueError, "n must be at least 1 process, got 0"),
        ((2.0, 10, 0), TypeError, "n must be an integer"),
        ((2, 1, 0), ValueError, "steps must be at least 2 steps, got 1"),
        ((2, 10, -1), ValueError, "seed must be at least 0, got -1"),
        ((2, 10, (1, -1)), ValueError, "seed must be at least 0, got -1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        draw_pairs(*arguments)
