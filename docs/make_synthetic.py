#!/usr/bin/env python3
"""Draw docs/synthetic.png, series of each family at four frequencies as `timeseries.synthetic.draw` makes them, and
docs/synthetic_pairs.png, pairs of `draw_pairs`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot as plt

from timeseries.synthetic import FAMILIES, draw, draw_pairs

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = (("yearly", 1, 30), ("monthly", 12, 120), ("daily", 7, 200), ("hourly", 24, 240))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seed", type=int, default=4)
    add("--out", type=Path, default=ROOT / "docs" / "synthetic.png", help="default: docs/synthetic.png")
    add(
        "--pairs",
        type=Path,
        default=ROOT / "docs" / "synthetic_pairs.png",
        help="default: docs/synthetic_pairs.png",
    )
    args = parser.parse_args(argv)
    size = (len(FAMILIES), len(COLUMNS))
    figure, axes = plt.subplots(*size, figsize=(10, 9.5), layout="constrained")
    for row, name in zip(axes, FAMILIES, strict=True):
        for ax, (frequency, period, steps) in zip(row, COLUMNS, strict=True):
            ax.plot(draw(1, steps, args.seed, [name], period).values[0], lw=0.7, color="#2f6f9f")
            ax.set(xticks=[], yticks=[])
            if ax in axes[0]:
                ax.set_title(f"{frequency}, {steps} steps", fontsize=9)
        row[0].set_ylabel(name, fontsize=9)
    figure.savefig(args.out, dpi=60, pil_kwargs=dict(optimize=True))
    figure, axes = plt.subplots(4, 6, figsize=(10, 5), layout="constrained")
    for ax, pair in zip(axes.flat, draw_pairs(axes.size, 512, args.seed), strict=True):
        ax.plot(pair.T, lw=0.6)
        ax.set(xticks=[], yticks=[])
    figure.savefig(args.pairs, dpi=60, pil_kwargs=dict(optimize=True))


if __name__ == "__main__":
    main()
