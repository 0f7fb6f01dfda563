"""`jumbo pretrain-series classify`: an encoder learns to read series."""

import argparse
from typing import TYPE_CHECKING

from jumbo_cli.failing import BadInputError

from ..fitting.contrastive import ContrastiveRecipe
from ..fitting.contrastive import pretrain_reader as pretrain_on
from ..networks.series_reader import SeriesReader
from ..weights import save_reader as save
from .recipes import buildable, encoder_of

if TYPE_CHECKING:
    from .pretrain_series import Job

USE = "JumboClassifier(pretrained={path!r})"

__all__ = ["USE", "pretrain", "recipe_of", "save"]


def recipe_of(args: argparse.Namespace) -> ContrastiveRecipe:
    """The recipe that the arguments describe.

    Raises:
        BadInputError: If they do not go together.
    """
    if args.batch_size < 2:
        raise BadInputError("--batch-size 1 leaves nothing to tell a pair apart from: give at least 2")
    if args.length % args.patch_length:
        raise BadInputError(f"--length {args.length} is no multiple of --patch-length {args.patch_length}: give one")
    recipe = ContrastiveRecipe(
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        seed=args.seed,
        length=args.length,
        patch_length=args.patch_length,
        encoder=encoder_of(args),
        save_every=args.save_every,
    )
    return buildable(recipe)


def pretrain(recipe: ContrastiveRecipe, job: "Job") -> tuple[SeriesReader, dict[str, float]]:
    """Train from where the last call stopped."""
    workers = job.args.workers if job.args.workers > 1 else 0
    return pretrain_on(recipe, job.folder / "state.pt", job.device, job.tell, workers)
