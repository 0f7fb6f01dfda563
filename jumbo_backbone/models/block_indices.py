"""Block numbers from an argument ``indices``, by timm's rule."""

from collections.abc import Sequence


def take_indices(depth: int, indices: int | Sequence[int] | None) -> tuple[list[int], int]:
    """Numbers of the blocks asked for: None for all, n for the last n, or block numbers, negative from the end.

    Returns:
        The block numbers in the order asked for, and the largest.

    Raises:
        ValueError: If a block does not exist, or no block is asked for.
    """
    if indices is None:
        indices = depth
    if isinstance(indices, int):
        take = list(range(depth - indices, depth))
    else:
        take = [i + depth if i < 0 else i for i in indices]
    if not take or min(take) < 0 or max(take) >= depth:
        raise ValueError(
            f"block indices {indices!r} do not fit a model of {depth} blocks: give None, a count from 1 to {depth}, "
            f"or block numbers from {-depth} to {depth - 1}"
        )
    return take, max(take)
