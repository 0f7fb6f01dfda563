"""Learned positions on a grid, resampled by the grid's shape and never by the token count."""

from collections.abc import Iterable

import torch
from timm.layers import resample_abs_pos_embed
from torch import nn

from .fast.recording import recording

Grid = tuple[int, int]

_CACHED_GRIDS = 8  # multi-scale inference asks for a handful of grids in turn


def nearest_grid(grids: Iterable[Grid], grid: Grid) -> Grid:
    """Of ``grids`` the one whose sides differ least from those of ``grid``: the side that differs more counts first,
    then both. Of several, the first."""
    first, *others = grids
    for other in others:
        if _difference(other, grid) < _difference(first, grid):
            first = other
    return first


def _difference(one: Grid, other: Grid) -> tuple[int, int]:
    rows, columns = abs(one[0] - other[0]), abs(one[1] - other[1])
    return max(rows, columns), rows + columns


def resample_pos_embed(pos_embed: torch.Tensor, old_grid: Grid, new_grid: Grid) -> torch.Tensor:
    """Resample (1, H*W, D) positions to another grid, bicubic with antialias; equal grids return the input."""
    # one condition on both sides: of two, a compiler guards each, and compiles once more for a side that is unchanged
    if abs(new_grid[0] - old_grid[0]) + abs(new_grid[1] - old_grid[1]) == 0:
        return pos_embed
    return resample_abs_pos_embed(pos_embed, list(new_grid), list(old_grid), num_prefix_tokens=0)


class PositionCache:
    """Resampled positions of the last few grids, for inference only.

    An entry holds for one grid, dtype, device and version of the parameter. Nothing is cached while gradients are
    recorded or a graph is being traced, nor from a parameter whose version is not tracked. Writes that hide from the
    version counter (``param.data.copy_``, as weight averaging does) are covered by ``clear``, which the model calls
    whenever it changes between training and evaluation.
    """

    def __init__(self) -> None:
        self._entries: dict = {}

    def clear(self) -> None:
        self._entries.clear()

    def get(self, pos_embed: nn.Parameter, old_grid: Grid, new_grid: Grid) -> torch.Tensor:
        """(1, H*W, D) positions on ``new_grid``."""
        if recording() or pos_embed.is_inference():
            return resample_pos_embed(pos_embed, old_grid, new_grid)
        key = (new_grid, pos_embed.dtype, pos_embed.device, pos_embed._version, pos_embed.data_ptr())
        found = self._entries.get(key)  # looked up once: other threads may remove it
        if found is None:
            found = resample_pos_embed(pos_embed, old_grid, new_grid)
            for oldest in list(self._entries)[: 1 - _CACHED_GRIDS]:
                self._entries.pop(oldest, None)
            self._entries[key] = found
        return found

    def __deepcopy__(self, memo: object) -> "PositionCache":
        return PositionCache()  # a copied or pickled model starts with an empty cache

    def __reduce__(self):
        return (PositionCache, ())
