"""How unsure a model is of each image of a batch."""

import torch


def entropies_of(
    logits: torch.Tensor, valid: torch.Tensor | None = None, stride: int = 1, offset: tuple[int, int] = (0, 0)
) -> torch.Tensor:
    """The entropy of the predicted classes, in nats, from 0 to ln C.

    Args:
        logits: (B, C) of a classifier, or (B, C, H, W) of a segmentor, whose pixels are averaged.
        valid: Of a segmentor, bool (B, H, W), False for padding, which does not count; None if all pixels count.
        stride: Of a segmentor, one pixel of every ``stride`` x ``stride`` cell counts.
        offset: Which one: its row and column in the cell.

    Returns:
        (B,), at least float32. Of an image without a pixel that counts, it is nan.
    """
    if logits.ndim == 4:
        top, left = offset
        logits = logits[..., top::stride, left::stride]
    at_least_float32 = torch.promote_types(logits.dtype, torch.float32)
    log_p = logits.log_softmax(dim=1, dtype=at_least_float32)
    entropy = -(log_p.exp() * log_p).sum(dim=1)  # (B,) or (B, h, w)
    if entropy.ndim == 1:
        return entropy
    if valid is None:
        return entropy.mean(dim=(1, 2))
    counts = valid[:, top::stride, left::stride]
    return entropy.where(counts, 0.0).sum(dim=(1, 2)) / counts.sum(dim=(1, 2))


def lattice_offset(step: int, stride: int) -> tuple[int, int]:
    """The place in a ``stride`` x ``stride`` cell that counts in a step, drawn anew in each from the step's number."""
    row, column = torch.randint(stride, (2,), generator=torch.Generator().manual_seed(step)).tolist()
    return row, column
