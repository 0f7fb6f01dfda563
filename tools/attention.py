#!/usr/bin/env python3
"""Pictures of what the jumbo token attends to: the image, a heat map over it, and the attended parts alone; with
--keep-rate, instead of these parts, the patches that are kept to the end at this compute budget."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from tqdm import tqdm

from jumbo_backbone import ComputeBudget, JumboViT, create_model, load_checkpoint
from jumbo_backbone.image_files import find_images, output_stems
from jumbo_backbone.image_header import lost_in_reading, read_header

ENDING = "_attention.png"  # of what this tool writes; passed over when it reads a folder
PERCENTILES = (1.0, 99.0)  # ends of the colour scale: a few outlying patches may not drown the rest
COLORMAP = "inferno"
PAPER = (17, 17, 20)
VEIL = (84, 52, 124)  # over patches that are dropped
MARGIN, GAP, HEADER, FOOTER = 28, 12, 74, 60  # of a picture, in pixels
LONGEST_SHAPE = 8  # longer side over shorter; attention over more patches than this leaves would take minutes

EPILOG = """examples:
  attention.py photo.jpg --checkpoint jumbo_small.pth --out pictures
  attention.py photos/ --checkpoint jumbo_base.pth --model jumbo_base_patch16_224 --out pictures
  attention.py photo.jpg --checkpoint jumbo_small.pth --keep-rate 0.7 --out pictures
  attention.py a.jpg b.jpg --checkpoint demo/model --block 2 --opacity 0.8 --out pictures

