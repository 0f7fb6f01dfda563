#!/usr/bin/env python3
"""Measure what adapting costs beside a forward pass whose gradients are recorded: time in turns, and memory.

Of SAR all images count, so that both of its passes see the whole batch, which is the most that it can cost.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jumbo_backbone import create_model
from jumbo_backbone.adaptation import METHODS
from jumbo_backbone.benchmarking.memory import CHILD, peak_memory, peak_of
from jumbo_backbone.benchmarking.report import aligned, machine_facts, write_json
from jumbo_backbone.benchmarking.timing import quartiles, take_turns
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import exit_code

FORWARD, INFERENCE = "forward, recorded", "inference"


@dataclass(frozen=True)
class Step:
    """An answer to a batch: by a forward pass, or also adapting by "tent" or "sar"."""

    method: str
    preset: str
    size: int
    patch: int
    batch: int
    threads: int
    device: str

    def ready(self) -> Callable[[], Any]:
        """The step, ready to be taken."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(0)
        model: Any = create_model(self.preset, img_size=self.size, patch_size=self.patch, num_classes=100).eval()
        torch.nn.init.normal_(model.head.weight, std=0.02)
        images = torch.randn(self.batch, 3, self.size, self.size, device=self.device)
        model.to(self.device)
        if self.method == INFERENCE:
            return torch.inference_mode()(lambda: model(images))
        if self.method == FORWARD:
            return lambda: model(images)
        # of a rate of almost nothing all steps cost the same
        options = dict(lr=1e-12) | (dict(margin=1.0, recovery=0.0) if self.method == "sar" else {})
        adapter = METHODS[self.method](model, **options)
        return lambda: adapter(images)


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    sizes = (args.preset, args.size, args.patch, args.batch, args.threads, args.device)
    steps = [Step(method, *sizes) for method in (FORWARD, INFERENCE, *METHODS)]
    memory = [peak_memory(step, [__file__]) for step in steps]
    ready = [step.ready() for step in steps]
    for step in ready:
        step()
    seconds = take_turns(ready, [1] * len(steps), args.repeats, args.device, "rounds")
    return [
        asdict(step)
        | dict(
            seconds=taken,
            ratio=quartiles([own / first for own, first in zip(taken, seconds[0], strict=True)]),
            memory=peak,
            memory_ratio=peak / memory[0] if peak and memory[0] else None,
        )
        for step, taken, peak in zip(steps, seconds, memory, strict=True)
    ]


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == [CHILD]:
        step = Step(**json.loads(argv[1]))
        print(peak_of(step.ready(), step.device))
        return 0

    def body() -> None:
        parser = Parser(prog="benchmark_adaptation.py", description=__doc__)
        add, count = parser.add_argument, number(int, 1)
        add("--preset", default="pico", help="of the model (pico)")
        add("--size", type=count, default=64, metavar="PIXELS", help="side of the images (64)")
        add("--patch", type=count, default=8, metavar="PIXELS", help="side of a patch (8)")
        add("--batch", type=count, default=64, metavar="N", help="images in a step (64)")
        add("--repeats", type=count, default=20, metavar="N", help="rounds (20)")
        add("--threads", type=count, default=1, metavar="N", help="of the CPU (1)")
        add("--device", choices=["cpu", "cuda"], default="cpu")
        add("--json", type=Path, metavar="FILE", help="write all timings and the machine's facts")
        args = parser.parse_args(argv)
        records = measure(args)
        rows = [
            [record["method"], f"{quartiles(record['seconds'])['median']:.3f}", f"{record['ratio']['median']:.2f}"]
            + [f"{(record['memory'] or 0) / 1e6:.0f}", f"{record['memory_ratio'] or 0:.2f}"]
            for record in records
        ]
        print("\n".join(aligned([["step", "seconds", "ratio", "MB", "ratio"], *rows])))
        if args.json is not None:
            write_json(
                args.json, ["python", f"tools/research/{Path(__file__).name}", *argv], machine_facts(args), records
            )

    return exit_code("benchmark_adaptation", body)


if __name__ == "__main__":
    sys.exit(main())
