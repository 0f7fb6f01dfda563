"""From a series to tokens: it is normalised by its own statistics, cut into patches, embedded, and given positions.

After PatchTST ("A Time Series is Worth 64 Words", ICLR 2023, section 3) and reversible instance normalisation (Kim et
al., ICLR 2022). One difference: every step has a flag, observed or not. So missing values and padding are handled
alike, and steps that were not observed enter neither the statistics nor the attention.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

NORMALISATIONS = ("none", "standard", "last", "difference")

_LEAST_SPREAD = 0.01  # added to a patch's deviation, in units of the series' own, before its logarithm
_ROUNDING = 1e-5  # of the level: in float32, a smaller spread may be rounding


class Statistics(NamedTuple):
    """Location and scale of each channel of a series, both (B, C, 1)."""

    location: torch.Tensor
    scale: torch.Tensor


class InstanceNorm(nn.Module):
    """Reversible normalisation of each channel of each series by its own observed values.

    Args:
        kind: "none" changes nothing. "standard" subtracts the mean and divides by the standard deviation. "last"
            subtracts the last observed value and divides by the standard deviation. "difference" gives the differences
            from step to step, divided by their standard deviation, and restores from the last observed value.
        affine: Learn one scale and one shift, applied after normalising and undone before restoring.
        static: For each channel, whether it stays as it is: normalised, what never changes would be 0. Empty: none.

    Raises:
        ValueError: If the kind is unknown.
    """

    static: torch.Tensor | None

    def __init__(self, kind: str = "standard", affine: bool = False, static: tuple[bool, ...] = ()) -> None:
        super().__init__()
        if kind not in NORMALISATIONS:
            raise ValueError(f"unknown normalisation {kind!r}: choose one of {', '.join(NORMALISATIONS)}")
        self.kind = kind
        self.weight = nn.Parameter(torch.ones(1)) if affine else None
        self.bias = nn.Parameter(torch.zeros(1)) if affine else None
        self.register_buffer("static", torch.tensor(static)[:, None] if any(static) else None, persistent=False)

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, Statistics]:
        """Normalise.

        Args:
            x: Series (B, C, T), any finite numbers where they are not observed.
            observed: Flags (B, C, T), None if all is observed.

        Returns:
            The normalised series, 0 where not observed; its flags (a difference is observed if both of its steps are);
            and the statistics, for ``restore``.
        """
        stats = self._statistics(x, observed)
        return *self.normalise(x, observed, stats), stats

    def normalise(
        self, x: torch.Tensor, observed: torch.Tensor | None, stats: Statistics
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Normalise series (B, C, T) by given statistics, which may come from other steps. Returns values and flags."""
        x, observed = self._signal(x, observed)
        if self.kind != "none":
            x = (x if self.kind == "difference" else x - stats.location) / stats.scale
            if self.weight is not None and self.bias is not None:
                x = x * self.weight + self.bias
        return x if observed is None else x * observed, observed

    def _signal(self, x: torch.Tensor, observed: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The series or its differences, whichever is normalised: values, 0 where not observed, and flags."""
        if observed is not None:
            x = x * observed
        if self.kind != "difference":
            return x, observed
        steps = torch.diff(x, dim=-1, prepend=x[..., :1])
        x = steps if self.static is None else torch.where(self.static, x, steps)
        if observed is None:
            return x, None
        both = observed & torch.cat([observed[..., :1], observed[..., :-1]], dim=-1)
        observed = both if self.static is None else torch.where(self.static, observed, both)
        return x * observed, observed

    def _statistics(self, x: torch.Tensor, observed: torch.Tensor | None) -> Statistics:
        if self.kind == "none":
            return Statistics(torch.zeros_like(x[..., :1]), torch.ones_like(x[..., :1]))
        levels = x if observed is None else x * observed
        mean, std = _moments(*self._signal(x, observed))
        # a constant series is not scaled up: in float32, a smaller spread may be rounding
        std = torch.where(std > _ROUNDING * levels.abs().amax(dim=-1, keepdim=True), std, torch.ones_like(std))
        location = mean if self.kind == "standard" else last_observed(levels, observed)
        if self.static is not None:
            location, std = location.masked_fill(self.static, 0.0), std.masked_fill(self.static, 1.0)
        return Statistics(location, std)

    def restore(self, y: torch.Tensor, stats: Statistics) -> torch.Tensor:
        """Undo the normalisation for the first channel: (B, …) in normalised units to the units of the series."""
        if self.weight is not None and self.bias is not None:
            y = (y - self.bias) / self.weight
        location, scale = (s[:, 0, 0].view(-1, *[1] * (y.dim() - 1)) for s in stats)
        return y * scale + location


def _moments(x: torch.Tensor, observed: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (B, C, 1) of the observed steps; x is 0 at the others."""
    if observed is None:
        std, mean = torch.std_mean(x, dim=-1, correction=0, keepdim=True)
        return mean, std
    count = observed.sum(dim=-1, keepdim=True).clamp(min=1)
    mean = x.sum(dim=-1, keepdim=True) / count
    return mean, (((x - mean) * observed).square().sum(dim=-1, keepdim=True) / count).sqrt()


def last_observed(x: torch.Tensor, observed: torch.Tensor | None) -> torch.Tensor:
    """Last observed value (B, C, 1), 0 if there is none; x is 0 where it is not observed."""
    if observed is None:
        return x[..., -1:]
    steps = torch.arange(x.shape[-1], device=x.device)
    return x.gather(-1, torch.where(observed, steps, 0).argmax(dim=-1, keepdim=True))


def num_patches(length: int, patch_stride: int) -> int:
    """Number of patches in ``length`` steps: one begins at every ``patch_stride``-th step, whatever the length of a
    patch (512 steps and a stride of 8 make the "64 words" of PatchTST)."""
    return math.ceil(length / patch_stride)


def pad_to_patches(x: torch.Tensor, patch_length: int, patch_stride: int, at_start: bool) -> torch.Tensor:
    """Pad (…, T) until all patches are whole: values with 0, flags with True."""
    T = x.shape[-1]
    missing = patch_length + patch_stride * (num_patches(T, patch_stride) - 1) - T
    if not missing:
        return x
    return nn.functional.pad(x, (missing, 0) if at_start else (0, missing), value=x.dtype == torch.bool)


class SeriesEmbed(nn.Module):
    """Patches of a series to tokens.

    Args:
        embed_dim: Width D of a token.
        patch_length: Steps in a patch.
        patch_stride: Steps from one patch to the next.
        num_patches: Number of learned positions. They are initialised with sines and cosines, which also serve as
            positions beyond them.
        in_channels: Channels C in one patch.
        align: "start": the first patch begins with the first step, the last one is padded, positions count from the
            start (for classification). "end": the last patch ends with the last step, the first one is padded,
            positions count back from the end (for forecasting, where the latest steps matter most).
        statistics: Whether to embed the mean and the log deviation of each patch, too (as Mantis does: Feofanov et al.,
            2025). They count unobserved steps as 0.

    Raises:
        ValueError: If a size is not positive, or the stride exceeds the patch.
    """

    def __init__(
        self,
        embed_dim: int,
        patch_length: int,
        patch_stride: int,
        num_patches: int,
        in_channels: int = 1,
        align: str = "start",
        statistics: bool = False,
    ) -> None:
        super().__init__()
        for name, value in dict(patch_length=patch_length, patch_stride=patch_stride).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1 step, got {value}")
        if patch_stride > patch_length:
            raise ValueError(
                f"patch_stride {patch_stride} is larger than patch_length {patch_length}, so steps between patches "
                f"would never be seen: give at most {patch_length}"
            )
        self.patch_length, self.patch_stride, self.align = patch_length, patch_stride, align
        width = in_channels * patch_length
        self.from_values, self.from_flags = nn.Linear(width, embed_dim), nn.Linear(width, embed_dim, bias=False)
        nn.init.zeros_(self.from_flags.weight)  # at first, a missing value is read as the mean
        self.from_statistics = nn.Linear(2 * in_channels, embed_dim, bias=False) if statistics else None
        self.pos_embed = nn.Parameter(sincos_positions(num_patches, embed_dim)[None])

    def positions(self, count: int, stretch: float = 1.0) -> torch.Tensor:
        """Positions (1, count, D) in the order of time, spaced ``stretch`` patches apart."""
        reach = math.ceil((count - 1) * stretch) + 1
        table = self.pos_embed[:, :reach]
        if reach > table.shape[1]:
            beyond = sincos_positions(reach, table.shape[2])[None, table.shape[1] :]
            table = torch.cat([table, beyond.to(table)], dim=1)
        if stretch != 1:
            at = torch.arange(count, device=table.device) * stretch
            below = at.long()
            share = (at - below).to(table.dtype)[:, None]
            table = table[:, below].lerp(table[:, (below + 1).clamp(max=reach - 1)], share)
        return table.flip(1) if self.align == "end" else table

    def forward(
        self, x: torch.Tensor, observed: torch.Tensor | None = None, stretch: float = 1.0
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Embed series (B, C, T) with flags (B, C, T), None if all is observed.

        Returns tokens (B, N, D), and which of them hold an observed step (B, N), None if all do. In a resampled series,
        each step stands for ``stretch`` original steps.
        """
        patches = self.patches(x)
        tokens = self.from_values(patches)
        if self.from_statistics is not None:
            tokens = tokens + self.from_statistics(_mean_and_log_spread(patches, x.shape[1]))
        tokens = tokens + self.positions(tokens.shape[1], stretch)
        if observed is None and self.fits(x.shape[-1]):
            return tokens, None
        if observed is None:  # only the padding is missing, in every series alike
            observed = torch.ones_like(x[:1], dtype=torch.bool)
        missing = self.patches(~observed)  # (B, N, C*P)
        return tokens + self.from_flags(missing.to(x.dtype)), self.live(observed)

    def live(self, observed: torch.Tensor) -> torch.Tensor | None:
        """Which patches hold an observed step (B, N), from flags (B, C, T); None if all do."""
        live = ~self.patches(~observed).all(dim=-1)
        return None if live.all() else live

    def fits(self, length: int) -> bool:
        """Whether the patches cover this many steps without padding."""
        return self.patch_stride == self.patch_length and length % self.patch_stride == 0

    def patches(self, x: torch.Tensor) -> torch.Tensor:
        """Cut (B, C, T) into patches (B, N, C*P)."""
        padded = pad_to_patches(x, self.patch_length, self.patch_stride, at_start=self.align == "end")
        return padded.unfold(-1, self.patch_length, self.patch_stride).transpose(1, 2).flatten(2)


def _mean_and_log_spread(patches: torch.Tensor, channels: int) -> torch.Tensor:
    """Mean and log deviation of each channel in patches (B, N, C*P): (B, N, 2*C)."""
    spread, mean = torch.std_mean(patches.unflatten(2, (channels, -1)), dim=3, correction=0)
    return torch.cat([mean, (spread + _LEAST_SPREAD).log()], dim=2)


def resample_time(
    x: torch.Tensor, observed: torch.Tensor | None, steps: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Resample series (B, C, T), 0 where not observed, and their flags to ``steps`` steps: linearly, with an
    antialiasing filter. A new step is observed if at least half of its old steps were; its value is their mean."""

    def resized(t: torch.Tensor) -> torch.Tensor:
        image = t.unsqueeze(2)  # torch has the antialiasing filter for images only
        return nn.functional.interpolate(image, (1, steps), mode="bilinear", antialias=True).squeeze(2)

    if observed is None:
        return resized(x), None
    weight = resized(observed.to(x.dtype))
    observed = weight >= 0.5
    return torch.where(observed, resized(x) / weight.clamp(min=0.5), 0.0), observed


def sincos_positions(count: int, dim: int) -> torch.Tensor:
    """Sines and cosines (count, dim) of geometrically spaced frequencies, about as large as learned positions."""
    step = torch.arange(count, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange((dim + 1) // 2, dtype=torch.float32) * (-2 * math.log(10_000) / dim))
    waves = torch.stack([(step * rates).sin(), (step * rates).cos()], dim=-1).flatten(1)[:, :dim]
    return 0.1 * waves
