"""What `jumbo benchmark` does."""

import argparse
import difflib
import importlib.util
import json
import math
import sys
from dataclasses import asdict, replace
from typing import Any

import timm
import torch
from tqdm import tqdm

from jumbo_cli.failing import BadInputError, exit_code

from .. import BudgetTable, ComputeBudget, load_checkpoint, profile_budgets
from ..benchmarking.memory import CHILD, peak_memory
from ..benchmarking.report import blamed_on, device_of, machine_facts, require_writable, where, write_json
from ..benchmarking.timing import quartiles, take_turns, timed
from ..files import replacing
from ..models.presets import PRESETS
from .benchmark_cases import Case, build, count, is_registers, make_step, peak_memory_here
from .benchmark_plots import plot, plot_budgets
from .benchmark_table import table

PROGRAM = ("-m", "jumbo_backbone.cli.benchmark")  # what Python runs for the memory of one case


def time_in_turn(cases: list[Case], args: argparse.Namespace) -> list[list[float]]:
    """Seconds per step for each case, by rounds: in every round each case has its turn."""
    if args.compile:
        torch.compiler.reset()  # graphs of the last setting would count towards the limit:
        torch._dynamo.config.recompile_limit = 8 * len(cases)  # beyond it models run uncompiled, silently
    steps, calls = [], []
    for case in tqdm(cases, desc=f"{cases[0].setting}: warm-up", leave=False, disable=None):
        with blamed_on(case):
            steps.append(make_step(case, build(case)))
            for _ in range(args.warmup):
                steps[-1]()
            calls.append(math.ceil(args.min_time / timed(steps[-1], 1, case.device)) or 1)
    return take_turns(steps, calls, args.repeats, args.device, cases[0].setting)


def matmul_rate(size: int = 8192) -> float:
    """FLOP/s of this GPU on a bfloat16 matrix product; the models' rates are reported as shares of it."""
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    timed(lambda: a @ a, 10, "cuda")
    return 2 * size**3 / timed(lambda: a @ a, 50, "cuda")


def summarise(cases: list[Case], seconds: list[list[float]], counts: list[dict[str, int]]) -> list[dict]:
    """One record for each case of a setting; the first case is what the others are compared to."""
    records = []
    for case, taken, counted in zip(cases, seconds, counts, strict=True):
        derived: dict[str, dict[str, Any]] = {
            "latency_s": quartiles(taken),
            "images_per_s": quartiles([case.batch_size / s for s in taken]),
            "ratio": {"to": cases[0].name, **quartiles([a / b for a, b in zip(seconds[0], taken, strict=True)])},
        }
        rate = counted["flops"] * derived["images_per_s"]["median"]
        records.append({**asdict(case), **counted, "seconds": taken, **derived, "flops_per_s": rate})
    return records


def settings_of(args: argparse.Namespace) -> list[list[Case]]:
    """All cases; those of one list are compared with each other."""
    fixed = dict(mode=args.mode, device=args.device, compile=args.compile, threads=args.threads)
    fixed["model_kwargs"] = args.model_kwargs
    return [
        [
            Case(name, size, batch, dtype, **fixed, keep_rate=rate, resolution=resolution)
            for name in args.models
            for resolution in args.resolution
            for rate in args.keep_rate
        ]
        for dtype in args.dtype
        for batch in args.batch_size
        for size in args.img_size
    ]


def measure(args: argparse.Namespace) -> list[dict]:
    """Count FLOPs first, then time, then measure memory: errors show before hours are spent, and nothing disturbs
    timing."""
    settings = settings_of(args)
    cases = [case for setting in settings for case in setting]
    distinct = {(case.name, case.img_size): case for case in cases}
    counts = {key: count(case) for key, case in tqdm(distinct.items(), desc="FLOPs", leave=False, disable=None)}
    records = []
    for setting in settings:
        counted = [counts[case.name, case.img_size] for case in setting]
        records += summarise(setting, time_in_turn(setting, args), counted)

    rate = matmul_rate() if args.device == "cuda" and "bfloat16" in args.dtype else None
    wanted = args.memory and (args.device == "cuda" or not args.compile)
    for case, record in zip(cases, tqdm(records, desc="memory", leave=False, disable=None), strict=True):
        record["peak_memory_bytes"] = peak_memory(case, PROGRAM) if wanted else None
        record["matmul_share"] = record["flops_per_s"] / rate if rate and case.dtype == "bfloat16" else None
    return records


