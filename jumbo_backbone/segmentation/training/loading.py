"""Strict loading: a file is compared with the model before anything of it is loaded."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from ...models.checkpoint import LoadReport, adapt_state_dict, differences
from ...models.vit import JumboViT
from ...words import some
from ..models.budget_norms import BudgetNorms
from .checkpoint_files import CheckpointFile, read_checkpoint

CLASSIFIER = "conv_seg"  # as mmsegmentation's heads call the layer whose outputs are the classes
PATCHES = "patch_embed.proj.weight"


def load_strictly(model: nn.Module, path: str | os.PathLike) -> dict:
    """Load a segmentor's checkpoint to predict with it, or a cascade's calibration.

    Learned positions may be of another grid and are resampled; all else has to fit.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or does not fit the model; the message says what differs.
    """
    if hasattr(model, "load_calibration"):  # a cascade: its members have loaded theirs
        return cast(Any, model).load_calibration(path)
    file = read_checkpoint(path)
    start_predicting(model, file)
    model.load_state_dict(file.weights, strict=True)
    return file.meta


def start_predicting(model: nn.Module, file: CheckpointFile) -> None:
    """Make a file's weights fit a model, in place of ``file.weights``: all but the grid of positions is to be the same.

    Raises:
        ValueError: If not.
    """
    weights = file.weights.copy()
    _adapt(model, weights, file)
    # a kernel for other channels than it was trained with would load, and predict nonsense
    weights.update({name: tensor for name, tensor in file.weights.items() if name.endswith(PATCHES)})
    require_fit(model, weights, file)
    file.weights = weights


def start_from(model: nn.Module, file: CheckpointFile) -> LoadReport:
    """Make a trained segmentor's weights those that a new training starts from, in place of ``file.weights``.

    All of the file is taken, but for the layers that give the classes where these are others in number, and the
    statistics that ``ElasticSegmentor`` keeps for each budget where the file or the model has none. Positions and the
    kernel on the image are adapted to another size and other channels.

    Returns:
        What is taken, adapted, fresh and left out.

    Raises:
        ValueError: If anything else differs.
    """
    own, weights = model.state_dict(), file.weights.copy()
    report = _adapt(model, weights, file)
    for name, tensor in _replaceable(model, own):
        theirs = weights.get(name)
        if theirs is None and name not in _BUDGET_STATISTICS or theirs is not None and theirs.shape == tensor.shape:
            continue
        there = "not in the file" if theirs is None else f"{tuple(theirs.shape)} in the file"
        report.fresh.append(f"{name} {tuple(tensor.shape)} ({there})")
        weights[name] = tensor.clone()
    if not any(isinstance(module, BudgetNorms) for module in model.modules()):
        for name in [name for name in weights if name in _BUDGET_STATISTICS and name not in own]:
            del weights[name]
            report.skipped.append(f"{name} (statistics for each budget: this model has one)")
    require_fit(model, weights, file)
    file.weights, report.loaded = weights, len(weights) - len(report.fresh)
    return report


def require_resumable(model: nn.Module, optim_wrapper: Any, schedulers: Any, file: CheckpointFile) -> None:
    """Check that an interrupted training can go on from a file.

    Args:
        model: The model, without wrapper.
        optim_wrapper: mmengine's optimiser wrapper, or several; None if there is none to compare.
        schedulers: Parameter schedulers or their configs, as the file's are counted; None for any number.
        file: What the training left.

    Raises:
        ValueError: If the file holds weights alone, or any weight, state of the optimiser or number of schedules
            differs; torch itself would take some of it, and crash or go wrong in the first step.
    """
    if file.lacking:
        raise ValueError(
            f"{file.path} cannot be resumed from: it lacks {', '.join(file.lacking)}. It holds weights alone; to begin "
            f"a new training with them: --load-from {file.path}"
        )
    require_fit(model, file.weights, file)
    saved = file.rest["optimizer"]
    if isinstance(optim_wrapper, OptimWrapper):
        told = [_optimizer_differs(optim_wrapper.optimizer, saved)]
    elif isinstance(optim_wrapper, OptimWrapperDict):
        told = [f"there is no optimiser {name} in it" for name in optim_wrapper if name not in saved]
        told += [_optimizer_differs(w.optimizer, saved[name]) for name, w in optim_wrapper.items() if name in saved]
    else:
        told = []
    count, before = _count(schedulers), _count(file.rest.get("param_schedulers"))
    if count is not None and before is not None and count != before:
        told.append(f"it has {before} parameter schedulers, the config {count}")
    if told := [text for text in told if text]:
        raise ValueError(
            f"{file.path} does not fit this config's optimiser: {'; '.join(told)}. Give the config it was trained "
            f"with, or begin a new training with its weights: --load-from {file.path}"
        )


def require_fit(model: nn.Module, weights: Mapping[str, torch.Tensor], file: CheckpointFile) -> None:
    """Raise a ValueError that says what differs, if weights do not fit a model in every name and shape."""
    if told := differences(model, weights):
        told = [*_in_plain_words(model, model.state_dict(), weights, file), *told]
        raise ValueError(
            f"{file.path} does not fit this config's model: {'; '.join(told)}. Give the config it was trained with."
        )


def _in_plain_words(
    model: nn.Module, own: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], file: CheckpointFile
) -> Iterator[str]:
    """What the differences of names and shapes mean, as far as it is known."""
    backbone = {name.removeprefix(f"backbone.{vit}") for vit in ("vit.", "") for name in own}
    if not any(name.startswith(("backbone.", "decode_head.")) for name in file.weights) and backbone & set(weights):
        key = "init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint"
        if not any(isinstance(module, JumboViT) for module in model.modules()):
            key = "checkpoint_path"  # of timm
        yield f"it holds a backbone alone; to train from it: --cfg-options model.backbone.{key}={file.path}"
        return
    norms = _BUDGET_STATISTICS & own.keys(), _BUDGET_STATISTICS & weights.keys()
    if norms[0] and not norms[1]:
        yield "it is of a plain segmentor, the model is elastic"
    elif norms[1] and not norms[0]:
        yield "it is of an elastic segmentor, the model is a plain one"
    for ending, axis, what in ((f"decode_head.{CLASSIFIER}.weight", 0, "classes"), (PATCHES, 1, "input channels")):
        for name in own:
            if name.endswith(ending) and name in weights and weights[name].ndim == own[name].ndim:
                theirs, ours = weights[name].shape[axis], own[name].shape[axis]
                if theirs != ours:
                    yield f"it has {theirs} {what}, the model {ours}"


_BUDGET_STATISTICS = frozenset({"norms.statistics", "norms.known"})


def _replaceable(model: nn.Module, own: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and own tensors of what a new training can begin without: classifiers and statistics of budgets."""
    for prefix, module in model.named_modules():
        if isinstance(getattr(module, CLASSIFIER, None), nn.Module):
            names = [name for name in own if name.startswith(f"{prefix}.{CLASSIFIER}.")]
        elif isinstance(module, BudgetNorms):
            names = [name for name in own if name.startswith(f"{prefix}.")]
        else:
            continue
        yield from ((name, own[name]) for name in names)


