#!/usr/bin/env python3
"""Measure whole segmentors of configs side by side: seconds per step and peak memory.

All cases stand in one process and are timed in turn, A B A B ..., a step a turn, so that a machine which slows down or
speeds up meanwhile cancels. The first case is what the others are compared with: their ratio is the median over the
rounds of their time by that of the first case in the same round, so below 1 is faster than the first, and below 1 in
memory is less than the first takes. The same case under two names shows the noise.

A case is a name, a config and changes to it as of train.py's --cfg-options. Images and labels (5 % of them void) are
random, the same for all cases, and ready before the clock starts. Weights are those of the constructors: none are
loaded, since they do not change the time. Sync batch norm becomes batch norm, as in every run of one process.

Modes: "train" is a training step: losses, their sum, backward, and the step of the config's own optimiser.
"infer" takes whole images to logits of their size, "slide" does so by windows of the size of the config's training
crop (data_preprocessor.size) at strides of two thirds of it; "backbone" is the backbone of "infer" alone.

FLOPs are those of a step, per image: products and convolutions, as torch counts them.

Peak memory is taken in a fresh process for each case, after all timings. On CUDA it is what torch allocated at most,
weights included. On CPU it is the growth of the peak of resident memory over what was resident once the model stood,
so without weights, but with some 15 MiB that libraries need on their first use. In "train" it is that of two steps:
from the second on, the optimiser has its state.
"""

import argparse
import contextlib
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from tqdm import tqdm

from jumbo_backbone.benchmarking.memory import CHILD, peak_memory, peak_of
from jumbo_backbone.benchmarking.report import (
    aligned,
    blamed_on,
    device_of,
    machine_facts,
    require_writable,
    where,
    write_json,
)
from jumbo_backbone.benchmarking.timing import quartiles, take_turns
from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
from jumbo_backbone.segmentation.data.image_input import bands_of
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import BadInputError, exit_code

# isort: split
# after jumbo_backbone.segmentation, which imports mmsegmentation quietly
import mmseg
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

VOID = 0.05  # share of the pixels without a label

EXAMPLES = """examples:
  %(prog)s --case stock seg_configs/jumbo_upernet_ade20k.py model.type=EncoderDecoder \\
      model.decode_head.loss_stride=1 model.auxiliary_head.loss_stride=1 --case ours seg_configs/jumbo_upernet_ade20k.py
      a training step of mmsegmentation's own segmentor and losses against ours; loss_stride=1 is its loss exactly
  %(prog)s --case registers seg_configs/registers_small_upernet_ade20k.py \\
      --case jumbo seg_configs/jumbo_upernet_ade20k.py --mode infer --img-size 512 672 --repeats 20 --json infer.json
      the Jumbo token against 16 registers, every raw timing kept
  %(prog)s --case one-by-one seg_configs/jumbo_upernet_ade20k.py model.test_cfg.max_batch=1 \\
      --case batched seg_configs/jumbo_upernet_ade20k.py --mode slide --img-size 1024 2048 --device cuda --amp
      sliding windows, in bfloat16 on a GPU
"""


@dataclass(frozen=True)
class Case:
    """One measurement: everything a fresh process needs to repeat it."""

    name: str
    config: str
    changes: list[str]
    mode: str
    batch_size: int
    img_size: list[int]
    amp: bool
    device: str
    threads: int

    @property
    def setting(self) -> str:
        height, width = self.img_size
        return f"{self.mode}, {height}x{width} px, batch {self.batch_size}{', bfloat16 autocast' * self.amp}"

    def __str__(self) -> str:
        return f"{self.name} ({self.setting})"


# ---- one case


