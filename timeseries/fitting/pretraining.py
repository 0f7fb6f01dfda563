"""Learning without labels: the encoder reconstructs masked stretches of a series.

Masked patches are the self-supervised task of PatchTST (Nie et al., "A Time Series is Worth 64 Words", ICLR 2023,
section 3.2). Here a masked step is flagged as not observed, like a missing value, so that neither the statistics of the
series nor a patch that overlaps the stretch reveal its values. The tokens of masked patches stay in the sequence, and
the steps are reconstructed from them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from jumbo_backbone import ComputeBudget

from ..data.windows import Batch
from ..networks.series_encoder import SeriesEncoder
from .training import History, Schedule, seeded, train

MASKED = 0.4  # fraction of the patches that is masked, as in PatchTST


class Reconstruction(nn.Module):
    """The steps of each patch of a series, by a linear map of its output token.

    Args:
        encoder: The encoder to pretrain.
    """

    def __init__(self, encoder: SeriesEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.encoder.embed_dim, encoder.embed.from_values.in_features)

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None, masked: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Reconstruct series without their masked steps.

        Args:
            x: Series (B, C, T), any finite numbers where they are not observed.
            observed: Flags (B, C, T), None if all is observed.
            masked: Steps that are masked in all channels (B, T).

        Returns:
            The reconstruction (B, N, C*P), normalised by the statistics of the unmasked steps; the target, in the same
            units; and the weights of the squared errors. A weight is 0 where a step was not masked or not observed;
            elsewhere it converts the error to the scale of the whole series. Without this, a series whose unmasked
            steps vary little would outweigh all others.
        """
        norm, embed = self.encoder.norm, self.encoder.embed
        observed = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        masked = masked[:, None]
        normed, shown, stats = norm(x, observed & ~masked)
        tokens, _ = embed(normed, shown)
        # attention includes patches that are masked, but not patches that were never observed
        s = self.encoder.encoder(tokens, key_mask=embed.live(observed), budget=ComputeBudget())
        with torch.no_grad():  # else an affine normalisation could shrink the target
            target, known = norm.normalise(x, observed, stats)
            assert known is not None  # as ``observed``
            whole = norm(x, observed)[2].scale
            weight = (masked & known) * (stats.scale / whole).square()  # (B, C, T)
        reconstructed = self.head(s[:, self.encoder.encoder.jumbo_multiplier :])
        return reconstructed, embed.patches(target), embed.patches(weight)

    def loss(self, x: torch.Tensor, observed: torch.Tensor | None, masked: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the masked steps."""
        reconstructed, target, weight = self(x, observed, masked)
        return ((reconstructed - target).square() * weight).sum() / (weight > 0).sum().clamp(min=1)


def mask_stretches(
    count: int, length: int, patch_length: int, at_end: bool, generator: torch.Generator, share: float = MASKED
) -> torch.Tensor:
    """Masks of series (count, length): a random fraction of the stretches, each as long as a patch.

    At least one stretch is masked, and one is not. A series of a single stretch is not masked.

    Args:
        count: Number of series.
        length: Steps T.
        patch_length: Steps in a stretch.
        at_end: Whether the last stretch ends with the last step. If not, the first begins with the first step.
        generator: Draws the stretches.
        share: Fraction of the stretches that is masked.
    """
    stretches = -(-length // patch_length)
    some = min(max(1, round(share * stretches)), stretches - 1)
    ranks = torch.rand(count, stretches, generator=generator).argsort(dim=1)
    masked = (ranks < some).repeat_interleave(patch_length, dim=1)
    return masked[:, -length:] if at_end else masked[:, :length]


def pretrain_encoder(
    encoder: SeriesEncoder,
    batches: Callable[[torch.Generator, int], Iterable[Batch]],
    schedule: Schedule,
    *,
    seed: int,
    device: torch.device,
    **options: Any,
) -> History:
    """Train an encoder in place to reconstruct masked steps of unlabelled series.

    Args:
        encoder: The encoder to train.
        batches: ``batches(generator, steps)`` gives the series of one epoch.
        schedule: Epochs and learning rates.
        seed: Seed of everything random.
        device: Where to train.
        options: Further arguments of ``train``.
    """
    embed = encoder.embed

    def with_masks(generator: torch.Generator, steps: int) -> Iterator[tuple[Batch, torch.Tensor]]:
        for batch in batches(generator, steps):
            count, _, length = batch.values.shape
            yield batch, mask_stretches(count, length, embed.patch_length, embed.align == "end", generator)

    with seeded(seed) as generator:
        task = Reconstruction(encoder)
        return train(
            task,
            lambda batch, step, total: task.loss(batch[0].values, batch[0].observed, batch[1].to(device)),
            with_masks,
            None,
            schedule,
            generator=generator,
            device=device,
            **options,
        )
