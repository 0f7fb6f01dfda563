"""What the tab "Forecast" answers: forecasts with intervals, a backtest beside the seasonal naive forecast, weights."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .jobs import Job

if TYPE_CHECKING:
    import pandas as pd

    from timeseries.data.layout import Arranged, Layout
    from timeseries.data.timeline import Timeline
    from timeseries.evaluation import HeldOut, PanelScores

ALONE = "the series"  # name of a single series
_LEAST_SHARE = 0.01  # of the weight of an expert that is listed


@dataclass
class Backtest:
    """Forecasts of the last horizon, which was held out.

    Attributes:
        held_out: The panel, cut.
        center: Forecasts (n, S).
        naive: Seasonal naive forecasts (n, S).
        scores: Of the forecasts, with those of the seasonal naive.
    """

    held_out: "HeldOut"
    center: np.ndarray
    naive: np.ndarray
    scores: "PanelScores"


@dataclass
class Forecast:
    """Forecasts of all series of a table.

    Attributes:
        y, timeline: The series and their times, as in ``Arranged``.
        table: A row for each series and step: series, time, forecast, lower and upper end of the interval.
        weights: Weights of experts and networks, a row for each series.
        coverage: Of the interval.
        backtest: None if all series are too short for one.
        notes: What else is to be known.
    """

    y: "pd.DataFrame"
    timeline: "Timeline"
    table: "pd.DataFrame"
    weights: "pd.DataFrame"
    coverage: float
    backtest: Backtest | None
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """Names of the series."""
        return [str(name) for name in self.weights.index]

    def history(self, name: str) -> "pd.Series":
        """The values of a series at all its steps, NaN where there is none."""
        values = self.y.iloc[:, 0]
        if self.y.index.nlevels > 1:
            values = values.xs(self._key(name), level=0)
        steps, _ = self.timeline.locate(values.index)
        return values.reindex(self.timeline.times(np.arange(steps.min(), steps.max() + 1)))

    def ahead(self, name: str) -> "pd.DataFrame":
        """The rows of a series in ``table``."""
        return self.table[self.table["series"].astype(str) == name]

    def spoken(self, name: str) -> list[tuple[str, float]]:
        """Experts of a series with their weights, the largest first."""
        row = self.weights.iloc[self.names.index(name)]
        return [(str(k), float(v)) for k, v in row.sort_values(ascending=False).items() if v >= _LEAST_SHARE]

    def tested(self, name: str) -> "tuple[pd.Index, np.ndarray, np.ndarray, float] | None":
        """Of the backtest of a series: times, forecasts, seasonal naive ones, and MASE; None if there is none."""
        if self.backtest is None:
            return None
        held_out = self.backtest.held_out
        names = [str(n) for n in held_out.names]
        if self.y.index.nlevels == 1:
            names = [ALONE] * len(names)
        if name not in names:
            return None
        n = names.index(name)
        times = self.history(name).index[-len(held_out.steps) :]
        return times, self.backtest.center[n], self.backtest.naive[n], float(self.backtest.scores.table["MASE"].iloc[n])

    def _key(self, name: str) -> Hashable:
        return self.weights.index[self.names.index(name)]


def arranged(table: "pd.DataFrame", layout: "Layout") -> "Arranged":
    """See ``timeseries.data.layout.arrange``."""
    from timeseries.data.layout import arrange

    return arrange(table, layout)


def forecast(job: Job, data: "Arranged", horizon: int, coverage: float, epochs: int) -> Forecast:
    """Fit JumboForecaster to a table and forecast it; then once more without the last horizon.

    Args:
        job: Told the progress after each epoch.
        data: The table.
        horizon: Steps.
        coverage: Of the interval, such as 0.8.
        epochs: Most epochs of the networks; 0: the pretrained weights alone.

    Raises:
        ValueError, TypeError: As JumboForecaster.
        Stopped: If the job is stopped.
    """
    from timeseries import JumboForecaster

    _check(horizon, coverage)
    steps = list(range(1, horizon + 1))
    X, known = data.X, data.X is not None and _reaches(data, horizon)
    arguments: dict[str, Any] = dict(max_epochs=epochs, random_state=0)
    notes = []
    if X is not None:
        arguments["past_covariates"] = None if known else "all"
        if not epochs:
            notes.append("Covariates have no effect without training: only networks read them. Set epochs above 0.")
        elif not known:
            notes.append("The covariates end with the series: they are read up to the present only.")
    job.tell(0.05, "fitting")
    forecaster = JumboForecaster(**arguments, callbacks=[_telling(job, "fitting", 0.05, 0.5)])
    forecaster.fit(data.y, X=X if known else _while_known(X, data), fh=steps)
    job.tell(0.5, "forecasting")
    future = X if known else None
    center = forecaster.predict(X=future)
    interval = forecaster.predict_interval(coverage=coverage, X=future)
    weights = forecaster.weights_
    if data.y.index.nlevels == 1:
        weights = weights.set_axis([ALONE])
    table = _as_rows(center, interval, data.y.index.nlevels == 1)
    backtest = None
    if X is not None:
        notes.append("The backtest is made without the covariates.")
    job.tell(0.55, "testing on the last horizon")
    tester = JumboForecaster(max_epochs=epochs, random_state=0, callbacks=[_telling(job, "testing", 0.55, 0.98)])
    try:
        backtest = test(tester, data, horizon, coverage)
    except ValueError as error:
        notes.append(f"No backtest: {error}.")
    return Forecast(data.y, data.timeline, table, weights, coverage, backtest, notes)


def test(forecaster: Any, data: "Arranged", horizon: int, coverage: float) -> Backtest:
    """Hold out the last horizon of every series, and forecast it as `jumbo benchmark-series` does."""
    import pandas as pd

    from timeseries.data.seasons import usual_periods
    from timeseries.datasets import SeriesPanel
    from timeseries.evaluation import forecast_held_out, hold_out, score_forecasts
    from timeseries.evaluation.scores import seasonal_naive

    y = data.y
    if y.index.nlevels == 1:
        y = pd.concat({ALONE: y}, names=["series"])
    season = (usual_periods(data.timeline) or (1, 1))[0]
    held_out = hold_out(SeriesPanel(y, horizon, None, season), fh=horizon)
    made = forecast_held_out(forecaster, held_out, [coverage])
    return Backtest(held_out, made.center, seasonal_naive(held_out), score_forecasts(held_out, made, [coverage]))


def _check(horizon: int, coverage: float) -> None:
    if not 1 <= horizon <= 1000:
        raise ValueError(f"a horizon of {horizon} steps is out of range: give 1 to 1,000")
    if not 0.5 <= coverage <= 0.99:
        raise ValueError(f"a coverage of {coverage:.0%} is out of range: give 50 % to 99 %")


def _telling(job: Job, doing: str, begin: float, end: float) -> Callable[[Any], None]:
    """A callback of the estimators that tells the progress between two shares."""

    def after_epoch(epoch: Any) -> None:
        share = begin + (end - begin) * epoch.number / epoch.epochs
        job.tell(share, f"{doing}, epoch {epoch.number} of at most {epoch.epochs}")

    return after_epoch


def _reaches(data: "Arranged", horizon: int) -> bool:
    """Whether the covariates cover the horizon of all series."""
    assert data.X is not None
    last = data.y.index.get_level_values(-1).max()
    times = data.X.index.get_level_values(-1)
    series = data.X.index.droplevel(-1).nunique() if data.X.index.nlevels > 1 else 1
    return int((times > last).sum()) >= horizon * series


def _while_known(X: "pd.DataFrame | None", data: "Arranged") -> "pd.DataFrame | None":
    if X is None:
        return None
    return X[X.index.get_level_values(-1) <= data.y.index.get_level_values(-1).max()]


def _as_rows(center: "pd.DataFrame", interval: "pd.DataFrame", alone: bool) -> "pd.DataFrame":
    """Forecasts and intervals of one column as a plain table."""
    import pandas as pd

    index = center.index
    series: Sequence[Any] = [ALONE] * len(center) if alone else index.get_level_values(0)
    values = dict(forecast=center.iloc[:, 0].to_numpy(), lower=interval.iloc[:, 0].to_numpy())
    return pd.DataFrame(
        dict(series=series, time=index.get_level_values(-1), **values, upper=interval.iloc[:, 1].to_numpy())
    )
