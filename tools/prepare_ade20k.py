#!/usr/bin/env python3
"""Unpack ADE20K's official zip, or take over an unpacked folder, and check it; or check the data sets of a config."""

import argparse
import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tqdm import tqdm

import jumbo_backbone
from jumbo_backbone.files import write_atomically
from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
from jumbo_backbone.segmentation.data.check import (
    ADE20K_PAIRS,
    check_dataset,
    datasets_by_split,
    open_dataset,
    require_classes,
)

TOP = "ADEChallengeData2016"  # the folder in the zip, and in --out
FOLDERS = [f"{what}/{split}" for what in ("images", "annotations") for split in ADE20K_PAIRS]
URL = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"

EPILOG = f"""examples:
  prepare_ade20k.py {TOP}.zip           unpack and check; again: only what is missing
  prepare_ade20k.py /data/{TOP}         use a folder unpacked elsewhere
  prepare_ade20k.py --check seg_configs/jumbo_upernet_ade20k.py --data-root /data/{TOP}
  prepare_ade20k.py --check my_config.py --json report.json

The zip (0.9 GB) is at {URL}
It is unpacked into OUT/{TOP}/{{images,annotations}}/{{training,validation}}, where the configs of this
project look for it. A folder that is elsewhere is not copied: OUT/{TOP} becomes a symbolic link to it.
Files that are there and equal those of the zip are left alone, so an interrupted run goes on where it was.

Every image and mask is then read. When all are sound that is noted in OUT/.{TOP}.json, and not done again
until a file changes or --recheck is given.

Exit code: 0 sound, 1 problems found, 2 it could not be done (wrong input, damaged zip, full disk), 130 stopped by
Ctrl-C.
"""


# ---- the files of ADE20K


def unpack(archive: Path, out: Path, progress: bool = True) -> tuple[int, int]:
    """Bring the files of the official zip into a folder; those already there are compared and left alone.

    Returns:
        How many files were written, and how many were there.

    Raises:
        zipfile.BadZipFile: If the zip is damaged or cut off.
        ValueError: If it is another zip, or would write outside the folder.
        OSError: If there is not enough room, or a file cannot be written; nothing half written is left.
    """
    with zipfile.ZipFile(archive) as opened:
        entries = _entries(opened)
        there = [_is_there(entry, out) for entry in tqdm(entries, "comparing", unit="file", disable=not progress)]
        missing = [entry for entry, found in zip(entries, there, strict=True) if not found]
        out.mkdir(parents=True, exist_ok=True)
        needed, free = sum(entry.file_size for entry in missing), shutil.disk_usage(out).free
        if needed > free:
            raise OSError(errno.ENOSPC, f"{needed / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free", str(out))
        for entry in tqdm(missing, "unpacking", unit="file", disable=not progress):
            try:
                content = opened.read(entry)
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                raise zipfile.BadZipFile(f"{entry.filename}: {error}") from error
            _put(content, out / entry.filename)
    return len(missing), len(entries) - len(missing)


