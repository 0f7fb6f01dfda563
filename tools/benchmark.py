#!/usr/bin/env python3
"""Measure timm models side by side: throughput, latency, peak memory, parameters and FLOPs.

Models are timed in turn, A B A B ..., and compared round by round, so that a machine which slows down or speeds up
meanwhile cancels: the ratio printed is the median of these paired ratios of images/s, with its quartiles.

A MODEL is a name of timm's, jumbo_*_patch16_224 included, or registers_{pico,nano,tiny,small,base,large}: timm's plain
ViT of that preset's width, depth and heads, with a class token and 16 registers. Naming a model twice shows the noise.

With --keep-rate and --resolution each model is measured at all these compute budgets; only Jumbo models have them. With
--budgets DIR the accuracy on labelled images is measured as well, a folder of them for each class in the order of the
classes, and the plot shows accuracy against time.

In mode "train" a step is forward, loss and backward; FLOPs are those of the step, per image. Images are random and
weights fresh. bfloat16 means weights and images cast. GFLOP/s is FLOPs times images/s.

Peak memory is that of one step in a fresh process, taken after all timings. On CUDA it is what torch allocated at
most, weights included. On CPU it is the growth of the peak of resident memory over what was resident once the model
stood, so without weights, but with some 15 MiB that libraries need on their first use; compiled models have no such
figure, since the compiler's own memory hides it.
"""

import argparse
import ast
import difflib
import importlib.util
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from tqdm import tqdm

from jumbo_backbone import BudgetTable, ComputeBudget, load_checkpoint, profile_budgets  # registers Jumbo with timm
from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.models.presets import PRESETS

REGISTERS = {f"registers_{preset}": preset for preset in PRESETS}
CHILD = "--memory-of"  # how this script calls itself for one measurement of memory

EXAMPLES = """examples:
  %(prog)s jumbo_small_patch16_224 registers_small
      the Jumbo ViT and the plain ViT with registers, here and now
  %(prog)s registers_base jumbo_base_patch16_224 resnet50 --img-size 224 384 512 --plot speed.png --json speed.json
      three models over image sizes, drawn, every raw timing kept
  %(prog)s registers_large jumbo_large_patch16_224 --device cuda --dtype bfloat16 --batch-size 64 256 --compile
      on a GPU, with the share of its matrix-product rate that each model reaches
  %(prog)s jumbo_small_patch16_224 --keep-rate 1 0.7 0.5 --threads 1
      what fewer patches save
  %(prog)s jumbo_small_patch16_224 --keep-rate 1 0.7 0.5 --resolution 1.0 0.71 --budgets imagenet/val \\
      --checkpoint jumbo_small.pth --plot budgets.png
      what they cost: accuracy against time
  %(prog)s jumbo_tiny_patch16_224 jumbo_tiny_patch16_224 --mode train --threads 2 --repeats 50
      training steps of one model against itself: how far from 1 the noise takes the ratio
"""


class BadInputError(Exception):
    """Something the user can put right; told in one line."""


@dataclass(frozen=True)
class Case:
    """One measurement: everything a fresh process needs to repeat it."""

    model: str
    img_size: int
    batch_size: int
    dtype: str
    mode: str
    device: str
    compile: bool
    threads: int
    model_kwargs: dict[str, Any]
    keep_rate: float = 1.0
    resolution: float | int | None = None

    @property
    def budget(self) -> ComputeBudget:
        return ComputeBudget(self.keep_rate, resolution=self.resolution)

    @property
    def name(self) -> str:
        return self.model + budget_suffix(self.budget)

    @property
    def setting(self) -> str:
        return f"{self.img_size} px, batch {self.batch_size}, {self.dtype}"

    def __str__(self) -> str:
        return f"{self.name} ({self.setting})"


def budget_suffix(budget: ComputeBudget) -> str:
    """What a budget leaves out, after a model's name."""
    kept = f", keep {budget.keep_rate:g}" * (budget.keep_rate < 1)
    return kept + (f", at {budget.resolution:g}" if budget.resolution is not None else "")


# ---- one case


