"""One measurement of `jumbo benchmark`: a model at a setting, its step, and the cost of that step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import timm
import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from jumbo_cli.commands.benchmark import REGISTERS

from .. import ComputeBudget  # registers Jumbo with timm
from ..benchmarking.memory import peak_of
from ..benchmarking.report import blamed_on
from ..budgets.flops import count_flops
from ..models.presets import PRESETS


@dataclass(frozen=True)
class Case:
    """One measurement: everything a fresh process needs to repeat it."""

    model: str
    img_size: int
    batch_size: int
    dtype: str
    mode: str
    device: str
    compile: bool
    threads: int
    model_kwargs: dict[str, Any]
    keep_rate: float = 1.0
    resolution: float | int | None = None

    @property
    def budget(self) -> ComputeBudget:
        return ComputeBudget(self.keep_rate, resolution=self.resolution)

    @property
    def name(self) -> str:
        return self.model + budget_suffix(self.budget)

    @property
    def setting(self) -> str:
        return f"{self.img_size} px, batch {self.batch_size}, {self.dtype}"

    def __str__(self) -> str:
        return f"{self.name} ({self.setting})"


def budget_suffix(budget: ComputeBudget) -> str:
    """The budget in words, to follow a model's name."""
    kept = f", keep {budget.keep_rate:g}" * (budget.keep_rate < 1)
    return kept + (f", at {budget.resolution:g}" if budget.resolution is not None else "")


def build(case: Case) -> nn.Module:
    """The case's model in float32 on CPU, with fresh weights."""
    size, kwargs = case.img_size, case.model_kwargs
    model: Any  # timm's own, or a Jumbo model
    if is_registers(case.model):
        dims = {k: v for k, v in PRESETS[case.model.removeprefix(REGISTERS)].items() if k != "jumbo_multiplier"}
        model = VisionTransformer(**{**dims, "img_size": size, "patch_size": 16, "reg_tokens": 16, **kwargs})
    else:
        try:
            model = timm.create_model(case.model, **{"img_size": size, **kwargs})
        except TypeError as error:  # convolutional networks take any size and no such argument
            if "img_size" not in str(error):
                raise
            model = timm.create_model(case.model, **kwargs)
    embed = getattr(model, "patch_embed", None)
    if isinstance(embed, PatchEmbed) and not embed.dynamic_img_pad and any(size % p for p in embed.patch_size):
        # timm would leave out the pixels beyond the last whole patch without a word
        raise ValueError(f"img_size {size} is not a multiple of the patch size {embed.patch_size[0]}")
    if case.budget != ComputeBudget():
        if not hasattr(model, "default_budget"):
            raise ValueError("it has no compute budget: --keep-rate and --resolution are for Jumbo models")
        model.default_budget = case.budget
    return model


def make_step(case: Case, model: nn.Module) -> Callable[[], None]:
    """The step that is timed: one forward, or one forward and backward, on random images."""
    dtype = getattr(torch, case.dtype)
    model.to(case.device, dtype).train(case.mode == "train")
    channels = case.model_kwargs.get("in_chans", 3)
    images = torch.randn(case.batch_size, channels, case.img_size, case.img_size).to(case.device, dtype)
    # dynamic=False: otherwise the second image size would be compiled to a slower graph than the first
    forward = torch.compile(model, dynamic=False) if case.compile else model

    def infer() -> None:
        with torch.inference_mode():
            forward(images)

    def train() -> None:
        model.zero_grad(set_to_none=True)
        forward(images).float().square().mean().backward()

    return train if case.mode == "train" else infer


def count(case: Case) -> dict[str, int]:
    """Parameters, and FLOPs of one step on one image."""
    with blamed_on(case):
        model = build(case)
        step = make_step(replace(case, batch_size=1, dtype="float32", compile=False), model)
        model.eval()  # as many FLOPs, and batch norm refuses to train on one value per channel
        return {"params": sum(p.numel() for p in model.parameters()), "flops": count_flops(step)}


def peak_memory_here(case: Case) -> int:
    """Peak memory of one step in bytes (see the top of this file); for a process that did nothing else."""
    torch.set_num_threads(case.threads)
    return peak_of(make_step(case, build(case)), case.device)


def is_registers(model: str) -> bool:
    """Whether a name is one of timm's plain ViT with registers, of a preset's sizes."""
    return model.startswith(REGISTERS) and model.removeprefix(REGISTERS) in PRESETS
