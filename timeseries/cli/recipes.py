"""What the recipes of `jumbo pretrain-series` share."""

import argparse
from typing import Any, TypeVar

import torch

from jumbo_cli.failing import BadInputError

_Recipe = TypeVar("_Recipe", bound=Any)


def buildable(recipe: _Recipe) -> _Recipe:
    """The recipe, whose model can be built.

    Raises:
        BadInputError: If its sizes do not go together.
    """
    try:
        with torch.device("meta"):
            recipe.build()
    except ValueError as error:
        raise BadInputError(str(error)) from None
    return recipe


def encoder_of(args: argparse.Namespace) -> dict[str, Any]:
    """Sizes of the encoder."""
    names = ("embed_dim", "depth", "num_heads", "jumbo_multiplier", "jumbo_ffn")
    return {name: getattr(args, name) for name in names}
