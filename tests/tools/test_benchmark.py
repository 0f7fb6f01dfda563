"""tools/benchmark.py, run on tiny models: what it writes agrees with what it timed, and it says what is wrong."""

import json
import statistics
import subprocess

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import ImageDataset, create_transform

from jumbo_backbone import ComputeBudget, save_checkpoint
from jumbo_backbone.benchmarking import memory as benchmark_memory
from jumbo_backbone.cli import benchmark
from jumbo_backbone.cli.benchmark_table import table
from tests.conftest import imported_tool

JUMBO, REGISTERS = "jumbo_pico_patch16_224", "registers_pico"
QUICK = [
    "--img-size",
    "32",
    "--batch-size",
    "1",
    "--repeats",
    "2",
    "--warmup",
    "1",
    "--min-time",
    "0",
    "--threads",
    "1",
]


@pytest.fixture(scope="module")
def bench():
    with imported_tool("benchmark") as module:
        yield module


def run(bench, path, *arguments):
    """The records of a run."""
    assert bench.main([*arguments, "--json", str(path)]) == 0
    return json.loads(path.read_text())["results"]


def test_two_models_over_sizes(bench, tmp_path, capsys):
    arguments = [JUMBO, REGISTERS, *QUICK, "--img-size", "32", "64", "--repeats", "3", "--no-memory"]
    records = run(bench, tmp_path / "out.json", *arguments, "--plot", str(tmp_path / "out.png"))
    out, err = capsys.readouterr()

    assert [(r["img_size"], r["model"]) for r in records] == [(s, m) for s in (32, 64) for m in (JUMBO, REGISTERS)]
    for first, second in (records[:2], records[2:]):
        for r in (first, second):
            assert len(r["seconds"]) == 3 and min(r["seconds"]) > 0
            assert r["latency_s"]["median"] == statistics.median(r["seconds"])
            ratio = statistics.median(a / b for a, b in zip(first["seconds"], r["seconds"], strict=True))
            assert r["ratio"]["median"] == pytest.approx(ratio) and r["ratio"]["to"] == JUMBO
            assert r["ratio"]["q1"] <= ratio <= r["ratio"]["q3"]
            (line,) = [
                s for s in out.splitlines() if s.split()[:2] == [r["model"], f"{1 / r['latency_s']['median']:.1f}"]
            ]
            assert f"{ratio:.3f} [" in line
    assert "MFU" not in out and "memory" not in out  # columns nothing was measured for
    assert err == ""  # no progress bars where stderr is no terminal

    told = json.loads((tmp_path / "out.json").read_text())
    assert all(argument in told["command"] for argument in arguments)
    assert told["machine"]["threads"] == 1 and told["machine"]["torch"] == torch.__version__ and told["machine"]["cpu"]
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.json", "out.png"]  # no temporary files left


def test_flops_and_parameters_of_the_baseline_by_hand(bench, tmp_path):
    (record,) = run(bench, tmp_path / "out.json", REGISTERS, *QUICK, "--no-memory")
    D, N, L, K = 96, 4, 12, 1000
    T = 1 + 16 + N
    assert record["flops"] == L * (24 * T * D * D + 4 * T * T * D) + 2 * N * 768 * D + 2 * D * K
    block = 12 * D * D + 13 * D
    assert record["params"] == L * block + 768 * D + D + 17 * D + (N + 17) * D + 2 * D + D * K + K
    assert record["flops_per_s"] == pytest.approx(record["flops"] * record["images_per_s"]["median"])


def test_training_in_bfloat16_of_any_timm_model(bench, tmp_path):
    arguments = [
        JUMBO,
        "resnet10t",
        *QUICK,
        "--batch-size",
        "2",
        "--img-size",
        "64",
        "--dtype",
        "bfloat16",
        "--no-memory",
    ]
    train = run(bench, tmp_path / "out.json", *arguments, "--mode", "train", "--model-kwargs", "num_classes=10")
    inference = run(bench, tmp_path / "out.json", *arguments, "--model-kwargs", "num_classes=10")
    for t, i in zip(train, inference, strict=True):
        assert t["params"] == i["params"]
        assert 2.5 < t["flops"] / i["flops"] <= 3  # a product's backward is two products, but images need no gradient


def test_peak_memory_of_a_fresh_process(bench, tmp_path, capsys):
    (record,) = run(bench, tmp_path / "out.json", REGISTERS, *QUICK)
    # a mebibyte at least: this process, larger than the fresh one, must not hide it
    assert 2**20 < record["peak_memory_bytes"] < 2**29
    assert "memory MiB" in capsys.readouterr().out


def test_without_peak_memory_the_timings_stand(bench, tmp_path, capsys, monkeypatch):
    killed = subprocess.CompletedProcess([], -9, stdout="", stderr="")
    monkeypatch.setattr(benchmark_memory.subprocess, "run", lambda *_, **__: killed)
    (record,) = run(bench, tmp_path / "out.json", REGISTERS, *QUICK)
    assert record["peak_memory_bytes"] is None and len(record["seconds"]) == 2
    assert "no peak memory of registers_pico (32 px, batch 1, float32): exit status -9" in capsys.readouterr().err


