"""Parts of a report of measurements besides the figures: the machine, aligned columns, a file of raw results."""

import argparse
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import timm
import torch

from jumbo_cli.failing import BadInputError

from ..device import pick_device
from ..files import replacing


@contextmanager
def blamed_on(case: object) -> Iterator[None]:
    """Turn an error of a model (wrong size, unknown argument, out of memory) into one line that names the case."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError, AssertionError, KeyError, AttributeError) as error:
        told = error.args[0] if isinstance(error, KeyError) and error.args else error  # str() of a KeyError is quoted
        reason = (str(told).splitlines() or [""])[0] or type(error).__name__
        raise BadInputError(f"{case}: {reason}") from error


def machine_facts(args: argparse.Namespace) -> dict[str, Any]:
    cpu = platform.processor()
    with suppress(OSError, StopIteration):  # Linux, where platform.processor() is empty or the architecture
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    commit = None
    with suppress(OSError, subprocess.CalledProcessError):
        git = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty", "--exclude=*"]
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "platform": platform.platform(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": args.threads,
        "gpu": torch.cuda.get_device_name() if args.device == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "git": commit,
    }


def where(args: argparse.Namespace, machine: dict[str, Any]) -> str:
    threads = f", {args.threads} thread{'s' * (args.threads > 1)}" * (args.device == "cpu")
    return f"on {machine['gpu'] or machine['cpu']}{threads}"


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines, the first row a heading; a column with only "-" below its heading is left out."""
    shown = [i for i in range(len(rows[0])) if any(row[i] != "-" for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in shown]

    def line(row: list[str]) -> str:
        first, *rest = (row[i].rjust(width) for i, width in zip(shown, widths, strict=True))
        return "  ".join([row[0].ljust(len(first)), *rest])

    return [line(row) for row in rows]


def write_json(path: Path, command: list[str], machine: dict[str, Any], records: Any) -> None:
    """Write the raw results, with the words of the command that made them and the machine's facts."""
    told = {"command": shlex.join(command), "machine": machine, "results": records}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n")


def device_of(name: str) -> str:
    """ "cpu" or "cuda", for ``--device auto|cpu|cuda``; a BadInputError if CUDA is asked for and absent."""
    try:
        return pick_device(name).type
    except ValueError as error:
        raise BadInputError(str(error)) from None


def require_writable(path: Path) -> None:
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise BadInputError(f"cannot write {path}: it is a folder, or its folder is missing or read-only")
