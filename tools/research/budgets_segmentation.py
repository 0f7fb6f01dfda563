"""Segmentors trained for each budget alone, and elastic ones."""

import argparse
import tempfile
from typing import Any

import torch
from budgets_runs import ALONE, measure, tested_at, timed_budgets
from scaled_configs import scaled_config

from jumbo_backbone import ComputeBudget


def measure_segmentation(args: argparse.Namespace) -> dict:
    from mmengine.runner import Runner

    import jumbo_backbone.segmentation  # noqa: F401  (registers)

    def train(run: dict[str, Any], folder: str) -> Runner:
        cfg = segmentation_config(args, run["kind"], run["seed"])
        if run["trained"]:
            cfg.model.backbone.budget = run["trained"]
            if run["trained"]["keep_rate"] < 1:
                cfg.custom_hooks.append(dict(type="KeepRateWarmupHook"))
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner

    def test(run: dict[str, Any]) -> list[float]:
        with tempfile.TemporaryDirectory() as temporary:
            runner, metrics = train(run, str(args.work_dir / folder_of(run) if args.work_dir else temporary)), []
            for budget in tested_at(run, args):
                runner.model.backbone.default_budget = budget
                metrics.append(float(runner.test()["mIoU"]))
            return metrics

    def times() -> list[dict[str, Any]]:
        from mmengine.registry import init_default_scope
        from mmseg.registry import DATASETS, MODELS

        init_default_scope("mmseg")
        cfg = segmentation_config(args, ALONE, 0)
        model = MODELS.build(cfg.model).eval()
        height, width = DATASETS.build(cfg.test_dataloader.dataset)[0]["inputs"].shape[1:]  # as the test resizes it
        side = cfg.model.backbone.patch_size
        frames = torch.randn(
            1, cfg.model.backbone.get("in_channels", 3), -(-height // side) * side, -(-width // side) * side
        )
        windows = []  # of a frame, in batches
        hook = model.backbone.register_forward_pre_hook(lambda _, inputs: windows.append(inputs[0]))

        def backbone(budget: ComputeBudget) -> None:
            for batch in windows:
                model.backbone(batch, budget)

        def whole(budget: ComputeBudget) -> None:
            model.inference(frames, [dict(img_shape=frames.shape[2:], ori_shape=frames.shape[2:])], budget)

        with torch.inference_mode():
            whole(ComputeBudget())
        hook.remove()
        return timed_budgets([backbone, whole], ["backbone", "whole"], args)

    return measure(args, [args.config.stem], test, times)


def folder_of(run: dict[str, Any]) -> str:
    """Where --work-dir keeps a run, for example "alone_keep0.7_full_seed0"."""
    parts = [run["kind"]]
    if run["trained"]:
        resolution = run["trained"]["resolution"]
        size = "full" if resolution is None else f"resolution{resolution:.3g}"
        parts += [f"keep{run['trained']['keep_rate']:g}", size]
    return "_".join([*parts, f"seed{run['seed']}"])


def segmentation_config(args: argparse.Namespace, kind: str, seed: int):
    """The config of a run."""
    return scaled_config(args.config if kind == ALONE else args.elastic_config, args.data_root, args.iterations, seed)
