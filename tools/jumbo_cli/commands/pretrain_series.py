"""`jumbo pretrain-series`."""

import argparse
from pathlib import Path

from ..arguments import number
from ..command import Command

DESCRIPTION = """Pretrain the initial weights of JumboForecaster and JumboClassifier on synthetic series.

"forecast": a Jumbo token learns to weigh experts, which are classical methods of forecasting, by the series and by
their forecasts of it. First, cases (series with the experts' forecasts) are made and written to numbered files; then
the model is trained on them.

"classify": an encoder learns to find, among many series, the other draw of the same random process. Its features of
series are what JumboClassifier, JumboRegressor and JumboEmbedder read.

After Ctrl-C, kill or a power cut, both go on where the last call stopped, with the same numbers.
"""

EPILOG = """examples:
  {prog} forecast --work-dir work_dirs/weigher --workers 4
      the recipe of the weights in the package
  {prog} forecast --work-dir work_dirs/large --shards 2000 --epochs 10 --embed-dim 128 --depth 6 --device cuda
      a larger one, on a GPU
  {prog} classify --work-dir work_dirs/reader
      some hours on one CPU core
  {prog} classify --work-dir work_dirs/reader_large --steps 100000 --embed-dim 192 --depth 6 --workers 8 --device cuda
      the full recipe, on a GPU
  torchrun --nproc-per-node 4 tools/pretrain_series.py forecast --work-dir work_dirs/weigher
      several processes share each batch
  {prog} classify --work-dir work_dirs/registers --jumbo-ffn patch --jumbo-multiplier 17
      a class token and 16 registers in place of the Jumbo token, to compare

The work dir holds state.pt, forecast.safetensors or classify.safetensors (the weights), run.json (how they were made),
and for forecasts cases/.

Exit code: 0 done, 1 the run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tasks = parser.add_subparsers(
        dest="task", required=True, metavar="TASK", help="forecast or classify: what to learn"
    )
    add_forecast(tasks.add_parser("forecast", help="to weigh experts that forecast"))
    add_classify(tasks.add_parser("classify", help="to read series"))


def add_forecast(parser: argparse.ArgumentParser) -> None:
    add, count = parser.add_argument, number(int, 1)
    add_shared(parser, "forecast", embed_dim=64, depth=3, save_every=500)
    add("--cases", type=Path, metavar="DIR", help="folder of the cases; runs may share it (WORK_DIR/cases)")
    add("--shards", type=count, default=160, metavar="N", help="files of cases to train on (160)")
    add("--shard-size", type=count, default=2048, metavar="N", help="cases in a file (2048)")
    add("--held-out", type=count, default=4, metavar="N", help="files of cases to measure on (4)")
    add("--epochs", type=count, default=6, metavar="N", help="passes over the cases (6)")


def add_classify(parser: argparse.ArgumentParser) -> None:
    add, count = parser.add_argument, number(int, 1)
    add_shared(parser, "classify", embed_dim=96, depth=4, save_every=100)
    add("--steps", type=count, default=20_000, metavar="N", help="steps of training (20000)")
    add("--length", type=number(int, 2), default=512, metavar="T", help="steps of the series that are read (512)")
    add("--patch-length", type=count, default=16, metavar="P", help="steps in a patch (16)")


def add_shared(parser: argparse.ArgumentParser, task: str, *, embed_dim: int, depth: int, save_every: int) -> None:
    add, count = parser.add_argument, number(int, 1)
    add("--work-dir", type=Path, default=Path("work_dirs/pretrain_series"), help="folder of the run (%(default)s)")
    add("--out", type=Path, help=f"file of the weights (WORK_DIR/{task}.safetensors)")
    add("--batch-size", type=count, default=256, metavar="N", help="samples in a step, of all processes together (256)")
    add("--learning-rate", type=float, default=1.5e-3, metavar="LR", help="the highest (0.0015)")
    add("--seed", type=number(int, 0), default=0, metavar="N", help="decides everything (0)")
    add("--embed-dim", type=count, default=embed_dim, metavar="D", help="width of a patch token (%(default)s)")
    add("--depth", type=count, default=depth, metavar="L", help="blocks (%(default)s)")
    add("--num-heads", type=count, default=4, metavar="H", help="attention heads (4)")
    add("--jumbo-multiplier", type=count, default=4, metavar="J", help="width of the Jumbo token in patch tokens (4)")
    add(
        "--jumbo-ffn",
        choices=["shared", "per_layer", "none", "patch"],
        default="shared",
        help="FFN of the Jumbo token; patch makes its slices registers (shared)",
    )
    add("--save-every", type=count, default=save_every, metavar="N", help="steps between saved states (%(default)s)")
    add("--workers", type=count, default=1, metavar="N", help="processes that make what is learned from (1)")
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, cuda:1, … (auto)")


COMMAND = Command(
    "pretrain-series",
    "Pretrain the initial weights of forecasts and classifiers on synthetic series.",
    "timeseries.cli.pretrain_series:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    extra="timeseries",
    needs=("sktime", "sklearn", "scipy"),
)