def read(case: Case) -> Config:
    """The case's config, set to its mode."""
    parser = Parser()
    add_config_arguments(parser)
    with blamed_on(case):
        cfg = read_config(parser.parse_args([case.config, *(["--cfg-options", *case.changes] if case.changes else [])]))
        size = cfg.model.data_preprocessor.get("size")
        if case.mode == "train":
            if size:  # or images smaller than the crop would be padded to it
                cfg.model.data_preprocessor.size = tuple(case.img_size)
            if case.amp:
                cfg.optim_wrapper.type = "AutocastOptimWrapper"
        elif case.mode == "slide":
            if not size:
                raise ValueError("mode slide takes its windows from model.data_preprocessor.size: set it")
            cfg.model.test_cfg.update(mode="slide", crop_size=size, stride=tuple(2 * side // 3 for side in size))
        else:
            cfg.model.test_cfg.mode = "whole"
    return cfg


def build(cfg: Config, device: str) -> BaseSegmentor:
    """The config's segmentor on the device, with fresh weights."""
    MMLogger.get_current_instance().setLevel("WARNING")  # what models tell while they are built would be in the table
    init_default_scope(cfg.get("default_scope", "mmseg"))
    with warnings.catch_warnings():  # of defaults of the config's losses, which training tells
        warnings.simplefilter("ignore")
        return revert_sync_batchnorm(MODELS.build(cfg.model)).to(device)


def make_batch(case: Case, num_classes: int, bands: int = 3) -> dict[str, list]:
    """Random images and labels as a data set gives them; the same in every call."""
    random = torch.Generator().manual_seed(0)
    count, size = case.batch_size, tuple(case.img_size)
    images = torch.randint(256, (count, bands, *size), generator=random, dtype=torch.uint8)
    labels = torch.randint(num_classes, (count, 1, *size), generator=random)
    labels[torch.rand(labels.shape, generator=random) < VOID] = 255
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta) for label in labels]
    return dict(inputs=list(images), data_samples=samples)


def make_step(case: Case, cfg: Config, model: BaseSegmentor) -> Callable[[], Any]:
    """What is timed."""
    train = case.mode == "train"
    model.train(train)
    data = model.data_preprocessor(make_batch(case, model.num_classes, bands_of(model)), training=train)
    images, samples = data["inputs"], data["data_samples"]
    if train:
        optim = build_optim_wrapper(model, cfg.optim_wrapper)

        def step() -> None:  # mmengine's BaseModel.train_step without the preprocessing
            with optim.optim_context(model):
                losses = model.loss(images, samples)
            optim.update_params(model.parse_losses(losses)[0])

        return step

    metas = [sample.metainfo for sample in samples]

    def predict() -> torch.Tensor | tuple[torch.Tensor, ...]:
        with torch.no_grad(), torch.autocast(case.device, torch.bfloat16) if case.amp else contextlib.nullcontext():
            return model.backbone(images) if case.mode == "backbone" else model.inference(images, metas)

    return predict


def peak_memory_here(case: Case) -> int:
    """Peak memory in bytes (see the top of this file); for a process that did nothing else."""
    torch.set_num_threads(case.threads)
    cfg = read(case)
    step = make_step(case, cfg, build(cfg, case.device))

    def steps() -> None:
        for _ in range(2 if case.mode == "train" else 1):
            step()

    return peak_of(steps, case.device)


# ---- all cases


def time_in_turn(cases: list[Case], repeats: int) -> tuple[list[list[float]], list[dict[str, int]]]:
    """Seconds per step for each case, by rounds, and its parameters and FLOPs an image."""
    torch.backends.cudnn.benchmark = True  # as runs of our configs have it
    configs = [read(case) for case in cases]  # all of them, before the first is built
    steps, counts = [], []
    for case, cfg in zip(cases, tqdm(configs, desc="warm-up", leave=False, disable=None), strict=True):
        with blamed_on(case):
            model = build(cfg, case.device)
            steps.append(make_step(case, cfg, model))
            flops = count_flops(steps[-1]) // case.batch_size
        counts.append(dict(params=sum(p.numel() for p in model.parameters()), flops=flops))
    return take_turns(steps, [1] * len(steps), repeats, cases[0].device, cases[0].setting), counts


def measure(cases: list[Case], args: argparse.Namespace) -> list[dict]:
    """One record for each case; memory last, so that nothing disturbs timing."""
    seconds, counts = time_in_turn(cases, args.repeats)
    bar = tqdm(cases, desc="memory", leave=False, disable=None)
    peaks = [peak_memory(case, [__file__]) if args.memory else None for case in bar]
    return [
        {
            **asdict(case),
            **count,
            "seconds": taken,
            "latency_s": quartiles(taken),
            "images_per_s": quartiles([case.batch_size / s for s in taken]),
            "time_ratio": {"to": cases[0].name, **quartiles([s / f for f, s in zip(seconds[0], taken, strict=True)])},
            "peak_memory_bytes": peak,
            "memory_ratio": {"to": cases[0].name, "value": peak / peaks[0] if peak and peaks[0] else None},
        }
        for case, count, taken, peak in zip(cases, counts, seconds, peaks, strict=True)
    ]


