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

small: mean absolute scaled error (in mean steps of the training part) on the end of short series that come with sktime,
fitted to the rest with default arguments; beside it those of repeating the last value, and of going on as on average.

long-horizon: accuracy after fitting once with default arguments but those given, as of
timeseries.datasets.evaluate_long_horizon. The file is written after every run, and runs that it has are not repeated.
"""

import argparse
import copy
import importlib.metadata
import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sktime.datasets
import torch
from benchmark import (
    CHILD,
    BadInputError,
    Parser,
    aligned,
    blamed_on,
    exit_code,
    in_fresh_process,
    key_value,
    machine_facts,
    number,
    peak_resident,
    quartiles,
    require_writable,
    take_turns,
    timed,
    where,
    write_json,
)
from sktime.forecasting.naive import NaiveForecaster
from sktime.performance_metrics.forecasting import mean_absolute_scaled_error
from sktime.split import temporal_train_test_split
from tqdm import tqdm

from timeseries import JumboForecaster
from timeseries.data.windows import Cuts, Panel
from timeseries.datasets import evaluate_long_horizon
from timeseries.fitting.forecasting import Design, Windows, losses_of
from timeseries.fitting.training import Schedule, train

L, H, CHANNELS = 336, 96, 7
TRAINING_STEPS = 8640  # of ETTh1
PATCHES = dict(patch_length=16, patch_stride=8)
D, DEPTH, HEADS, PATCHTST_FFN = 16, 3, 4, 128
PAPER_DROPOUT = 0.3
FIT_ON = 20  # series, before others are predicted

EXAMPLES = """examples:
  %(prog)s epoch --threads 1 --json epoch.json
  %(prog)s predict --threads 1 --json predict.json
  %(prog)s memory --json memory.json
  %(prog)s small --json small.json
  %(prog)s long-horizon ETTh1.csv --context 336 512 --horizon 96 --seeds 0 1 2 --json long_horizon.json
