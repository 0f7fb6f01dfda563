"""`jumbo benchmark-series`."""

import argparse
import sys
from pathlib import Path

from ..arguments import Parser, key_value, number
from ..command import Command

DESCRIPTION = """Forecast the end of every series of .tsf files, the format of the Monash archive, and score it.

JumboForecaster is fitted once to all series of a file. With --peers, SeasonalNaive, DynamicOptimizedTheta and AutoETS
(statsforecast) and FLAIR (flaircast) forecast the same series, each by itself, on one thread. Their forecasts are
kept in a cache, under the series and all settings that affect them, so that a second run, or one that goes on after
an interruption, computes only the missing ones. Their seconds are processor time, ours are wall-clock time.

MASE and MSIS are in units of the mean error of the seasonal naive forecast within the series. WQL is the weighted
quantile loss at .1 to .9, pooled over the series. Coverage is the share of values within intervals of 80 % and 95 %.
The rank is that of a series' MASE among the methods, averaged over series. Every evaluation is added to
OUT/evaluations.jsonl. A method that was chosen on the last horizon has no valid result on it, so choose at --origin 1
or more.
"""

EPILOG = """examples:
  {prog} data/forecasting
      JumboForecaster on all series of all .tsf files in a folder, the last horizon held out
  {prog} data/forecasting --peers --sets m3_monthly m3_yearly --series 100 --origin 1
      beside its peers, on 100 series each of two files, the horizon before the last held out
  {prog} data/forecasting --peers --peers-python peers/bin/python
      the peers run in an environment of their own, since statsforecast needs pandas below 3
  {prog} data/forecasting --params n_members=4 max_epochs=4
      other arguments of JumboForecaster

Exit code: 0 measured, 1 the peers broke, 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    positive, add = number(int, 1), parser.add_argument
    add("folder", type=Path, metavar="DIR", help="folder of .tsf files")
    add("--sets", nargs="+", metavar="NAME", help="files in it, without .tsf (all)")
    add("--series", type=positive, metavar="N", help="number of series from each file, evenly spaced (all)")
    add("--origin", type=number(int, 0), default=0, metavar="K", help="horizons between held-out steps and the end (0)")
    add("--params", nargs="+", type=key_value, default=[], metavar="K=V", help="arguments of JumboForecaster")
    add("--seed", type=number(int, 0), default=0, metavar="N", help="random_state of JumboForecaster (0)")
    add("--threads", type=positive, default=1, metavar="N", help="CPU threads of JumboForecaster (1)")
    add("--device", choices=["auto", "cpu", "cuda"], default="cpu", help="of JumboForecaster (cpu)")
    add("--peers", action="store_true", help="measure the peers as well")
    add("--peers-only", action="store_true", help="measure the peers alone, for example to fill the cache")
    add("--peers-python", default=sys.executable, metavar="FILE", help="Python that has the peers (this one)")
    add("--cache", type=Path, metavar="DIR", help="folder of the peers' forecasts (OUT/cache)")
    add("--out", type=Path, default=Path("benchmark_series"), metavar="DIR", help="for results (%(default)s)")


COMMAND = Command(
    "benchmark-series",
    "Forecast panels of series beside other methods: accuracy, intervals, time.",
    "timeseries.benchmark.command:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    extra="timeseries",
    needs=("sktime", "matplotlib", "tqdm"),
    parser=Parser,
)
