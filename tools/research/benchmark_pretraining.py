#!/usr/bin/env python3
"""Measure a training step of masked pretraining beside a supervised step on all patches: time in turns, and memory."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from paired_steps import add_arguments, is_child, report, sizes_of

from jumbo_backbone import create_model
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


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if is_child(argv, Step):
        return 0

    def body() -> None:
        parser = Parser(prog="benchmark_pretraining.py", description=__doc__)
        add_arguments(parser, batch=128)
        parser.add_argument(
            "--decoder-depth",
            type=number(int, 1),
            nargs="+",
            default=[1, 2],
            metavar="N",
            help="blocks, of width 128 (1 2)",
        )
        args = parser.parse_args(argv)
        report([Step(depth, *sizes_of(args)) for depth in (0, *args.decoder_depth)], args, __file__, argv)

    return exit_code("benchmark_pretraining", body)


if __name__ == "__main__":
    sys.exit(main())