"""


# ---- training


def make_models() -> dict[str, tuple[torch.nn.Module, Callable[[Any], torch.Tensor]]]:
    """Each model and its loss of a batch, as our training loop takes them."""
    return {
        "jumbo": make_jumbo(make_design()),
        "jumbo, defaults": make_jumbo(make_design(patch_length=21, patch_stride=21, depth=JumboForecaster().depth)),
        "patchtst": make_patchtst(0.0),
        f"patchtst, dropout {PAPER_DROPOUT}": make_patchtst(PAPER_DROPOUT),
    }


def make_jumbo(design: Design) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor]]:
    model = design.build()

    def loss(batch: Any) -> torch.Tensor:
        context, target = batch
        return losses_of(model(*context), target, design).mean()

    return model, loss


def make_design(**changes: Any) -> Design:
    defaults = JumboForecaster()
    network = dict(embed_dim=D, depth=DEPTH, num_heads=HEADS, jumbo_multiplier=defaults.jumbo_multiplier)
    network |= dict(PATCHES, normalisation=defaults.normalisation, proj_drop_rate=defaults.dropout) | changes
    return Design(L, H, CHANNELS, (), defaults.quantiles, defaults.loss, network)


def make_patchtst(dropout: float) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor]]:
    from transformers import PatchTSTConfig, PatchTSTForPrediction

    config = PatchTSTConfig(
        num_input_channels=CHANNELS,
        context_length=L,
        prediction_length=H,
        **PATCHES,
        d_model=D,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        ffn_dim=PATCHTST_FFN,
        loss="mse",
        # where the paper's code has it: after the positions, within the FFN and of the residual branches
        positional_dropout=dropout,
        ff_dropout=dropout,
        path_dropout=dropout,
    )
    model = PatchTSTForPrediction(config)

    def loss(batch: Any) -> torch.Tensor:
        (past, _), (future, _) = batch
        past, future = (t.view(-1, CHANNELS, t.shape[-1]).transpose(1, 2) for t in (past, future))
        return model(past_values=past, future_values=future).loss

    return model, loss


def require_transformers() -> None:
    if not importlib.util.find_spec("transformers"):
        raise BadInputError("epoch needs transformers, for PatchTST: pip install '.[benchmark]'")


def measure_epoch(args: argparse.Namespace) -> list[dict]:
    require_transformers()
    torch.manual_seed(args.seed)
    values = np.random.default_rng(args.seed).normal(size=(TRAINING_STEPS, CHANNELS)).cumsum(axis=0)
    cuts = Cuts(torch.tensor([L]), torch.tensor([TRAINING_STEPS - H]))
    windows = Windows(Panel([values]), make_design(), cuts, torch.device("cpu"))
    windows.per_batch = args.batch_size
    generator = torch.Generator().manual_seed(args.seed)

    def turn(model: torch.nn.Module, loss: Callable[[Any], torch.Tensor]) -> Callable[[], Any]:
        schedule = Schedule(epochs=1, steps=args.steps)
        loss_of = lambda batch, step, total: loss(batch)  # noqa: E731
        options = dict(generator=generator, device=torch.device("cpu"))
        return lambda: train(model, loss_of, windows.draw, None, schedule, **options)

    models = make_models()
    turns = [turn(*model) for model in models.values()]
    take_turns(turns, [1] * len(turns), 1, "cpu", "warm-up")
    cpu: list[list[float]] = [[] for _ in turns]
    turns = [counted(*pair) for pair in zip(turns, cpu, strict=True)]
    seconds = take_turns(turns, [1] * len(turns), args.repeats, "cpu", "epoch")
    return [
        dict(
            model=name,
            batch_size=args.batch_size,
            channels=CHANNELS,
            steps_per_turn=args.steps,
            seed=args.seed,
            params=sum(p.numel() for p in model.parameters()),
            seconds=taken,
            cpu_seconds=used,
            step_s=quartiles([s / args.steps for s in taken]),
            cpu_step_s=quartiles([s / args.steps for s in used]),
            share_of_time=quartiles([o / s for s, o in zip(taken, seconds[0], strict=True)]),
            share_of_cpu_time=quartiles([o / s for s, o in zip(used, cpu[0], strict=True)]),
        )
        for (name, (model, _)), taken, used in zip(models.items(), seconds, cpu, strict=True)
    ]


def counted(step: Callable[[], Any], seconds: list[float]) -> Callable[[], Any]:
    """The same step, which also appends what processor time it took: other processes do not count in it."""

    def run() -> None:
        begin = time.process_time()
        step()
        seconds.append(time.process_time() - begin)

    return run


def epoch_table(records: list[dict]) -> list[list[str]]:
    rows = [["", "s/step (IQR)", "ours / it [quartiles]", "processor time", "params"]]
    for r in records:
        q1, step, q3 = (r["step_s"][q] for q in ("q1", "median", "q3"))
        shares = ["{median:.3f} [{q1:.3f}, {q3:.3f}]".format(**r[f"share_of_{t}"]) for t in ("time", "cpu_time")]
        rows.append([r["model"], f"{step:.3f} ({q3 - q1:.3f})", *shares, f"{r['params']:,}"])
    return rows


# ---- prediction


def make_panel(series: int, steps: int, seed: int, first: int = 0) -> pd.DataFrame:
    """Random walks in sktime's "pd-multiindex" format, the names counting from ``first``."""
    values = np.random.default_rng(seed).normal(size=(series, steps)).cumsum(axis=1)
    names = [range(first, first + series), pd.date_range(end="2025-12-31", periods=steps, freq="D")]
    index = pd.MultiIndex.from_product(names, names=["series", "time"])
    return pd.DataFrame({"value": values.ravel()}, index=index)


def measure_predict(args: argparse.Namespace) -> list[dict]:
    forecaster = JumboForecaster(
        context_length=L, **PATCHES, embed_dim=D, depth=DEPTH, num_heads=HEADS, max_epochs=1, random_state=args.seed
    )
    begin = time.perf_counter()
    forecaster.fit(make_panel(FIT_ON, 2 * (L + H), args.seed), fh=range(1, H + 1))
    fit_s = time.perf_counter() - begin
    new = make_panel(args.series, args.length, args.seed + 1, first=FIT_ON)
    network = forecaster.networks_[0]
    contexts = torch.randn(args.series, 1, L, generator=torch.Generator().manual_seed(args.seed)).split(1024)

    @torch.inference_mode()
    def network_alone() -> None:
        for context in contexts:
            network(context)

    rounds: dict[str, list[float]] = dict(update=[], predict=[], network=[])
    cpu: dict[str, list[float]] = dict(update=[], predict=[], network=[])
    for _ in tqdm(range(args.repeats), desc="predict", leave=False, disable=None):
        fitted = copy.deepcopy(forecaster)
        predictions: list[pd.DataFrame] = []
        steps = dict(
            update=lambda f=fitted: f.update(new, update_params=False),
            predict=lambda f=fitted, p=predictions: p.append(f.predict()),
            network=network_alone,
        )
        for name, step in steps.items():
            rounds[name].append(timed(counted(step, cpu[name]), 1, "cpu"))
        if predictions[0].shape != ((args.series + FIT_ON) * H, 1) or not np.isfinite(predictions[0].to_numpy()).all():
            raise AssertionError(f"predictions of shape {predictions[0].shape}")
    return [
        dict(
            series=args.series,
            length=args.length,
            context=L,
            horizon=H,
            seed=args.seed,
            fit_seconds=fit_s,
            seconds=rounds,
            cpu_seconds=cpu,
            series_per_s=rates(args.series, rounds["update"], rounds["predict"]),
            series_per_s_predict=rates(args.series, rounds["predict"]),
            series_per_s_network=rates(args.series, rounds["network"]),
            series_per_cpu_s=rates(args.series, cpu["update"], cpu["predict"]),
        )
    ]


