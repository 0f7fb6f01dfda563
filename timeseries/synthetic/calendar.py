"""Series that follow the calendar: day and week, or week and year, with holidays, promotions and closed days.

Hourly series have a profile of the day, another one for days of rest, a level for each day that wanders, and a smooth
driver as temperature is: the parts of Taylor, Short-term electricity demand forecasting using double seasonal
exponential smoothing, Journal of the Operational Research Society 2003. Daily and slower series have a season and a
slower one of a year, as in Taylor and Letham, Forecasting at scale, The American Statistician 2018, holidays included.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from timeseries.synthetic.randomness import autoregress, chance, draw_tails, log_uniform, noise, sometimes, walk
from timeseries.synthetic.seasons import Seasons, draw_seasons, draw_week, seasonal

_DAYS_OF_YEAR, _HOLIDAYS = 365, 4


class Calendar(NamedTuple):
    """All (n,) unless said; sizes are on the log scale of the level, times are steps."""

    season: Seasons
    week: Seasons
    rest: Seasons  # what differs on days of rest
    resting: np.ndarray  # how many of a week's days are of rest
    first_day: np.ndarray
    day: np.ndarray  # steps of a day: 1 where the main period is no day
    day_level: np.ndarray
    day_memory: np.ndarray
    driver: np.ndarray
    slow: np.ndarray  # size of the yearly wave
    year: np.ndarray
    phase: np.ndarray
    holidays: np.ndarray  # (n, holidays) when in the year
    moving: np.ndarray  # by how much of a year a holiday moves, as Easter does
    holiday: np.ndarray  # (n, holidays) size
    promotions: np.ndarray  # chance of a start in a step
    promotion: np.ndarray
    closed: np.ndarray  # bool: nothing on the last day of the week
    trend: np.ndarray
    level: np.ndarray
    ripple: np.ndarray
    memory: np.ndarray
    tails: np.ndarray


def parameters(rng: Generator, periods: np.ndarray, steps: int) -> Calendar:
    n, (main, second) = len(periods), periods.T
    intraday = second > 1
    day = np.where(intraday, main, 1)
    size = log_uniform(rng, 0.06, 0.8, n)
    year = np.where(intraday | (main == 7), _DAYS_OF_YEAR * day, np.where(main > 1, main, 10))
    season = draw_seasons(rng, main, size)
    # some loads and temperatures repeat themselves almost to the digit
    regular = intraday & chance(rng, 0.5, n)
    season = season._replace(change=season.change * np.where(regular, 0.1, 1))
    calm = np.where(regular, log_uniform(rng, 0.02, 0.5, n), 1)
    wandering = intraday * calm
    rest = draw_seasons(rng, day, calm * sometimes(rng, 0.6, size * log_uniform(rng, 0.1, 0.7, n)))
    return Calendar(
        season=season,
        week=draw_week(rng, periods, calm * sometimes(rng, 0.75, size * log_uniform(rng, 0.05, 1, n))),
        rest=rest,
        resting=rng.choice([1, 2, 2, 2], n),
        first_day=rng.integers(0, 7, n),
        day=day,
        day_level=wandering * sometimes(rng, 0.8, np.minimum(log_uniform(rng, 0.01, 0.2, n), size / 2)),
        day_memory=rng.uniform(0.3, 0.95, n),
        driver=wandering * sometimes(rng, 0.6, np.minimum(log_uniform(rng, 0.01, 0.3, n), size)),
        slow=(main != year) * sometimes(rng, 0.7, log_uniform(rng, 0.03, 0.6, n)),
        year=year,
        phase=rng.random(n),
        holidays=rng.random((n, _HOLIDAYS)),
        moving=sometimes(rng, 0.4, rng.uniform(0.01, 0.05, n)),
        holiday=sometimes(rng, 0.5, np.ones(n))[:, None] * rng.normal(0, 0.5, (n, _HOLIDAYS)),
        promotions=~intraday * sometimes(rng, 0.35, log_uniform(rng, 0.003, 0.06, n)),
        promotion=log_uniform(rng, 0.1, 1.2, n),
        closed=(main == 7) & chance(rng, 0.15, n),
        trend=sometimes(rng, 0.5, rng.normal(0, 0.5, n)) / steps,
        level=calm * sometimes(rng, 0.7, log_uniform(rng, 0.02, 0.5, n)) / np.sqrt(steps),
        ripple=log_uniform(rng, 0.003, 0.25, n) * np.where(intraday, 0.6 * np.where(regular, 0.1, 1) * calm, 1),
        memory=sometimes(rng, np.where(intraday, 0.85, 0.6), rng.uniform(0, 0.98, n)),
        tails=draw_tails(rng, n),
    )


def series(rng: Generator, p: Calendar, steps: int) -> np.ndarray:
    time = np.arange(steps)
    day = time // p.day[:, None]
    weekday = (day + p.first_day[:, None]) % 7
    resting = (weekday >= 7 - p.resting[:, None]) * (p.day[:, None] > 1)
    logs = seasonal(rng, p.season, steps) + seasonal(rng, p.week, steps) + resting * seasonal(rng, p.rest, steps)
    logs += _days(rng, p, day, steps) + p.trend[:, None] * time + walk(rng, p.level, steps)
    year = time / p.year[:, None] + p.phase[:, None]
    logs += p.slow[:, None] * np.cos(2 * np.pi * year) + _holidays(p, year) + _promotions(rng, p, steps)
    logs += p.ripple[:, None] * autoregress(noise(rng, p.tails, steps), p.memory)
    return np.exp(np.clip(logs, -8, 8)) * ~(p.closed[:, None] & (weekday == 6))


def _days(rng: Generator, p: Calendar, day: np.ndarray, steps: int) -> np.ndarray:
    """A level for each day that remembers the day before, and a driver that turns smoothly from day to day."""
    count = steps + 2
    levels = autoregress(rng.standard_normal((len(day), count)), p.day_memory)
    weather = autoregress(rng.standard_normal((len(day), count)), np.maximum(p.day_memory, 0.8))
    within = (np.arange(steps) % p.day[:, None]) / p.day[:, None]
    share = (1 - np.cos(np.pi * within)) / 2
    today, tomorrow = (np.take_along_axis(weather, day + k, axis=1) for k in (0, 1))
    smooth = today * (1 - share) + tomorrow * share
    level = np.take_along_axis(levels, day, axis=1)
    return p.day_level[:, None] * level + p.driver[:, None] * smooth


def _holidays(p: Calendar, year: np.ndarray) -> np.ndarray:
    """Effects of some days of the year, in slower series of the step that they fall into."""
    length = (p.day / p.year)[:, None]
    moved = p.moving[:, None] * np.cos(2.3 * np.floor(year))
    total = np.zeros(year.shape)
    for k in range(p.holidays.shape[1]):
        total += p.holiday[:, k, None] * ((year - p.holidays[:, k, None] - moved) % 1 < length)
    return total


def _promotions(rng: Generator, p: Calendar, steps: int) -> np.ndarray:
    """Stretches of one to five steps with more demand, less so towards their end."""
    starts = rng.random((len(p.promotion), steps)) < p.promotions[:, None]
    sizes = starts * p.promotion[:, None] * rng.uniform(0.3, 1, starts.shape)
    length, total = rng.integers(1, 6, len(p.promotion)), sizes.copy()
    for k in range(1, min(5, steps)):
        total[:, k:] += (k < length)[:, None] * sizes[:, :-k] * (1 - 0.12 * k)
    return total