@contextmanager
def blamed_on(case: object) -> Iterator[None]:
    """Turn what a model raises (wrong size, unknown argument, out of memory) into one line that names the case."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError, AssertionError, KeyError, AttributeError) as error:
        told = error.args[0] if isinstance(error, KeyError) and error.args else error  # str() of a KeyError is quoted
        reason = (str(told).splitlines() or [""])[0] or type(error).__name__
        raise BadInputError(f"{case}: {reason}") from error


def build(case: Case) -> nn.Module:
    """The case's model in float32 on CPU, with fresh weights."""
    size, kwargs = case.img_size, case.model_kwargs
    if case.model in REGISTERS:
        dims = {k: v for k, v in PRESETS[REGISTERS[case.model]].items() if k != "jumbo_multiplier"}
        model = VisionTransformer(**{**dims, "img_size": size, "patch_size": 16, "reg_tokens": 16, **kwargs})
    else:
        try:
            model = timm.create_model(case.model, **{"img_size": size, **kwargs})
        except TypeError as error:  # convolutional networks take any size and no such argument
            if "img_size" not in str(error):
                raise
            model = timm.create_model(case.model, **kwargs)
    embed = getattr(model, "patch_embed", None)
    if isinstance(embed, PatchEmbed) and not embed.dynamic_img_pad and any(size % p for p in embed.patch_size):
        # timm would leave out the pixels beyond the last whole patch without a word
        raise ValueError(f"img_size {size} is not a multiple of the patch size {embed.patch_size[0]}")
    if case.budget != ComputeBudget():
        if not hasattr(model, "default_budget"):
            raise ValueError("it computes all it has: --keep-rate and --resolution are for Jumbo models")
        model.default_budget = case.budget
    return model


def make_step(case: Case, model: nn.Module) -> Callable[[], None]:
    """What is timed: one forward, or one forward and backward, on random images."""
    dtype = getattr(torch, case.dtype)
    model.to(case.device, dtype).train(case.mode == "train")
    channels = case.model_kwargs.get("in_chans", 3)
    images = torch.randn(case.batch_size, channels, case.img_size, case.img_size).to(case.device, dtype)
    # dynamic=False: otherwise the second image size would be compiled to a slower graph than the first
    forward = torch.compile(model, dynamic=False) if case.compile else model

    def infer() -> None:
        with torch.inference_mode():
            forward(images)

    def train() -> None:
        model.zero_grad(set_to_none=True)
        forward(images).float().square().mean().backward()

    return train if case.mode == "train" else infer


def count(case: Case) -> dict[str, int]:
    """Parameters, and FLOPs of one step on one image."""
    with blamed_on(case):
        model = build(case)
        step = make_step(replace(case, batch_size=1, dtype="float32", compile=False), model)
        model.eval()  # as many FLOPs, and batch norm refuses to train on one value per channel
        return {"params": sum(p.numel() for p in model.parameters()), "flops": count_flops(step)}


def timed(step: Callable[[], Any], calls: int, device: str) -> float:
    """Seconds per call, over ``calls`` calls in a row."""
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    synchronise()
    start = time.perf_counter()
    for _ in range(calls):
        step()
    synchronise()
    return (time.perf_counter() - start) / calls


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


def take_turns(
    steps: list[Callable[[], Any]], calls: list[int], repeats: int, device: str, told: str
) -> list[list[float]]:
    """Seconds per call of each step, by rounds; in its turn a step runs as often as ``calls`` says."""
    seconds = [[] for _ in steps]
    for _ in tqdm(range(repeats), desc=told, leave=False, disable=None):
        for step, n, taken in zip(steps, calls, seconds, strict=True):
            taken.append(timed(step, n, device))
    return seconds


def peak_resident() -> int:
    """The largest resident memory of this process so far, in bytes."""
    with suppress(FileNotFoundError):
        # Linux hands a child process the ru_maxrss of its parent, below which nothing shows; VmHWM is its own.
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_memory_here(case: Case) -> int:
    """Peak memory of one step in bytes (see the top of this file); for a process that did nothing else."""
    torch.set_num_threads(case.threads)
    return peak_of(make_step(case, build(case)), case.device)


def peak_of(step: Callable[[], Any], device: str) -> int:
    """Peak memory of a step that this process has not taken yet, in bytes."""
    if device == "cuda":
        step()  # what the compiler or the choice of kernels takes is not the model's
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    with suppress(OSError):  # Linux only: forget the peak of building the model, it would hide the step's
        Path("/proc/self/clear_refs").write_text("5")
    before = peak_resident()
    step()
    return peak_resident() - before


