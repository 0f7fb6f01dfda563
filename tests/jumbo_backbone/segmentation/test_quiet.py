"""Importing mmsegmentation by way of this package prints nothing; what is no known noise passes."""

import subprocess
import sys
from pathlib import Path

import pytest

from jumbo_backbone.segmentation.quiet import quiet_imports

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("module", ["jumbo_backbone.segmentation", "jumbo_backbone.segmentation.models.backbone"])
def test_the_import_prints_nothing(module):
    command = [sys.executable, "-W", "default:Fail to import:UserWarning", "-c", f"import {module}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_other_messages_and_errors_pass(capsys):
    with pytest.raises(ImportError, match="no such part"), quiet_imports():
        print("Could not import OneDL")
        print("Could not import OneDL at all")
        raise ImportError("no such part")
    assert capsys.readouterr().out == "Could not import OneDL at all\n"
