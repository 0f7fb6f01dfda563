"""What both kinds of benchmark_committees.py share: batches, and the file of results."""

import argparse

from jumbo_backbone.benchmarking.report import write_json

BATCHES = (1, 16)


def keep(args: argparse.Namespace, records: list[dict]) -> None:
    """Write what was measured so far."""
    if args.json:
        write_json(
            args.json, ["python", "tools/research/benchmark_committees.py", *args.command], args.machine, records
        )