def peak_memory(case: Any, script: str = __file__) -> int | None:
    """The same from a fresh process; None, and a line on stderr, if that fails: the timings stand without it.

    Args:
        case: A dataclass, handed over as JSON.
        script: The program that answers ``CHILD`` and a case with a number of bytes, the last thing it prints.
    """
    told = in_fresh_process(case, script, "peak memory")
    return None if told is None else int(told)


def in_fresh_process(case: Any, script: str, what: str) -> str | None:
    """The last word of what a script prints when it is called with ``CHILD`` and a case.

    None if it fails, and a line on stderr that tells ``what`` is missing.
    """
    command = [sys.executable, str(Path(script).resolve()), CHILD, json.dumps(asdict(case))]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        print(f"{Path(script).stem}: no {what} of {case}: {reason}", file=sys.stderr)
        return None
    return child.stdout.split()[-1]  # libraries may have printed before


def matmul_rate(size: int = 8192) -> float:
    """FLOP/s of this GPU on a bfloat16 matrix product: what the models' rates are a share of."""
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    timed(lambda: a @ a, 10, "cuda")
    return 2 * size**3 / timed(lambda: a @ a, 50, "cuda")


# ---- all cases


def quartiles(values: list[float]) -> dict[str, float]:
    return dict(zip(("q1", "median", "q3"), np.percentile(values, [25, 50, 75]).tolist(), strict=True))


def summarise(cases: list[Case], seconds: list[list[float]], counts: list[dict[str, int]]) -> list[dict]:
    """One record for each case of a setting; the first case is what the others are compared to."""
    records = []
    for case, taken, counted in zip(cases, seconds, counts, strict=True):
        derived = {
            "latency_s": quartiles(taken),
            "images_per_s": quartiles([case.batch_size / s for s in taken]),
            "ratio": {"to": cases[0].name, **quartiles([a / b for a, b in zip(seconds[0], taken, strict=True)])},
        }
        rate = counted["flops"] * derived["images_per_s"]["median"]
        records.append({**asdict(case), **counted, "seconds": taken, **derived, "flops_per_s": rate})
    return records


def settings_of(args: argparse.Namespace) -> list[list[Case]]:
    """All cases, those that are compared with each other in one list."""
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
    """Count, then time, then take memory: what is wrong shows before hours are spent, and nothing disturbs timing."""
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
        record["peak_memory_bytes"] = peak_memory(case) if wanted else None
        record["matmul_share"] = record["flops_per_s"] / rate if rate and case.dtype == "bfloat16" else None
    return records


def machine_facts(args: argparse.Namespace) -> dict[str, Any]:
    cpu = platform.processor()
    with suppress(OSError, StopIteration):  # Linux, where platform.processor() is empty or the architecture
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    commit = None
    with suppress(OSError, subprocess.CalledProcessError):
        git = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty", "--exclude=*"]
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "platform": platform.platform(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": args.threads,
        "gpu": torch.cuda.get_device_name() if args.device == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "git": commit,
    }


# ---- output


def where(args: argparse.Namespace, machine: dict[str, Any]) -> str:
    threads = f", {args.threads} thread{'s' * (args.threads > 1)}" * (args.device == "cpu")
    return f"on {machine['gpu'] or machine['cpu']}{threads}"


def table(records: list[dict]) -> str:
    """Records as text, one block for each setting; a column that no record fills is left out."""
    heading = ["", "images/s", "ratio [quartiles]", "latency ms (IQR)", "memory MiB", "params M"]
    heading += ["GFLOPs/image", "GFLOP/s", "MFU"]
    rows = []
    for r in records:
        q1, latency, q3 = (1e3 * r["latency_s"][q] for q in ("q1", "median", "q3"))
        memory, share = r["peak_memory_bytes"], r["matmul_share"]
        row = ["  " + label_of(r), f"{r['images_per_s']['median']:.1f}"]
        row += ["{median:.3f} [{q1:.3f}, {q3:.3f}]".format(**r["ratio"]), f"{latency:.2f} ({q3 - q1:.2f})"]
        row += ["-" if memory is None else f"{memory / 2**20:.0f}", f"{r['params'] / 1e6:.2f}"]
        row += [f"{r['flops'] / 1e9:.2f}", f"{r['flops_per_s'] / 1e9:.0f}", "-" if share is None else f"{share:.1%}"]
        rows.append(row)
    (head, *body), setting = aligned([heading, *rows]), None
    lines = [head]
    for record, line in zip(records, body, strict=True):
        if setting != (setting := "{img_size} px, batch {batch_size}, {dtype}".format(**record)):
            lines.append(setting)
        lines.append(line)
    return "\n".join(lines)


