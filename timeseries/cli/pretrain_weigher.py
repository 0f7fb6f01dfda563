"""`jumbo pretrain-series forecast`: cases first, then training."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import distributed as dist

from jumbo_cli.failing import say

from ..fitting.weigher_training import Recipe, prepare
from ..fitting.weigher_training import pretrain as pretrain_on
from ..networks.weighing import ExpertWeigher
from ..weights import save_weigher as save
from .recipes import buildable, encoder_of

if TYPE_CHECKING:
    from .pretrain_series import Job

USE = "JumboForecaster(pretrained={path!r})"

__all__ = ["USE", "make_some", "pretrain", "recipe_of", "save"]


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that the arguments describe.

    Raises:
        BadInputError: If they do not go together.
    """
    recipe = Recipe(
        shards=args.shards,
        held_out=args.held_out,
        shard_size=args.shard_size,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        seed=args.seed,
        encoder=encoder_of(args),
        save_every=args.save_every,
    )
    return buildable(recipe)


def pretrain(recipe: Recipe, job: "Job") -> tuple[ExpertWeigher, dict[str, float]]:
    """Make the cases that are missing, and train, both from where the last call stopped."""
    folder = job.args.cases or job.folder / "cases"
    _make_with_helpers(job, recipe, folder)
    training, held_out = prepare(recipe, folder, job.tell, job.rank, job.world)
    if job.world > 1:
        dist.barrier()
    return pretrain_on(recipe, training, held_out, job.folder / "state.pt", job.device, job.tell)


def _make_with_helpers(job: "Job", recipe: Recipe, folder: Path) -> None:
    """Make cases in several processes at once: this one goes on when they are done."""
    workers = job.args.workers
    if workers <= 1 or job.world > 1:
        return
    code = "import sys, json; from timeseries.cli.pretrain_weigher import make_some; make_some(json.loads(sys.argv[1]))"
    work = dict(recipe=recipe.as_json(), folder=str(folder), world=workers, prog=job.args.prog)
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(work | dict(rank=n))], env=os.environ | dict(OMP_NUM_THREADS="1")
        )
        for n in range(workers)
    ]
    try:
        codes = [job.wait() for job in jobs]
    except BaseException:
        for helper in jobs:
            helper.terminate()
        raise
    if any(codes):
        raise RuntimeError(f"{sum(map(bool, codes))} of {workers} processes that make cases failed: see above")


def make_some(work: dict) -> None:
    """One of several processes that make cases."""
    torch.set_num_threads(1)
    say_it = (lambda message: say(work["prog"], message)) if work["rank"] == 0 else (lambda message: None)
    prepare(Recipe(**work["recipe"]), Path(work["folder"]), say_it, work["rank"], work["world"])
