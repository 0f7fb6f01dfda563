"""Reading and writing weights: the authors' released files, our safetensors, and timm's training checkpoints.

One function, ``adapt_state_dict``, makes a file's tensors fit a model: it drops the dead ``cls_token`` of the released
files, resamples positions (from the nearest of several tables), and adapts another number of classes or input
channels. It
runs in a load-state-dict pre-hook, so plain ``load_state_dict``, timm's ``checkpoint_path`` and mmengine's loader all
take the files as they are.
"""

import json
import logging
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import save
from timm.models import adapt_input_conv
from timm.models import load_state_dict as read_checkpoint
from torch import nn

from ..files import write_atomically
from ..layers.int8 import fit_ffn
from ..layers.pos_embed import Grid, nearest_grid, resample_pos_embed
from ..words import some
from .preset_sizes import preset_of

if TYPE_CHECKING:
    from .vit import JumboViT

logger = logging.getLogger(__name__)

SIZES = "jumbo_vit"  # in a file's notes: the arguments of ``JumboViT`` as JSON
_HUB = "hf-hub:"
_TABLE = re.compile(r"pos_embed_tables\.(\d+)x(\d+)")


@dataclass
class LoadReport:
    """A report on loading a checkpoint: the number of tensors loaded, and a line for each one that was changed or
    left out.

    ``resampled`` lists positions, including those of sizes that the file lacks; ``adapted`` lists kernels; ``fresh``
    lists tensors that keep the model's own values; ``skipped`` lists tensors of the file that the model does not
    have.
    """

    loaded: int = 0
    resampled: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.loaded} tensors loaded"]
        for what in ("resampled", "adapted", "fresh", "skipped"):
            lines += [f"{what}: {line}" for line in getattr(self, what)]
        return "; ".join(lines)


def load_checkpoint(model: nn.Module, path: str | os.PathLike) -> LoadReport:
    """Load a file of weights into a ``JumboViT``, strictly.

    Takes the authors' released ``.pth`` files, our ``.safetensors``, and timm's training checkpoints (their averaged
    weights, if there are any). Pickles are read with ``weights_only``: no code in them is run.

    Args:
        model: The model; its grid, classes and input channels may differ from the file's.
        path: File to read, or "hf-hub:owner/repository/file" to fetch it from the Hugging Face hub (it is kept in the
            cache of huggingface_hub).

    Returns:
        A report of what was loaded, resampled, adapted and skipped; it is also logged.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, is of another architecture or of the earlier release, or its tensors
            and the model's are not the same; the message names those that differ.
    """
    state_dict = _read(path)
    try:
        report = adapt_state_dict(model, state_dict)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error

    if told := differences(model, state_dict):
        way_out = "Build the model with the file's own sizes."
        if looks := other_sizes(model, state_dict):
            way_out = f"{looks} {way_out}"
        if "jumbo_token" not in state_dict:
            way_out = "It has no jumbo_token, so it is of another architecture."
        raise ValueError(f"{path} does not fit this model: {'; '.join(told)}. {way_out}")
    model.load_state_dict(state_dict)
    report.loaded = len(state_dict) - len(report.fresh)
    logger.info("%s: %s", path, report)
    return report


def differences(model: nn.Module, state_dict: Mapping[str, torch.Tensor]) -> list[str]:
    """The differences between a file's tensors and a model's in names, shapes and types, in words; none if they
    fit."""
    own = model.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    other = [
        f"{name} {_form(state_dict[name])} instead of {_form(own[name])}"
        for name in own
        if name in state_dict and _form(state_dict[name]) != _form(own[name])
    ]
    lists = {"missing": missing, "unexpected": unexpected, "of another shape": other}
    return [f"{len(names)} {what}: {some(sorted(names))}" for what, names in lists.items() if names]


def save_checkpoint(model: nn.Module, path: str | os.PathLike) -> None:
    """Write a model's weights as safetensors, to a temporary file first: a good file is never half replaced. The file
    notes the sizes of a ``JumboViT``, so that ``model_of_file`` can build it again.

    Args:
        model: The model.
        path: The file, whose name ends in ``.safetensors``.
    """
    notes = {"format": "pt"}
    if hasattr(model, "constructor_arguments"):
        notes[SIZES] = json.dumps(cast("JumboViT", model).constructor_arguments())
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(save(tensors, metadata=notes), path)  # safetensors' own writing hides a full disk


