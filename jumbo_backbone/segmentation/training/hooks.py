"""Hooks that write the files of a run: whole checkpoints only, and a record of the run and its results."""

import contextlib
import itertools
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine
import mmseg
import numpy as np
import timm
import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from mmengine.utils import get_git_hash
from mmseg.registry import HOOKS

import jumbo_backbone

from ...files import write_atomically
from .metrics import of_classes, to_json


class AtomicBackend(LocalBackend):
    """mmengine's local files, written atomically."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Path, int]] | None = None  # and which file it was

    def put(self, obj: bytes, filepath: str | Path) -> None:
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(obj, filepath)

    def remove(self, filepath: str | Path) -> None:
        path = Path(filepath)
        if self._waiting is None:
            path.unlink(missing_ok=True)
        elif path.exists():
            self._waiting.append((path, path.stat().st_ino))

    @contextlib.contextmanager
    def removing_afterwards(self) -> Iterator[None]:
        """Files that are to be removed inside the ``with`` block are removed at its end, and only if nothing failed;
        an inner block leaves its files to the outer one.
        A file that has been written again by then, under the same name, stays."""
        if self._waiting is not None:
            yield
            return
        old: list[tuple[Path, int]] = []
        self._waiting = old
        try:
            yield
        finally:
            self._waiting = None
        for path, file in old:
            if path.exists() and path.stat().st_ino == file:
                self.remove(path)


register_backend("atomic", AtomicBackend, force=True)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, with the same arguments, changed so that a saved checkpoint is never lost.

    A checkpoint replaces a good one only when it is complete, and an older one is removed only after the newer one is
    in place. A work dir may be copied: the best checkpoint is looked for beside the others, not at the path where it
    was saved.
    """

    best_ckpt_path: str | None
    best_ckpt_path_dict: dict[str, str | None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, backend_args=dict(backend="atomic"), **kwargs)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if not self.save_best:
            return
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = self._here(self.best_ckpt_path)
        else:
            self.best_ckpt_path_dict = {name: self._here(path) for name, path in self.best_ckpt_path_dict.items()}

    def _here(self, path: str | None) -> str | None:
        return path and os.path.join(self.out_dir, os.path.basename(path))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        with self.file_backend.removing_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self.file_backend.removing_afterwards():
            super()._save_best_checkpoint(runner, metrics)


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Writes ``run.json`` (command, versions, seed, commit, machine) when training starts, and ``metrics.json``, a list
    with the results of every validation, after each: means, and for each class in ``IoU`` and ``Acc``."""

    def before_train(self, runner: Runner) -> None:
        self._write(runner, "run.json", describe_run(runner))
        if runner.iter == 0 and (Path(runner.work_dir) / "metrics.json").exists():
            self._put_aside(runner, "it is of an earlier run")

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        path = Path(runner.work_dir) / "metrics.json"
        # after resuming from an older checkpoint, what came later has not happened
        earlier = [row for row in self._earlier(runner, path) if row["iter"] < runner.iter]
        now = dict(iter=runner.iter, **(metrics or {}), **of_classes(runner.val_loop.evaluator.metrics))
        self._write(runner, path.name, [*earlier, now])

    def _earlier(self, runner: Runner, path: Path) -> list[dict]:
        """The validations that a file lists; a file that holds something else is renamed."""
        if not path.is_file():
            return []
        try:
            rows = json.loads(path.read_bytes())
            if all(isinstance(row["iter"], int) for row in rows):
                return rows
        except (ValueError, TypeError, KeyError):  # no JSON, no list, or of something else
            pass
        self._put_aside(runner, "it is no list of validations")
        return []

    def _put_aside(self, runner: Runner, why: str) -> None:
        if is_main_process():
            path = Path(runner.work_dir) / "metrics.json"
            names = (path.with_name(f"metrics_earlier_{n}.json") for n in itertools.count(1))
            aside = next(name for name in names if not name.exists())
            path.replace(aside)
            runner.logger.warning(f"{path} is now {aside.name}, because {why}")

    def _write(self, runner: Runner, name: str, content: object) -> None:
        if is_main_process():
            write_atomically(to_json(content), Path(runner.work_dir) / name)


def describe_run(runner: Runner) -> dict:
    """The facts that one needs to repeat a run."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return dict(
        command=shlex.join(sys.argv),
        config=str(runner.cfg.filename),
        started=time.strftime("%Y-%m-%d %H:%M:%S"),
        seed=runner.seed,
        first_iteration=runner.iter,
        commit=get_git_hash() or "unknown",
        device=device,
        processes=get_world_size(),
        threads=torch.get_num_threads(),
        versions=dict(
            python=platform.python_version(),
            jumbo_backbone=jumbo_backbone.__version__,
            torch=torch.__version__,
            timm=timm.__version__,
            numpy=np.__version__,
            mmengine=mmengine.__version__,
            mmseg=mmseg.__version__,
        ),
        environment={name: value for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)},
    )


_ENVIRONMENT = ("CUDA_", "OMP_", "MKL_", "NCCL_", "TORCH", "WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_")
