"""What ``--adapt`` may be combined with, and how its report reads."""

import argparse
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from .config import require_one_model


def require_adaptable(args: argparse.Namespace, cfg: Config) -> None:
    """Check the arguments of ``add_adapt_arguments``.

    Raises:
        ValueError: If ``--adapt`` cannot be done with the other arguments or the config; the message says why.
    """
    if args.adapt is None:
        if args.episodic or args.adapt_options:
            given = "--episodic" if args.episodic else "--adapt-options"
            raise ValueError(f"{given} says how to adapt: give --adapt sar or --adapt tent as well")
        return
    if getattr(args, "tta", False):
        raise ValueError(
            "--adapt and --tta: each of the scales and flips that --tta averages would change the weights before the "
            "next; give one of the two"
        )
    if getattr(args, "launcher", "none") != "none":
        raise ValueError(
            f"--adapt and --launcher {args.launcher}: each process would adapt to its own share of the images, so that "
            "results would depend on their number; test in one process"
        )
    require_one_model(cfg, "adapted, as its thresholds are chosen for the trained weights")


def compared(plain: Mapping[str, float], adapted: Mapping[str, float], method: str) -> list[str]:
    """A line for each metric: unadapted, adapted, and the difference."""
    width = max(map(len, plain), default=0)
    return [
        f"{name:<{width}}  {plain[name]:7.2f} unadapted  {value:7.2f} adapted by {method}  ({value - plain[name]:+.2f})"
        for name, value in adapted.items()
        if name in plain
    ]


def counted(told: Mapping[str, Any]) -> str:
    """What was counted while adapting, in words."""
    parts = []
    if "learned" in told:
        parts.append(f"{told['learned']} images or windows counted")
    if told["left_out"]:
        parts.append(f"{told['left_out']} left out (no numbers, or padding alone)")
    if told.get("recoveries"):
        parts.append(f"{told['recoveries']} times it went back to the trained weights")
    return "; ".join(parts)
