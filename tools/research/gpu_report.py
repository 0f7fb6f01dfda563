#!/usr/bin/env python3
"""Measure on one GPU, within 20 minutes, what only a GPU tells: docs/results/gpu.json.

Its parts are the tests of the suite that are for a device; images/s of every preset and of its twin with registers, in
eager mode and compiled, with the share of the chip's measured matrix-product rate that each reaches; keep rates;
training steps; a step and 200 iterations of UPerNet by the ADE20K config; and fits of forecaster and classifier.

Each part runs in a process of its own. One that fails, or whose library is not installed, is named, and the others go
on. The file is written after every part, and parts that it has are not measured again: the same command goes on where
it stopped. `python tools/research/compare.py report` puts the figures on the page docs/results.md.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from gpu_parts import PARTS, ROOT, At, Part

from jumbo_backbone.benchmarking.memory import CHILD
from jumbo_backbone.benchmarking.report import machine_facts, require_writable
from jumbo_backbone.files import replacing
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import BadInputError, exit_code

EXAMPLES = """examples:
  %(prog)s                                        everything, on the GPU
  %(prog)s --only speed keep_rates --again        these two, measured anew
  %(prog)s --rehearse --json rehearsal.json       on CPU, at tiny sizes, in three minutes: does it all work?
"""
DONE, FAILED, SKIPPED = "done", "failed", "skipped"


def lacking(part: Part) -> list[str]:
    return [name for name in part.needs if importlib.util.find_spec(name) is None]


def measured(name: str, at: At, seconds: float) -> dict[str, Any]:
    """One part in a fresh process, for at most so many seconds: its records, or why there are none."""
    if missing := lacking(PARTS[name]):
        return dict(state=SKIPPED, why=f"{', '.join(missing)} not installed")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records.json")
        words = [name, at.device, str(int(at.tiny)), str(path)]
        child = subprocess.Popen([sys.executable, __file__, CHILD, *words], start_new_session=True)
        try:
            code = child.wait(seconds)
        except BaseException as error:
            os.killpg(child.pid, 9)  # with all that the part has begun
            child.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return dict(state=FAILED, why=f"stopped after {seconds:.0f} s, when the time was up")
        told = json.loads(path.read_text()) if path.exists() else dict(state=FAILED, why=f"exit code {code}")
    return told | dict(seconds=round(time.monotonic() - begin, 1))


def child(name: str, device: str, tiny: str, path: str) -> int:
    """What a part's process does."""
    try:
        told = dict(state=DONE, records=PARTS[name].measure(At(device, tiny == "1")))
    except Exception as error:
        traceback.print_exc()
        told = dict(state=FAILED, why=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
    Path(path).write_text(json.dumps(told))
    return 0


def results_of(path: Path) -> dict[str, Any]:
    """What a report's file holds.

    Raises:
        BadInputError: If it is no such file.
    """
    try:
        told = json.loads(path.read_text())
        return dict(machines=told["machines"], parts=told["parts"])
    except FileNotFoundError:
        return dict(machines=[], parts={})
    except (ValueError, KeyError, TypeError, OSError):
        raise BadInputError(f"{path} is no GPU report: give --json another name") from None


def write(results: dict[str, Any], path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1) + "\n")


def run(args: argparse.Namespace) -> int:
    """Measure what is missing; the number of parts that failed."""
    results = results_of(args.json)
    at = At("cpu" if args.rehearse else "cuda", args.rehearse)
    facts = machine_facts(argparse.Namespace(device=at.device, threads=torch.get_num_threads()))
    facts |= dict(rehearsal=args.rehearse)
    if facts not in results["machines"]:
        results["machines"].append(facts)
    deadline, failed = time.monotonic() + 60 * args.minutes, 0
    for name in args.only or PARTS:
        if results["parts"].get(name, {}).get("state") == DONE and not args.again:
            print(f"gpu_report: {name}: was measured before", file=sys.stderr)
            continue
        if time.monotonic() >= deadline:
            print(f"gpu_report: {name}: not begun, the time is up; the same command goes on with it", file=sys.stderr)
            continue
        told = measured(name, at, deadline - time.monotonic())
        if told["state"] != DONE and results["parts"].get(name, {}).get("state") == DONE:
            pass  # what was measured before stays
        else:
            results["parts"][name] = told | dict(machine=results["machines"].index(facts))
            write(results, args.json)
        failed += told["state"] == FAILED
        why = f" ({told['why']})" if "why" in told else ""
        print(f"gpu_report: {name}: {told['state']}{why}, {told.get('seconds', 0)} s", file=sys.stderr, flush=True)
    return failed


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="gpu_report.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=list(PARTS), metavar="PART", help=f"of the parts {', '.join(PARTS)}")
    add("--again", action="store_true", help="measure anew what the file has")
    add("--minutes", type=number(float, 0), default=20.0, metavar="M", help="no part goes on after these (20)")
    add("--rehearse", action="store_true", help="on CPU, at tiny sizes: figures mean nothing")
    add("--json", type=Path, metavar="FILE", help="what is written (docs/results/gpu.json)")
    args = parser.parse_args(argv)
    if args.rehearse and not args.json:
        raise BadInputError("--rehearse: give --json FILE too, so that figures of CPU do not stand for a GPU's")
    if not args.rehearse and not torch.cuda.is_available():
        raise BadInputError("torch finds no CUDA device here; --rehearse --json FILE shows on CPU that all parts work")
    args.json = args.json or ROOT / "docs" / "results" / "gpu.json"
    require_writable(args.json)
    return args


def main(argv: list[str] | None = None) -> int:
    """0; 1 if a part failed, 2 for what the user can put right, 130 for Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == [CHILD]:
        return child(*argv[1:])
    failed = 0

    def body() -> None:
        nonlocal failed
        failed = run(parse_args(argv))

    return exit_code("gpu_report", body) or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
