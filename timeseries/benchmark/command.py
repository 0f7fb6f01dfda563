"""What `jumbo benchmark-series` does."""

import argparse
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from jumbo_backbone.benchmarking.report import device_of, machine_facts, where, write_json
from jumbo_backbone.files import replacing
from jumbo_cli.failing import BROKE, DONE, BadInputError, say

from ..datasets import SeriesPanel, load_tsf
from ..estimators.forecaster import JumboForecaster
from ..evaluation import HeldOut, PanelScores, evaluate_held_out, hold_out, probabilities
from .cache import ForecastCache
from .log import count_last_horizon, log_evaluation
from .peer_worker import METHODS
from .peers import WorkerError, peer_forecasts, versions_of_peers
from .picture import draw
from .report import OURS, overall, table, with_ranks

_LEVELS = (0.8, 0.95)


def run(args: argparse.Namespace) -> int:
    """Measure as the arguments say; returns the exit code."""
    try:
        complete(args)
        panels = {path.stem: load_tsf(path) for path in _files(args)}
        cuts = {name: _cut(panel, args) for name, panel in panels.items()}
        records = list(_measured(cuts, args))
    except (ValueError, TypeError, OSError) as error:
        raise BadInputError(str(error)) from error
    except WorkerError as error:
        say(args.prog, error)
        return BROKE
    told = overall(records)
    origin = "the last horizon" if args.origin == 0 else f"origin {args.origin}"
    title = f"{origin} held out, {where(args, args.machine)}"
    print(f"{title}\n\n{table(records, told)}\n")
    print(f"The last horizon was evaluated {count_last_horizon(args.out)} times in all ({args.out}/evaluations.jsonl).")
    settings = dict(origin=args.origin, series=args.series, seed=args.seed, params=args.params, levels=_LEVELS)
    results = dict(settings=settings, peers=args.versions, sets=records, overall=told)
    write_json(args.out / f"origin_{args.origin}.json", args.command, args.machine, results)
    with replacing(args.out / f"origin_{args.origin}.png") as temporary:
        draw(records, title, temporary)
    return DONE


def complete(args: argparse.Namespace) -> None:
    """Fill in what depends on the machine, and check all that can be checked before anything is measured."""
    args.params = dict(args.params)
    known = inspect.signature(JumboForecaster).parameters
    for name in args.params:
        if name not in known:
            raise ValueError(f"JumboForecaster has no argument {name!r}: {', '.join(known)}")
    JumboForecaster(**args.params)
    args.peers = args.peers or args.peers_only
    args.versions = versions_of_peers(args.peers_python) if args.peers else {}
    args.device = device_of(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    args.machine = machine_facts(args)
    torch.set_num_threads(args.threads)


def _files(args: argparse.Namespace) -> list[Path]:
    if not args.folder.is_dir():
        raise ValueError(f"no folder at {args.folder}: give one with .tsf files")
    found = {path.stem: path for path in sorted(args.folder.glob("*.tsf"))}
    if not found:
        raise ValueError(f"no .tsf file in {args.folder}")
    for name in args.sets or ():
        if name not in found:
            raise ValueError(f"no {name}.tsf in {args.folder}: there are {', '.join(found)}")
    return [found[name] for name in args.sets or found]


def _cut(panel: SeriesPanel, args: argparse.Namespace) -> HeldOut:
    return hold_out(panel if args.series is None else panel.some(args.series), args.origin)


def _measured(cuts: dict[str, HeldOut], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A record for each set and method, logged as soon as it is there."""
    cache = ForecastCache(args.cache or args.out / "cache") if args.peers else None
    try:
        for name, held_out in cuts.items():
            rows = {} if args.peers_only else {OURS: (_ours(held_out, args), {"params": args.params})}
            if cache:
                for method in METHODS:
                    rows[method] = _peer(method, held_out, cache, args)
            for record in with_ranks({method: scores for method, (scores, _) in rows.items()}):
                record = {"set": name, "origin": args.origin, **record, **rows[record["method"]][1]}
                log_evaluation(args.out, record, args.machine["git"])
                yield record
    finally:
        if cache:
            cache.close()


def _ours(held_out: HeldOut, args: argparse.Namespace) -> PanelScores:
    forecaster = JumboForecaster(**{"random_state": args.seed, "device": args.device, **args.params})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*remember_data.*", category=FutureWarning)  # of sktime, on cloning
        return evaluate_held_out(forecaster, held_out, _LEVELS)


def _peer(method: str, held_out: HeldOut, cache: ForecastCache, args: argparse.Namespace) -> tuple[PanelScores, dict]:
    alpha = probabilities(_LEVELS)
    found = peer_forecasts(method, held_out, alpha, args.versions, cache, args.peers_python)
    center, quantiles, seconds, failed = found
    scores = PanelScores.of(held_out, center, quantiles, alpha, _LEVELS, (0.0, seconds))
    return scores, {"failed": failed, "version": args.versions[METHODS[method]]}
