#!/usr/bin/env python3
"""A minute's demo: train a small JumboViT to read digits hidden among scraps, and draw where its jumbo token looks.

The digits are scikit-learn's 1797 scans of 8x8 pixels. Each is drawn at a random cell of a noisy canvas that is also
strewn with coloured pieces of other digits, so the model has to find it before it can read it. One fifth of the digits
is held out and only looked at in the end.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from attention import GAP, MARGIN, annotate, blank_page, overlay, save, to_tensor
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from timm.layers import build_sincos2d_pos_embed
from timm.optim import param_groups_weight_decay
from torch import nn

from jumbo_backbone import JumboViT
from jumbo_backbone.presets import PRESETS

PATCH, GRID = 6, 7  # a canvas of 7x7 patches
SIDE, DIGIT = PATCH * GRID, 3 * PATCH  # of which a digit covers 3x3
SCRAP, SCRAPS = 10, 4  # pixels, and number on a canvas
BATCH, LR, WARM_UP = 32, 2e-3, 0.2
ROWS, COLUMNS, ZOOM = 4, 6, 3  # of the picture
RED = (226, 62, 52)


# ---- data


def make_scraps(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a square out of each digit: float (n, SCRAP, SCRAP) in 0 … 1."""
    large = [warp(digit, np.eye(2) * 8 / DIGIT) for digit in digits]
    corners = rng.integers(0, DIGIT - SCRAP + 1, (len(digits), 2))
    return np.stack([ink[y : y + SCRAP, x : x + SCRAP] for ink, (y, x) in zip(large, corners, strict=True)])


