#!/usr/bin/env python3
"""Measure cascades against their last member: how good, how fast, and who answers.

"segmentation" reads configs of cascades (see tools/calibrate.py). Their thresholds are chosen on one half of the
validation images, in the order of their names, and tested on the other, and the other way round; of several
checkpoints the table has the means, and the standard error of the difference. "series" fits
classifiers of series with a committee and calibrates them on their training series; they are timed on sktime's
"numpy3D" arrays, if all series have one length, and on pandas tables, which sktime takes longer to check. It also fits
ensembles of two networks beside one network of twice the FLOPs. "routing" times a cascade of image classifiers whose
members are free, which leaves the price of going on.

Times of a cascade and of its last member are taken in turn. The file is written after every measurement; of series it
keeps what it has, and what it lacks is measured.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from committees_plot import plot_segmentation
from committees_results import keep
from committees_segmentation import measure_segmentation, table_segmentation
from committees_series import DOUBLED, measure_series, table_series

from jumbo_backbone.benchmarking.report import aligned, machine_facts, require_writable, where
from jumbo_backbone.benchmarking.timing import quartiles, take_turns
from jumbo_backbone.files import replacing
from jumbo_cli.arguments import Parser, number
from jumbo_cli.failing import BadInputError, exit_code

EXAMPLES = """examples:
  %(prog)s segmentation seg_configs/jumbo_cascade_camvid.py --data-root data/camvid --json camvid.json
  %(prog)s segmentation seg_configs/jumbo_cascade_camvid.py --checkpoints seed?/iter_1250.pth --tolerances 0 0.005
  %(prog)s series GunPoint ArrowHead archive/Libras --json series.json
  %(prog)s routing
"""


# ---- routing


def measure_routing(args: argparse.Namespace) -> list[dict]:
    """What gathering, confidence and scattering cost at batch 16, beside the members' own time."""
    from jumbo_backbone import Cascade, create_model

    torch.manual_seed(0)
    model = create_model(args.model).eval()
    torch.nn.init.normal_(model.head.weight, std=0.02)
    x = torch.randn(16, 3, 224, 224)
    with torch.inference_mode():
        scores = model(x)
        cascade = Cascade([lambda x: scores[: len(x)], lambda x: scores[: len(x)]], [0.0])
        middle = float((scores.amax(dim=1) - scores.logsumexp(dim=1)).exp().median())
        cascade.thresholds = [middle]
        steps = [lambda: model(x), lambda: cascade(x)]
        seconds = take_turns(steps, [1, 200], args.repeats, "cpu", "routing")
    shares = quartiles([routing / member for member, routing in zip(*seconds, strict=True)])
    return [dict(model=args.model, batch=16, goes_on=8, share_of_member=shares)]


def table_routing(records: list[dict]) -> list[list[str]]:
    return [["member", "routing, share of its time"]] + [
        [r["model"], f"{r['share_of_member']['median']:.3%}"] for r in records
    ]


# ---- command line


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="benchmark_committees.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    segmentation, series, routing = (kinds.add_parser(kind) for kind in ("segmentation", "series", "routing"))
    positive = number(int, 1)
    for sub in (segmentation, series, routing):
        sub.add_argument("--repeats", type=positive, default=10, metavar="N", help="rounds of timing (10)")
        sub.add_argument("--threads", type=positive, default=1, metavar="N", help="CPU threads (1)")
        sub.add_argument("--json", type=Path, metavar="FILE", help="write every raw figure and the machine's facts")
    segmentation.add_argument("configs", nargs="+", type=Path, metavar="CONFIG", help="of a CascadeSegmentor")
    segmentation.add_argument("--data-root", help="folder of the data set")
    segmentation.add_argument(
        "--checkpoints", nargs="+", type=Path, metavar="FILE", help="each in place of all members' own: other seeds"
    )
    segmentation.add_argument(
        "--tolerances",
        nargs="+",
        type=number(float, 0),
        default=[0.0],
        metavar="MIOU",
        help="how much less than the last member's will do, such as 0.005 (0)",
    )
    segmentation.add_argument("--plot", type=Path, metavar="FILE.png", help="draw mIoU against FLOPs")
    series.add_argument("problems", nargs="+", metavar="PROBLEM", help="a folder, or a problem that sktime brings")
    kinds_of = ("kernels", "budgets", DOUBLED)
    series.add_argument(
        "--committees", nargs="+", choices=kinds_of, default=list(kinds_of), metavar="KIND", help="of what (all)"
    )
    series.add_argument("--series", type=positive, default=64, metavar="N", help="at most timed, of a problem (64)")
    series.add_argument("--seeds", nargs="+", type=number(int, 0), default=[0], metavar="N", help="of each (0)")
    routing.add_argument("--model", default="jumbo_pico_patch16_224", help="whose time is the measure")
    args = parser.parse_args(argv)
    args.device = "cpu"
    for path in filter(None, (args.json, getattr(args, "plot", None))):
        require_writable(path)
    for config in getattr(args, "configs", ()):
        if not config.is_file():
            raise BadInputError(f"no config at {config}: see seg_configs")
    for checkpoint in getattr(args, "checkpoints", None) or ():
        if not checkpoint.is_file():
            raise BadInputError(f"no checkpoint at {checkpoint}: give what training left")
    args.command = [Path(word).name if Path(word).is_absolute() else word for word in argv]
    return args


MEASURE: dict[str, tuple[Callable, Callable]] = {
    "segmentation": (measure_segmentation, table_segmentation),
    "series": (measure_series, table_series),
    "routing": (measure_routing, table_routing),
}


def main(argv: list[str] | None = None) -> int:
    def body() -> None:
        args = parse_args(sys.argv[1:] if argv is None else argv)
        torch.set_num_threads(args.threads)
        args.machine = machine_facts(args)
        measure, table = MEASURE[args.kind]
        records = measure(args)
        keep(args, records)
        title = f"{args.kind} {where(args, args.machine)}"
        if getattr(args, "plot", None):
            with replacing(args.plot) as temporary:
                plot_segmentation(records, title, temporary)
        print("\n".join([title, "", *aligned(table(records))]))

    return exit_code("benchmark_committees", body)


if __name__ == "__main__":
    sys.exit(main())
