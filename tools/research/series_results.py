"""The file of benchmark_timeseries.py."""

import argparse

from jumbo_backbone.benchmarking.report import write_json


def write(args: argparse.Namespace, records: list[dict]) -> None:
    if args.json:
        write_json(
            args.json, ["python", "tools/research/benchmark_timeseries.py", *args.command], args.machine, records
        )