def warp(digit: np.ndarray, matrix: np.ndarray, shift: Sequence[float] = (0, 0)) -> np.ndarray:
    """Draw an 8x8 digit on DIGIT x DIGIT pixels; ``matrix`` takes those, from the centre, to pixels of the scan."""
    offset = 4 + np.asarray(shift) - matrix @ [DIGIT / 2, DIGIT / 2]
    coefficients = np.column_stack([matrix, offset]).ravel()
    image = Image.fromarray(digit).transform(
        (DIGIT, DIGIT), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.asarray(image).clip(0, 1)


def make_canvases(
    digits: np.ndarray, scraps: np.ndarray, rng: np.random.Generator, wobble: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Hide each digit: uint8 (n, SIDE, SIDE, 3), and the patch (row, column) where its upper left corner lies.
    With ``wobble``, for training, digits are also turned, stretched and shifted a little."""
    n = len(digits)
    canvases = np.empty((n, SIDE, SIDE, 3), dtype=np.float32)
    canvases[:] = rng.uniform(5, 65, (n, 1, 1, 3))

    # Drawn at once, not digit by digit: that would take longer than the drawing.
    which, corners = rng.integers(0, len(scraps), (n, SCRAPS)), rng.integers(0, SIDE - SCRAP + 1, (n, SCRAPS, 2))
    hues = np.stack([np.full((n, SCRAPS), 20), rng.uniform(20, 200, (n, SCRAPS)), np.full((n, SCRAPS), 200)], axis=-1)
    hues = rng.permuted(hues, axis=-1)  # bright in one channel, dark in another: never as white as the digit
    cells = rng.integers(0, GRID - DIGIT // PATCH + 1, (n, 2))
    whites = rng.uniform(205, 255, (n, 3))
    turns, sizes, shifts = (a * wobble * rng.uniform(-1, 1, (n, k)) for a, k in ((0.08, 1), (0.04, 2), (0.2, 2)))
    scales = np.exp(sizes) * 8 / DIGIT

    def paste(canvas: np.ndarray, y: int, x: int, ink: np.ndarray, colour: np.ndarray) -> None:
        part = canvas[y : y + len(ink), x : x + len(ink)]
        part += ink[..., None] * (colour - part)

    for i, canvas in enumerate(canvases):
        for j, (y, x) in enumerate(corners[i]):
            paste(canvas, y, x, scraps[which[i, j]], hues[i, j])
        (cos, sin), (wide, high) = (math.cos(turns[i, 0]), math.sin(turns[i, 0])), scales[i]
        ink = warp(digits[i], np.array([[cos * wide, sin * high], [-sin * wide, cos * high]]), shifts[i])
        paste(canvas, *cells[i] * PATCH, ink, whites[i])
    canvases += 20 * rng.standard_normal(canvases.shape, dtype=np.float32)
    return canvases.clip(0, 255).astype(np.uint8), cells


# ---- model and training


def build_model() -> JumboViT:
    """A JumboViT of pico's width and three blocks.

    The library starts from weights of std 0.02, as long training of wide models likes it. This one has a minute:
    Xavier's larger weights and positions that already know their neighbours save it the long plateau at the start.
    """
    model = JumboViT(img_size=SIDE, patch_size=PATCH, num_classes=10, **PRESETS["pico"] | dict(depth=3))
    for module in [*model.blocks.modules(), *model.jumbo_mlp.modules()]:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    with torch.no_grad():
        model.pos_embed.copy_(build_sincos2d_pos_embed([GRID, GRID], model.embed_dim))
    return model


def train(model, digits, labels, scraps, rng, epochs: int, max_seconds: float) -> None:
    """AdamW, the rate following one cycle over the epochs, or over the time where that runs out first. New canvases
    are drawn for every epoch. Ctrl-C ends it early."""
    optimizer = torch.optim.AdamW(
        param_groups_weight_decay(model, 0.05, model.no_weight_decay()), betas=(0.9, 0.95), fused=True
    )
    steps = epochs * (len(digits) // BATCH)
    step, start = 0, time.monotonic()
    model.train()
    try:
        for epoch in range(epochs):
            canvases, _ = make_canvases(digits, scraps, rng, wobble=True)
            order = rng.permutation(len(digits))[: len(digits) // BATCH * BATCH]
            losses = []
            for batch in order.reshape(-1, BATCH):
                spent = time.monotonic() - start
                done = max(step / steps, spent / max_seconds)
                if done >= 1:
                    print(
                        f"time is up after {spent:.0f} s; how far it got depends on the machine, not on the seed alone"
                    )
                    return
                rate = (
                    done / WARM_UP if done < WARM_UP else (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2
                )
                for group in optimizer.param_groups:
                    group["lr"] = LR * rate
                loss = F.cross_entropy(model(to_tensor(canvases[batch])), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                step += 1
            spent = time.monotonic() - start
            done = max(step / steps, spent / max_seconds)
            left = max(0.0, spent / done - spent)
            print(f"epoch {epoch + 1:2d}/{epochs}  loss {np.mean(losses):.3f}  {left:3.0f} s left", flush=True)
    except KeyboardInterrupt:
        print("\nstopped early; writing what there is")


@torch.no_grad()
def look(model: JumboViT, canvases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted classes (n,), and what the jumbo token pays each patch, in shares and on average over the blocks
    (n, GRID, GRID): together the blocks trace a digit, of which each one picks its own parts."""
    model.eval()
    classes, maps = [], []
    for images in to_tensor(canvases).split(128):
        classes.append(model(images).argmax(dim=1))
        blocks = torch.stack([model.attention_map(images, i) for i in range(len(model.blocks))])
        maps.append((blocks / blocks.sum(dim=(2, 3), keepdim=True)).mean(dim=0))
    return torch.cat(classes).numpy(), torch.cat(maps).numpy()


# ---- results


def share_on_digit(maps: np.ndarray, cells: np.ndarray) -> float:
    """Which part of the attention falls on the 3x3 patches that hold the digit, on average."""
    size = DIGIT // PATCH
    return float(np.mean([m[y : y + size, x : x + size].sum() for m, (y, x) in zip(maps, cells, strict=True)]))


def draw(
    canvases: np.ndarray, maps: np.ndarray, truth: np.ndarray, predicted: np.ndarray, summary: Sequence[str]
) -> Figure:
    """Pairs of a canvas and what is attended to in it, in the order given; misread ones are framed in red."""
    side = SIDE * ZOOM
    step_x, step_y, top = 2 * side + 2 + 2 * GAP, side + 40, 112
    page = blank_page(top + ROWS * step_y + GAP, 2 * MARGIN + COLUMNS * step_x - 2 * GAP)
    places = [(top + row * step_y, MARGIN + column * step_x) for row in range(ROWS) for column in range(COLUMNS)]
    for (y, x), canvas, attention, right in zip(places, canvases, maps, truth == predicted, strict=False):
        if not right:
            page[y - 4 : y + side + 4, x - 4 : x + 2 * side + 6] = RED
        large = canvas.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        page[y : y + side, x : x + side] = large
        page[y : y + side, x + side + 2 : x + 2 * side + 2] = overlay(large, attention)

    figure, write = annotate(page)
    write("Where the jumbo token looks", MARGIN, 32, 22, color="white", weight="bold")
    for line, text in enumerate(summary):
        write(text, MARGIN, 62 + 22 * line, 14)
    for (y, x), t, p in zip(places, truth, predicted, strict=False):
        right = dict(text=f"{t} ✓", color="#d8d8e0") if t == p else dict(text=f"{t}, read as {p}", color="#ff6b5e")
        write(x=x + side + 1, y=y + side + 17, size=15, ha="center", weight="bold", **right)
    return figure


def above(kind: type, least: float):
    """An argparse type: a number of at least ``least``."""

    def parse(text: str):
        if not (value := kind(text)) >= least:
            raise ValueError(text)
        return value

    parse.__name__ = f"number (at least {least})"  # argparse puts it in its message
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="demo", type=Path, help="folder for picture and model (default: %(default)s)")
    parser.add_argument("--seed", default=0, type=above(int, 0), help="of everything random (default: %(default)s)")
    parser.add_argument("--epochs", default=12, type=above(int, 1), help="default: %(default)s")
    parser.add_argument("--max-seconds", default=60, type=above(float, 1), help="of training (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        args.out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    except OSError as error:
        print(f"demo_digits.py: cannot write to --out {args.out}: {error}; name another folder", file=sys.stderr)
        return 2

    rng = np.random.default_rng(args.seed)
    torch.manual_seed(int(rng.integers(2**32)))
    scans, labels = load_digits(return_X_y=True)
    scans = (scans.reshape(-1, 8, 8) / 16).astype(np.float32)
    train_scans, test_scans, train_labels, test_labels = train_test_split(
        scans, labels, test_size=0.2, stratify=labels, random_state=int(rng.integers(2**32))
    )
    scraps = make_scraps(train_scans, rng)
    test_canvases, test_cells = make_canvases(test_scans, scraps, rng, wobble=False)

    model = build_model()
    print(f"{len(train_scans)} digits to learn from, {len(test_scans)} held out; at most {args.max_seconds:.0f} s")
    train(model, train_scans, torch.from_numpy(train_labels), scraps, rng, args.epochs, args.max_seconds)

    predicted, maps = look(model, test_canvases)
    accuracy = np.mean(predicted == test_labels)
    baseline = np.mean(test_labels == np.bincount(train_labels).argmax())
    on_digit, box = share_on_digit(maps, test_cells), (DIGIT / SIDE) ** 2
    print(f"test accuracy {accuracy:.1%} on {len(test_labels)} digits; always the most common class: {baseline:.1%}")
    print(f"attention on the digit {on_digit:.0%}; its share of the canvas: {box:.0%}")

    summary = (
        f"{accuracy:.1%} of {len(test_labels)} held-out digits read right; by naming the most common class alone, "
        f"{baseline:.1%}. Shown are the first {ROWS * COLUMNS} of them, not chosen.",
        f"Of the attention paid to patches, averaged over the blocks, {on_digit:.0%} falls on the digit's square, "
        f"{box:.0%} of the canvas.",
    )
    model.save_pretrained(args.out / "model")
    picture = args.out / "digits_attention.png"
    save(draw(test_canvases, maps, test_labels, predicted, summary), picture)
    print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
