"""What a run leaves behind: checkpoints that are never half written, and a record of what was run and what came out."""

import contextlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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

from ..files import write_atomically


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
        """What is to be removed within is removed at the end, and only if nothing failed; an inner one joins in.
        What has been written anew by then, under its own name, stays."""
        if self._waiting is not None:
            yield
            return
        self._waiting = old = []
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
    """mmengine's ``CheckpointHook``, with its arguments, for whom nothing saved is ever lost.

    A checkpoint replaces a good one only when it is complete, an older one is removed only after the newer is in place,
    and a copied folder is its own: the best checkpoint is looked for beside the others, not where it once was.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, backend_args=dict(backend="atomic"), **kwargs)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if self.save_best and len(self.key_indicators) == 1 and self.best_ckpt_path:
            self.best_ckpt_path = os.path.join(self.out_dir, os.path.basename(self.best_ckpt_path))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        with self.file_backend.removing_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self.file_backend.removing_afterwards():
            super()._save_best_checkpoint(runner, metrics)


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Writes ``run.json`` (command, versions, seed, commit, machine) when training starts, and ``metrics.json``, a list
    with the results of every validation, after each."""

    def before_train(self, runner: Runner) -> None:
        self._write(runner, "run.json", describe_run(runner))

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        path = Path(runner.work_dir) / "metrics.json"
        earlier = json.loads(path.read_text()) if path.is_file() else []
        # after resuming from an older checkpoint, what came later has not happened
        earlier = [row for row in earlier if row["iter"] < runner.iter]
        now = {name: float(value) for name, value in (metrics or {}).items()}
        self._write(runner, path.name, [*earlier, dict(iter=runner.iter, **now)])

    def _write(self, runner: Runner, name: str, content: object) -> None:
        if is_main_process():
            write_atomically(json.dumps(content, indent=1).encode(), Path(runner.work_dir) / name)


def describe_run(runner: Runner) -> dict:
    """What one needs to know to repeat a run."""
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