def rates(count: int, *seconds: list[float]) -> dict[str, float]:
    """So many a second, if each round takes the sum of these."""
    return quartiles([count / sum(taken) for taken in zip(*seconds, strict=True)])


def predict_table(records: list[dict]) -> list[list[str]]:
    rows = [["series/s", "update and predict", "by processor time", "predict", "network alone"]]
    for r in records:
        names = ("series_per_s", "series_per_cpu_s", "series_per_s_predict", "series_per_s_network")
        cells = ["{median:.0f} [{q1:.0f}, {q3:.0f}]".format(**r[name]) for name in names]
        rows.append([f"{r['series']} series of {r['length']} steps", *cells])
    return rows


# ---- memory


@dataclass(frozen=True)
class Fit:
    """What a fresh process repeats."""

    steps: int
    seed: int
    threads: int

    def __str__(self) -> str:
        return f"a fit to {self.steps} steps"


def fit_here(case: Fit) -> str:
    """Peak resident bytes and seconds of a fit, for a process that did nothing else."""
    torch.set_num_threads(case.threads)
    daily = 10 * np.sin(np.arange(case.steps) * (2 * np.pi / 24))
    y = pd.Series(daily + np.random.default_rng(case.seed).normal(size=case.steps).cumsum() / 10)
    before = peak_resident()
    begin = time.perf_counter()
    forecaster = JumboForecaster(random_state=case.seed).fit(y)
    seconds = time.perf_counter() - begin
    epochs = len(forecaster.history_[0].epochs)
    told = dict(bytes=peak_resident(), bytes_before=before, fit_seconds=seconds, epochs=epochs)
    return json.dumps(told, separators=(",", ":"))  # one word


def measure_memory(args: argparse.Namespace) -> list[dict]:
    case = Fit(args.steps, args.seed, args.threads)
    told = in_fresh_process(case, __file__, "measurement")
    return [] if told is None else [asdict(case) | json.loads(told)]


def memory_table(records: list[dict]) -> list[list[str]]:
    rows = [["steps", "peak MB", "of it before the fit", "fit s", "epochs"]]
    for r in records:
        row = [f"{r['steps']:,}", f"{r['bytes'] / 1e6:.0f}", f"{r['bytes_before'] / 1e6:.0f}"]
        rows.append([*row, f"{r['fit_seconds']:.0f}", str(r["epochs"])])
    return rows


# ---- accuracy

KEY = ("data", "context_length", "horizon", "seed", "params")  # of a run


def measure_long_horizon(args: argparse.Namespace) -> list[dict]:
    """Runs that the file has not, one after the other; the file is written after each."""
    records = json.loads(args.json.read_text())["results"] if args.json and args.json.exists() else []
    runs = [
        (path, dict(zip(KEY, (path.stem, context, horizon, seed, args.params), strict=True)))
        for path in args.data
        for context in args.context
        for horizon in args.horizon
        for seed in args.seeds
    ]
    missing = [(path, run) for path, run in runs if not any(run.items() <= r.items() for r in records)]
    for path, run in tqdm(missing, desc="long-horizon", leave=False, disable=None):
        with blamed_on(f"{run['data']} {run['context_length']}->{run['horizon']}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            forecaster = JumboForecaster(
                **{"context_length": run["context_length"], "random_state": run["seed"], **args.params}
            )
            scores = evaluate_long_horizon(forecaster, path, run["horizon"])
        records.append({**run, **scores, "git": args.machine["git"], "threads": args.threads})
        write(args, records)
    wanted = [run for _, run in runs]
    return [r for r in records if any(run.items() <= r.items() for run in wanted)]


