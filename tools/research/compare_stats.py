"""Paired comparisons, ranks and growth, as the field reports them."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

_LEAST_PAIRS = 6  # below, no order of signs is rarer than 5 % by Wilcoxon's test


class Paired(NamedTuple):
    """Ours against another on the same problems or seeds.

    Attributes:
        wins, ties, losses: Of ours.
        mean, error: Mean difference, positive where ours is better, and its standard error.
        low, high: Bootstrap interval of the mean, 95 %.
        p: Wilcoxon's signed-rank test, two-sided; None of fewer than six pairs, or if all are equal.
    """

    wins: int
    ties: int
    losses: int
    mean: float
    error: float
    low: float
    high: float
    p: float | None

    @property
    def verdict(self) -> str:
        """What these pairs say, at the 5 % that is usual."""
        if self.wins + self.ties + self.losses < _LEAST_PAIRS:
            return "too few pairs to tell"
        if self.p is None or self.p >= 0.05:
            return "not told apart"
        return "better" if self.mean > 0 else "worse"


def paired(ours: np.ndarray, theirs: np.ndarray, *, higher_is_better: bool, seed: int = 0) -> Paired:
    """Compare figures (n,) that belong together pair by pair.

    Raises:
        ValueError: If there are no pairs, or not as many of each.
    """
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape or not len(ours):
        raise ValueError(f"{len(ours)} figures against {len(theirs)}: give as many of each, and at least one")
    gain = (ours - theirs) * (1 if higher_is_better else -1)
    gain[np.isclose(ours, theirs, rtol=1e-9, atol=0)] = 0.0  # equal but for the order of a sum
    n = len(gain)
    drawn = np.random.default_rng(seed).integers(n, size=(10_000, n))
    low, high = np.quantile(gain[drawn].mean(axis=1), (0.025, 0.975))
    tested = n >= _LEAST_PAIRS and gain.any()
    return Paired(
        wins=int((gain > 0).sum()),
        ties=int((gain == 0).sum()),
        losses=int((gain < 0).sum()),
        mean=float(gain.mean()),
        error=float(gain.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan,
        low=float(low),
        high=float(high),
        p=float(stats.wilcoxon(gain).pvalue) if tested else None,
    )


def mean_ranks(figures: np.ndarray, *, higher_is_better: bool) -> np.ndarray:
    """Mean rank (k,) of k models on n problems (n, k), 1 the best, equals sharing theirs."""
    figures = np.asarray(figures, dtype=float)
    return stats.rankdata(-figures if higher_is_better else figures, axis=1).mean(axis=0)


def critical_difference(models: int, problems: int, level: float = 0.05) -> float:
    """Mean ranks that differ by less are not told apart by Nemenyi's test (Demšar, 2006, section 3.2.2)."""
    q = stats.studentized_range.ppf(1 - level, models, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(models * (models + 1) / (6 * problems)))


def trend(sizes: np.ndarray, gains: np.ndarray) -> tuple[float, float]:
    """Whether gains rise with sizes: Spearman's rank correlation, and its p.

    Raises:
        ValueError: Of fewer than six pairs, or of one size.
    """
    if len(sizes) < _LEAST_PAIRS or len(set(sizes)) < 2:
        raise ValueError(f"{len(sizes)} pairs of {len(set(sizes))} sizes: give at least {_LEAST_PAIRS}, and two sizes")
    found = stats.spearmanr(sizes, gains)
    return float(found.statistic), float(found.pvalue)


def growth_exponent(sizes: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """Slope of log seconds over log size, and its standard error.

    Raises:
        ValueError: Of fewer than three sizes.
    """
    if len(set(sizes)) < 3:
        raise ValueError(f"{len(set(sizes))} sizes: give at least 3")
    line = stats.linregress(np.log(sizes), np.log(seconds))
    return float(line.slope), float(line.stderr)
