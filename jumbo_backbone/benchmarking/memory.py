"""Peak memory of one step, measured in a process that does nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

CHILD = "--memory-of"  # how a program calls itself for one measurement in a fresh process


def peak_resident() -> int:
    """The largest resident memory of this process so far, in bytes."""
    with suppress(FileNotFoundError):
        # Linux hands a child process the ru_maxrss of its parent, below which nothing shows; VmHWM is its own.
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_of(step: Callable[[], Any], device: str) -> int:
    """Peak memory of a step that this process has not taken yet, in bytes."""
    if device == "cuda":
        step()  # what the compiler or the choice of kernels takes is not the model's
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    with suppress(OSError):  # Linux only: forget the peak of building the model, it would hide the step's
        Path("/proc/self/clear_refs").write_text("5")
    before = peak_resident()
    step()
    return peak_resident() - before


def peak_memory(case: Any, program: Sequence[str | Path]) -> int | None:
    """Peak memory in bytes, from a fresh process; None, and a line on stderr, if that fails, since timings are of use
    without it.

    Args:
        case: A dataclass, handed over as JSON.
        program: Arguments of Python, such as a script or ``("-m", "a.module")``. Called with ``CHILD`` and a case,
            the program prints a number of bytes as its last word.
    """
    told = in_fresh_process(case, program, "peak memory")
    return None if told is None else int(told)


def in_fresh_process(case: Any, program: Sequence[str | Path], what: str) -> str | None:
    """The last word of what a program prints when it is called with ``CHILD`` and a case.

    If the program fails, None, and a line on stderr that says that ``what`` is missing.
    """
    command = [sys.executable, *map(str, program), CHILD, json.dumps(asdict(case))]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        print(f"no {what} of {case}: {reason}", file=sys.stderr)
        return None
    return child.stdout.split()[-1]  # libraries may have printed before
