"""The files of ADE20K: unpacked from the official zip, taken over from a folder, checked once."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

import jumbo_backbone
from jumbo_cli.commands.prepare import TOP, URL

from ...files import write_atomically
from .check import check_and_tell
from .required import ADE20K_PAIRS

FOLDERS = [f"{what}/{split}" for what in ("images", "annotations") for split in ADE20K_PAIRS]


def unpack(archive: Path, out: Path, progress: bool = True) -> tuple[int, int]:
    """Unpack the official zip into a folder; files that are there already are compared and left alone.

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
    """The files under the zip's ADE20K folder, after a check that no name leads outside it."""
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
    """Write a file beside its place, then rename it. Files are not forced to the disk one by one, which would take
    minutes: a file that a power cut spoils is found by its checksum and written again."""
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
        ValueError: If the folder is not ADE20K, or another data set is in the place of ``home``.
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


def check_ade20k(home: Path, record: Path, recheck: bool, workers: int, progress: bool) -> list[dict]:
    """Check both splits, or repeat the findings that ``record`` holds for these very files; prints the findings."""
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
        reports.append(check_and_tell(split, dataset, workers, progress))
    if all(report["sound"] for report in reports):
        with contextlib.suppress(OSError):  # a folder one may only read: the next run reads the files again
            write_atomically(json.dumps(dict(fingerprint=before, splits=reports), indent=1).encode(), record)
    return reports


def _fingerprint(home: Path) -> str:
    """Hash of the place, names, sizes and times of all files, and of this package's version, as its checks may
    change."""
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
