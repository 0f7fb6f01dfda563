"""tools/research/benchmark_adaptation.py on a tiny size, and the raw figures of the page."""

import json
from pathlib import Path

import pytest

from jumbo_backbone.benchmarking.memory import peak_memory
from tests.conftest import imported_tool

ROOT = Path(__file__).resolve().parents[2]


def test_steps_are_timed_in_turns_beside_a_recorded_forward_pass(tmp_path, monkeypatch, capsys):
    sizes = ["--size", "16", "--patch", "8", "--batch", "2", "--repeats", "2"]
    with imported_tool("benchmark_adaptation") as tool:
        monkeypatch.setattr("paired_steps.peak_memory", lambda step, program: 200 if step.method == "sar" else 100)
        assert tool.main([*sizes, "--json", str(tmp_path / "x.json")]) == 0
        assert tool.main(["--batch", "0"]) == 2
    assert "forward, recorded" in capsys.readouterr().out
    records = json.loads((tmp_path / "x.json").read_text())["results"]
    assert [r["method"] for r in records] == ["forward, recorded", "inference", "tent", "sar"]
    forward, _, tent, sar = records
    assert forward["ratio"]["median"] == 1 and len(sar["seconds"]) == 2 and sar["memory_ratio"] == 2
    assert tent["ratio"]["median"] == pytest.approx(
        sum(a / b for a, b in zip(tent["seconds"], forward["seconds"], strict=True)) / 2
    )


def test_memory_is_measured_in_a_process_of_its_own():
    with imported_tool("benchmark_adaptation") as tool:
        memory = peak_memory(tool.Step("sar", "pico", 32, 8, 16, 1, "cpu"), [tool.__file__])
    assert memory is not None and memory > 0


def test_all_images_count_in_the_step_that_is_timed():
    with imported_tool("benchmark_adaptation") as tool:
        step = tool.Step("sar", "pico", 16, 8, 4, 1, "cpu").ready()
        step()
        adapter = step.__closure__[0].cell_contents
        assert adapter.learned == 4 and adapter.recoveries == 0


def test_the_page_has_the_raw_figures():
    """And what adapting may cost: 3 times a recorded forward pass for Tent, 5 times for SAR."""
    told = json.loads((ROOT / "docs" / "benchmarks" / "cpu_adaptation.json").read_text())["results"]
    ratio = {record["method"]: record["ratio"]["median"] for record in told}
    memory = {record["method"]: record["memory_ratio"] for record in told}
    assert ratio["tent"] < 3 and ratio["sar"] < 5
    page = " ".join((ROOT / "docs" / "adaptation.md").read_text().split())
    assert f"{ratio['tent']:.2f} times with Tent and {ratio['sar']:.2f} times with SAR" in page
    assert f"{memory['tent']:.2f} and {memory['sar']:.2f} of its memory" in page
