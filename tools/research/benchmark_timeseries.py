#!/usr/bin/env python3
"""Measure the forecaster: speed of training and of prediction, memory, and accuracy on the long-horizon benchmarks.

epoch: seconds per training step at the size PatchTST has for ETTh1 (336 steps to 96, patches of 16 at a stride of 8,
width 16, 3 blocks, 4 heads; 128 windows of 7 channels), against transformers' PatchTSTForPrediction. In every round
each model has its turn, of as many steps, by our training loop on the same kind of windows; the share is the median
over the rounds of our time by that of the model in the same round, so below 1 ours is faster. An epoch of ETTh1 has 65
such steps. PatchTST is measured without dropout, as transformers builds it, and with the 0.3 of the paper's script for
ETTh1; ours has the forecaster's 0.2. PatchTST learns means by squared errors, ours nine quantiles as well. The row
"jumbo, defaults" is the forecaster's own choice for this context: patches of 21 steps without overlap, and two blocks.
Shares of processor time are beside those of time: other processes do not count in them.

predict: series/s of 10,000 series of 512 steps, at the same size, by the public interface: a forecaster fitted to a few
other series takes them in (update without training) and predicts, both from table to table. The network alone is timed
in turn with it.

memory: peak resident memory of a process, libraries included, and seconds, of fitting with default arguments to one
series of a million steps.

panel: as memory, of forecasting 100,000 series of 100 steps without training: seconds of the fit, and of two intervals
for each of 12 steps.

small: mean absolute scaled error (in mean steps of the training part) on the end of short series that come with sktime,
fitted to the rest with default arguments; beside it those of repeating the last value, and of going on as on average.

long-horizon: accuracy after fitting once with default arguments but those given, as of
timeseries.datasets.evaluate_long_horizon. The file is written after every run, and runs that it has are not repeated.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import sktime.datasets
import torch
from series_accuracy import long_horizon_table, measure_long_horizon, measure_small, small_table
from series_memory import measure_here, measure_memory, measure_panel, memory_table, panel_table
from series_prediction import measure_predict, predict_table
from series_results import write
from series_training import epoch_table, measure_epoch

from jumbo_backbone.benchmarking.memory import CHILD
from jumbo_backbone.benchmarking.report import aligned, machine_facts, require_writable, where
from jumbo_cli.arguments import Parser, key_value, number
from jumbo_cli.failing import BadInputError, exit_code

EXAMPLES = """examples:
  %(prog)s epoch --threads 1 --json epoch.json
  %(prog)s predict --threads 1 --json predict.json
  %(prog)s memory --json memory.json
  %(prog)s panel --threads 1 --json panel.json
  %(prog)s small --json small.json
  %(prog)s long-horizon ETTh1.csv --context 336 512 --horizon 96 --seeds 0 1 2 --json long_horizon.json
"""


# ---- command line

PARTS = {
    "epoch": (measure_epoch, epoch_table),
    "predict": (measure_predict, predict_table),
    "memory": (measure_memory, memory_table),
    "panel": (measure_panel, panel_table),
    "small": (measure_small, small_table),
    "long-horizon": (measure_long_horizon, long_horizon_table),
}


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark_timeseries.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    positive, seed = number(int, 1), number(int, 0)
    parts = parser.add_subparsers(dest="part", required=True, parser_class=Parser, metavar="PART")
    epoch, predict, memory, panel, small, accuracy = (
        parts.add_parser(name, help=f"see above; {name} --help") for name in PARTS
    )
    for part in (epoch, predict, memory, panel, small, accuracy):
        add = part.add_argument
        add("--threads", type=positive, default=torch.get_num_threads(), metavar="N", help="CPU threads (%(default)s)")
        add("--json", type=Path, metavar="FILE", help="write every raw figure and the machine's facts")
        part.set_defaults(device="cpu")  # where the forecaster of a user without a GPU runs
    for part in (epoch, predict, memory, panel):
        part.add_argument("--seed", type=seed, default=0, metavar="N", help="of data and weights (0)")
    for part, rounds in ((epoch, 10), (predict, 5)):
        part.add_argument("--repeats", type=positive, default=rounds, metavar="N", help="rounds (%(default)s)")
    epoch.add_argument("--steps", type=positive, default=6, metavar="N", help="training steps in a turn (6)")
    epoch.add_argument("--batch-size", type=positive, default=128, metavar="N", help="windows in a step (128)")
    predict.add_argument("--series", type=positive, default=10_000, metavar="N", help="to predict (10,000)")
    predict.add_argument("--length", type=positive, default=512, metavar="N", help="steps of each (512)")
    memory.add_argument("--steps", type=positive, default=1_000_000, metavar="N", help="of the series (1,000,000)")
    panel.add_argument("--series", type=positive, default=100_000, metavar="N", help="to forecast (100,000)")
    panel.add_argument("--length", type=positive, default=100, metavar="N", help="steps of each (100)")
    panel.add_argument("--horizon", type=positive, default=12, metavar="N", help="steps to forecast (12)")
    for part in (small, accuracy):
        part.add_argument(
            "--seeds", nargs="+", type=seed, default=[0, 1, 2], metavar="N", help="a run for each (0 1 2)"
        )
    add = accuracy.add_argument
    add("data", nargs="+", type=Path, metavar="FILE.csv", help="first column date, then a column a channel")
    add("--context", nargs="+", type=positive, default=[512], metavar="N", help="steps read (512)")
    add("--horizon", nargs="+", type=positive, default=[96], metavar="N", help="steps forecast (96)")
    add("--params", nargs="+", type=key_value, default=[], metavar="K=V", help="more arguments of JumboForecaster")
    args = parser.parse_args(argv)
    if args.json:
        require_writable(args.json)
    if args.part == "long-horizon":
        args.params = dict(args.params)
        for path in args.data:
            if not path.is_file():
                raise BadInputError(f"no data at {path}: give a CSV file")
    # where things lie on this machine is nothing to tell
    args.command = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return args


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == [CHILD]:
        print(measure_here(json.loads(argv[1])))
        return 0

    def body() -> None:
        args = parse_args(argv)
        torch.set_num_threads(args.threads)
        versions = dict(sktime=sktime.__version__, pandas=pd.__version__, numpy=np.__version__)
        if args.part == "epoch" and importlib.util.find_spec("transformers"):
            versions["transformers"] = importlib.metadata.version("transformers")
        args.machine = {**machine_facts(args), **versions}
        measure, table = PARTS[args.part]
        records = measure(args)
        print("\n".join([f"{args.part} {where(args, args.machine)}", "", *aligned(table(records))]))
        if args.part != "long-horizon":  # which writes after every run, also what others have left in the file
            write(args, records)

    return exit_code("benchmark_timeseries", body)


if __name__ == "__main__":
    sys.exit(main())
