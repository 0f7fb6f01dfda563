"""The keys that a config may have. Other keys have no effect, and are refused with the nearest key that has one."""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from mmengine import registry as engine
from mmengine.config import Config
from mmengine.runner import FlexibleRunner, Runner
from mmseg import registry as mmseg
from torch.utils.data import DataLoader

from ...budgets.budget import ComputeBudget
from ...budgets.elastic import ElasticBudgets
from ...models.vit import JumboViT


def _arguments(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self"}


# what mmengine's runners, and our tools, read of a config; of data_preprocessor the model has its own
TOP_LEVEL = frozenset(
    ((_arguments(Runner) | _arguments(FlexibleRunner)) - {"cfg", "data_preprocessor"})
    | {"custom_imports", "runner_type", "tta_model", "tta_pipeline", "model_wrapper_cfg", "sync_bn", "compile"}
    | {"picture_bands"}
    | {"find_unused_parameters", "activation_checkpointing", "efficient_conv_bn_eval", "num_workers", "seed"}
)

_LOADER = _arguments(DataLoader) | {"dataset", "num_batch_per_epoch"}
_LOOP = {"by_epoch", "max_iters", "max_epochs", "val_begin", "val_interval", "dynamic_intervals", "fp16", "dataloader"}
_BUDGET = {field.name for field in fields(ComputeBudget)}
_PARAMWISE = {"custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "dwconv_decay_mult"}

# dicts without a type, by the end of their place: what reads them passes over what it does not know
_UNTYPED: dict[str, set[str]] = {
    "train_dataloader": _LOADER,
    "val_dataloader": _LOADER,
    "test_dataloader": _LOADER,
    "randomness": {"seed", "diff_rank_seed", "deterministic"},
    "env_cfg": {"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"},
    "env_cfg.mp_cfg": {"mp_start_method", "opencv_num_threads"},
    "optim_wrapper.paramwise_cfg": _PARAMWISE
    | {"layer_decay_rate", "flat_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate"}
    | {"decay_rate", "decay_type", "num_layers", "force_default_settings"},
    "optim_wrapper.clip_grad": {"type", "max_norm", "norm_type", "error_if_nonfinite", "foreach", "clip_value"},
    "model.test_cfg": {"mode", "crop_size", "stride", "max_batch"}
    | {"subdivision_steps", "subdivision_num_points", "scale_factor"},  # of PointHead
    "data_preprocessor.test_cfg": {"size", "size_divisor"},
    "auto_scale_lr": {"enable", "base_batch_size"},
    "backbone.arch": _arguments(JumboViT) | {"preset"},
    "model.encoder": _arguments(JumboViT) | {"arch"},
    "encoder.arch": _arguments(JumboViT) | {"preset"},
    "backbone.budget": _BUDGET,
    "model.elastic": {field.name for field in fields(ElasticBudgets)} | {"preset"},
    "members.N": {"config", "checkpoint", "budget", "test_cfg", "name"},
    "members.N.budget": _BUDGET,
    "members.N.test_cfg": {"mode", "crop_size", "stride", "max_batch"},
}
# what builds a dict of a type takes these out before it calls the type
_TAKEN_OUT = {
    "optim_wrapper": {"constructor", "paramwise_cfg"},
    "param_scheduler": {"convert_to_iter_based", "epoch_length"},
    "train_cfg": _LOOP,
    "val_cfg": _LOOP,
    "test_cfg": _LOOP,
}
_REGISTRIES = [
    getattr(module, name)
    for module in (mmseg, engine)
    for name in ("MODELS", "DATASETS", "TRANSFORMS", "HOOKS", "METRICS", "LOOPS", "OPTIMIZERS", "OPTIM_WRAPPERS")
] + [engine.PARAM_SCHEDULERS, engine.DATA_SAMPLERS, engine.VISUALIZERS, engine.VISBACKENDS, engine.LOG_PROCESSORS]


_classes: dict[str, type] = {}  # by name; to look one up in all registries takes milliseconds


def require_known(cfg: Config) -> None:
    """Check that every key of a config has an effect, as far as that can be told before anything is built.

    Raises:
        ValueError: If a key has none; the message says where it is, and names the nearest key that has one.
    """
    for key, node in cfg._cfg_dict.items():
        if key in TOP_LEVEL:
            _require_below(node, key)


def _require_below(node: Any, place: str) -> None:
    if isinstance(node, Mapping):
        if place == "default_hooks":
            _require_hooks(node)
        allowed, more = _allowed(node, place)
        for key in sorted(set(node) - allowed - {"type", "_scope_"}):
            if not more or difflib.get_close_matches(key, allowed, 1, 0.85):
                raise ValueError(_unknown(f"{place}.{key}", key, allowed))
        for key, child in node.items():
            # norm_cfg, init_cfg and the like are read in ways of their own
            if not key.endswith("_cfg") or f"{place}.{key}".endswith(tuple(_UNTYPED)):
                _require_below(child, f"{place}.{key}")
    elif isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            _require_below(child, f"{place}.{i}")


def _allowed(node: Mapping, place: str) -> tuple[set[str], bool]:
    """The keys that a dict may have, and whether it may have more that only the code that reads it knows."""
    if "type" in node:
        arguments, more = _arguments_of_type(node["type"])
        return arguments | _TAKEN_OUT.get(place.split(".")[0], set()), more
    general = ".".join("N" if part.isdigit() else part for part in place.split("."))
    for end, allowed in _UNTYPED.items():
        if general == end or general.endswith(f".{end}"):
            return allowed, False
    return (_LOOP, False) if place in ("train_cfg", "val_cfg", "test_cfg") else (set(), True)


def _arguments_of_type(kind: Any) -> tuple[set[str], bool]:
    """The arguments that a registered type takes, and whether it may take more."""
    cls = kind if isinstance(kind, type) else _classes.get(kind) if isinstance(kind, str) else None
    if cls is None and isinstance(kind, str):
        found = set(_registered(kind))
        if len(found) == 1 and isinstance(found := found.pop(), type):
            cls = _classes[kind] = found
    return (set(), True) if cls is None else _arguments_of_class(cls)


@cache
def _arguments_of_class(cls: type) -> tuple[set[str], bool]:
    arguments: set[str] = set()
    base: Any
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        if base is object:
            break
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        arguments |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        becomes = "nothing" if rest is None else _what_becomes_of(rest, base)
        if becomes != "passed on":
            return arguments, becomes == "something"
    return arguments, True


def _what_becomes_of(rest: str, cls: Any) -> str:
    """What a constructor does with keywords that it does not name: "passed on" to its bases, "something" else, or
    "nothing"."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls.__init__)))
    except (OSError, TypeError, SyntaxError):  # no source to read
        return "something"
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == rest]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "__init__" in ast.unparse(node.func)]
    passed = [k.value for call in calls for k in call.keywords if k.arg is None and k.value in used]
    if not used:
        return "nothing"
    return "passed on" if len(passed) == len(used) else "something"


def _registered(kind: str) -> Iterator[Any]:
    for registry in _REGISTRIES:
        try:
            found = registry.get(kind)
        except Exception:  # a scope that is not installed: whoever builds it says so
            found = None
        if found is not None:
            yield found


def _require_hooks(hooks: Mapping[str, Any]) -> None:
    known = {"runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint"}
    for name, hook in hooks.items():
        if name not in known and isinstance(hook, Mapping) and "type" not in hook:
            raise ValueError(_unknown(f"default_hooks.{name}", name, known))


def _unknown(place: str, key: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, allowed, 1, 0.6)
    told = f"did you mean {place.rpartition('.')[0]}.{near[0]}?" if near else f"there are {', '.join(sorted(allowed))}"
    return f"{place} has no effect, as nothing reads it: {told}"
