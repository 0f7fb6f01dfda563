"""What `jumbo calibrate` does."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from ...committees.calibration import Calibration, calibrate
from ...committees.costs import member_costs
from ...committees.outcomes import Outcomes
from ...committees.plot import plot_committee
from ...device import pick_device
from ...files import replacing
from ..calibration import ask, fingerprint, pieces, temperatures, went_on
from ..configs.registered import is_of
from ..data.consistency import require_as_trained
from ..data.required import require_datasets
from ..models.cascade import CascadeSegmentor
from ..pictures.labels import contact_sheet, save
from .config import read_config
from .failing import in_users_terms

MOST_GROUPS = 4  # members of which all ensembles are tried


def draw(outcomes: Outcomes, found: Calibration, path: Path) -> None:
    """Write committee.png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    billions = found.unit == "FLOPs"
    costs = [c / 1e9 for c in found.costs] if billions else found.costs
    cost = found.expected_cost / 1e9 if billions else found.expected_cost
    axes = plot_committee(
        outcomes, costs, found.names, "GFLOPs" if billions else found.unit, chosen=(cost, found.value)
    )
    figure: Any = axes.figure
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    plt.close(figure)


def run(args: argparse.Namespace) -> Calibration:
    """Calibrate as the arguments say."""
    with in_users_terms(args.prog):
        cfg = read_config(args)
        if not is_of(cfg.model, CascadeSegmentor):
            raise ValueError(
                f"{args.config} is of a {cfg.model.type}, not a CascadeSegmentor: see jumbo_cascade_camvid.py"
            )
        require_datasets(cfg, splits=("val",))
        init_default_scope(cfg.get("default_scope", "mmseg"))
        device = pick_device("auto").type
        model: CascadeSegmentor = MODELS.build(cfg.model).eval().to(device)
        require_as_trained(cfg, model.meta, loader="val_dataloader")
        folder = Path(cfg.work_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if args.temperature:
            model.cascade.temperatures = temperatures(cfg, model, device)
        kept = folder / f"outcomes_{fingerprint(cfg, model, args.temperature)}.safetensors"
        if kept.is_file():
            print(f"the members' answers are read from {kept}")
            outcomes = Outcomes.load(kept)
        else:
            outcomes = ask(cfg, model, device, ensembles=len(model.cascade.members) <= MOST_GROUPS)
            outcomes.save(kept)
        example = next(pieces(cfg, model, device))
        costs = member_costs(model.cascade, example.inputs[:1], unit=args.unit, repeats=5)
        found = calibrate(model.cascade, outcomes, costs, args.target, args.unit, tolerance=args.tolerance)
        found = replace(found, members=model.contents())
        found.save(folder / "calibration.json")
        cfg.dump(folder / args.config.name)  # the thresholds are of this cascade alone
        draw(outcomes, found, folder / "committee.png")
        if args.pictures:
            scenes = went_on(cfg, model, outcomes, device, args.pictures)
            if scenes:
                images, truths, predictions, sure = zip(*scenes, strict=True)
                meta = model.meta.get("dataset_meta") or {}
                title = f"Went on: {found.names[0]} is sure by {', '.join(f'{s:.2f}' for s in sure)} of these"
                sheet = contact_sheet(images, truths, predictions, meta["classes"], meta["palette"], title)
                save(sheet, folder / "went_on.png")
        print(found)
        if found.expected_cost >= costs[-1]:
            print("that costs more than the last member alone: leave members out (see committee.png), or ask for less")
        print(
            f"written to {folder}: calibration.json, for jumbo test and jumbo infer; the config and pictures beside it"
        )
        return found
