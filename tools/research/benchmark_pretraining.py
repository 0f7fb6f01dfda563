#!/usr/bin/env python3
"""Measure a training step of masked pretraining beside a supervised step on all patches: time in turns, and memory."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jumbo_backbone import create_model
from jumbo_backbone.benchmarking.memory import CHILD, peak_memory, peak_of
from jumbo_backbone.benchmarking.report import aligned, machine_facts, write_json
from jumbo_backbone.benchmarking.timing import quartiles, take_turns
from jumbo_backbone.pretraining import MaskedAutoencoder
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import exit_code


@dataclass(frozen=True)
class Step:
    """A training step; without blocks of a decoder it is supervised, on all patches."""

    decoder_depth: int
    preset: str
    size: int
    patch: int
    batch: int
    threads: int
    device: str

    def __str__(self) -> str:
        return f"masked, decoder of {self.decoder_depth}" if self.decoder_depth else "supervised"

    def ready(self) -> Callable[[], Any]:
        """The step, ready to be taken; the masked one hides three quarters of the patches."""
        torch.set_num_threads(self.threads)
        model: Any = create_model(self.preset, img_size=self.size, patch_size=self.patch, num_classes=100)
        images = torch.randn(self.batch, 3, self.size, self.size, device=self.device)
        labels = torch.randint(100, (self.batch,), device=self.device)
        if self.decoder_depth:
            model.reset_classifier(0, "")
            model = MaskedAutoencoder(model, decoder_depth=self.decoder_depth)
        model.to(self.device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def step() -> None:
            loss = model(images) if self.decoder_depth else torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    sizes = (args.preset, args.size, args.patch, args.batch, args.threads, args.device)
    steps = [Step(depth, *sizes) for depth in (0, *args.decoder_depth)]
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
        parser = Parser(prog="benchmark_pretraining.py", description=__doc__)
        add, count = parser.add_argument, number(int, 1)
        add("--preset", default="pico", help="of the encoder (pico)")
        add("--size", type=count, default=64, metavar="PIXELS", help="side of the images (64)")
        add("--patch", type=count, default=8, metavar="PIXELS", help="side of a patch (8)")
        add("--batch", type=count, default=128, metavar="N", help="images in a step (128)")
        add("--decoder-depth", type=count, nargs="+", default=[1, 2], metavar="N", help="blocks, of width 128 (1 2)")
        add("--repeats", type=count, default=20, metavar="N", help="rounds (20)")
        add("--threads", type=count, default=1, metavar="N", help="of the CPU (1)")
        add("--device", choices=["cpu", "cuda"], default="cpu")
        add("--json", type=Path, metavar="FILE", help="write all timings and the machine's facts")
        args = parser.parse_args(argv)
        records = measure(args)
        rows = [
            [str(Step(**{key: record[key] for key in Step.__dataclass_fields__}))]
            + [f"{quartiles(record['seconds'])['median']:.3f}", f"{record['ratio']['median']:.2f}"]
            + [f"{(record['memory'] or 0) / 1e6:.0f}", f"{record['memory_ratio'] or 0:.2f}"]
            for record in records
        ]
        print("\n".join(aligned([["step", "seconds", "ratio", "MB", "ratio"], *rows])))
        if args.json is not None:
            write_json(
                args.json, ["python", f"tools/research/{Path(__file__).name}", *argv], machine_facts(args), records
            )

    return exit_code("benchmark_pretraining", body)


if __name__ == "__main__":
    sys.exit(main())
