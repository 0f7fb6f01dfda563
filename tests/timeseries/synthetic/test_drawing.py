"""What is drawn: the same for the same seed, finite, in the shares that are documented."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from timeseries.synthetic import FAMILIES, FREQUENCIES, draw
from timeseries.synthetic.families import COUNTS, shares

GOLDEN = Path(__file__).with_name("golden.json")  # python -m tests.timeseries.synthetic.test_drawing writes it


def summary() -> dict[str, list[float]]:
    """A few values of each family: first and last one of three series of 40 steps."""
    drawn = {name: draw(3, 40, seed=7, families=[name]).values for name in FAMILIES}
    drawn["all"] = draw(3, 40, seed=7).values
    return {name: values[:, [0, -1]].ravel().tolist() for name, values in drawn.items()}


def test_a_seed_gives_the_series_that_it_always_gave():
    expected = json.loads(GOLDEN.read_text())
    got = summary()
    assert list(got) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-6, err_msg=name)


def test_seeds_differ_and_repeat():
    first, again, other = (draw(30, 50, seed=s) for s in (3, 3, 4))
    assert (first.values == again.values).all() and (first.periods == again.periods).all()
    assert not np.isclose(first.values, other.values).all(axis=1).any()
    assert len(np.unique(np.round(first.values[:, 0], 9))) > 25  # series of one draw differ from one another


def test_frequencies_and_families_do_not_depend_on_how_many_are_drawn():
    few, many = draw(20, 12, seed=5), draw(90, 30, seed=5)
    assert (many.family[:20] == few.family).all() and (many.periods[:20] == few.periods).all()


def test_another_family_in_the_mix_leaves_the_draws_of_the_first_alone():
    """Each has random numbers of its own, so that a new family changes no other."""
    both = draw(40, 24, seed=1, families=["arima", "ets"], period=7)
    alone = draw((both.family == list(FAMILIES).index("ets")).sum(), 24, seed=1, families=["ets"], period=7)
    from timeseries.synthetic.drawing import _draw_all  # before composition and transforms, which are the batch's

    ets = list(FAMILIES).index("ets")
    mixed = _draw_all(1, "alone", both.family, both.periods, 24)[both.family == ets]
    assert (mixed == _draw_all(1, "alone", alone.family, alone.periods, 24)).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_finite_for_every_length_and_period(name):
    for steps in (1, 8, 9, 64, 1000, 2000):
        for period in (1, 2, 4, 7, 12, 24, 48, 52, 96, 1000):
            if steps >= 1000 and period not in (1, 12, 24):
                continue
            drawn = draw(12, steps, 0, [name], period)
            assert drawn.values.shape == (12, steps) and drawn.values.dtype == np.float64
            assert np.isfinite(drawn.values).all(), (steps, period)
            assert np.abs(drawn.values).max() < 1e15, (steps, period)
            if FAMILIES[name].values == COUNTS:
                assert (drawn.values >= 0).all() and (drawn.values % 1 == 0).all()


def test_hardly_any_series_is_constant():
    values = draw(1500, 60, seed=2).values
    assert (np.ptp(values, axis=1) == 0).mean() < 0.01


def test_frequencies_are_drawn_in_their_shares():
    n = 6000
    periods = draw(n, 1, seed=0).periods
    assert sum(f.share for f in FREQUENCIES.values()) == pytest.approx(1)
    for name, (main, second, share) in FREQUENCIES.items():
        if main == 0:
            continue
        found = (periods == (main, second)).all(axis=1).mean()
        other = FREQUENCIES["other"].share / 59  # "other" draws this period, too, one time in 59
        assert abs(found - share) < other + 4 * np.sqrt(share / n), name


@pytest.mark.parametrize(("period", "column"), [(1, 0), (4, 1), (12, 2), (24, 3)])
def test_families_are_drawn_in_their_shares(period, column):
    n = 5000
    drawn = draw(n, 1, seed=0, period=period)
    expected = np.array([family.shares[column] for family in FAMILIES.values()])
    assert expected.sum() == pytest.approx(1)
    found = np.bincount(drawn.family, minlength=len(FAMILIES)) / n
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected / n) + 1e-9).all()


def test_chosen_families_keep_their_proportion():
    periods = np.tile([12, 1], (1, 1))
    a, b = FAMILIES["arima"].shares[2], FAMILIES["ets"].shares[2]
    np.testing.assert_allclose(shares(periods, ("arima", "ets")), [[a / (a + b), b / (a + b)]])
    assert set(draw(200, 1, 0, ["arima", "ets"], 12).family) == {list(FAMILIES).index(k) for k in ("arima", "ets")}
    assert set(draw(20, 1, 0, "calendar", 1).family) == {list(FAMILIES).index("calendar")}  # whose share is 0 there


@pytest.mark.parametrize(("period", "second"), [(24, 168), (48, 336), (96, 672), (12, 1), (7, 1), (1, 1), (5, 1)])
def test_a_period_brings_the_second_one_of_its_frequency(period, second):
    assert (draw(3, 4, 0, period=period).periods == (period, second)).all()


BAD = [
    (dict(n=0), ValueError, "n must be at least 1 series, got 0"),
    (dict(n=2.0), TypeError, "n must be an integer, got 2.0"),
    (dict(steps=0), ValueError, "steps must be at least 1 step, got 0"),
    (dict(seed=-1), ValueError, "seed must be at least 0, got -1"),
    (dict(seed=None), TypeError, "seed must be an integer, got None"),
    (dict(period=0), ValueError, "period must be at least 1 step, which means no season, got 0"),
    (dict(period="12"), TypeError, "period must be an integer, got '12'"),
    (dict(families=["arimo"]), ValueError, "unknown family 'arimo': did you mean 'arima'?"),
    (dict(families="etc"), ValueError, "unknown family 'etc': did you mean 'ets'?"),
    (dict(families=["xyzzy"]), ValueError, "unknown family 'xyzzy': there are structural, ets"),
    (dict(families=[3]), ValueError, "unknown family 3: there are"),
    (dict(families=[]), ValueError, "no families: name some of structural"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=[message for *_, message in BAD])
def test_bad_input_is_told(arguments, error, message):
    with pytest.raises(error) as caught:
        draw(**{**dict(n=2, steps=8, seed=0), **arguments})
    assert message in str(caught.value)


def test_drawing_loads_no_torch():
    code = "import sys, timeseries.synthetic; print({'torch', 'pandas', 'sktime'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(summary(), indent=1) + "\n")
