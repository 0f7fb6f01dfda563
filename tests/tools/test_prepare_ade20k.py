"""tools/prepare_ade20k.py: what it unpacks is whole, what is right it leaves alone, and what is wrong it says."""

import errno
import io
import json
import os
import shutil
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mmseg")

from jumbo_backbone.segmentation.data import check
from tests.conftest import imported_tool

TOP = "ADEChallengeData2016"


@pytest.fixture(scope="module")
def tool():
    with imported_tool("prepare_ade20k") as module:
        yield module


def encoded(values: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


def files(training: int = 2, validation: int = 1) -> dict[str, bytes]:
    """The files of a tiny ADE20K by their names in the zip."""
    found = {f"{TOP}/objectInfo150.txt": b"1 wall"}
    for split, count in (("training", training), ("validation", validation)):
        for i in range(count):
            rng = np.random.default_rng((i, count))
            image = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            found[f"{TOP}/images/{split}/{i}.jpg"] = encoded(image, "JPEG")
            found[f"{TOP}/annotations/{split}/{i}.png"] = encoded(rng.integers(0, 151, (8, 8), dtype=np.uint8), "PNG")
    return found


def pack(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.fixture()
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pack(tmp_path / "ade.zip", files())


@pytest.fixture()
def complete(monkeypatch):
    """As many pairs as the tiny ADE20K has are all there are."""
    monkeypatch.setattr("jumbo_backbone.segmentation.data.check.ADE20K_PAIRS", dict(training=2, validation=1))


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each file: both change when a file is written anew."""
    found = {str(p.relative_to(folder)): p.stat() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def said(tool, capsys, *arguments, code: int) -> str:
    assert tool.main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return out + err


def test_unpacks_what_the_configs_look_for_and_tells_other_counts(tool, archive, tmp_path, capsys):
    told = said(tool, capsys, archive, "--json", "report.json", code=1)
    home = tmp_path / "data" / "ade" / TOP
    assert {str(p.relative_to(home.parent)): p.read_bytes() for p in home.rglob("*") if p.is_file()} == files()
    assert "7 files unpacked, 0 were there already" in told
    assert "2 instead of 20,210" in told and "1 instead of 2,000" in told and "--data-root" not in told
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["sound"] and [split["pairs"] for split in report["splits"]] == [2, 1]
    assert report["splits"][0]["problems"][0]["what"] == "2 instead of 20,210"


def test_again_changes_nothing_and_reads_nothing(tool, archive, tmp_path, capsys, complete, monkeypatch):
    assert "no problems found" in said(tool, capsys, archive, "--json", "first.json", code=0)
    before = state(tmp_path / "data")

    def not_again(*args, **kwargs):
        raise AssertionError("was read before")

    with monkeypatch.context() as patched:
        patched.setattr(check, "check_dataset", not_again)
        told = said(tool, capsys, archive, "--json", "second.json", code=0)
        assert "0 files unpacked, 7 were there already" in told and "found sound before" in told
        with pytest.raises(AssertionError, match="was read before"):
            tool.main([str(archive), "--recheck"])
        mask = tmp_path / "data" / "ade" / TOP / "annotations" / "training" / "0.png"
        os.utime(mask)
        with pytest.raises(AssertionError, match="was read before"):
            tool.main([str(archive)])
        os.utime(mask, ns=(before[f"ade/{TOP}/annotations/training/0.png"][1],) * 2)
    assert state(tmp_path / "data") == before
    assert json.loads(Path("first.json").read_text()) == json.loads(Path("second.json").read_text())


def test_only_what_is_missing_or_wrong_is_written(tool, archive, tmp_path, capsys, complete):
    said(tool, capsys, archive, code=0)
    home = tmp_path / "data" / "ade" / TOP
    before = state(home)
    (home / "images/training/0.jpg").unlink()
    whole = (home / "annotations/training/1.png").read_bytes()
    (home / "annotations/training/1.png").write_bytes(whole[:-1] + b"x")  # of the right size
    (home / "images/training/.1.jpg.part").write_bytes(b"left by a killed run")
    assert "2 files unpacked, 5 were there already" in said(tool, capsys, archive, code=0)
    after = state(home)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"images/training/0.jpg", "annotations/training/1.png"}
    assert (home / "annotations/training/1.png").read_bytes() == whole


def test_broken_files_are_found_and_not_noted_as_sound(tool, tmp_path, capsys, complete, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = files()
    content[f"{TOP}/images/training/0.jpg"] = content[f"{TOP}/images/training/0.jpg"][:150]
    content[f"{TOP}/annotations/validation/0.png"] = encoded(np.full((8, 8), 151, dtype=np.uint8), "PNG")
    path = pack(tmp_path / "ade.zip", content)
    for _ in range(2):
        told = said(tool, capsys, path, code=1)
        assert "unreadable file: 1" in told and "151 (100.0% of its pixels); classes have 1 to 150" in told


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", f"{TOP}/../../outside", "C:\\outside.txt"])
def test_a_zip_that_leads_outside_is_refused(tool, tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = pack(tmp_path / "ade.zip", {**files(), name: b"evil"})
    assert "leads outside its folder" in said(tool, capsys, path, code=2)
    assert [p.name for p in tmp_path.iterdir()] == ["ade.zip"]


def test_a_zip_with_a_link_is_refused(tool, archive, tmp_path, capsys):
    link = zipfile.ZipInfo(f"{TOP}/images/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "/etc")
    assert "leads outside its folder" in said(tool, capsys, archive, code=2)
    assert not (tmp_path / "data").exists()


def test_another_zip_is_refused(tool, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = pack(tmp_path / "ade.zip", {name: data for name, data in files().items() if "annotations/val" not in name})
    told = said(tool, capsys, path, code=2)
    assert f"no {TOP}/annotations/validation" in told and "not the official zip" in told and "http" in told
    assert not (tmp_path / "data").exists()


def test_a_zip_that_is_cut_off_or_damaged(tool, archive, tmp_path, capsys):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    told = said(tool, capsys, archive, code=2)
    assert "is damaged or cut off" in told and f"({len(content) // 2:,} bytes)" in told and "fetch http" in told
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        entry = opened.getinfo(f"{TOP}/images/validation/0.jpg")
    at = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    archive.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
    told = said(tool, capsys, archive, code=2)
    assert "images/validation/0.jpg: " in told and "what is unpacked already is kept" in told
    home = tmp_path / "data" / "ade" / TOP
    assert not (home / "images/validation/0.jpg").exists() and (home / "images/training/0.jpg").exists()
    assert not list(home.rglob("*.part"))


def test_too_little_room_is_told_before_anything_is_written(tool, archive, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    told = said(tool, capsys, archive, code=2)
    assert "the disk is full" in told and "GB are needed, 0.00 GB are free" in told
    assert not (tmp_path / "data" / "ade" / TOP).exists()


def no_space(path):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


@pytest.mark.parametrize(
    ("happens", "code", "message"),
    [
        (no_space, 2, "make room, and run the same command"),
        (lambda path: signal.raise_signal(signal.SIGINT), 130, "stopped by Ctrl-C; the same command goes on from here"),
    ],
)
def test_interrupted_unpacking_leaves_no_half_file_and_goes_on(
    heeds_ctrl_c, tool, archive, tmp_path, capsys, monkeypatch, complete, happens, code, message
):
    write, written = Path.write_bytes, []

    def write_some(path, data):
        written.append(path)
        if len(written) < 4:
            write(path, data)
        else:
            write(path, data[:10])
            happens(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_some)
        assert message in said(tool, capsys, archive, code=code)
    out = tmp_path / "data" / "ade"
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert len(found) == 3 and found.items() <= files().items()
    assert "4 files unpacked, 3 were there already" in said(tool, capsys, archive, code=0)


# ---- folders


@pytest.fixture()
def unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in files().items():
        path = tmp_path / "elsewhere" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "elsewhere" / TOP


@pytest.mark.parametrize("parent", [False, True])
def test_a_folder_elsewhere_is_linked_and_untouched(tool, unpacked, tmp_path, capsys, complete, parent):
    before = state(unpacked)
    told = said(tool, capsys, unpacked.parent if parent else unpacked, code=0)
    home = tmp_path / "data" / "ade" / TOP
    assert home.is_symlink() and home.resolve() == unpacked and "nothing was copied" in told
    assert "is in place" in said(tool, capsys, unpacked, code=0)
    assert state(unpacked) == before


def test_a_folder_in_its_place_is_left_there(tool, unpacked, capsys, complete):
    told = said(tool, capsys, unpacked.parent, "--out", unpacked.parent, code=0)
    assert "is in place" in told and f"train with --data-root {unpacked}" in told and not unpacked.is_symlink()


def test_folders_that_cannot_be_taken(tool, unpacked, tmp_path, capsys):
    (unpacked / "annotations" / "training").rename(tmp_path / "away")
    told = said(tool, capsys, unpacked, code=2)
    assert "has no folder annotations/training: give ADEChallengeData2016.zip" in told
    (tmp_path / "away").rename(unpacked / "annotations" / "training")
    home = tmp_path / "data" / "ade" / TOP
    home.mkdir(parents=True)
    told = said(tool, capsys, unpacked, code=2)
    assert "is there already, and is not" in told and "--out" in told and "--data-root" in told
    home.rmdir()
    home.symlink_to("nowhere")
    assert "is a link to nowhere, which is not there: remove the link" in said(tool, capsys, unpacked, code=2)


# ---- --check


def config(folder: Path, text: str = "", num_classes: int = 150) -> Path:
    prefix = "dict(img_path='images/{0}', seg_map_path='annotations/{0}')"
    loaders = "".join(
        f"{loader}_dataloader = dict(dataset=dict(type='ADE20KDataset', data_root='absent', "
        f"data_prefix={prefix.format(split)}))\n"
        for loader, split in (("train", "training"), ("val", "validation"), ("test", "validation"))
    )
    path = folder / "config.py"
    path.write_text(f"{loaders}model = dict(decode_head=dict(num_classes={num_classes}))\n{text}\n")
    return path


def test_every_split_of_a_config_is_checked_once(tool, unpacked, tmp_path, capsys, complete):
    arguments = ["--check", config(tmp_path), "--data-root", unpacked, "--json", "report.json"]
    told = said(tool, capsys, *arguments, code=0)
    assert "train: ADE20KDataset" in told and "val: ADE20KDataset" in told and "test: " not in told
    assert [split["split"] for split in json.loads(Path("report.json").read_text())["splits"]] == ["train", "val"]
    (unpacked / "images/validation/0.jpg").write_bytes(b"")
    assert "unreadable file: 1" in said(tool, capsys, *arguments, code=1)
    assert not (tmp_path / "data").exists()


def test_data_without_files_has_none_to_check(tool, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_up_scenes.py").write_text(
        "from mmseg.datasets import BaseSegDataset\n"
        "from mmseg.registry import DATASETS\n"
        "@DATASETS.register_module(force=True)\n"
        "class MadeUpScenes(BaseSegDataset):\n"
        "    METAINFO = dict(classes=('sky',))\n"
        "    def load_data_list(self):\n"
        "        return []\n"
    )
    (tmp_path / "config.py").write_text(
        "custom_imports = dict(imports=['made_up_scenes'])\n"
        "train_dataloader = dict(dataset=dict(type='MadeUpScenes'))\n"
    )
    assert "train: MadeUpScenes has no files to check" in said(tool, capsys, "--check", "config.py", code=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.zip"], "no file or folder at "),
        (["--check", "absent.py"], "no config at "),
        (["--check", "config.py"], "train_dataloader: ADE20KDataset does not find its files"),
        (["--check", "wrong.py"], "train_dataloader: ADE20KDataset has 150 classes, but model.decode_head.num_classes"),
        (["--check", "syntax.py"], "syntax.py"),
        (["--check", "imports.py"], "no_such_module"),
        (["config.py"], "is damaged or cut off"),
        (["config.py", "--workers", "0"], "--workers 0 cannot read anything: give 1 or more"),
        (["config.py", "--json", "absent/report.json"], "there is no folder"),
    ],
)
def test_wrong_input_is_told_without_a_traceback(tool, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    config(tmp_path, num_classes=19).rename(tmp_path / "wrong.py")
    config(tmp_path, "this is not Python").rename(tmp_path / "syntax.py")
    config(tmp_path, "custom_imports = dict(imports=['no_such_module'])").rename(tmp_path / "imports.py")
    config(tmp_path)
    told = said(tool, capsys, *arguments, code=2)
    assert told.startswith("prepare_ade20k.py: ") and message in told
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a zip or folder of ADE20K, or --check CONFIG"),
        (["ade.zip", "--check", "config.py"], "give a zip or folder of ADE20K, or --check CONFIG"),
        (["ade.zip", "--data-root", "there"], "--data-root belongs to --check"),
    ],
)
def test_arguments_that_do_not_go_together(tool, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        tool.main(arguments)
    assert stopped.value.code == 2 and message in capsys.readouterr().err