def validate(args: argparse.Namespace) -> BudgetTable:
    """Cost and top-1 accuracy (%) of one model's budgets."""
    from timm.data import create_loader, resolve_data_config
    from timm.data.dataset import ImageDataset

    (cases,) = settings_of(args)
    case = replace(cases[0], keep_rate=1.0, resolution=None)
    with blamed_on(case):
        model = build(case)
        if args.checkpoint:
            load_checkpoint(model, args.checkpoint)
        model.to(args.device).eval()
        data = ImageDataset(str(args.budgets))
        found = len(data.reader.class_to_idx)
        if found != model.num_classes:
            raise ValueError(f"{args.budgets} has {found} folders of images, the model {model.num_classes} classes")
        config = resolve_data_config({}, model=model)
        config["input_size"] = (3, case.img_size, case.img_size)
        kept = ("input_size", "interpolation", "mean", "std", "crop_pct")
        loader = create_loader(
            data,
            batch_size=case.batch_size,
            use_prefetcher=False,
            num_workers=0,
            device=torch.device(args.device),
            **{name: config[name] for name in kept},
        )

    def accuracy(budget: ComputeBudget) -> float:
        right = total = 0
        for images, labels in tqdm(loader, desc="accuracy", leave=False, disable=None):
            right += (model(images.to(args.device), budget=budget).argmax(dim=1).cpu() == labels).sum().item()
            total += len(labels)
        return 100 * right / total

    channels = case.model_kwargs.get("in_chans", 3)
    example = torch.randn(case.batch_size, channels, case.img_size, case.img_size, device=args.device)
    budgets = [case.budget for case in cases]
    with blamed_on(case):
        return profile_budgets(model, example, budgets, evaluate=accuracy, repeats=args.repeats, warmup=args.warmup)


def complete(args: argparse.Namespace) -> argparse.Namespace:
    """Fill in defaults that depend on the machine, and check all that can be checked before anything is built."""
    args.model_kwargs = dict(args.model_kwargs)
    args.threads = args.threads or torch.get_num_threads()
    for name in args.models:
        if not is_registers(name) and not timm.is_model(name):
            known = [*timm.list_models(), *(f"registers_{preset}" for preset in PRESETS)]
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise BadInputError(f"unknown model {name!r}, did you mean {near[0]!r}?")
    try:
        for rate in args.keep_rate:
            for resolution in args.resolution:
                ComputeBudget(rate, resolution=resolution)
    except ValueError as error:
        raise BadInputError(str(error)) from None
    if args.checkpoint and not args.budgets:
        raise BadInputError("--checkpoint is for --budgets DIR: speed does not depend on weights")
    one = all(len(values) == 1 for values in (args.models, args.img_size, args.batch_size))
    if args.budgets and (not one or args.compile or args.mode == "train" or args.dtype != ["float32"]):
        raise BadInputError("--budgets measures one model at one size, as it is: inference in float32")
    for path in filter(None, (args.budgets, args.checkpoint)):
        if not path.exists():
            raise BadInputError(f"nothing at {path}")
    args.device = device_of(args.device)
    for path in filter(None, (args.json, args.plot)):
        require_writable(path)
    if args.plot and not importlib.util.find_spec("matplotlib"):
        raise BadInputError("--plot needs matplotlib: pip install matplotlib")
    return args


def report_budgets(args: argparse.Namespace, machine: dict[str, Any]) -> None:
    """Accuracy against time of one model's budgets, printed, written and drawn as the arguments say."""
    rows = validate(args)
    title = f"{args.models[0]}, {args.img_size[0]} px, batch {args.batch_size[0]} {where(args, machine)}"
    print(f"{title}\n\n{rows}")
    if args.json:
        write_json(args.json, args.command, machine, [asdict(row) for row in rows])
    if args.plot:
        with replacing(args.plot) as temporary:
            plot_budgets(rows, title, temporary)


def run(args: argparse.Namespace) -> int:
    """Measure as the arguments say; returns the exit code."""

    def body() -> None:
        complete(args)
        torch.set_num_threads(args.threads)
        machine = machine_facts(args)
        if args.budgets:
            report_budgets(args, machine)
            return
        title = f"{'compiled ' * args.compile}{args.mode} {where(args, machine)}"
        records = measure(args)
        print(title + "\n\n" + table(records))
        if args.json:
            write_json(args.json, args.command, machine, records)
        if args.plot:
            with replacing(args.plot) as temporary:
                plot(records, title, temporary)

    return exit_code(args.prog, body)


if __name__ == "__main__" and sys.argv[1:2] == [CHILD]:
    print(peak_memory_here(Case(**json.loads(sys.argv[2]))))