def label_of(record: dict) -> str:
    return record["model"] + budget_suffix(ComputeBudget(record["keep_rate"], resolution=record["resolution"]))


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines, the first row a heading; a column of nothing but "-" below it is left out."""
    shown = [i for i in range(len(rows[0])) if any(row[i] != "-" for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in shown]

    def line(row: list[str]) -> str:
        first, *rest = (row[i].rjust(width) for i, width in zip(shown, widths, strict=True))
        return "  ".join([row[0].ljust(len(first)), *rest])

    return [line(row) for row in rows]


def write_json(path: Path, command: list[str], machine: dict[str, Any], records: list[dict]) -> None:
    told = {"command": shlex.join(["python", *command]), "machine": machine, "results": records}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` once it is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def plot(records: list[dict], title: str, path: Path) -> None:
    """Throughput against image size: colour for the model, marker for the batch, dashes for the dtype."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    lines: dict[tuple[str, int, str], dict[int, dict]] = {}
    for r in records:
        lines.setdefault((label_of(r), r["batch_size"], r["dtype"]), {})[r["img_size"]] = r["images_per_s"]
    models, batches, dtypes = (list(dict.fromkeys(key[i] for key in lines)) for i in range(3))
    figure, axes = plt.subplots(figsize=(8.5, 5), layout="constrained")
    for model, batch, dtype in sorted(lines, key=lambda key: models.index(key[0])):  # a column of the legend a model
        by_size = lines[model, batch, dtype]
        sizes = sorted(by_size)
        q1, median, q3 = ([by_size[size][q] for size in sizes] for q in ("q1", "median", "q3"))
        colour = f"C{models.index(model) % 10}"
        label = model + f", batch {batch}" * (len(batches) > 1) + f", {dtype}" * (len(dtypes) > 1)
        style = dict(marker="os^Dv"[batches.index(batch) % 5], linestyle=["-", "--"][dtypes.index(dtype)])
        axes.plot(sizes, median, color=colour, label=label, **style)
        axes.fill_between(sizes, q1, q3, color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel="image size (pixels)", ylabel="images/s", xscale="log")
    axes.set_xticks(sorted({r["img_size"] for r in records}))
    axes.xaxis.set(major_formatter="{x:g}", minor_locator=NullLocator())
    rates = [r["images_per_s"]["median"] for r in records]
    if max(rates) > 4 * min(rates):
        ticks = LogLocator(subs=(1, 2, 5) if max(rates) > 30 * min(rates) else (1, 1.5, 2, 3, 5, 7))
        axes.set_yscale("log")
        axes.yaxis.set(major_locator=ticks, major_formatter="{x:g}", minor_formatter=NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    figure.legend(loc="outside lower center", ncols=min(len(models), 3), frameon=False, fontsize="small")
    figure.savefig(path, format="png", dpi=150)
    plt.close(figure)


# ---- accuracy


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


def plot_budgets(table: BudgetTable, title: str, path: Path) -> None:
    """Accuracy against time: a curve for each resolution."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for n, size in enumerate(dict.fromkeys(row.budget.resolution for row in table)):
        rows = [row for row in table if row.budget.resolution == size]
        label = "full resolution" if size is None else f"resolution {size:g}"
        axes.plot([r.latency_ms for r in rows], [r.metric for r in rows], marker="os^Dv"[n % 5], label=label)
        for row in rows:
            where = (row.latency_ms, row.metric)
            axes.annotate(f"{row.budget.keep_rate:g}", where, xytext=(4, -11), textcoords="offset points", fontsize=8)
    axes.set(xlabel="milliseconds a batch (numbers: keep rate)", ylabel="top-1 accuracy, %")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, format="png", dpi=150)
    plt.close(figure)


# ---- command line


def number(kind: type, least: float) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = kind(text)
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text}")
        return value

    parse.__name__ = {int: "whole number", float: "number"}[kind]  # argparse says it of what is none
    return parse


def scale_or_pixels(text: str) -> float | int:
    return float(text) if "." in text else int(text)


def key_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"must be name=value, got {text!r}")
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    return key, value


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise BadInputError(message)  # without the usage, which would bury the message


def require_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError("--device cuda: torch finds no CUDA device here; use --device cpu")


def require_writable(path: Path) -> None:
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise BadInputError(f"cannot write {path}: it is a folder, or its folder is missing or read-only")


def exit_code(tool: str, body: Callable[[], None]) -> int:
    """Run ``body``: 0; or 2 for what the user can put right and 130 for Ctrl-C, each told in one line."""
    try:
        body()
    except (BadInputError, OSError) as error:
        print(f"{tool}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{tool}: interrupted, nothing written", file=sys.stderr)
        return 130
    return 0


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Read the command line and check all that can be checked before anything is built."""
    parser = Parser(
        prog="benchmark.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    positive = number(int, 1)
    add = parser.add_argument
    add("models", nargs="+", metavar="MODEL", help="what to measure; ratios are to the first")
    add("--batch-size", nargs="+", type=positive, default=[16], metavar="N", help="images per step (16)")
    add("--img-size", nargs="+", type=positive, default=[224], metavar="N", help="height and width in pixels (224)")
    add("--dtype", nargs="+", choices=["float32", "bfloat16"], default=["float32"], help="weights and images (float32)")
    add("--mode", choices=["inference", "train"], default="inference", help="what a step is (inference)")
    add("--compile", action="store_true", help="time torch.compile(model)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA where there is some")
    add("--repeats", type=positive, default=20, metavar="N", help="rounds, in which every model has its turn (20)")
    add(
        "--min-time",
        type=number(float, 0),
        default=0.1,
        metavar="S",
        help="steps in a turn fill this; 0: one step (0.1)",
    )
    add("--warmup", type=positive, default=3, metavar="N", help="steps before the first round (3)")
    add("--threads", type=positive, default=torch.get_num_threads(), metavar="N", help="CPU threads (%(default)s)")
    add(
        "--keep-rate", nargs="+", type=float, default=[1.0], metavar="R", help="shares of the patches that are kept (1)"
    )
    add(
        "--resolution",
        nargs="+",
        type=scale_or_pixels,
        default=[None],
        metavar="S",
        help="scales (0.71) or pixels (160)",
    )
    add("--budgets", type=Path, metavar="DIR", help="measure accuracy as well, on folders of images by class")
    add("--checkpoint", type=Path, metavar="FILE", help="weights, for --budgets")
    add("--model-kwargs", nargs="+", type=key_value, default=[], metavar="K=V", help="arguments for every model")
    add("--no-memory", dest="memory", action="store_false", help="leave out peak memory, which takes a process a case")
    add("--json", type=Path, metavar="FILE", help="write every raw timing, the summary and the machine's facts")
    add("--plot", type=Path, metavar="FILE.png", help="draw images/s against image size; with --budgets, accuracy")
    args = parser.parse_args(argv)
    args.model_kwargs = dict(args.model_kwargs)

    for name in args.models:
        if name not in REGISTERS and not timm.is_model(name):
            near = difflib.get_close_matches(name, [*timm.list_models(), *REGISTERS], n=1, cutoff=0)
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
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    require_device(args.device)
    for path in filter(None, (args.json, args.plot)):
        require_writable(path)
    if args.plot and not importlib.util.find_spec("matplotlib"):
        raise BadInputError("--plot needs matplotlib: pip install matplotlib")
    return args


def report_budgets(args: argparse.Namespace, argv: list[str], machine: dict[str, Any]) -> None:
    rows = validate(args)
    title = f"{args.models[0]}, {args.img_size[0]} px, batch {args.batch_size[0]} {where(args, machine)}"
    print(f"{title}\n\n{rows}")
    if args.json:
        write_json(args.json, ["tools/benchmark.py", *argv], machine, [asdict(row) for row in rows])
    if args.plot:
        with replacing(args.plot) as temporary:
            plot_budgets(rows, title, temporary)


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == [CHILD]:
        print(peak_memory_here(Case(**json.loads(argv[1]))))
        return 0

    def body() -> None:
        args = parse_args(argv)
        torch.set_num_threads(args.threads)
        machine = machine_facts(args)
        if args.budgets:
            report_budgets(args, argv, machine)
            return
        title = f"{'compiled ' * args.compile}{args.mode} {where(args, machine)}"
        records = measure(args)
        print(title + "\n\n" + table(records))
        if args.json:
            write_json(args.json, ["tools/benchmark.py", *argv], machine, records)
        if args.plot:
            with replacing(args.plot) as temporary:
                plot(records, title, temporary)

    return exit_code("benchmark", body)


if __name__ == "__main__":
    sys.exit(main())
