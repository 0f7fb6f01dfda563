"""The forecast of a fitted forecaster: a blend of experts, weighed by a Jumbo token, and of networks.

The weigher was pretrained and needs no training. The networks learned the series of the fit. At each step of the
horizon they get a weight, which is above 0 only if this improves the forecasts of held-out windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import norm, t

from ..data.windows import Panel
from ..experts import find_periods
from ..networks.weighing import LEVELS, ExpertWeigher
from .cases import Cases, in_chunks
from .training import is_gain

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_PARTS = 4  # parts of the horizon, each with its own weight of the networks
_SURE = 0.975  # one-sided level of Student's test of the gain by the networks
_FEW = 10  # windows: of fewer, only a steady gain is significant
_LUCK = 0.25  # fraction of the loss: if less is left on few windows, this is not by chance
_FORECASTS, _SERIES = 2**18, (256, 1024)  # the experts make so many forecasts at a time, for so many series
_LONGEST_READ = 1024  # most steps of a series that experts read


@dataclass(frozen=True)
class Blend:
    """How the forecasts of experts and of networks are blended.

    Attributes:
        weigher: The pretrained weigher of experts; None: the networks forecast alone.
        periods: Seasonal periods that the frequency suggests; None to find them in the values.
        share: Weight of the networks at each step of the horizon (H,). Beyond it, that of the last step holds.
    """

    weigher: ExpertWeigher | None = None
    periods: tuple[int, int] | None = None
    share: np.ndarray = field(default_factory=lambda: np.ones(1))

    def shares(self, steps: int) -> np.ndarray:
        """Weight of the networks at each of the first ``steps`` steps (steps,)."""
        if self.weigher is None:
            return np.ones(steps)
        return self.share[np.minimum(np.arange(steps), len(self.share) - 1)]


class ZeroShot(NamedTuple):
    """Centres (n, S), quantiles (n, S, Q) in units of the series, float64, and weights of the experts (n, S, E)."""

    center: np.ndarray
    quantiles: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def zero_shot(
    weigher: ExpertWeigher,
    contexts: list[np.ndarray],
    steps: int,
    levels: tuple[float, ...],
    periods: tuple[int, int] | None,
    device: torch.device,
) -> ZeroShot:
    """Forecast series without training.

    Args:
        weigher: Sets the weights of the experts.
        contexts: Series (T_i,), NaN where nothing was observed.
        steps: How many steps to forecast.
        levels: Probabilities of the requested quantiles (Q,).
        periods: See ``Blend``.
        device: Where the weigher computes. The experts compute on the CPU.
    """
    n = len(contexts)
    center, quantiles = np.empty((n, steps)), np.empty((n, steps, len(levels)))
    weights = np.empty((n, steps, weigher.of_expert.shape[0]), dtype=np.float32)
    weigher = weigher.to(device)
    for rows, cases in cases_of(contexts, steps, periods, weigher.context):
        for part in in_chunks(len(rows)):
            verdict = weigher(type(cases.case)(*(t[part].to(device) for t in cases.case)))
            at, unit = rows[part], cases.unit[part]
            center[at] = verdict.center.double().cpu().numpy() * unit + cases.middle[part]
            offsets = verdict.offsets.double().cpu().numpy() * unit[..., None]
            quantiles[at] = center[at][..., None] + _at_levels(offsets, levels)
            weights[at] = verdict.weights.float().cpu().numpy()
    weigher.cpu()
    return ZeroShot(center, quantiles, weights)


def cases_of(
    contexts: list[np.ndarray], steps: int, periods: tuple[int, int] | None, context: int
) -> Iterator[tuple[np.ndarray, Cases]]:
    """Parts of the series, of similar length, as input of the weigher: their numbers, and their cases.

    ``context`` is the number of steps that the weigher reads; for the rest see ``zero_shot``.
    """
    order = np.argsort([len(c) for c in contexts], kind="stable")
    for some in in_chunks(len(contexts), int(np.clip(_FORECASTS // steps, *_SERIES))):
        rows = order[some]
        values = _side_by_side([contexts[i] for i in rows])
        known = find_periods(values) if periods is None else np.tile(periods, (len(rows), 1))
        yield rows, Cases(values, known, steps, context)


def _side_by_side(contexts: list[np.ndarray]) -> np.ndarray:
    """Series (T_i,) in one array (n, T), padded with NaN at the start. A series without observations becomes 0."""
    longest = min(max(1, max(len(c) for c in contexts)), _LONGEST_READ)
    values = np.full((len(contexts), longest), np.nan)
    for row, context in zip(values, contexts, strict=True):
        if len(context):
            row[-len(context[-longest:]) :] = context[-longest:]
    values[np.isnan(values).all(axis=1), -1] = 0.0
    return values


def _at_levels(offsets: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Offsets at other levels, from those at ``LEVELS`` (…, Q), interpolated linearly in normal scores."""
    known, wanted = norm.ppf(LEVELS), norm.ppf(levels)
    right = np.clip(np.searchsorted(known, wanted), 1, len(known) - 1)
    part = (wanted - known[right - 1]) / (known[right] - known[right - 1])
    return offsets[..., right - 1] * (1 - part) + offsets[..., right] * part


