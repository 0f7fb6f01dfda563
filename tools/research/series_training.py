"""Seconds of a training step, of ours and of PatchTST."""

import argparse
import importlib.metadata
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from jumbo_backbone.benchmarking.timing import quartiles, take_turns
from jumbo_cli.failing import BadInputError
from timeseries import JumboForecaster
from timeseries.data.windows import Cuts, Panel
from timeseries.fitting.forecasting import Design, Windows, losses_of
from timeseries.fitting.training import Schedule, train

L = 336
H = 96
CHANNELS = 7
TRAINING_STEPS = 8640  # of ETTh1
PATCHES = dict(patch_length=16, patch_stride=8)
D = 16
DEPTH = 3
HEADS = 4
PATCHTST_FFN = 128
PAPER_DROPOUT = 0.3


def make_models() -> dict[str, tuple[torch.nn.Module, Callable[[Any], torch.Tensor]]]:
    """Each model and its loss of a batch, as our training loop takes them."""
    return {
        "jumbo": make_jumbo(make_design()),
        "jumbo, defaults": make_jumbo(make_design(patch_length=21, patch_stride=21, depth=JumboForecaster().depth)),
        "patchtst": make_patchtst(0.0),
        f"patchtst, dropout {PAPER_DROPOUT}": make_patchtst(PAPER_DROPOUT),
    }


def make_jumbo(design: Design) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor]]:
    model = design.build()

    def loss(batch: Any) -> torch.Tensor:
        context, target = batch
        return losses_of(model(*context), target, design).mean()

    return model, loss


def make_design(**changes: Any) -> Design:
    defaults = JumboForecaster()
    network = dict(embed_dim=D, depth=DEPTH, num_heads=HEADS, jumbo_multiplier=defaults.jumbo_multiplier)
    network |= dict(PATCHES, normalisation=defaults.normalisation, proj_drop_rate=defaults.dropout) | changes
    return Design(L, H, CHANNELS, (), defaults.quantiles, defaults.loss, network)


def make_patchtst(dropout: float) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor]]:
    from transformers import PatchTSTConfig, PatchTSTForPrediction

    config = PatchTSTConfig(
        num_input_channels=CHANNELS,
        context_length=L,
        prediction_length=H,
        **PATCHES,
        d_model=D,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        ffn_dim=PATCHTST_FFN,
        loss="mse",
        # where the paper's code has it: after the positions, within the FFN and of the residual branches
        positional_dropout=dropout,
        ff_dropout=dropout,
        path_dropout=dropout,
    )
    model = PatchTSTForPrediction(config)

    def loss(batch: Any) -> torch.Tensor:
        (past, _), (future, _) = batch
        past, future = (t.view(-1, CHANNELS, t.shape[-1]).transpose(1, 2) for t in (past, future))
        return model(past_values=past, future_values=future).loss

    return model, loss


def require_transformers() -> None:
    if not importlib.util.find_spec("transformers"):
        raise BadInputError("epoch needs transformers, for PatchTST: pip install '.[benchmark]'")


def measure_epoch(args: argparse.Namespace) -> list[dict]:
    require_transformers()
    torch.manual_seed(args.seed)
    values = np.random.default_rng(args.seed).normal(size=(TRAINING_STEPS, CHANNELS)).cumsum(axis=0)
    cuts = Cuts(torch.tensor([L]), torch.tensor([TRAINING_STEPS - H]))
    windows = Windows(Panel([values]), make_design(), cuts, torch.device("cpu"))
    windows.per_batch = args.batch_size
    generator = torch.Generator().manual_seed(args.seed)

    def turn(model: torch.nn.Module, loss: Callable[[Any], torch.Tensor]) -> Callable[[], Any]:
        schedule = Schedule(epochs=1, steps=args.steps)
        loss_of = lambda batch, step, total: loss(batch)  # noqa: E731
        options = dict(generator=generator, device=torch.device("cpu"))
        return lambda: train(model, loss_of, windows.draw, None, schedule, **options)

    models = make_models()
    turns = [turn(*model) for model in models.values()]
    take_turns(turns, [1] * len(turns), 1, "cpu", "warm-up")
    cpu: list[list[float]] = [[] for _ in turns]
    turns = [counted(*pair) for pair in zip(turns, cpu, strict=True)]
    seconds = take_turns(turns, [1] * len(turns), args.repeats, "cpu", "epoch")
    return [
        dict(
            model=name,
            batch_size=args.batch_size,
            channels=CHANNELS,
            steps_per_turn=args.steps,
            seed=args.seed,
            params=sum(p.numel() for p in model.parameters()),
            seconds=taken,
            cpu_seconds=used,
            step_s=quartiles([s / args.steps for s in taken]),
            cpu_step_s=quartiles([s / args.steps for s in used]),
            share_of_time=quartiles([o / s for s, o in zip(taken, seconds[0], strict=True)]),
            share_of_cpu_time=quartiles([o / s for s, o in zip(used, cpu[0], strict=True)]),
        )
        for (name, (model, _)), taken, used in zip(models.items(), seconds, cpu, strict=True)
    ]


def counted(step: Callable[[], Any], seconds: list[float]) -> Callable[[], Any]:
    """The same step, which also appends what processor time it took: other processes do not count in it."""

    def run() -> None:
        begin = time.process_time()
        step()
        seconds.append(time.process_time() - begin)

    return run


def epoch_table(records: list[dict]) -> list[list[str]]:
    rows = [["", "s/step (IQR)", "ours / it [quartiles]", "processor time", "params"]]
    for r in records:
        q1, step, q3 = (r["step_s"][q] for q in ("q1", "median", "q3"))
        shares = ["{median:.3f} [{q1:.3f}, {q3:.3f}]".format(**r[f"share_of_{t}"]) for t in ("time", "cpu_time")]
        rows.append([r["model"], f"{step:.3f} ({q3 - q1:.3f})", *shares, f"{r['params']:,}"])
    return rows
