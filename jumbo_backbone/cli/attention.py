"""What `jumbo attention` does."""

import argparse
import contextlib
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from tqdm import tqdm

from jumbo_cli.commands.attention import ENDING
from jumbo_cli.failing import BROKE, DONE, WRONG_INPUT, say

from .. import ComputeBudget, JumboViT, create_model, load_checkpoint
from ..device import pick_device
from ..files import replacing
from ..image_files import find_images, output_stems
from ..image_header import lost_in_reading, read_header
from .attention_pictures import draw, kept_patches

LONGEST_SHAPE = 8  # longer side over shorter; attention over more patches than this leaves would take minutes


def open_image(path: Path, size: int, patch: tuple[int, int]) -> np.ndarray:
    """Read an image, upright, its shorter side ``size``, cropped around the centre to whole patches: uint8 (H, W, 3).

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: If it cannot be read or is too long.
    """
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip to 8
            image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
        image = image.convert("RGB")
    short, long = sorted(image.size)
    if long > LONGEST_SHAPE * short:
        raise ValueError(f"{image.width}x{image.height} pixels is longer than {LONGEST_SHAPE}:1: crop it first")
    w, h = (max(size, round(side * size / short)) for side in image.size)
    image = image.resize((w, h), Image.Resampling.BILINEAR)
    ph, pw = patch
    left, top = w % pw // 2, h % ph // 2
    return np.asarray(image.crop((left, top, left + w // pw * pw, top + h // ph * ph)))


def to_tensor(images: np.ndarray, model: torch.nn.Module | None = None) -> torch.Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W), normalised as the model's preset says (without one, as ImageNet)."""
    cfg = getattr(model, "pretrained_cfg", None) or {}
    mean = torch.tensor(cfg.get("mean", IMAGENET_DEFAULT_MEAN))
    std = torch.tensor(cfg.get("std", IMAGENET_DEFAULT_STD))
    return ((torch.from_numpy(images.copy()) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def load_model(checkpoint: Path, name: str) -> JumboViT:
    """The model in a folder of ``save_pretrained``, or the preset ``name`` with the weights of a file.

    Raises:
        OSError, ValueError, TypeError, RuntimeError: If the checkpoint or preset does not exist, or they do not fit
        each other.
    """
    if checkpoint.is_dir():
        for needed in ("config.json", "model.safetensors"):
            if not (checkpoint / needed).is_file():
                raise FileNotFoundError(
                    f"folder {checkpoint} has no {needed}: give one written by model.save_pretrained, or a weight file"
                )
        with contextlib.redirect_stdout(None):  # huggingface_hub prints a line, where only our pictures are listed
            model = JumboViT.from_pretrained(checkpoint)
    elif checkpoint.exists():
        model = create_model(name, num_classes=0)  # attention needs no head, so any number of classes will do
        load_checkpoint(model, checkpoint)
    else:
        raise FileNotFoundError(
            f"no checkpoint at {checkpoint}: give a .pth or .safetensors file, or a folder written by "
            "model.save_pretrained"
        )
    if model.in_chans != 3:
        raise ValueError(f"the model in {checkpoint} takes {model.in_chans} channels: only RGB models can be drawn")
    return model.eval()


def told_of(
    block: int, depth: int, budget: ComputeBudget, depths: np.ndarray | None
) -> tuple[tuple[str, ...], list[str]]:
    """Captions of the three panels, and notes on them.

    Args:
        block: The block whose attention is drawn.
        depth: Blocks of the model.
        budget: The budget of the third panel.
        depths: Blocks (h, w) that each patch goes through at this budget; None if the third panel shows attention.
    """
    first = ("the image", f"attention in block {block}, all patches kept")
    if depths is None:
        return (*first, "the same: in colour where attended to"), []
    reducing = budget.reducing_blocks(depth)
    third = f"what is kept to the end: {(depths == depth).mean():.0%} of the patches"
    if not reducing:
        return (*first, third), ["At keep rate 1 no block drops a patch."]
    blocks = ", ".join(map(str, reducing))
    return (*first, third), [
        f"Third picture: at keep rate {budget.keep_rate:g} each of the blocks {blocks} ranks the patches by its own "
        f"attention, among those that are left, and keeps the first {budget.keep_rate:.0%}. (The second picture shows "
        f"block {block}, {'one' if block in reducing else 'none'} of these.) The veil covers the patches that were "
        "dropped: the denser, the earlier."
    ]


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def run(args: argparse.Namespace) -> int:
    """Draw as the arguments say; returns the exit code."""
    try:
        if not 0 <= args.opacity <= 1:
            raise ValueError(f"--opacity {args.opacity} is not between 0 and 1")
        budget = ComputeBudget(1.0 if args.keep_rate is None else args.keep_rate)
        images = find_images(args.images, (ENDING,))
        device = pick_device(args.device)
        model = load_model(args.checkpoint, args.model).to(device)
        depth, patch = model.depth, model.patch_embed.patch_size
        if not -depth <= args.block < depth:
            raise ValueError(f"--block {args.block}: this model has {depth}, give {-depth} to {depth - 1}")
        size = 2 * min(model.patch_embed.img_size) if args.size is None else args.size
        if not max(patch) <= size <= 4096:
            raise ValueError(f"--size {size} is out of range: give {max(patch)} (one patch of this model) to 4096")
        args.out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        say(args.prog, " ".join(str(error).split()))
        return WRONG_INPUT

    block = args.block % depth
    failed, told = 0, set()
    targets = [Path(f"{stem}{ENDING}") for stem in output_stems(images, args.out, (ENDING,))]
    quiet = len(images) == 1 or not sys.stderr.isatty()
    for path, target in tqdm(list(zip(images, targets, strict=True)), unit="image", disable=quiet):
        try:
            picture = open_image(path, size, patch)
            if (lost := lost_in_reading(read_header(path), picture)) and lost not in told:
                told.add(lost)
                tqdm.write(f"{args.prog}: {path}: {lost}", file=sys.stderr)
            x = to_tensor(picture[None], model).to(device)
            attention = model.attention_map(x, block)[0].float().cpu().numpy()
            depths = None if args.keep_rate is None else model.kept_map(x, budget)[0].cpu().numpy()
            captions, notes = told_of(block, depth, budget, depths)
            h, w = attention.shape
            subtitle = f"what the Jumbo token attends to in block {block} (of 0 – {depth - 1}), {h} × {w} patches"
            kept = None if depths is None else kept_patches(picture, depths, depth)
            save(draw(picture, attention, path.name, subtitle, captions, notes, args.opacity, kept), target)
        except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
            tqdm.write(f"{args.prog}: {path}: {' '.join(str(error).split())}; skipped", file=sys.stderr)
            failed += 1
        else:
            tqdm.write(str(target))
    return BROKE if failed else DONE