def long_horizon_table(records: list[dict]) -> list[list[str]]:
    """The mean over the seeds of each setting."""
    rows = [["", "seeds", "MSE", "MAE", "drop-last MSE", "MAE", "in 80 %", "in 95 %", "fit s", "predict s"]]
    settings: dict[str, list[dict]] = {}
    for r in records:
        settings.setdefault("{data} {context_length}->{horizon}".format(**r), []).append(r)
    for setting, runs in settings.items():

        def mean(name: str, runs: list[dict] = runs) -> float:
            return float(np.mean([r[name] for r in runs]))

        scores = [f"{mean(name):.4f}" for name in ("mse", "mae", "mse_drop_last", "mae_drop_last")]
        shares = [f"{mean(name):.3f}" for name in ("coverage_80", "coverage_95")]
        seconds = [f"{mean(name):.0f}" for name in ("fit_seconds", "predict_seconds")]
        rows.append([setting, str(len(runs)), *scores, *shares, *seconds])
    return rows


# ---- short series

SMALL = {"airline": 24, "lynx": 20, "shampoo_sales": 12, "uschange": 12}  # steps held out at the end of each


def measure_small(args: argparse.Namespace) -> list[dict]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of contexts shortened to what there is
        runs = [(name, seed) for name in SMALL for seed in args.seeds]
        return [hold_out(*run) for run in tqdm(runs, desc="small", leave=False, disable=None)]


def hold_out(name: str, seed: int) -> dict:
    """Scaled errors of each model on the end of a series, and seconds."""
    series = getattr(sktime.datasets, f"load_{name}")()
    series = series[0] if isinstance(series, tuple) else series  # without its covariates
    y, held_out = temporal_train_test_split(series, test_size=SMALL[name])
    models = {
        "jumbo": JumboForecaster(random_state=seed),
        "last value": NaiveForecaster("last"),
        "drift": NaiveForecaster("drift"),
    }
    record = dict(series=name, horizon=SMALL[name], seed=seed, mase={}, seconds={})
    for model, forecaster in models.items():
        started = time.perf_counter()
        predicted = forecaster.fit(y, fh=range(1, SMALL[name] + 1)).predict()
        record["seconds"][model] = time.perf_counter() - started
        record["mase"][model] = float(mean_absolute_scaled_error(held_out, predicted, y_train=y, sp=1))
    return record


def small_table(records: list[dict]) -> list[list[str]]:
    """Means over the seeds, and over the series too."""
    models = list(records[0]["mase"])
    rows = [["series", "held out", *models]]
    groups = {name: [r for r in records if r["series"] == name] for name in SMALL}
    for name, runs in (*groups.items(), ("mean", records)):
        errors = [f"{np.mean([r['mase'][model] for r in runs]):.2f}" for model in models]
        rows.append([name, "" if runs is records else str(SMALL[name]), *errors])
    return rows


# ---- command line

PARTS = {
    "epoch": (measure_epoch, epoch_table),
    "predict": (measure_predict, predict_table),
    "memory": (measure_memory, memory_table),
    "small": (measure_small, small_table),
    "long-horizon": (measure_long_horizon, long_horizon_table),
}


def write(args: argparse.Namespace, records: list[dict]) -> None:
    if args.json:
        write_json(args.json, ["tools/benchmark_timeseries.py", *args.command], args.machine, records)


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark_timeseries.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    positive, seed = number(int, 1), number(int, 0)
    parts = parser.add_subparsers(dest="part", required=True, parser_class=Parser, metavar="PART")
    epoch, predict, memory, small, accuracy = (
        parts.add_parser(name, help=f"see above; {name} --help") for name in PARTS
    )
    for part in (epoch, predict, memory, small, accuracy):
        add = part.add_argument
        add("--threads", type=positive, default=torch.get_num_threads(), metavar="N", help="CPU threads (%(default)s)")
        add("--json", type=Path, metavar="FILE", help="write every raw figure and the machine's facts")
        part.set_defaults(device="cpu")  # where the forecaster of a user without a GPU runs
    for part in (epoch, predict, memory):
        part.add_argument("--seed", type=seed, default=0, metavar="N", help="of data and weights (0)")
    for part, rounds in ((epoch, 10), (predict, 5)):
        part.add_argument("--repeats", type=positive, default=rounds, metavar="N", help="rounds (%(default)s)")
    epoch.add_argument("--steps", type=positive, default=6, metavar="N", help="training steps in a turn (6)")
    epoch.add_argument("--batch-size", type=positive, default=128, metavar="N", help="windows in a step (128)")
    predict.add_argument("--series", type=positive, default=10_000, metavar="N", help="to predict (10,000)")
    predict.add_argument("--length", type=positive, default=512, metavar="N", help="steps of each (512)")
    memory.add_argument("--steps", type=positive, default=1_000_000, metavar="N", help="of the series (1,000,000)")
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
        print(fit_here(Fit(**json.loads(argv[1]))))
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
