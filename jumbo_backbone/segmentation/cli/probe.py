"""What `jumbo probe` does."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch.utils.data import DataLoader
from tqdm import tqdm

from jumbo_cli.failing import DONE

from ...benchmarking.report import aligned, machine_facts, write_json
from ...device import pick_device
from ...files import make_room
from ...models.rebuild import model_of_file
from ...models.vit import JumboViT
from ...pretraining import Features, features_of, linear_probe, nearest_neighbours
from ..pretraining.classes import ClassPictures, train_and_test
from ..pretraining.fine_tuning import RECIPE, fine_tune_from
from . import train as training
from .failing import in_users_terms


def run(args: argparse.Namespace) -> int:
    """Measure the features of an encoder, and fine-tune it if asked; prints a table, and returns the exit code."""
    with in_users_terms(args.prog):
        if args.threads:
            torch.set_num_threads(args.threads)
        args.threads = torch.get_num_threads()
        device = pick_device(args.device)
        args.device = device.type
        if args.json is not None:
            make_room(args.json)
        torch.manual_seed(args.seed)
        model = model_of_file(args.model, pretrained=not args.random)
        train, test = _features(args, model, device)
        records = measure(args, train, test)
        rows = [[name, *(f"{value:.1f}" for value in _figures(record))] for name, record in records.items()]
        print("\n".join(aligned([["read-out", "width", "linear top-1", "top-5", f"{args.k}-NN top-1"], *rows])))
        seeds = dict(seed=args.seed, train=len(train.labels), test=len(test.labels))
        about = dict(model=str(args.model), random=args.random, data=args.data, test_data=args.test, **seeds)
        found = dict(about, read_outs=records)
        if args.json is not None:  # before fine-tuning, which takes long
            write_json(args.json, args.command, machine_facts(args), found)
    if args.fine_tune is not None:
        found["fine_tuning"] = fine_tuned = fine_tune(args, model)
        print(f"fine-tuned, {args.fine_tune} epochs: top-1 {fine_tuned['top1']:.1f}, top-5 {fine_tuned['top5']:.1f}")
        if args.json is not None:
            write_json(args.json, args.command, machine_facts(args), found)
    return DONE


def fine_tune(args: argparse.Namespace, model: JumboViT) -> dict[str, Any]:
    """Train the encoder and a classifier on top; the scores of the test part after the last step, and how it was
    done."""
    told: dict[str, Any] = dict(epochs=args.fine_tune, batch_size=args.batch_size)

    def prepare(args: argparse.Namespace) -> Config:
        cfg = training.prepare(args)
        train, _, classes = train_and_test(args.data, args.test)
        told["iterations"] = math.ceil(args.fine_tune * len(train) / args.batch_size)
        parts = [(args.data, "train"), (args.data, "held_out")]
        if args.test is not None:
            parts = [(args.data, "all"), (args.test, "test")]
        data = [dict(data_root=root, part=part) for root, part in parts]
        checkpoint = None if args.random else args.model
        fine_tune_from(cfg, model, checkpoint, data, classes, told["iterations"], args.size)
        cfg.train_dataloader.update(
            batch_size=args.batch_size, num_workers=args.workers, persistent_workers=args.workers > 0
        )
        return cfg

    asked = dict(config=Path(RECIPE), cfg_options={}, data_root=None, launcher="none", local_rank=0)
    args.work_dir = args.work_dir or Path("work_dirs", f"fine_tune_{args.model.stem}")
    training.run(argparse.Namespace(**{**vars(args), **asked}, amp=False, deterministic=False, load_from=None), prepare)
    scores = json.loads((args.work_dir / "metrics.json").read_text())[-1]
    return told | dict(top1=scores["top1"], top5=scores["top5"], work_dir=str(args.work_dir))


def measure(args: argparse.Namespace, train: Features, test: Features) -> dict[str, dict[str, Any]]:
    """The scores of each read-out."""
    records = {}
    for name in tqdm(args.read_out, "probes", leave=False, disable=None):
        score = linear_probe(train, test, name, epochs=args.epochs, seed=args.seed)
        records[name] = dict(
            width=train.read_out(name).shape[1],
            linear_top1=score.top1,
            linear_top5=score.top5,
            rate=score.rate,
            neighbours_top1=nearest_neighbours(train, test, name, args.k),
        )
    return records


def _figures(record: dict[str, Any]) -> list[float]:
    return [record[key] for key in ("width", "linear_top1", "linear_top5", "neighbours_top1")]


def _features(args: argparse.Namespace, model: JumboViT, device: torch.device) -> list[Features]:
    """Of the training part and of the test part."""
    cfg = model.pretrained_cfg
    *parts, classes = train_and_test(args.data, args.test)
    found = []
    for what, files in zip(("train", "test"), parts, strict=True):
        pictures = ClassPictures(files, classes, args.size or model.patch_embed.img_size, cfg["mean"], cfg["std"])
        loader = DataLoader(pictures, args.batch_size, num_workers=args.workers)
        found.append(features_of(model, tqdm(loader, f"features ({what})", leave=False, disable=None), device))
    return found
