"""Steps of a model measured beside the first of them: time in turns, and memory, each in a process of its own."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol

from jumbo_backbone.benchmarking.memory import CHILD, peak_memory, peak_of
from jumbo_backbone.benchmarking.report import aligned, machine_facts, write_json
from jumbo_backbone.benchmarking.timing import quartiles, take_turns
from jumbo_cli.arguments import Parser, number


class Step(Protocol):
    """A frozen dataclass, whose fields say all of it in JSON, and whose text names it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def device(self) -> str: ...

    def ready(self) -> Callable[[], Any]:
        """The step, ready to be taken."""
        ...


def is_child(argv: Sequence[str], kind: Callable[..., Step]) -> bool:
    """Whether this process is to measure the memory of one step alone; then it has done so."""
    if list(argv[:1]) != [CHILD]:
        return False
    step = kind(**json.loads(argv[1]))
    print(peak_of(step.ready(), step.device))
    return True


def add_arguments(parser: Parser, batch: int) -> None:
    """Sizes of model and batch, and how it is measured."""
    add, count = parser.add_argument, number(int, 1)
    add("--preset", default="pico", help="of the model (pico)")
    add("--size", type=count, default=64, metavar="PIXELS", help="side of the images (64)")
    add("--patch", type=count, default=8, metavar="PIXELS", help="side of a patch (8)")
    add("--batch", type=count, default=batch, metavar="N", help=f"images in a step ({batch})")
    add("--repeats", type=count, default=20, metavar="N", help="rounds (20)")
    add("--threads", type=count, default=1, metavar="N", help="of the CPU (1)")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--json", type=Path, metavar="FILE", help="write all timings and the machine's facts")


def sizes_of(args: argparse.Namespace) -> tuple[Any, ...]:
    """Preset, size, patch, batch, threads and device."""
    return args.preset, args.size, args.patch, args.batch, args.threads, args.device


def measure(steps: Sequence[Step], args: argparse.Namespace, program: str) -> list[dict[str, Any]]:
    """A record of each step; ratios are to the first. ``program`` is the file that calls ``is_child``."""
    memory = [peak_memory(step, [program]) for step in steps]
    ready = [step.ready() for step in steps]
    for step in ready:
        step()
    seconds = take_turns(ready, [1] * len(steps), args.repeats, args.device, "rounds")
    return [
        asdict(step)
        | dict(
            seconds=taken,
            ratio=quartiles([own / first for own, first in zip(taken, seconds[0], strict=True)]),
            memory=peak,
            memory_ratio=peak / memory[0] if peak and memory[0] else None,
        )
        for step, taken, peak in zip(steps, seconds, memory, strict=True)
    ]


def report(steps: Sequence[Step], args: argparse.Namespace, program: str, argv: Sequence[str]) -> None:
    """Measure, print a table, and write the file that was asked for."""
    records = measure(steps, args, program)
    rows = [
        [str(step), f"{quartiles(record['seconds'])['median']:.3f}", f"{record['ratio']['median']:.2f}"]
        + [f"{(record['memory'] or 0) / 1e6:.0f}", f"{record['memory_ratio'] or 0:.2f}"]
        for step, record in zip(steps, records, strict=True)
    ]
    print("\n".join(aligned([["step", "seconds", "ratio", "MB", "ratio"], *rows])))
    if args.json is not None:
        command = ["python", f"tools/research/{Path(program).name}", *argv]
        write_json(args.json, command, machine_facts(args), records)
