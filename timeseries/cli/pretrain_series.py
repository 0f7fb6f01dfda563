"""What `jumbo pretrain-series` does."""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import distributed as dist

from jumbo_backbone import __version__
from jumbo_backbone.benchmarking.memory import peak_resident
from jumbo_backbone.device import pick_device
from jumbo_backbone.files import replacing
from jumbo_cli.failing import DONE, BadInputError, say

from . import pretrain_reader, pretrain_weigher


class Job(NamedTuple):
    """One process of a run: the arguments, its rank among ``world`` processes, the device, the folder of the run, and
    how to tell the user something."""

    args: argparse.Namespace
    rank: int
    world: int
    device: torch.device
    folder: Path
    tell: Callable[[str], None]


TASKS = dict(forecast=pretrain_weigher, classify=pretrain_reader)  # each has recipe_of, pretrain, save and USE


def run(args: argparse.Namespace) -> int:
    """Pretrain from where the last call stopped, and write the weights and how they were made."""
    task = TASKS[args.task]
    recipe = task.recipe_of(args)
    rank, world = _begin(args)
    device = _device(args.device, rank)
    folder: Path = args.work_dir

    def tell(message: str) -> None:
        if rank == 0:
            say(args.prog, message)

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BadInputError(f"--work-dir {folder} cannot be made, a file is in the way: choose another") from None
    begun = time.monotonic()
    try:
        model, reached = task.pretrain(recipe, Job(args, rank, world, device, folder, tell))
    except ValueError as error:
        raise BadInputError(str(error)) from None
    if rank == 0:
        made = made_by(args, recipe, reached, device, world)
        out = args.out or folder / f"{args.task}.safetensors"
        task.save(model, made, out)
        seconds, megabytes = time.monotonic() - begun, peak_resident() / 1e6
        with replacing(folder / "run.json") as temporary:
            temporary.write_text(json.dumps(made | dict(seconds=seconds, peak_megabytes=megabytes), indent=1))
        tell(f"{seconds:.0f} s in this call, at most {megabytes:.0f} MB of memory")
        tell(f"{out}: use it with {task.USE.format(path=str(out))}")
    if world > 1:
        dist.destroy_process_group()
    return DONE


def made_by(args: argparse.Namespace, recipe: Any, reached: dict, device: torch.device, world: int) -> dict[str, Any]:
    """How weights were made, for their header. Where files lie on this machine is nothing to tell."""
    command = [Path(word).name if Path(word).is_absolute() else word for word in args.command]
    return dict(
        command=" ".join(command),
        recipe=recipe.as_json(),
        digest=recipe.digest(),
        samples=recipe.steps * recipe.batch_size,
        reached=reached,
        version=__version__,
        torch=torch.__version__,
        machine=f"{platform.machine()}, {device.type}, {world} processes",
    )


def _begin(args: argparse.Namespace) -> tuple[int, int]:
    """Rank and number of the processes that torchrun started; 0 and 1 without it."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return 0, 1
    if args.batch_size % world:
        raise BadInputError(f"--batch-size {args.batch_size} is not a multiple of {world} processes: give a multiple")
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), world


def _device(name: str, rank: int) -> torch.device:
    try:
        device = pick_device(name)
    except ValueError as error:
        raise BadInputError(str(error)) from None
    if device.type == "cuda" and dist.is_initialized():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", rank)))
        torch.cuda.set_device(device)
    return device
