"""tools/research/benchmark_pretraining.py on a tiny size."""

import json

import pytest

from tests.conftest import imported_tool


def test_steps_are_timed_in_turns_and_their_memory_is_measured(tmp_path, capsys):
    sizes = ["--size", "16", "--patch", "8", "--batch", "2", "--decoder-depth", "1", "--repeats", "2"]
    with imported_tool("benchmark_pretraining") as tool:
        assert tool.main([*sizes, "--json", str(tmp_path / "x.json")]) == 0
        assert tool.main(["--batch", "0"]) == 2
    assert "masked, decoder of 1" in capsys.readouterr().out
    supervised, masked = json.loads((tmp_path / "x.json").read_text())["results"]
    assert supervised["ratio"]["median"] == 1 and len(masked["seconds"]) == 2
    assert masked["ratio"]["median"] == pytest.approx(
        sum(a / b for a, b in zip(masked["seconds"], supervised["seconds"], strict=True)) / 2
    )
    assert masked["memory"] > 0
