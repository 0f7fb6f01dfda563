"""What `jumbo probe` does."""

import argparse
from typing import Any

import torch
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
from .failing import in_users_terms


def run(args: argparse.Namespace) -> int:
    """Measure the features of an encoder; prints a table, and returns the exit code."""
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
        if args.json is not None:
            seeds = dict(seed=args.seed, train=len(train.labels), test=len(test.labels))
            about = dict(model=str(args.model), random=args.random, data=args.data, test_data=args.test, **seeds)
            write_json(args.json, args.command, machine_facts(args), dict(about, read_outs=records))
    return DONE


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
