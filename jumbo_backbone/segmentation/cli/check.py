"""What `jumbo check` does: read the data sets of a config."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from jumbo_cli.config_arguments import add_config_arguments
from jumbo_cli.failing import BROKE, DONE

from ...files import write_atomically
from ..data.check import check_and_tell
from ..data.required import datasets_by_split, open_dataset, require_classes
from .config import read_config
from .failing import in_users_terms


def check_config(path: Path, data_root: str | None, workers: int, progress: bool) -> list[dict]:
    """Check the data sets of a config, those of several splits once; prints what was found.

    Raises:
        FileNotFoundError: If there is no such config, or a folder of a data set is missing or empty.
        ValueError: If the config cannot be read, or its classes do not fit each other.
    """
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    cfg = read_config(parser.parse_args([str(path)] + ([] if data_root is None else ["--data-root", data_root])))
    found: list[tuple[str, dict]] = []
    for split, dataset in datasets_by_split(cfg):
        dataset = {key: value for key, value in dataset.items() if key != "test_mode"}
        try:
            require_classes(dataset, cfg.get("model") or {})
            has_files = open_dataset(dataset) is not None
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{split}_dataloader: {error}") from None
        if not has_files:
            print(f"{split}: {dataset['type']} has no files to check")
        elif all(dataset != other for _, other in found):
            found.append((split, dataset))
    backbone = (cfg.get("model") or {}).get("backbone")
    bands = None if backbone is None else backbone.get("in_channels", 3)
    return [check_and_tell(split, dataset, workers, progress, bands) for split, dataset in found]


def report(args: argparse.Namespace, check: Callable[[bool], list[dict]]) -> int:
    """Run ``check``, which gets whether to show progress, write its findings to --json; returns the exit code."""
    if args.workers < 1:
        raise ValueError(f"--workers {args.workers} cannot read anything: give 1 or more")
    if args.json is not None and not args.json.absolute().parent.is_dir():
        raise ValueError(f"--json {args.json}: there is no folder {args.json.absolute().parent}; make it first")
    reports = check(sys.stderr.isatty())
    sound = all(report["sound"] for report in reports)
    if args.json is not None:
        write_atomically(json.dumps(dict(sound=sound, splits=reports), indent=1).encode(), args.json)
    return DONE if sound else BROKE


def run(args: argparse.Namespace) -> int:
    """Check as the arguments say; returns the exit code."""
    with in_users_terms(args.prog):
        return report(args, lambda progress: check_config(args.config, args.data_root, args.workers, progress))