def contexts_of(panel: Panel, series: np.ndarray, cuts: np.ndarray, channel: int) -> list[np.ndarray]:
    """The values of one channel of the series before the cuts."""
    return [panel.series[s][max(0, c - _LONGEST_READ) : c, channel] for s, c in zip(series, cuts, strict=True)]


class Trial(NamedTuple):
    """Forecasts of networks for held-out windows.

    Attributes:
        series, cuts: Number of each window's series, and the step before which it is cut (W,).
        center, quantiles: Forecasts in units of the series (W, H, M) and (W, H, M, Q).
    """

    series: np.ndarray
    cuts: np.ndarray
    center: np.ndarray
    quantiles: np.ndarray


def mean_of(trials: list[Trial]) -> Trial:
    """The mean of the members' forecasts for the same windows."""
    first = trials[0]
    center = np.mean([t.center for t in trials], axis=0)
    return first._replace(center=center, quantiles=np.mean([t.quantiles for t in trials], axis=0))


def chosen_share(blend: Blend, trial: Trial, panel: Panel, levels: tuple[float, ...], device: torch.device) -> Blend:
    """Choose the weight of the networks at each part of the horizon: that with the least loss on held-out windows, or
    0 if the gain is not significant (Student's test over windows whose futures do not overlap). With few such
    windows it also suffices that less than a quarter of the loss is left."""
    assert blend.weigher is not None
    W, H, M = trial.center.shape
    losses = np.zeros((len(SHARES), W, H))
    seen_steps = np.zeros((W, H))
    for channel in range(M):
        contexts = contexts_of(panel, trial.series, trial.cuts, channel)
        said = zero_shot(blend.weigher, contexts, H, levels, blend.periods, device)
        truth = np.full((W, H), np.nan)
        for row, (s, c) in enumerate(zip(trial.series, trial.cuts, strict=True)):
            future = panel.series[s][c : c + H, channel]
            truth[row, : len(future)] = future
        seen = ~np.isnan(truth)
        truth = np.where(seen, truth, 0)
        unit = (said.quantiles[..., -1] - said.quantiles[..., 0]).mean(axis=1, keepdims=True)  # (W, 1)
        unit = np.maximum(unit, 1e-9 * np.abs(said.center).mean(axis=1, keepdims=True) + 1e-300)
        for number, share in enumerate(SHARES):
            center = share * trial.center[..., channel] + (1 - share) * said.center
            quantiles = share * trial.quantiles[:, :, channel] + (1 - share) * said.quantiles
            loss = np.abs(truth - center) + _pinball(truth, quantiles, levels)
            losses[number] += np.minimum(loss / unit, 10.0) * seen
        seen_steps += seen
    return replace(blend, share=_shares(losses, seen_steps, trial))


def _shares(losses: np.ndarray, seen: np.ndarray, trial: Trial) -> np.ndarray:
    """Weight of the networks at each step (H,), from losses (shares, W, H) and counts of observed values (W, H)."""
    H = losses.shape[2]
    share = np.zeros(H)
    for part in np.array_split(np.arange(H), min(_PARTS, H)):
        count = seen[:, part].sum(axis=1)
        there = count > 0
        if not there.any():
            continue
        each = losses[:, there][:, :, part].sum(axis=2) / count[there]  # (shares, W)
        mean = each.mean(axis=1)
        best = int(mean.argmin())
        gains = torch.from_numpy(each[0] - each[best])
        # windows overlap up to the last step of the part, whatever comes after it
        independent = _independent(trial, int(part[-1]) + 1)
        sure = independent > 1 and is_gain(
            gains, max(1.0, len(gains) / independent), float(t.ppf(_SURE, independent - 1))
        )
        if best and (sure or (independent < _FEW and mean[best] < _LUCK * mean[0])):
            share[part] = SHARES[best]
    return share


def _independent(trial: Trial, steps: int) -> int:
    """Number of windows that do not overlap within so many steps ahead; further ones add little information."""
    return sum(
        1 + int((cuts.max() - cuts.min()) // steps)
        for cuts in (trial.cuts[trial.series == s] for s in np.unique(trial.series))
    )


def _pinball(truth: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Twice the mean pinball loss (…,) of quantiles (…, Q)."""
    miss = truth[..., None] - quantiles
    at = np.array(levels)
    return 2 * np.maximum(at * miss, (at - 1) * miss).mean(axis=-1)