def test_share_of_the_matrix_product_rate_is_shown(bench, tmp_path, capsys):
    (record,) = run(bench, tmp_path / "out.json", REGISTERS, *QUICK, "--no-memory")
    assert record["matmul_share"] is None
    lines = table([{**record, "matmul_share": 0.25}]).splitlines()
    assert lines[0].endswith("MFU") and lines[2].endswith("25.0%")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jumbo_smal_patch16_224"], "unknown model 'jumbo_smal_patch16_224', did you mean 'jumbo_small_patch16_224'?"),
        ([REGISTERS, "registers_smal"], "did you mean 'registers_small'?"),
        ([REGISTERS, "--device", "cuda"], "torch finds no CUDA device here"),
        (
            [REGISTERS, JUMBO, "--img-size", "50"],
            "registers_pico (50 px, batch 16, float32): img_size 50 is not a multiple",
        ),
        ([JUMBO, "--img-size", "64", "50"], f"{JUMBO} (50 px, batch 16, float32): img"),
        ([JUMBO, "--batch-size", "4", "0"], "argument --batch-size: must be at least 1, got 0"),
        ([JUMBO, "--repeats", "few"], "argument --repeats: invalid whole number value: 'few'"),
        ([JUMBO, "--min-time", "nan"], "argument --min-time: must be at least 0, got nan"),
        ([JUMBO, "--dtype", "float8"], "argument --dtype: invalid choice: 'float8'"),
        ([JUMBO, "--model-kwargs", "depth"], "argument --model-kwargs: must be name=value, got 'depth'"),
        (["resnet10t", "--model-kwargs", "dept=2"], "resnet10t (224 px, batch 16, float32): "),
        ([JUMBO, "--json", "no/such/folder/out.json"], "cannot write no/such/folder/out.json"),
        ([], "the following arguments are required: MODEL"),
    ],
)
def test_bad_input_is_told_in_one_line(bench, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("benchmark.py: error: ") and err.count("\n") == 1
    assert message in err


def test_interrupted_run_leaves_files_as_they_were(bench, tmp_path, capsys, monkeypatch):
    def interrupt(args):
        raise KeyboardInterrupt

    path = tmp_path / "out.json"
    path.write_text("earlier")
    monkeypatch.setattr(benchmark, "measure", interrupt)
    assert bench.main([JUMBO, "--json", str(path)]) == 130
    assert path.read_text() == "earlier" and capsys.readouterr().err == "benchmark.py: interrupted, nothing written\n"


def test_help_shows_examples(bench, capsys):
    with pytest.raises(SystemExit) as exit_:
        bench.main(["--help"])
    assert exit_.value.code == 0
    assert "examples:\n  benchmark.py jumbo_small_patch16_224 registers_small" in capsys.readouterr().out


def test_budgets_are_models_of_their_own(bench, tmp_path, capsys):
    words = [JUMBO, *QUICK, "--img-size", "96", "--keep-rate", "1", "0.5", "--resolution", "1.0", "64", "--no-memory"]
    records = run(bench, tmp_path / "out.json", *words)
    assert [(r["keep_rate"], r["resolution"]) for r in records] == [(1, 1.0), (0.5, 1.0), (1, 64), (0.5, 64)]
    flops = [r["flops"] for r in records]
    assert flops[0] > flops[1] > flops[2] > flops[3] and len({r["params"] for r in records}) == 1
    assert all(r["ratio"]["to"] == JUMBO for r in records)
    out = capsys.readouterr().out
    assert f"{JUMBO}, keep 0.5, at 64 " in out and f"{JUMBO} " in out


def test_accuracy_against_time(bench, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for n, name in enumerate(("dark", "light")):
        (tmp_path / "val" / name).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 60, (40, 40, 3)) + 190 * n
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "val" / name / f"{i}.png")
    model = timm.create_model(JUMBO, num_classes=2, img_size=32)
    with torch.no_grad():
        torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    save_checkpoint(model, tmp_path / "w.safetensors")
    words = [JUMBO, *QUICK, "--model-kwargs", "num_classes=2", "--keep-rate", "1", "0.5", "--resolution", "1.0", "0.5"]
    words += ["--budgets", str(tmp_path / "val"), "--checkpoint", str(tmp_path / "w.safetensors")]
    records = run(bench, tmp_path / "out.json", *words, "--plot", str(tmp_path / "out.png"))
    assert [(r["budget"]["keep_rate"], r["budget"]["resolution"]) for r in records] == [
        (1.0, None), (0.5, None), (1.0, 0.5), (0.5, 0.5)
    ]  # fmt: skip
    transform = create_transform(input_size=(3, 32, 32), interpolation="bilinear", crop_pct=1.0)
    data = ImageDataset(str(tmp_path / "val"), transform=transform)
    x, y = torch.stack([data[i][0] for i in range(6)]), torch.tensor([data[i][1] for i in range(6)])
    for record in records:
        budget = ComputeBudget(**{**record["budget"], "reduce_at": None})
        with torch.no_grad():
            right = (model.eval()(x, budget=budget).argmax(1) == y).float().mean().item()
        assert record["metric"] == pytest.approx(100 * right)
    assert "keep rate" in capsys.readouterr().out
    with Image.open(tmp_path / "out.png") as image:
        assert image.width > 500

    assert bench.main([*words, "--model-kwargs", "num_classes=5"]) == 2
    assert "has 2 folders of images, the model 5 classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--keep-rate", "0"], "keep_rate 0.0"),
        (["--resolution", "-1"], "resolution -1"),
        (["--resolution", "wide"], "invalid scale_or_pixels value: 'wide'"),
        (["--resolution", "8"], "smaller than one patch"),
        (["--checkpoint", "w.pth"], "--checkpoint is for --budgets"),
        (["--budgets", "absent"], "nothing at absent"),
        (["--budgets", ".", "--mode", "train"], "--budgets measures one model at one size"),
        (["--budgets", ".", "--img-size", "32", "64"], "--budgets measures one model at one size"),
    ],
)
def test_bad_budgets_are_told_in_one_line(bench, capsys, words, message):
    assert bench.main([JUMBO, *QUICK, "--no-memory", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