def adapt_state_dict(model: nn.Module, state_dict: dict[str, torch.Tensor], prefix: str = "") -> LoadReport:
    """Make a file's tensors fit a ``JumboViT``, in place; running it again changes nothing.

    Args:
        model: The model they are for.
        state_dict: Tensors by name; those under ``prefix`` are the model's.
        prefix: Where the model stands in a larger one ("backbone.").

    Returns:
        A report without the count of tensors.

    Raises:
        ValueError: If the file is of the earlier release, or its position table cannot be unrolled.
    """
    report = LoadReport()
    _refuse_earlier_release(state_dict, prefix)
    if prefix + "jumbo_token" not in state_dict:
        return report  # of another architecture: the loader names what is missing
    if state_dict.pop(prefix + "cls_token", None) is not None:
        report.skipped.append("cls_token (dead weight of the released files)")
    vit = cast("JumboViT", model)
    _adapt_positions(vit, state_dict, prefix, report)
    _adapt_input_channels(vit, state_dict, prefix, report)
    _adapt_head(vit, state_dict, prefix, report)
    report.adapted += fit_ffn(model, state_dict, prefix)
    return report


def adapt_on_load(
    module: "JumboViT",
    state_dict: dict[str, torch.Tensor],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Load-state-dict pre-hook of ``JumboViT``: ``adapt_state_dict``, with its report written to the log."""
    report = adapt_state_dict(module, state_dict, prefix)
    own, token = module.jumbo_token, state_dict.get(prefix + "jumbo_token")
    if token is not None and token.shape != own.shape:  # torch lists every tensor of another shape; this says why
        error_msgs.append(other_sizes(module, state_dict, prefix))
    changes = report.resampled + report.adapted + report.fresh
    if changes:
        logger.warning("; ".join(changes))
    if report.skipped:
        logger.info("; ".join(report.skipped))


def other_sizes(model: nn.Module, state_dict: Mapping[str, torch.Tensor], prefix: str = "") -> str:
    """The sizes of a file's tensors and of a ``JumboViT``, in words, if they differ; an empty text if they are
    equal."""
    token, blocks = state_dict.get(prefix + "jumbo_token"), prefix + "blocks."
    if token is None or token.ndim != 3:
        return ""
    depth = len({name.removeprefix(blocks).split(".")[0] for name in state_dict if name.startswith(blocks)})
    file = (token.shape[2], token.shape[1], depth)
    vit = cast("JumboViT", model)
    own = (vit.embed_dim, vit.jumbo_multiplier, vit.depth)
    if file == own:
        return ""
    told = [
        f"{preset_of(*sizes) or 'no preset'} (width {sizes[0]}, {sizes[1]} slices, {sizes[2]} blocks)"
        for sizes in (file, own)
    ]
    return f"This looks like {told[0]}, and the model is {told[1]}."


def _fetch(path: str | os.PathLike) -> Path:
    """A path to read from: for a file on the hub, the path of the fetched file."""
    if not str(path).startswith(_HUB):
        return Path(path)
    owner, _, rest = str(path).removeprefix(_HUB).partition("/")
    repository, _, name = rest.partition("/")
    if not name:
        raise ValueError(f"{path}: a file on the hub is named {_HUB}owner/repository/file")
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", name))
    except Exception as error:  # no network, no such repository, no such file, no leave: each has its own kind
        raise FileNotFoundError(
            f"{path} could not be fetched ({error}): give the path of a file you have, or train from random weights"
        ) from error


def _read(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    path = _fetch(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path.absolute()}: give the path of a .pth or .safetensors file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes): the download or copy did not finish; fetch it again")
    try:
        state_dict = dict(read_checkpoint(str(path), weights_only=True))
    except Exception as error:  # zip, pickle, safetensors and timm each raise their own kinds on a bad file
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as weights: {error} "
            "It may be cut off, of another format, or hold code, which is never run here; fetch it again, or save the "
            "weights alone with torch.save(model.state_dict(), path)."
        ) from error
    tensors = {name: value for name, value in state_dict.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ValueError(f"{path} holds no tensors by name (found {some(state_dict)}): expected a state_dict")
    if len(tensors) < len(state_dict):
        raise ValueError(f"{path} holds more than tensors: {some(name for name in state_dict if name not in tensors)}")
    return tensors


def _refuse_earlier_release(state_dict: Mapping[str, torch.Tensor], prefix: str) -> None:
    cls_token = state_dict.get(prefix + "cls_token")
    wide_cls = cls_token is not None and cls_token.ndim == 3 and cls_token.shape[1] > 1
    layer_scale = any(name.startswith(prefix + "blocks.") and ".ls1" in name for name in state_dict)
    if wide_cls or layer_scale:
        raise ValueError(
            "this is a file of the authors' earlier release (*_i1k_finetuned_224.pt: wide cls_token, layer scale, "
            "an FFN in each block), another architecture. Use the jumbo_{pico,nano,tiny,small,base}.pth."
        )


def _adapt_positions(model: "JumboViT", state_dict: dict[str, torch.Tensor], prefix: str, report: LoadReport) -> None:
    """Fill each of the model's tables from the file's table with the nearest grid."""
    name, grid_name = prefix + "pos_embed", prefix + "pos_embed_grid"
    stored_grid = state_dict.pop(grid_name, None)
    if name not in state_dict:
        return
    table = state_dict.pop(name)
    native = tuple(stored_grid.tolist()) if stored_grid is not None else _square(table)
    tables = {native: _of_grid(table, native, "pos_embed", "pos_embed_grid")}
    for name in list(state_dict):
        found = _TABLE.fullmatch(name.removeprefix(prefix))
        if found is None:
            continue
        grid: Grid = (int(found[1]), int(found[2]))
        tables[grid] = _of_grid(state_dict.pop(name), grid, name.removeprefix(prefix), "its name")

    used = set()
    for name, grid in model.position_grids().items():
        nearest = nearest_grid(tables, grid)
        used.add(nearest)
        state_dict[prefix + name] = resample_pos_embed(tables[nearest], nearest, grid)
        if nearest != grid:
            report.resampled.append(f"{name} from a grid of {_sides(nearest)} to {_sides(grid)}")
    unused = [grid for grid in tables if grid not in used]
    report.skipped += [f"positions of a grid of {_sides(grid)} (this model has others)" for grid in unused]
    if model.pos_embed_grid is not None:
        state_dict[grid_name] = model.pos_embed_grid.detach().clone()


def _of_grid(table: torch.Tensor, grid: Grid, name: str, told_by: str) -> torch.Tensor:
    if table.shape[1] != grid[0] * grid[1]:
        raise ValueError(f"{name} has {table.shape[1]} positions, but {told_by} says {_sides(grid)}")
    return table


def _sides(grid: Grid) -> str:
    return f"{grid[0]}x{grid[1]}"


def _square(table: torch.Tensor) -> Grid:
    side = math.isqrt(table.shape[1])
    if side * side != table.shape[1]:
        raise ValueError(
            f"pos_embed has {table.shape[1]} positions, which is no square grid, and the file does not say its shape: "
            "add a tensor pos_embed_grid = [H, W] to it"
        )
    return side, side


def _adapt_input_channels(
    model: "JumboViT", state_dict: dict[str, torch.Tensor], prefix: str, report: LoadReport
) -> None:
    name = prefix + "patch_embed.proj.weight"
    weight, own = state_dict.get(name), model.patch_embed.proj.weight
    if weight is None or weight.ndim != 4 or weight.shape[1] == own.shape[1] or weight.shape[1] != 3:
        return  # other numbers of channels than RGB have no known meaning: the shapes are left to disagree
    state_dict[name] = adapt_input_conv(own.shape[1], weight)
    report.adapted.append(f"patch_embed.proj from 3 to {own.shape[1]} input channels")


def _adapt_head(model: "JumboViT", state_dict: dict[str, torch.Tensor], prefix: str, report: LoadReport) -> None:
    names = [prefix + "head.weight", prefix + "head.bias"]
    weight = state_dict.get(names[0])
    own: Any  # of any head that has them
    if model.num_classes and not any(name in state_dict for name in names):  # of an encoder that was trained without
        for name, own in zip(names, (model.head.weight, model.head.bias), strict=True):
            state_dict[name] = own.detach().clone()
            report.fresh.append(f"{name} (the file has no head)")
        return
    if weight is None or weight.ndim != 2:
        return
    if model.num_classes == 0:
        for name in names:
            state_dict.pop(name, None)
        report.skipped.append(f"head of {weight.shape[0]} classes (this model has none)")
    elif weight.shape[0] != model.num_classes and weight.shape[1] == model.num_features:
        for name, own in zip(names, (model.head.weight, model.head.bias), strict=True):
            state_dict[name] = own.detach().clone()
            report.fresh.append(f"{name} (the file has {weight.shape[0]} classes, the model {model.num_classes})")


def _form(tensor: torch.Tensor) -> str:
    """Shape of a tensor, and its type if that is not the usual one."""
    kind = "" if tensor.is_floating_point() else f" {tensor.dtype}".replace("torch.", "")
    return f"{tuple(tensor.shape)}{kind}"
