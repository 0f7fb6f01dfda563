"""Classifiers of series trained for each budget alone, and elastic ones."""

import argparse
from pathlib import Path
from typing import Any

import torch
from budgets_runs import measure, tested_at, timed_budgets


def measure_series(args: argparse.Namespace) -> dict:
    from archives import load

    from timeseries import JumboClassifier
    from timeseries.networks.network import ClassifierNet

    def test(run: dict[str, Any]) -> list[float]:
        problem = next(p for p in args.problems if Path(p).name == run["subject"])
        train, (X, y) = load(problem)
        trained = run["trained"]
        if trained is None:
            params = dict(elastic=dict(keep_rates=args.keep_rates, resolutions=(1.0,)))
        else:
            params = dict(keep_rate=trained["keep_rate"])
        classifier = JumboClassifier(pretrained=None, random_state=run["seed"], **args.recipe, **params).fit(*train)
        return [float((classifier.set_budget(b.keep_rate).predict(X) == y).mean()) for b in tested_at(run, args)]

    def times() -> list[dict[str, Any]]:
        calls, names = [], []
        for length in args.lengths:
            patch = -(-length // 16)  # the classifier's own choice
            sizes = dict(embed_dim=64, depth=3, num_heads=4, jumbo_multiplier=4)
            network = ClassifierNet(1, 2, length, 0, patch_length=patch, patch_stride=patch // 2, **sizes).eval()
            x = torch.randn(args.batch_size, 1, length)
            calls.append(lambda b, network=network, x=x: network.from_tokens(x, None, b))
            names.append(f"{length} steps")
        return timed_budgets(calls, names, args)

    return measure(args, [Path(p).name for p in args.problems], test, times)
