import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def jumbo(tmp_path_factory):
    """The command, as it is once this checkout is installed: with the entry points of its metadata."""
    metadata = tmp_path_factory.mktemp("metadata")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", metadata]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (metadata, ROOT, ROOT / "tools"))),
        "OMP_NUM_THREADS": "1",
    }

    def run(*arguments, cwd=None, code=0, python=()):
        words = [sys.executable, *python, "-m", "jumbo_cli", *map(str, arguments)]
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    return run
