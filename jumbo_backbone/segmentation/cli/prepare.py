"""What `jumbo prepare` does."""

import argparse
import errno
import os
import zipfile
from pathlib import Path

from jumbo_cli.commands.prepare import TOP, URL
from jumbo_cli.failing import STOPPED, WRONG_INPUT, say

from ..data.ade20k import check_ade20k, take_over, unpack
from . import prepare_masks
from .check import check_config, report


def prepare(args: argparse.Namespace, progress: bool) -> list[dict]:
    """Bring ADE20K into its place and check it, or check a config's data sets; returns the findings by splits."""
    if args.check is not None:
        return check_config(args.check, args.data_root, args.workers, progress)
    home = args.out / TOP
    if home.is_symlink() and not home.exists():
        raise ValueError(f"{home} is a link to {os.readlink(home)}, which is not there: remove the link")
    if args.source.is_dir():
        print(take_over(args.source, home))
    elif args.source.is_file():
        written, there = unpack(args.source, args.out, progress)
        print(f"{home}: {written:,} files unpacked, {there:,} were there already")
    else:
        raise FileNotFoundError(f"no file or folder at {args.source.absolute()}: fetch {URL}")
    reports = check_ade20k(home, args.out / f".{TOP}.json", args.recheck, args.workers, progress)
    if home.absolute() != Path("data/ade", TOP).absolute():
        print(f"train with --data-root {home}")
    return reports


def run(args: argparse.Namespace) -> int:
    """Prepare as the arguments say; returns the exit code."""
    if args.masks is not None:
        return prepare_masks.run(args)

    def tell(message: str, code: int = WRONG_INPUT) -> int:
        say(args.prog, message)
        return code

    try:
        return report(args, lambda progress: prepare(args, progress))
    except KeyboardInterrupt:
        return tell("stopped by Ctrl-C; the same command goes on from here", STOPPED)
    except zipfile.BadZipFile as error:
        size = args.source.stat().st_size
        return tell(
            f"{args.source} ({size:,} bytes) is damaged or cut off ({error}): fetch {URL} again, and run the same "
            "command; what is unpacked already is kept"
        )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return tell(f"the disk is full ({error}): make room, and run the same command; it goes on from here")
        return tell(str(error))
    except (ValueError, TypeError, ImportError) as error:
        return tell(str(error))
