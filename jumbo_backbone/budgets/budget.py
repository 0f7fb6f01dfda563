"""How much to compute: a value given with each call of a model."""

from dataclasses import dataclass

RANKINGS = ("attention", "random")


@dataclass(frozen=True)
class ComputeBudget:
    """A compute budget: how many patches and which resolution. ``ComputeBudget()`` is the full budget.

    Attributes:
        keep_rate: Fraction of the patches that each reducing block keeps, in (0, 1]: those to which the Jumbo token
            attends most (EViT, ICLR 2022, section 3.2).
        reduce_at: Blocks that reduce, from 0; None for those after a quarter, a half and three quarters of the depth.
        fuse: Whether dropped patches go on as one token, their mean weighted by the attention they get.
        resolution: Of the input (SuperViT, IJCV 2023): a float scales its sides, an int or (H, W) are pixels (steps of
            a series); rounded to a multiple of the patch. None leaves it as it is, and so does 1.0.
        ranking: What decides which patches are kept: "attention", or "random" (token dropping, for training).

    Raises:
        ValueError, TypeError: For values out of range.
    """

    keep_rate: float = 1.0
    reduce_at: tuple[int, ...] | None = None
    fuse: bool = True
    resolution: float | int | tuple[int, int] | None = None
    ranking: str = "attention"

    def __post_init__(self) -> None:
        if isinstance(self.keep_rate, bool) or not isinstance(self.keep_rate, (int, float)):
            raise TypeError(f"keep_rate {self.keep_rate!r}: give a share above 0 and at most 1")
        if not 0 < self.keep_rate <= 1:
            raise ValueError(f"keep_rate {self.keep_rate!r}: give a share above 0 and at most 1")
        if self.reduce_at is not None:
            blocks = tuple(self.reduce_at)
            if not all(isinstance(i, int) and i >= 0 for i in blocks) or list(blocks) != sorted(set(blocks)):
                raise ValueError(f"reduce_at {self.reduce_at!r}: give rising block numbers from 0, or None")
            object.__setattr__(self, "reduce_at", blocks)  # a list of a config file becomes hashable
        if self.resolution is not None:
            sides = self.resolution if isinstance(self.resolution, (tuple, list)) else (self.resolution,)
            pixels = len(sides) == 2 and all(isinstance(s, int) for s in sides)
            if not all(isinstance(s, (int, float)) and s > 0 for s in sides) or not (pixels or len(sides) == 1):
                raise ValueError(
                    f"resolution {self.resolution!r}: give a scale as a float, pixels as an int or (H, W), or None"
                )
            if len(sides) == 2:
                object.__setattr__(self, "resolution", tuple(sides))
            elif isinstance(self.resolution, float) and self.resolution == 1:
                object.__setattr__(self, "resolution", None)
        if self.ranking not in RANKINGS:
            raise ValueError(f"unknown ranking {self.ranking!r}: choose one of {', '.join(RANKINGS)}")

    def __str__(self) -> str:
        """In short: "full", "keep 0.7", "keep 0.5 at 0.714" (a scale) or "at 384x512" (pixels)."""
        kept = [f"keep {self.keep_rate:.3g}"] if self.keep_rate < 1 else []
        size = self.resolution
        if size is not None:
            kept.append("at " + ("x".join(map(str, size)) if isinstance(size, tuple) else f"{size:.4g}"))
        return " ".join(kept) or "full"

    def reducing_blocks(self, depth: int) -> tuple[int, ...]:
        """Numbers of the blocks of a model that reduce; none at keep_rate 1.

        Raises:
            ValueError: If the model has no such block.
        """
        if self.keep_rate == 1:
            return ()
        if self.reduce_at is None:
            return tuple(sorted({depth * quarter // 4 for quarter in (1, 2, 3)}))
        if self.reduce_at and self.reduce_at[-1] >= depth:
            raise ValueError(f"reduce_at {self.reduce_at} does not fit a model of {depth} blocks: give numbers below")
        return self.reduce_at

    def input_size(self, size: tuple[int, ...], patch_size: tuple[int, ...]) -> tuple[int, ...]:
        """Pixels (H, W), or steps (T,), at which to read an input of ``size``: multiples of the patch.

        Raises:
            ValueError: If that is less than one patch, or has another number of sides.
        """
        if self.resolution is None:
            return size
        if isinstance(self.resolution, float):
            wanted = tuple(side * self.resolution for side in size)
        elif isinstance(self.resolution, int):
            wanted = (self.resolution,) * len(size)
        else:
            wanted = self.resolution
        if len(wanted) != len(size):
            raise ValueError(
                f"resolution {self.resolution} has sides (H, W), a series has steps: give a scale or steps"
            )
        if any(w < p for w, p in zip(wanted, patch_size, strict=True)):
            here, patch = ("x".join(map(str, sides)) for sides in (size, patch_size))
            raise ValueError(
                f"resolution {self.resolution} makes an input of {here} smaller than one patch of {patch}: give a "
                "larger one"
            )
        return tuple(round(w / p) * p for w, p in zip(wanted, patch_size, strict=True))
