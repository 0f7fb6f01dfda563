"""What `jumbo prepare PHOTOS MASKS` does."""

import argparse
import shlex
import sys

from jumbo_cli.failing import DONE

from ..data.own_masks.classes import read_classes, read_ignored
from ..data.own_masks.prepare import Options, prepare
from .failing import in_users_terms


def run(args: argparse.Namespace) -> int:
    """Make the folder that the arguments ask for; returns the exit code."""
    with in_users_terms(args.prog):
        if args.workers < 1:
            raise ValueError(f"--workers {args.workers} cannot read anything: give 1 or more")
        ignore, ignored_colours = read_ignored(args.ignore)
        options = Options(
            classes=None if args.classes is None else read_classes(args.classes),
            ignore=ignore,
            ignored_colours=ignored_colours,
            nearest=args.nearest,
            val=args.val,
            seed=args.seed,
            scenes=args.scenes,
            pattern=args.scene_pattern,
            base=args.base,
            overwrite=args.overwrite,
            told=" ".join(shlex.join(args.command).split()),
            workers=args.workers,
        )
        print(prepare(args.source, args.masks, args.out, options, sys.stderr.isatty()))
        config = shlex.quote(str(args.out / "config.py"))
        print(f"\nwritten to {args.out}. Next:\n  jumbo check {config}\n  jumbo train {config}")
    return DONE
