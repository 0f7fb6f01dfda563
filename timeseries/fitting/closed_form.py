"""The closed form: the linear part of a forecast by ridge regression, and its spread from the residuals.

Training then starts from a good linear model. On short series there is little more to learn, and on long ones the
encoder learns the rest, which is not linear, from the first training step on.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import torch

from ..data.windows import Batch
from ..networks.network import ForecastNet

Solution = tuple[torch.Tensor, torch.Tensor]  # weights of lags and of covariates


class Equations(NamedTuple):
    """What the linear part is fitted to, a row for each window.

    Attributes:
        lags: Lags, static covariates and a one, (n, L+S+1).
        covariates: The covariates that change, (n, H, K).
        target: Targets as distances from the last value, (n, H).
        weight: The square of the scale, so that errors count as in the loss; 0 where not observed, (n, H).
        static: S.
    """

    lags: torch.Tensor
    covariates: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor
    static: int

    @property
    def context(self) -> int:
        return self.lags.shape[1] - 1 - self.static

    def rows(self, chosen: torch.Tensor) -> "Equations":
        lags, covariates, target, weight, static = self
        return Equations(lags[chosen], covariates[chosen], target[chosen], weight[chosen], static)


class Ridge(NamedTuple):
    """How the linear part is fitted.

    Attributes:
        penalty: Penalty of the ridge regression, in mean eigenvalues; with infinity, the last value is repeated.
        drift: Whether a constant is added at each step, in deviations of the context.
        share: Fraction of the context, its end, that is read. The lags before it get no weight.
    """

    penalty: float
    drift: bool
    share: float = 1.0

    def used(self, context: int, static: int = 0) -> slice:
        """The columns that are read, of all lags, static covariates and a one: the last lags, and every covariate."""
        return slice(context - max(1, round(self.share * context)), context + static + self.drift)


PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, float("inf"))
_CONTEXTS = (1.0, 0.5, 0.25, 0.125)
RIDGES = tuple(
    Ridge(penalty, drift, share)
    for penalty, drift, share in product(PENALTIES, (False, True), _CONTEXTS)
    if share == 1 or penalty < float("inf")
)
_BY_GUESS = Ridge(10.0, False)  # if there are no windows to choose on
# Use a drift only if it cuts the error by at least this fraction. A smaller gain does not last: of fits up to 20 points
# in time within the training and validation range of ETTh1 and exchange rates, 5 gained by a drift, at most 0.5 %, and
# all lost by it later.
_DRIFT_GAIN = 0.01
_SHORTER_GAIN = 0.01  # the same, for a shorter context
_FOLDS = 10  # contiguous folds of the rows, from which residuals are computed in turn
_MANY = 20  # rows for each lag, from which on residuals within the rows are as large as those of new rows
_ROWS = 4096  # rows that are converted to double precision at a time
_ROUNDS = 3  # rounds of fitting lags and covariates in turn


@torch.no_grad()
def fit_linear(
    network: ForecastNet,
    fit_on: Iterable[tuple[Batch, Batch]],
    choose_on: Iterable[tuple[Batch, Batch]],
    squared: bool,
    ridges: Sequence[Ridge] = RIDGES,
) -> Ridge:
    """Set the linear part and the spread of a network, in place.

    Args:
        network: A network whose encoder adds nothing yet.
        fit_on: Contexts and targets to fit on.
        choose_on: Windows on which one of ``ridges`` is chosen.
        squared: Whether to choose by squared errors; if not, by absolute errors.
        ridges: The candidates.

    Returns:
        The ridge chosen.
    """
    known = _equations(network, fit_on)
    if not known.weight.any():
        return Ridge(float("inf"), False)
    others = _equations(network, choose_on)
    if not others.weight.any() and len(ridges) > 1:  # nothing to choose by
        ridges = (_BY_GUESS,)
    solutions = _ridge(known, ridges)
    errors = {
        ridge: _error(solution, others, squared, ridge) * _handicap(ridge) for ridge, solution in solutions.items()
    }
    best = min(errors, key=lambda ridge: errors[ridge])
    lag_weights, covariate_weights = solutions[best]
    network.linear.weight.copy_(lag_weights[:-1].T)
    network.linear.bias.copy_(lag_weights[-1])
    if network.from_covariates is not None:
        network.from_covariates.weight.copy_(covariate_weights[None])
    residual = _residuals(solutions[best], known, best)
    network.set_spread(_quantiles(residual, known.weight > 0, network.quantiles))
    return best


def _handicap(ridge: Ridge) -> float:
    """Factor on the error: a drift and a shorter context have to cut it by a little to be chosen."""
    return (1 + _DRIFT_GAIN * ridge.drift) * (1 + _SHORTER_GAIN * (ridge.share < 1))


def _equations(network: ForecastNet, batches: Iterable[tuple[Batch, Batch]]) -> Equations:
    """The equations of all windows; empty if there are none."""
    parts = []
    for context, target in batches:
        lags, base, covariates, stats = network.linear_inputs(*context)
        scale, location = stats.scale[:, 0], stats.location[:, 0]  # (n, 1)
        y = (target.values[:, 0] - location) / scale - base
        seen = torch.ones_like(y) if target.observed is None else target.observed[:, 0].to(y.dtype)
        lags = torch.cat([lags, torch.ones_like(scale)], dim=1)
        parts.append([t.float().cpu() for t in (lags, covariates, y * seen, seen * scale.square())])
    if not parts:
        return Equations(torch.zeros(0), torch.zeros(0), torch.zeros(0), torch.zeros(0), 0)
    lags, covariates, y, weight = (torch.cat(p) for p in zip(*parts, strict=True))
    return Equations(lags, covariates, y, weight, len(network.static))


def _ridge(equations: Equations, ridges: Sequence[Ridge]) -> dict[Ridge, Solution]:
    """For each ridge, weights of the lags (L+S+1, H), the drift last, and of the covariates (K,), shared by all
    steps."""
    lags, covariates, target, weight, _ = equations
    row = weight.mean(dim=1, keepdim=True)  # one weight for all steps of a window, so that one decomposition is enough
    square, with_target = _product(lags, lags, row), _product(lags, target, row)
    H, K = covariates.shape[1:]
    if K:
        x = covariates * weight[:, :, None]  # (n, H, K)
        x_square = _product(x.flatten(0, 1), covariates.flatten(0, 1))
        x_square += 1e-3 * x_square.diagonal().mean().clamp(min=1e-12) * torch.eye(K, dtype=square.dtype)
        x_with_target = _product(x.flatten(0, 1), target.view(-1, 1))[:, 0]
        x_with_lags = _product(lags, x.flatten(1)).view(-1, H, K)
        lags_with_x = _product(lags, covariates.flatten(1), row).view(-1, H, K)
    solutions = {}
    for drift, share in {(ridge.drift, ridge.share) for ridge in ridges}:
        used = Ridge(0.0, drift, share).used(equations.context, equations.static)
        values, vectors = torch.linalg.eigh(square[used, used])
        values = values.clamp(min=0)
        unit = values.mean().clamp(min=1e-12)  # 0 of constant series
        for ridge in (r for r in ridges if (r.drift, r.share) == (drift, share)):
            solution = torch.zeros_like(with_target), torch.zeros(K, dtype=torch.float64)
            if ridge.penalty < float("inf"):
                solve = vectors / (values + ridge.penalty * unit) @ vectors.T
                solution[0][used] = solve @ with_target[used]
            for _ in range(_ROUNDS if K else 0):
                left = x_with_target - torch.einsum("lhk,lh->k", x_with_lags, solution[0])
                solution[1].copy_(torch.linalg.solve(x_square, left))
                if ridge.penalty < float("inf"):
                    solution[0][used] = solve @ (with_target - lags_with_x @ solution[1])[used]
            solutions[ridge] = solution
    return solutions


def _product(a: torch.Tensor, b: torch.Tensor, row: torch.Tensor | None = None) -> torch.Tensor:
    """``a.T @ b`` in double precision; the rows may have weights (n, 1)."""
    total = torch.zeros(a.shape[1], b.shape[1], dtype=torch.float64)
    for start in range(0, len(a), _ROWS):
        rows = slice(start, start + _ROWS)
        left = a[rows].double() if row is None else a[rows].double() * row[rows]
        total += left.T @ b[rows].double()
    return total


def _apply(solution: Solution, equations: Equations, ridge: Ridge) -> torch.Tensor:
    on_lags, on_covariates = (part.float() for part in solution)
    used = ridge.used(equations.context, equations.static)
    from_lags = equations.lags[:, used] @ on_lags[used]
    return from_lags + (equations.covariates @ on_covariates if len(on_covariates) else 0)


def _error(solution: Solution, equations: Equations, squared: bool, ridge: Ridge) -> float:
    if not equations.weight.numel():
        return 0.0
    error = (equations.target - _apply(solution, equations, ridge)).abs() * equations.weight.sqrt()
    return float((error.square() if squared else error).sum())


def _residuals(solution: Solution, equations: Equations, ridge: Ridge) -> torch.Tensor:
    """Residuals (n, H) as large as on new rows: with few rows for each lag, those of fits to other rows."""
    rows, columns = equations.lags.shape
    if rows >= _MANY * columns or rows < 2 * _FOLDS:
        return equations.target - _apply(solution, equations, ridge)
    residual = torch.empty_like(equations.target)
    for fold in torch.arange(rows).tensor_split(_FOLDS):
        others = torch.ones(rows, dtype=torch.bool)
        others[fold] = False
        fitted = _ridge(equations.rows(others), (ridge,))[ridge]
        asked = equations.rows(fold)
        residual[fold] = asked.target - _apply(fitted, asked, ridge)
    return residual


def _quantiles(residual: torch.Tensor, seen: torch.Tensor, levels: tuple[float, ...]) -> torch.Tensor:
    """Quantiles (H, Q) of the residuals (n, H) of each step. The distribution of a step with few residuals has the
    shape of that of all steps, and its own deviation."""
    at = torch.tensor(levels, dtype=residual.dtype)
    deviation = ((residual.square() * seen).sum(dim=0) / seen.sum(dim=0).clamp(min=1)).sqrt()  # (H,)
    deviation = torch.where(deviation > 0, deviation, 1.0)
    shape = torch.quantile(_some((residual / deviation)[seen]), at)
    enough = 10 / at.min()
    return torch.stack(
        [
            torch.quantile(column[there], at) if there.sum() >= enough else shape * scale
            for column, there, scale in zip(residual.T, seen.T, deviation, strict=True)
        ]
    )


def _some(values: torch.Tensor, most: int = 1_000_000) -> torch.Tensor:
    """At most as many values as ``torch.quantile`` can sort."""
    return values[:: max(1, len(values) // most)]