def _entries(opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files under the zip's ADE20K folder, once none of its names leads outside."""
    files = {}
    for entry in opened.infolist():
        path = PurePosixPath(entry.filename)
        link = stat.S_ISLNK(entry.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or set(entry.filename) & set("\\:") or link:
            raise ValueError(
                f"{opened.filename} has an entry that leads outside its folder, {entry.filename!r}: this is not the "
                f"official zip, nothing was unpacked; fetch {URL}"
            )
        if not entry.is_dir() and path.parts[:1] == (TOP,):
            files[entry.filename] = entry
    absent = [folder for folder in FOLDERS if not any(name.startswith(f"{TOP}/{folder}/") for name in files)]
    if absent:
        raise ValueError(
            f"{opened.filename} has no {TOP}/{absent[0]}: this is not the official zip of 150 classes (there are other "
            f"releases of ADE20K); fetch {URL}"
        )
    return list(files.values())


def _is_there(entry: zipfile.ZipInfo, out: Path) -> bool:
    path = out / entry.filename
    return path.is_file() and path.stat().st_size == entry.file_size and zlib.crc32(path.read_bytes()) == entry.CRC


def _put(content: bytes, path: Path) -> None:
    """Write a file beside its place, then rename it. Not forced to the disk one by one, which would take minutes: what
    a power cut spoils is found by its checksum and written again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")  # what is left by a killed run is written over by the next
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def take_over(folder: Path, home: Path) -> str:
    """Make an unpacked folder (or its parent) available as ``home``, by a link; returns what was done.

    Raises:
        ValueError: If it is no ADE20K, or another data set is there.
    """
    found = folder / TOP if (folder / TOP).is_dir() else folder
    absent = [name for name in FOLDERS if not (found / name).is_dir()]
    if absent:
        raise ValueError(
            f"{found.absolute()} has no folder {', '.join(absent)}: give {TOP}.zip, the folder it unpacks to, or the "
            "parent of that"
        )
    if home.exists() and home.samefile(found):
        return f"{home} is in place"
    if os.path.lexists(home):
        raise ValueError(
            f"{home} is there already, and is not {found.absolute()}: remove or rename it, give another --out, or "
            "leave it and train with --data-root"
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    home.symlink_to(found.resolve(), target_is_directory=True)
    return f"{home} is now a link to {found.resolve()}: nothing was copied"


# ---- checking


def check_ade20k(home: Path, record: Path, recheck: bool, workers: int, progress: bool) -> list[dict]:
    """Check both splits, or repeat what ``record`` says of these very files; prints what was found."""
    before = _fingerprint(home)
    noted = None if recheck else _read(record)
    if noted and noted.get("fingerprint") == before:
        for report in noted["splits"]:
            print(f"{report['name']}: {report['pairs']:,} pairs")
        print("all were read and found sound before, and have not changed since (--recheck reads them again)")
        return noted["splits"]
    reports = []
    for split in ADE20K_PAIRS:
        prefix = dict(img_path=f"images/{split}", seg_map_path=f"annotations/{split}")
        dataset = dict(type="ADE20KDataset", data_root=str(home), data_prefix=prefix)
        reports.append(_check(split, dataset, workers, progress))
    if all(report["sound"] for report in reports):
        with contextlib.suppress(OSError):  # a folder one may only read: the next run reads the files again
            write_atomically(json.dumps(dict(fingerprint=before, splits=reports), indent=1).encode(), record)
    return reports


def check_config(path: Path, data_root: str | None, workers: int, progress: bool) -> list[dict]:
    """Check the data sets of a config, those of several splits once; prints what was found.

    Raises:
        FileNotFoundError: If there is no such config, or a folder of a data set is missing or empty.
        ValueError: If the config cannot be read, or its classes do not fit each other.
    """
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    cfg = read_config(parser.parse_args([str(path)] + ([] if data_root is None else ["--data-root", data_root])))
    found: list[tuple[str, dict]] = []
    for split, dataset in datasets_by_split(cfg):
        dataset = {key: value for key, value in dataset.items() if key != "test_mode"}
        try:
            require_classes(dataset, cfg.get("model") or {})
            has_files = open_dataset(dataset) is not None
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{split}_dataloader: {error}") from None
        if not has_files:
            print(f"{split}: {dataset['type']} has no files to check")
        elif all(dataset != other for _, other in found):
            found.append((split, dataset))
    backbone = (cfg.get("model") or {}).get("backbone")
    bands = None if backbone is None else backbone.get("in_channels", 3)
    return [_check(split, dataset, workers, progress, bands) for split, dataset in found]


def _check(split: str, dataset: dict, workers: int, progress: bool, bands: int | None = None) -> dict:
    report = check_dataset(dataset, bands=bands, workers=workers, progress=progress)
    print(f"{split}: {report}\n")
    return dict(split=split, **report.as_dict())


def _fingerprint(home: Path) -> str:
    """Of the place, names, sizes and times of all files, and of this package's version, as its checks may change."""
    digest = hashlib.sha256(f"{jumbo_backbone.__version__} {home.resolve()}".encode(errors="replace"))
    for folder in FOLDERS:
        with contextlib.suppress(FileNotFoundError), os.scandir(home / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                found = entry.stat()
                digest.update(f"{folder}/{entry.name} {found.st_size} {found.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()


def _read(record: Path) -> dict | None:
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return None


# ---- command line


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", nargs="?", type=Path, metavar="ZIP|DIR", help=f"{TOP}.zip, the folder it unpacks to, or its parent")
    add("--out", type=Path, default=Path("data/ade"), help=f"folder for {TOP} (default: %(default)s)")
    add("--check", type=Path, metavar="CONFIG", help="instead: read all data sets of a config, change nothing")
    add("--data-root", metavar="DIR", help="with --check: folder of the data set (default: the config's)")
    add("--recheck", action="store_true", help="read all files, even if nothing changed since they were found sound")
    add("--json", type=Path, metavar="FILE", help="write what was found there, too")
    add("--workers", type=int, default=min(8, os.cpu_count() or 1), help="threads that read (default: %(default)s)")
    args = parser.parse_args(argv)
    if (args.source is None) == (args.check is None):
        parser.error("give a zip or folder of ADE20K, or --check CONFIG")
    if args.data_root is not None and args.check is None:
        parser.error("--data-root belongs to --check; where ADE20K goes is said by --out")
    return args


def run(args: argparse.Namespace) -> bool:
    """Do what the arguments say; returns whether all is sound."""
    progress = sys.stderr.isatty()
    if args.workers < 1:
        raise ValueError(f"--workers {args.workers} cannot read anything: give 1 or more")
    if args.json is not None and not args.json.absolute().parent.is_dir():
        raise ValueError(f"--json {args.json}: there is no folder {args.json.absolute().parent}; make it first")
    if args.check is not None:
        reports = check_config(args.check, args.data_root, args.workers, progress)
    else:
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
    sound = all(report["sound"] for report in reports)
    if args.json is not None:
        write_atomically(json.dumps(dict(sound=sound, splits=reports), indent=1).encode(), args.json)
    return sound


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        return 0 if run(args) else 1
    except KeyboardInterrupt:
        return _say("stopped by Ctrl-C; the same command goes on from here", 130)
    except zipfile.BadZipFile as error:
        size = args.source.stat().st_size
        return _say(
            f"{args.source} ({size:,} bytes) is damaged or cut off ({error}): fetch {URL} again, and run the same "
            "command; what is unpacked already is kept"
        )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _say(f"the disk is full ({error}): make room, and run the same command; it goes on from here")
        return _say(str(error))
    except (ValueError, TypeError, ImportError) as error:
        return _say(str(error))


def _say(message: str, code: int = 2) -> int:
    print(f"prepare_ade20k.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
