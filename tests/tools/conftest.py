import runpy
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture()
def run(monkeypatch, capfd):
    """The tool's main in this process, which saves seconds of importing; gives what it prints, checks its exit code."""
    monkeypatch.syspath_prepend(TOOLS)

    def call(tool, *arguments, cwd, code=0):
        monkeypatch.chdir(cwd)
        found = 0
        try:
            runpy.run_path(str(TOOLS / tool))["main"]([*map(str, arguments)])
        except SystemExit as exit:
            found = exit.code
        captured = capfd.readouterr()
        assert found == code, captured.err
        return captured.out + captured.err

    return call
