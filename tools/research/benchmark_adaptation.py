#!/usr/bin/env python3
"""Measure what adapting costs beside a forward pass whose gradients are recorded: time in turns, and memory.

Of SAR all images count, so that both of its passes see the whole batch, which is the most that it can cost.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from paired_steps import add_arguments, is_child, report, sizes_of

from jumbo_backbone import create_model
from jumbo_backbone.adaptation import METHODS
from jumbo_cli.arguments import Parser
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

    def __str__(self) -> str:
        return self.method

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


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if is_child(argv, Step):
        return 0

    def body() -> None:
        parser = Parser(prog="benchmark_adaptation.py", description=__doc__)
        add_arguments(parser, batch=64)
        args = parser.parse_args(argv)
        report([Step(method, *sizes_of(args)) for method in (FORWARD, INFERENCE, *METHODS)], args, __file__, argv)

    return exit_code("benchmark_adaptation", body)


if __name__ == "__main__":
    sys.exit(main())
