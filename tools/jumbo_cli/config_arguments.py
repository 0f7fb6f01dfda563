"""Arguments of every subcommand that reads a config of a segmentation model."""

import argparse
from pathlib import Path
from typing import Any

from .arguments import key_value, resolution

SEG: dict[str, Any] = dict(extra="seg", needs=("mmengine", "mmcv", "mmseg", "cv2", "sklearn"))


class KeysAndValues(argparse.Action):
    """mmengine's KEY=VALUE options; a text of another form is an argument error, without a traceback."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        for text in values or ():
            key, equals, value = text.partition("=")
            if not equals or not all(key.split(".")):
                parser.error(f"{option_string}: {text!r} is not KEY=VALUE, such as train_cfg.max_iters=100")
            if "dict(" in value or "{" in value:  # mmengine would take it for a word
                parser.error(f"{option_string}: {text!r}: a dict is set key by key, as {key}.type=…, or in the config")
        from mmengine.config import DictAction  # only here: it takes seconds, which help need not wait for

        try:
            DictAction(self.option_strings, self.dest, self.nargs)(parser, namespace, values, option_string)
        except (AssertionError, ValueError, RecursionError) as error:
            parser.error(f"{option_string}: {' '.join(values)} cannot be read ({error}); put quotes around brackets")


def add_config_arguments(parser: argparse.ArgumentParser, with_data: bool = True) -> None:
    """Arguments for the config and changes to it; those of a run on its data set are optional."""
    parser.add_argument(
        "config",
        type=Path,
        help="config file, or the name of one that comes with the package, such as jumbo_upernet_ade20k",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeysAndValues,
        default={},
        metavar="KEY=VALUE",
        help="changes to the config, such as train_cfg.max_iters=100 model.backbone.with_cp=True",
    )
    if not with_data:
        parser.set_defaults(data_root=None, work_dir=None, launcher="none", local_rank=0)
        return
    parser.add_argument("--data-root", help="folder of the data set, for all its splits (default: the config's)")
    parser.add_argument("--work-dir", type=Path, help="folder for what the run writes (default: work_dirs/CONFIG)")
    parser.add_argument(
        "--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help="how processes were started"
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments for the backbone's compute budget."""
    parser.add_argument("--keep-rate", type=float, help="share of the patches each reducing block keeps, up to 1")
    parser.add_argument(
        "--resolution", type=resolution, help="read images at: a scale (0.7), pixels (384), or both sides (384x512)"
    )


def add_int8_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--int8-jumbo",
        action="store_true",
        help="keep the FFN of the Jumbo token in 8 bits: faster on CPU with few images at once",
    )


def add_window_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments for prediction by overlapping windows."""
    parser.add_argument("--slide", action="store_true", help="overlapping windows of the training size")
    parser.add_argument("--max-batch", type=int, help="most windows in one pass of --slide; limits memory (default: 8)")


def add_adapt_arguments(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Arguments for test-time adaptation, by one method or by several in turn."""
    how: dict[str, Any] = dict(nargs="+", default=[]) if several else {}
    parser.add_argument(
        "--adapt",
        choices=["tent", "sar"],
        help="adapt to the images while they are answered, in their order (docs/adaptation.md)",
        **how,
    )
    parser.add_argument(
        "--adapt-options",
        nargs="+",
        type=key_value,
        default=[],
        metavar="KEY=VALUE",
        help="with --adapt: lr, momentum, share, loss_stride; of sar also margin, rho, recovery",
    )
    parser.add_argument(
        "--episodic", action="store_true", help="with --adapt: each image, of a classifier each batch, starts anew"
    )