def _adapt(model: nn.Module, weights: dict[str, torch.Tensor], file: CheckpointFile) -> LoadReport:
    """Resample positions and adapt kernels to the model, in place, as its own loading would; and tell so."""
    report, own = LoadReport(), model.state_dict()
    if any(weights[name].ndim != own[name].ndim for name in own if name in weights):
        return report  # of no kind that could be adapted: the shapes are left to disagree
    for prefix, module in model.named_modules():
        if isinstance(module, JumboViT):
            try:
                found = adapt_state_dict(module, weights, f"{prefix}." if prefix else "")
            except ValueError as error:
                raise ValueError(f"{file.path}: {error}") from None
            for what in ("resampled", "adapted", "fresh", "skipped"):
                getattr(report, what).extend(getattr(found, what))
    return report


# of an optimiser's state, what is of the parameter's shape, and what its kernels read without looking
_ALIKE = frozenset({"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "momentum_buffer", "square_avg", "sum"})


def _optimizer_differs(optimizer: torch.optim.Optimizer, saved: Any) -> str:
    """What makes a saved state unfit for an optimiser, or nothing."""
    now = optimizer.state_dict()["param_groups"]
    groups: Any
    state: Any
    groups, state = (saved.get(key) if isinstance(saved, Mapping) else None for key in ("param_groups", "state"))
    whole = isinstance(state, Mapping) and all(isinstance(entry, Mapping) for entry in state.values())
    if not whole or not isinstance(groups, list) or not all(isinstance(g, Mapping) and "params" in g for g in groups):
        return "its state of the optimiser is of no kind that torch writes"
    foreign = sorted({key for group in groups for key in group} - {key for group in now for key in group})
    if foreign := [key for key in foreign if not key.startswith("initial_")]:  # schedulers note those
        return f"it is of another optimiser than {type(optimizer).__name__}, with {some(foreign)}"
    sizes = [[len(group["params"]) for group in found] for found in (groups, now)]
    if sizes[0] != sizes[1]:
        theirs, ours = (f"{sum(found)} parameters in {len(found)} groups" for found in sizes)
        return f"it optimises {theirs}, the config {ours}" + ("" if theirs != ours else ", otherwise divided")
    numbers = [number for group in groups for number in group["params"]]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in zip(numbers, parameters, strict=True):
        for name in _ALIKE & state.get(number, {}).keys():
            value = state[number][name]
            if value is not None and getattr(value, "shape", None) != parameter.shape:
                return f"{name} of parameter {number} is not of its shape, {tuple(parameter.shape)}"
    return ""


def _count(schedulers: Any) -> int | None:
    """Of a list of schedulers, or of lists by the optimiser's name."""
    if isinstance(schedulers, Mapping) and "type" not in schedulers:
        return sum(map(len, schedulers.values()))
    return len(schedulers) if isinstance(schedulers, list) else None


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, without a wrapper for several processes."""
    return cast(nn.Module, model.module) if is_model_wrapper(model) else model
