"""The models that the page offers: the work dirs in some folders. Only names and files are looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_DEPTH = 3  # of folders below those that are named
_NUMBERED = re.compile(r"(best_\w+?_)?(?:iter|epoch)_(\d+)\.pth")


@dataclass(frozen=True)
class Trained:
    """A config, and what was trained by it.

    Attributes:
        name: What visitors choose it by.
        config: Path of the config in the work dir.
        weights: A checkpoint; the calibration of a cascade; or the folder of an encoder and its decoder.
    """

    name: str
    config: Path
    weights: Path

    @property
    def is_cascade(self) -> bool:
        return self.weights.name == "calibration.json"


def segmentors(folders: Sequence[Path]) -> dict[str, Trained]:
    """Segmentors by name: of each work dir the best checkpoint, or else the last; and calibrated cascades."""
    found = []
    for folder in _work_dirs(folders):
        if (config := _config(folder)) is None:
            continue
        if (calibration := folder / "calibration.json").is_file():
            found.append(Trained(f"{folder} (cascade)", config, calibration))
        elif not (folder / "decoder.safetensors").is_file() and (numbered := _checkpoints(folder)):
            found.append(Trained(f"{folder} ({numbered[-1].stem})", config, numbered[-1]))
    return {trained.name: trained for trained in found}


def pretrained(folders: Sequence[Path]) -> dict[str, Trained]:
    """Encoders with their decoders, by name."""
    found = []
    for folder in _work_dirs(folders):
        files = [folder / f"{part}.safetensors" for part in ("encoder", "decoder")]
        if all(file.is_file() for file in files) and (config := _config(folder)) is not None:
            found.append(Trained(f"{folder} (pretrained)", config, folder))
    return {trained.name: trained for trained in found}


def _work_dirs(folders: Sequence[Path]) -> list[Path]:
    """The folders, and those below them, sorted."""
    found = set()
    level = [Path(folder) for folder in folders if Path(folder).is_dir()]
    for _ in range(_DEPTH + 1):
        found |= set(level)
        level = [d for folder in level for d in folder.iterdir() if d.is_dir() and not d.name.startswith(".")]
    return sorted(found)


def _config(folder: Path) -> Path | None:
    """The config that a run left; of several the last."""
    return max(folder.glob("*.py"), key=lambda path: path.stat().st_mtime, default=None)


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoints, the best one last, or else the latest."""
    found = [(path, _NUMBERED.fullmatch(path.name)) for path in folder.glob("*.pth")]
    numbered = [(bool(match[1]), int(match[2]), path) for path, match in found if match]
    return [path for *_, path in sorted(numbered)]
