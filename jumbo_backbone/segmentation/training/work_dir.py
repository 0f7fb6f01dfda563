"""The files in a work dir: the checkpoints of the config's own hook, and those of an earlier run."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from ...files import remove_leftovers
from ...words import some
from .checkpoint_files import CheckpointFile, read_checkpoint

RECORDS = ("last_checkpoint", "run.json", "metrics.json")  # of a training
PRETRAINED = ("encoder.safetensors", "decoder.safetensors", "reconstructions")  # and of a pretraining
Tell = Callable[[str], None]


class Checkpoints:
    """Files that the config's ``CheckpointHook`` writes, in whatever folder and with whatever names.

    Attributes:
        work_dir: Work dir of the run.
        folder: Folder of the checkpoints, which differs from ``work_dir`` if the hook has an ``out_dir``.
    """

    def __init__(self, cfg: Config) -> None:
        hook = _checkpoint_hook(cfg)
        self.work_dir = self.folder = Path(os.path.abspath(cfg.work_dir))
        if (out_dir := hook.get("out_dir")) not in (None, str(self.work_dir)):
            self.folder = Path(out_dir, self.work_dir.name)
        template = hook.get("filename_tmpl") or ("epoch_{}.pth" if hook.get("by_epoch", True) else "iter_{}.pth")
        before, *after = map(re.escape, re.split(r"\{[^}]*\}", template, maxsplit=1))
        pattern = rf"{before}(?P<number>\d*){''.join(after)}"
        self._numbered = re.compile(pattern)
        self._of_any_run = re.compile(rf"(best_.+_)?({pattern}|(iter|epoch)_\d+\.pth)")

    def saved(self) -> list[Path]:
        """The checkpoints to resume from: first the one that ``last_checkpoint`` notes, then the others, newest
        first."""
        found = ((path, self._numbered.fullmatch(path.name)) for path in _files(self.folder))
        numbered = {path: int(match["number"] or 0) for path, match in found if match}
        noted = self.noted()
        return sorted(numbered, key=lambda path: (path.name == noted, numbered[path]), reverse=True)

    def noted(self) -> str | None:
        """The name that ``last_checkpoint`` notes; None if there is no such note. The folder in the note is ignored:
        it is where the run wrote the file, and the work dir may have been copied since."""
        try:
            note = (self.work_dir / "last_checkpoint").read_bytes()
        except OSError:
            return None
        return Path(note.decode(errors="replace").strip()).name

    def newest_whole(self, tell: Tell) -> CheckpointFile | None:
        """The newest file from which an interrupted training can be resumed; None if there are no files.

        Args:
            tell: Called with each file that is skipped, and the reason.

        Raises:
            ValueError: If there are files, but none can be resumed from.
        """
        saved, noted = self.saved(), self.noted()
        if saved and noted is not None and saved[0].name != noted:
            told = f"notes {noted!r}, which is not in {self.folder}" if noted else "is empty"
            tell(f"last_checkpoint is damaged: it {told}; looking for the newest checkpoint instead")
        passed_over = []
        for path in saved:
            try:
                file = read_checkpoint(path)
            except (OSError, ValueError) as error:
                passed_over.append(path.name)
                tell(f"passing over a checkpoint: {error}")
                continue
            if not file.lacking:
                if passed_over:
                    tell(f"{some(passed_over)} cannot be used; going on from {path.name}, the newest that is whole")
                return file
            passed_over.append(path.name)
            tell(f"passing over {path}: it lacks {', '.join(file.lacking)} (was it saved with save_optimizer=False?)")
        if passed_over:
            raise ValueError(
                f"training cannot go on from any checkpoint in {self.folder}: {some(passed_over)} are damaged or hold "
                "weights alone. Take them away or give another --work-dir to start anew, or --load-from FILE to start "
                "from the weights of one"
            )
        return None

    def of_earlier_runs(self) -> list[Path]:
        """All checkpoints in the folder, including the best ones and those of another kind of loop."""
        folders = dict.fromkeys([self.folder, self.work_dir])
        return [path for folder in folders for path in _files(folder) if self._of_any_run.fullmatch(path.name)]

    def set_apart(self) -> Path | None:
        """Move the files of an earlier run into a subfolder, so that they do not mix with those of a new run. Logs
        stay, in folders named after the time.

        Returns:
            The folder; None if no run left checkpoints or results.
        """
        results = self.of_earlier_runs()
        if not results and not (self.work_dir / "metrics.json").exists():
            return None
        places = [self.work_dir, self.folder]
        number = next(n for n in range(1, 10**6) if not any((p / f"earlier_{n}").exists() for p in places))
        beside = [self.work_dir / name for name in (*RECORDS, *PRETRAINED)]
        beside += [*self.work_dir.glob("*metrics*.json"), *self.work_dir.glob("*.py")]
        for path in [*results, *beside]:
            if path.exists():
                place = path.parent / f"earlier_{number}"
                place.mkdir(exist_ok=True)
                path.rename(place / path.name)
        return self.work_dir / f"earlier_{number}"

    def remove_leftovers(self) -> list[Path]:
        """Remove temporary files of a run that was killed while it wrote; returns their paths."""
        return [path for folder in {self.work_dir, self.folder} for path in remove_leftovers(folder)]


def _checkpoint_hook(cfg: Config) -> dict:
    """The config of the hook that saves checkpoints; empty if there is none, which stands for the defaults of
    mmengine's hook."""
    hooks = cfg.get("default_hooks") or {}
    others = [*hooks.values(), *(cfg.get("custom_hooks") or [])]
    named = (hook for hook in others if isinstance(hook, dict) and "CheckpointHook" in str(hook.get("type")))
    return hooks.get("checkpoint") or next(named, {})


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
