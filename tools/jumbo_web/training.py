"""A short training on first use: `jumbo train` in a process of its own, which can be stopped at once."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from .jobs import Job
from .loading import libraries

CONFIG = "jumbo_upernet_scenes"
ITERATIONS = 400
_STEP = re.compile(r"Iter\(train\)\s*\[\s*(\d+)/(\d+)\].*?eta: ([\d:]+)")
_PROGRAM = "import sys; from jumbo_cli.commands.train import COMMAND; COMMAND.run(sys.argv[1:], prog='jumbo train')"
_TOLD = 5  # lines of a failed training that are shown
_training = threading.Lock()


def train(job: Job, folder: Path, iterations: int = ITERATIONS) -> Path:
    """Train the config of rendered scenes into a work dir below ``folder``, telling the progress.

    Returns:
        The work dir.

    Raises:
        Stopped: If the job is stopped.
        ValueError: If another training is running, or it fails; the message has its last lines.
    """
    libraries()
    from mmengine.config import Config

    from jumbo_backbone.segmentation.configs.schedule import options_for
    from jumbo_backbone.segmentation.configs.shipped import shipped_config

    config = shipped_config(CONFIG)
    options = [*options_for(Config.fromfile(config), iterations), "default_hooks.logger.interval=10"]
    work_dir = folder / "scenes"
    if not _training.acquire(blocking=False):
        raise ValueError("a training is running already: wait for it to end, then load the page again")
    try:
        words = [sys.executable, "-c", _PROGRAM, config, "--work-dir", str(work_dir), "--cfg-options", *options]
        _watch(job, words, iterations)
    finally:
        _training.release()
    return work_dir


def _watch(job: Job, words: list[str], iterations: int) -> None:
    """Run a command until it ends, or the job is stopped."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    lines: list[str] = []
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        ended = threading.Event()

        def listen() -> None:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                del lines[:-200]
            ended.set()

        threading.Thread(target=listen, daemon=True).start()
        try:
            while not ended.wait(0.3):
                job.tell(*_progress(lines, iterations))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise ValueError(f"the training failed: {' / '.join(line for line in lines[-_TOLD:] if line)}")


def _progress(lines: list[str], iterations: int) -> tuple[float, str]:
    found = [match for line in lines[-50:] if (match := _STEP.search(line))]
    if not found:
        return 0.0, "starting the training, which takes some seconds"
    step, _, left = found[-1].groups()
    return int(step) / (iterations + 1), f"training on rendered scenes, iteration {step} of {iterations}, {left} left"
