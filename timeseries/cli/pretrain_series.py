"""What `jumbo pretrain-series` does."""

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import distributed as dist

from jumbo_backbone import __version__
from jumbo_backbone.device import pick_device
from jumbo_backbone.files import replacing
from jumbo_cli.failing import DONE, BadInputError, say

from ..fitting.weigher_training import Recipe, prepare, pretrain
from ..weights import save_weigher


def run(args: argparse.Namespace) -> int:
    """Pretrain a weigher of experts: cases first, then training, both from where the last call stopped."""
    recipe = recipe_of(args)
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
    cases = args.cases or folder / "cases"
    _make_with_helpers(args, recipe, cases, rank, world)
    training, held_out = prepare(recipe, cases, tell, rank, world)
    if world > 1:
        dist.barrier()
    try:
        model, reached = pretrain(recipe, training, held_out, folder / "state.pt", device, tell)
    except ValueError as error:
        raise BadInputError(str(error)) from None
    if rank == 0:
        made = dict(
            command=" ".join(args.command),
            recipe=asdict(recipe),
            digest=recipe.digest(),
            cases=recipe.steps * recipe.batch_size,
            reached=reached,
            version=__version__,
            torch=torch.__version__,
            machine=f"{platform.machine()}, {device.type}, {world} processes",
        )
        out = args.out or folder / "forecast.safetensors"
        save_weigher(model, made, out)
        with replacing(folder / "run.json") as temporary:
            temporary.write_text(json.dumps(made, indent=1))
        tell(f"{out}: use it with JumboForecaster(pretrained={str(out)!r})")
    if world > 1:
        dist.destroy_process_group()
    return DONE


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that the arguments describe.

    Raises:
        BadInputError: If they do not go together.
    """
    encoder = dict(
        embed_dim=args.embed_dim,
        depth=args.depth,
        num_heads=args.num_heads,
        jumbo_multiplier=args.jumbo_multiplier,
        jumbo_ffn=args.jumbo_ffn,
    )
    recipe = Recipe(
        shards=args.shards,
        held_out=args.held_out,
        shard_size=args.shard_size,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        seed=args.seed,
        encoder=encoder,
        save_every=args.save_every,
    )
    try:
        with torch.device("meta"):
            recipe.build()
    except ValueError as error:
        raise BadInputError(str(error)) from None
    return recipe


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


def _make_with_helpers(args: argparse.Namespace, recipe: Recipe, folder: Path, rank: int, world: int) -> None:
    """Make cases in several processes at once: this one goes on when they are done."""
    if args.workers <= 1 or world > 1:
        return
    code = "import sys, json; from timeseries.cli.pretrain_series import make_some; make_some(json.loads(sys.argv[1]))"
    jobs = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                json.dumps(dict(recipe=asdict(recipe), folder=str(folder), rank=n, world=args.workers, prog=args.prog)),
            ],
            env=os.environ | dict(OMP_NUM_THREADS="1"),
        )
        for n in range(args.workers)
    ]
    try:
        codes = [job.wait() for job in jobs]
    except BaseException:
        for job in jobs:
            job.terminate()
        raise
    if any(codes):
        raise RuntimeError(f"{sum(map(bool, codes))} of {args.workers} processes that make cases failed: see above")


def make_some(work: dict) -> None:
    """One of several processes that make cases."""
    torch.set_num_threads(1)
    say_it = (lambda message: say(work["prog"], message)) if work["rank"] == 0 else (lambda message: None)
    prepare(Recipe(**work["recipe"]), Path(work["folder"]), say_it, work["rank"], work["world"])