Exit code: 0 all pictures written, 1 some images were not readable, 2 nothing could be done.
"""


# ---- drawing: numpy in, numpy out


def heat_map(attention: np.ndarray, height: int, width: int, percentiles: Sequence[float] = PERCENTILES) -> np.ndarray:
    """Attention (h, w) of any scale to smooth float32 (height, width) in 0 … 1, these being the percentiles given.

    Raises:
        ValueError: If ``attention`` is not a map of finite numbers.
    """
    attention = np.asarray(attention, dtype=np.float32)
    if attention.ndim != 2 or not np.isfinite(attention).all():
        raise ValueError(f"attention {attention.shape} is not a map of finite numbers: are the weights sound?")
    low, high = np.percentile(attention, percentiles)
    if high - low <= 1e-6 * abs(high):  # the same everywhere: nothing stands out
        return np.zeros((height, width), dtype=np.float32)
    smooth = Image.fromarray((attention - low) / np.float32(high - low)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.asarray(smooth).clip(0, 1)


def overlay(
    image: np.ndarray,
    attention: np.ndarray,
    opacity: float = 0.6,
    colormap: str = COLORMAP,
    percentiles: Sequence[float] = PERCENTILES,
) -> np.ndarray:
    """Lay a heat map of ``attention`` over an image.

    Args:
        image: uint8 (H, W, 3).
        attention: Map (h, w) on any coarser grid that covers the image evenly.
        opacity: 0 shows the image alone, 1 the heat map alone.
        colormap: matplotlib's name; best one that runs evenly from dark to bright.
        percentiles: Of the map's values: the ends of the colour scale.

    Returns:
        uint8 (H, W, 3).
    """
    heat = colormaps[colormap](heat_map(attention, *image.shape[:2], percentiles))[..., :3]
    # Beneath the colours of the map the image is nearly grey: only the heat is to tell by colour.
    under = 0.25 * image + 0.75 * _luminance(image)
    return _to_uint8((1 - opacity) * under + opacity * 255 * heat)


def spotlight(image: np.ndarray, attention: np.ndarray, percentiles: Sequence[float] = PERCENTILES) -> np.ndarray:
    """The image in full colour where it is attended to, dark and grey elsewhere; arguments as for ``overlay``."""
    heat = heat_map(attention, *image.shape[:2], percentiles)[..., None]
    grey = _luminance(image)
    return _to_uint8((grey + heat * (image - grey)) * (0.25 + 0.75 * heat))


def kept_patches(image: np.ndarray, depths: np.ndarray, depth: int) -> np.ndarray:
    """The image as it is where patches are kept to the end, beneath a veil the denser the earlier they are dropped.

    Args:
        image: uint8 (H, W, 3).
        depths: Blocks (h, w) that each patch went through; the patches cover the image evenly.
        depth: Blocks of the model.

    Returns:
        uint8 (H, W, 3).
    """
    h, w = depths.shape
    rows, columns = (np.arange(side) * n // side for side, n in zip(image.shape[:2], (h, w), strict=True))
    missed = (1 - depths / depth)[rows][:, columns, None]
    density = np.where(missed > 0, 0.45 + 0.5 * missed, 0)
    under = np.where(missed > 0, _luminance(image), image)
    return _to_uint8((1 - density) * under + density * np.array(VEIL))


def draw(
    picture: np.ndarray,
    attention: np.ndarray,
    title: str,
    subtitle: str,
    opacity: float,
    kept: np.ndarray | None = None,
) -> Figure:
    """Three panels with a colour bar; side by side, or one below the other for a wide picture. An image pixel is a
    pixel of the figure, so that nothing is blurred; tiny pictures are enlarged by a whole factor. The third panel is
    the attended part, or ``kept`` (H, W, 3) in its place."""
    zoom = -(-320 // min(picture.shape[:2]))
    picture, kept = (p if p is None else p.repeat(zoom, axis=0).repeat(zoom, axis=1) for p in (picture, kept))
    h, w = picture.shape[:2]
    columns, rows = (1, 3) if w > 1.7 * h else (3, 1)
    width = 2 * MARGIN + columns * w + (columns - 1) * GAP
    height = HEADER + rows * h + (rows - 1) * GAP + FOOTER
    page = blank_page(height, width)
    third = spotlight(picture, attention) if kept is None else kept
    for i, panel in enumerate((picture, overlay(picture, attention, opacity), third)):
        top, left = HEADER + i % rows * (h + GAP), MARGIN + i % columns * (w + GAP)
        page[top : top + h, left : left + w] = panel
    bar = min(300, width // 3)
    left, y = (width - bar) // 2, height - FOOTER + 20
    page[y - 4 : y + 4, left : left + bar] = _to_uint8(255 * colormaps[COLORMAP](np.linspace(0, 1, bar))[:, :3])

    figure, write = annotate(page)
    room = (width - 2 * MARGIN) // 8  # for letters of about 8 pixels
    write(_shorten(title, room * 3 // 4), MARGIN, 28, 18, color="white", weight="bold")
    write(_shorten(subtitle, room), MARGIN, 52, 13)
    low, high = np.percentile(attention, PERCENTILES) / attention.mean()
    write(f"{low:.1f}×", left - 8, y, 13, ha="right")
    write(f"{high:.1f}×", left + bar + 8, y, 13)
    write("attention, relative to the mean patch", width / 2, y + 20, 12, ha="center")
    return figure


def blank_page(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, dtype=np.uint8)


def annotate(page: np.ndarray) -> tuple[Figure, Callable]:
    """A figure of exactly these pixels, and a function ``write(text, x, y, size)`` that measures in them."""
    height, width = page.shape[:2]
    figure = Figure(figsize=((width + 0.01) / 100, (height + 0.01) / 100), dpi=100)  # matplotlib rounds down
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(page, aspect="auto", interpolation="nearest")

    def write(text: str, x: float, y: float, size: float, **kwargs) -> None:
        kwargs = dict(color="#b9b9c3", va="center", parse_math=False) | kwargs  # a file name may hold dollars
        axes.text(x, y, text, fontsize=size * 0.72, **kwargs)

    return figure, write


def _luminance(image: np.ndarray) -> np.ndarray:
    return (image @ np.array([0.299, 0.587, 0.114]))[..., None]


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _shorten(text: str, most: int) -> str:
    text = text.encode(errors="replace").decode()  # names of files may hold bytes that are no text
    return text if len(text) <= most else text[: most // 2 - 1] + " … " + text[-(most // 2 - 2) :]


# ---- images and models


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
        OSError, ValueError, TypeError, RuntimeError: If there is no such checkpoint or preset, or they do not fit.
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


def pick_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch finds no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def save(fig: Figure, path: Path) -> None:
    """Write a figure to a temporary file first: whoever looks at ``path`` finds a whole picture or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fig.savefig(temporary, format="png")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---- command line


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="image files, or folders of them")
    add("--checkpoint", required=True, type=Path, help="weight file, or a folder written by model.save_pretrained")
    add("--out", required=True, type=Path, help=f"folder for the pictures, NAME{ENDING} each")
    add("--model", default="jumbo_small_patch16_224", help="preset of a weight file (default: %(default)s)")
    add("--block", default=-1, type=int, help="block whose attention is drawn, negative from the end (default: last)")
    add("--size", type=int, help="shorter side of the image in pixels (default: twice the model's own size, so 448)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: cuda where there is one")
    add("--keep-rate", type=float, help="draw which patches are kept at this rate of the reducing blocks, up to 1")
    add("--opacity", default=0.6, type=float, help="of the heat map, 0 to 1 (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if not 0 <= args.opacity <= 1:
            raise ValueError(f"--opacity {args.opacity} is not between 0 and 1")
        budget = ComputeBudget(1.0 if args.keep_rate is None else args.keep_rate)
        images = find_images(args.images, (ENDING,))
        device = pick_device(args.device)
        model = load_model(args.checkpoint, args.model).to(device)
        depth, patch = len(model.blocks), model.patch_embed.patch_size
        if not -depth <= args.block < depth:
            raise ValueError(f"--block {args.block}: this model has {depth}, give {-depth} to {depth - 1}")
        size = 2 * min(model.patch_embed.img_size) if args.size is None else args.size
        if not max(patch) <= size <= 4096:
            raise ValueError(f"--size {size} is out of range: give {max(patch)} (one patch of this model) to 4096")
        args.out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        print("attention.py:", " ".join(str(error).split()), file=sys.stderr)
        return 2

    block = args.block % depth
    failed, told = 0, set()
    targets = [Path(f"{stem}{ENDING}") for stem in output_stems(images, args.out, (ENDING,))]
    quiet = len(images) == 1 or not sys.stderr.isatty()
    for path, target in tqdm(list(zip(images, targets, strict=True)), unit="image", disable=quiet):
        try:
            picture = open_image(path, size, patch)
            if (lost := lost_in_reading(read_header(path), picture)) and lost not in told:
                told.add(lost)
                tqdm.write(f"attention.py: {path}: {lost}", file=sys.stderr)
            x = to_tensor(picture[None], model).to(device)
            attention = model.attention_map(x, block)[0].float().cpu().numpy()
            h, w = attention.shape
            subtitle = f"what the jumbo token attends to in block {block} (of 0 – {depth - 1}), {h} × {w} patches"
            kept = None
            if args.keep_rate is not None:
                depths = model.kept_map(x, budget)[0].cpu().numpy()
                kept = kept_patches(picture, depths, depth)
                share = (depths == depth).mean()
                blocks = ", ".join(map(str, budget.reducing_blocks(depth))) or "none"
                subtitle += f"; keep rate {args.keep_rate:g} in blocks {blocks}: {share:.0%} kept to the end"
            save(draw(picture, attention, path.name, subtitle, args.opacity, kept), target)
        except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
            tqdm.write(f"attention.py: {path}: {' '.join(str(error).split())}; skipped", file=sys.stderr)
            failed += 1
        else:
            tqdm.write(str(target))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