def table(records: list[dict]) -> str:
    first = records[0]["name"]
    rows = [["", "s/step (IQR)", f"time / {first} [quartiles]", "images/s", "memory MiB"]]
    rows[0] += [f"memory / {first}", "params M", "GFLOPs/image"]
    for r in records:
        q1, latency, q3 = (r["latency_s"][q] for q in ("q1", "median", "q3"))
        memory, share = r["peak_memory_bytes"], r["memory_ratio"]["value"]
        row = ["  " + r["name"], f"{latency:.4f} ({q3 - q1:.4f})"]
        row += ["{median:.3f} [{q1:.3f}, {q3:.3f}]".format(**r["time_ratio"])]
        row += [f"{r['images_per_s']['median']:.2f}", "-" if memory is None else f"{memory / 2**20:.0f}"]
        row += ["-" if share is None else f"{share:.3f}", f"{r['params'] / 1e6:.2f}", f"{r['flops'] / 1e9:.3g}"]
        rows.append(row)
    return "\n".join(aligned(rows))


# ---- command line


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Read the command line and check all that can be checked before anything is built."""
    parser = Parser(
        prog="benchmark_segmentation.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    positive = number(int, 1)
    add = parser.add_argument
    add(
        "--case",
        nargs="+",
        action="append",
        required=True,
        dest="cases",
        metavar=("NAME CONFIG", "KEY=VALUE"),
        help="what to measure: a name for it, a config and changes to it; ratios are to the first",
    )
    add("--mode", choices=["train", "infer", "slide", "backbone"], default="train", help="what a step is (train)")
    add("--batch-size", type=positive, default=2, metavar="N", help="images per step (2)")
    add("--img-size", nargs="+", type=positive, default=[512], metavar="N", help="pixels: a side, or H W (512)")
    add("--amp", action="store_true", help="bfloat16 autocast")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA where there is some")
    add("--repeats", type=positive, default=7, metavar="N", help="rounds, in which every case has its turn (7)")
    add("--threads", type=positive, default=torch.get_num_threads(), metavar="N", help="CPU threads (%(default)s)")
    add("--no-memory", dest="memory", action="store_false", help="leave out peak memory, which takes a process a case")
    add("--json", type=Path, metavar="FILE", help="write every raw timing, the summary and the machine's facts")
    args = parser.parse_args(argv)

    seen = set()
    for name, *rest in args.cases:
        if not rest:
            raise BadInputError(f"--case {name}: no config; give --case NAME CONFIG [KEY=VALUE ...]")
        for change in rest[1:]:
            if not change.partition("=")[1]:
                raise BadInputError(f"--case {name}: a change must be key=value, got {change!r}")
        if name in seen:
            raise BadInputError(f"--case {name}: two cases have this name; give each its own")
        seen.add(name)
    if len(args.img_size) > 2:
        raise BadInputError(f"--img-size takes one side or height and width, got {len(args.img_size)} numbers")
    args.img_size = (args.img_size * 2)[:2]
    args.device = device_of(args.device)
    if args.json:
        require_writable(args.json)
    return args


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == [CHILD]:
        print(peak_memory_here(Case(**json.loads(argv[1]))))
        return 0

    def body() -> None:
        args = parse_args(argv)
        torch.set_num_threads(args.threads)
        fixed = {name: getattr(args, name) for name in ("mode", "batch_size", "img_size", "amp", "device", "threads")}
        cases = [Case(name, config, changes, **fixed) for name, config, *changes in args.cases]
        machine = {**machine_facts(args), "mmengine": mmengine.__version__, "mmsegmentation": mmseg.__version__}
        records = measure(cases, args)
        print(f"{cases[0].setting} {where(args, machine)}\n\n{table(records)}")
        if args.json:
            write_json(args.json, ["python", "tools/research/benchmark_segmentation.py", *argv], machine, records)

    return exit_code("benchmark_segmentation", body)


if __name__ == "__main__":
    sys.exit(main())
