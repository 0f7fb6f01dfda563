"""`jumbo pretrain-series`."""

import argparse
from pathlib import Path

from ..arguments import number
from ..command import Command

DESCRIPTION = """Pretrain the initial weights of JumboForecaster on synthetic series.

"forecast": a Jumbo token learns to weigh experts, which are classical methods of forecasting, by the series and by
their forecasts of it. First, cases (series with the experts' forecasts) are made and written to numbered files; then
the model is trained on them. After Ctrl-C, kill or a power cut, both steps go on where the last call stopped, with
the same numbers.
"""

EPILOG = """examples:
  {prog} forecast --work-dir work_dirs/weigher --workers 4
      the recipe of the weights in the package
  {prog} forecast --work-dir work_dirs/large --shards 2000 --epochs 10 --embed-dim 128 --depth 6 --device cuda
      a larger one, on a GPU
  torchrun --nproc-per-node 4 tools/pretrain_series.py forecast --work-dir work_dirs/weigher
      several processes share each batch
  {prog} forecast --work-dir work_dirs/registers --jumbo-ffn patch --jumbo-multiplier 17
      a class token and 16 registers in place of the Jumbo token, to compare

The work dir holds cases/, state.pt, forecast.safetensors (the weights) and run.json (how they were made).

Exit code: 0 done, 1 the run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, count = parser.add_argument, number(int, 1)
    add("task", choices=["forecast"], help="what is learned")
    add("--work-dir", type=Path, default=Path("work_dirs/pretrain_series"), help="folder of the run (%(default)s)")
    add("--out", type=Path, help="file of the weights (WORK_DIR/forecast.safetensors)")
    add("--cases", type=Path, metavar="DIR", help="folder of the cases; runs may share it (WORK_DIR/cases)")
    add("--shards", type=count, default=160, metavar="N", help="files of cases to train on (160)")
    add("--shard-size", type=count, default=2048, metavar="N", help="cases in a file (2048)")
    add("--held-out", type=count, default=4, metavar="N", help="files of cases to measure on (4)")
    add("--epochs", type=count, default=6, metavar="N", help="passes over the cases (6)")
    add("--batch-size", type=count, default=256, metavar="N", help="cases in a step, of all processes together (256)")
    add("--learning-rate", type=float, default=1.5e-3, metavar="LR", help="the highest (0.0015)")
    add("--seed", type=number(int, 0), default=0, metavar="N", help="decides everything (0)")
    add("--embed-dim", type=count, default=64, metavar="D", help="width of a patch token (64)")
    add("--depth", type=count, default=3, metavar="L", help="blocks (3)")
    add("--num-heads", type=count, default=4, metavar="H", help="attention heads (4)")
    add("--jumbo-multiplier", type=count, default=4, metavar="J", help="width of the Jumbo token in patch tokens (4)")
    add(
        "--jumbo-ffn",
        choices=["shared", "per_layer", "none", "patch"],
        default="shared",
        help="FFN of the Jumbo token; patch makes its slices registers (shared)",
    )
    add("--save-every", type=count, default=500, metavar="N", help="steps between saved states (500)")
    add("--workers", type=count, default=1, metavar="N", help="processes that make cases (1)")
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, cuda:1, … (auto)")


COMMAND = Command(
    "pretrain-series",
    "Pretrain the initial weights of forecasts on synthetic series.",
    "timeseries.cli.pretrain_series:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    extra="timeseries",
    needs=("sktime", "sklearn", "scipy"),
)
