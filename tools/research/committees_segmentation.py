"""Cascades of segmentors, calibrated on one half of the images and measured on the other."""

import argparse
import functools
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from committees_results import BATCHES, keep
from tqdm import tqdm

from jumbo_backbone.benchmarking.timing import quartiles
from jumbo_cli.arguments import Parser


@contextmanager
def clocked(modules: list[torch.nn.Module]) -> Iterator[list[float]]:
    """Seconds of each call of some modules."""
    seconds, started = [], []
    hooks = []
    for module in modules:
        hooks.append(module.register_forward_pre_hook(lambda *_: started.append(time.perf_counter())))
        hooks.append(module.register_forward_hook(lambda *_: seconds.append(time.perf_counter() - started.pop())))
    try:
        yield seconds
    finally:
        for hook in hooks:
            hook.remove()


def measure_segmentation(args: argparse.Namespace) -> list[dict]:
    from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
    from jumbo_backbone.segmentation.data.required import require_datasets

    parser, records = Parser(), []
    add_config_arguments(parser)
    for config in args.configs:
        data_root = ["--data-root", args.data_root] if args.data_root else []
        cfg = read_config(parser.parse_args([str(config), *data_root]))
        require_datasets(cfg, splits=("val",))
        cfg.val_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
        for checkpoint in args.checkpoints or [None]:
            if checkpoint:
                for member in cfg.model.members:
                    member.checkpoint = str(checkpoint)
            about = dict(config=config.stem, checkpoint=checkpoint and checkpoint.parent.name)
            for record in cascades(cfg, args):
                records.append(about | record)
                keep(args, records)
    return records


def cascades(cfg, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The cascade of a config, whose stages answer alone and with those before them, at every tolerance."""
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import jumbo_backbone.segmentation  # noqa: F401  (registers)
    from jumbo_backbone.committees.costs import member_costs
    from jumbo_backbone.committees.outcomes import stage_groups
    from jumbo_backbone.committees.thresholds import choose_thresholds
    from jumbo_backbone.segmentation.calibration import ask, pieces

    init_default_scope("mmseg")
    model = MODELS.build(cfg.model).eval()
    cascade = model.cascade
    images = [(piece.inputs, piece.valid) for piece in pieces(cfg, model, "cpu")]
    outcomes = ask(cfg, model, "cpu", ensembles=True)
    costs = member_costs(cascade, images[0][0])
    half = len(images) // 2
    parts = [torch.arange(half), torch.arange(half, len(images))]
    for ensemble, tolerance in itertools.product((False, True), args.tolerances):
        stages = stage_groups(len(costs), ensemble)
        chosen = []
        for own in parts[::-1]:  # thresholds of a half are chosen on the other one
            there = outcomes.part(own)
            least = there.metric_of(stages[-1]) - tolerance
            chosen.append(choose_thresholds(there, stages, costs, least).thresholds)
        routed = [outcomes.part(p).routed(stages, t, costs) for p, t in zip(parts, chosen, strict=True)]
        answers = [outcomes.part(p).answers(stages, t)[0] for p, t in zip(parts, chosen, strict=True)]
        cascade.ensemble = ensemble
        record = dict(
            names=cascade.names,
            costs=costs,
            ensemble=ensemble,
            tolerance=tolerance,
            samples=len(images),
            thresholds=[[t if t <= 1 else None for t in found] for found in chosen],
            members=[outcomes.metric_of(g) for g in stages],
            groups={" + ".join(str(i + 1) for i in g): outcomes.metric_of(g) for g in outcomes.groups},
            value=float(outcomes.score(torch.cat(answers).sum(dim=0))),
            shares=np.mean([r.shares for r in routed], axis=0).tolist(),
            flops_share=float(np.mean([r.cost for r in routed])) / costs[-1],
        )
        for size in BATCHES:
            record[f"batch {size}"] = time_cascade(model, images, parts, chosen, size, args)
        yield record


def time_cascade(model, images: list, parts: list, chosen: list, size: int, args: argparse.Namespace) -> dict:
    """Last member's time over the cascade's, the whole and in backbones alone: quartiles over the rounds. And how many
    images left at each stage."""
    cascade, backbones = model.cascade, list({m.segmentor.backbone: 0 for m in model.cascade.models})
    last = len(cascade.members) - 1
    batches = [
        (*stacked([images[i] for i in rows.tolist()]), thresholds)
        for part, thresholds in zip(parts, chosen, strict=True)
        for rows in part.split(size)
    ]
    whole, inner = [], []
    left = torch.zeros(last + 1, dtype=torch.long)
    with torch.inference_mode(), clocked(backbones) as seconds:
        for batch, valid, thresholds in batches:  # warms up, too
            cascade.thresholds = thresholds
            left += torch.bincount(cascade.route(batch, valid=valid).stage, minlength=last + 1)
        for _ in tqdm(range(args.repeats), desc=f"batch {size}", leave=False, disable=None):
            taken = {"cascade": [0.0, 0.0], "last": [0.0, 0.0]}
            for batch, valid, thresholds in batches:
                cascade.thresholds = thresholds
                route = functools.partial(cascade.route, valid=valid)
                for name, call in (("cascade", route), ("last", functools.partial(cascade.ask, last))):
                    seconds.clear()
                    start = time.perf_counter()
                    call(batch)
                    taken[name][0] += time.perf_counter() - start
                    taken[name][1] += sum(seconds)
            whole.append(taken["last"][0] / taken["cascade"][0])
            inner.append(taken["last"][1] / taken["cascade"][1])
    return dict(whole=quartiles(whole), backbone=quartiles(inner), left=left.tolist())


def stacked(images: list[tuple[torch.Tensor, torch.Tensor | None]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels, and which of them count, of several images in a batch."""
    valid = [torch.ones_like(x[:, 0], dtype=torch.bool) if v is None else v for x, v in images]
    return torch.cat([x for x, _ in images]), torch.cat(valid)


def table_segmentation(records: list[dict]) -> list[list[str]]:
    """A line for each cascade: means over the checkpoints."""
    head = ["cascade", "answers", "may lose", "last", "cascade", "difference", "leave", "FLOPs"]
    rows = [[*head, *(f"{part} x, batch {size}" for size in BATCHES for part in ("backbone", "whole"))]]
    lines = [(r["config"], r["ensemble"], r["tolerance"]) for r in records]
    for line in dict.fromkeys(lines):
        mine = [r for r, own in zip(records, lines, strict=True) if own == line]
        _, ensemble, tolerance = line
        last, value = (
            np.array([100 * x for x in xs]) for xs in ([r["members"][-1] for r in mine], [r["value"] for r in mine])
        )
        off = value - last
        spread = f" ± {off.std(ddof=1) / len(off) ** 0.5:.1f}" if len(off) > 1 else ""
        shares, flops = np.mean([r["shares"] for r in mine], axis=0), np.mean([r["flops_share"] for r in mine])
        row = [" > ".join(mine[0]["names"]), "mean" if ensemble else "own", f"{100 * tolerance:g}"]
        row += [f"{last.mean():.1f}", f"{value.mean():.1f}", f"{off.mean():+.1f}{spread}"]
        row += [" ".join(f"{s:.0%}" for s in shares), f"{flops:.0%}"]
        timed = [[r[f"batch {s}"][part]["median"] for r in mine] for s in BATCHES for part in ("backbone", "whole")]
        rows.append(row + [f"{np.mean(t):.2f}" for t in timed])
    return rows
