"""Pretraining of the weigher: the same cases and weights every time, also after a kill, and it learns."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed as dist

from timeseries.fitting.weigher_cases import read_shard, shard
from timeseries.fitting.weigher_training import Recipe, losses_of, measure, prepare, pretrain
from timeseries.networks.weighing import LEVELS, Verdict

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]
TINY = Recipe(
    shards=1,
    held_out=1,
    shard_size=128,
    epochs=6,
    batch_size=32,
    learning_rate=3e-3,
    context=32,
    encoder=dict(embed_dim=8, depth=1, num_heads=2, jumbo_multiplier=2),
    save_every=5,
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return prepare(TINY, tmp_path_factory.mktemp("cases"), lambda message: None)


def weights(model):
    return torch.cat([p.flatten() for p in model.state_dict().values()])


def test_cases_are_the_same_every_time(shards):
    again = shard(0, 0, TINY.context, TINY.shard_size)
    saved = read_shard(shards[0][0])
    assert len(saved.target) == 128
    for one, other in zip((*saved.case, saved.target), (*again.case, again.target), strict=True):
        assert one.isfinite().all()
        assert torch.allclose(one.float(), other.float(), rtol=2e-3, atol=2e-3)
    assert not torch.equal(saved.target, read_shard(shards[1][0]).target)


def test_shards_that_are_there_are_not_made_again(shards, tmp_path):
    before = shards[0][0].stat().st_mtime_ns
    prepare(TINY, shards[0][0].parent, lambda message: None)
    assert shards[0][0].stat().st_mtime_ns == before


def test_a_damaged_shard_is_named(shards, tmp_path):
    whole = shards[0][0].read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut.safetensors is damaged .* remove it"):
        read_shard(path)


def test_training_learns(shards, tmp_path):
    model, reached = pretrain(replace(TINY, epochs=20), *shards, tmp_path / "state.pt", CPU, lambda message: None)
    assert measure(model, shards[0], CPU)["loss"] < 0.97 * measure(TINY.build(), shards[0], CPU)["loss"]
    assert reached["loss"] == pytest.approx(measure(model, shards[1], CPU)["loss"], rel=1e-5)


def test_the_tiny_recipe_reaches_what_it_did(shards, tmp_path):
    _, reached = pretrain(TINY, *shards, tmp_path / "state.pt", CPU, lambda message: None)
    golden = json.loads((ROOT / "tests/golden/weigher.json").read_text())
    assert reached == {name: pytest.approx(value, rel=0.02) for name, value in golden.items()}


def test_going_on_gives_the_weights_of_an_uninterrupted_run(shards, tmp_path):
    class Stop(Exception):
        pass

    def stop_after_two(message):
        said.append(message)
        if sum(m.startswith("step") for m in said) == 2:
            raise Stop

    whole, _ = pretrain(TINY, *shards, tmp_path / "whole.pt", CPU, lambda message: None)
    said = []
    with pytest.raises(Stop):
        pretrain(TINY, *shards, tmp_path / "cut.pt", CPU, stop_after_two)
    said = []
    resumed, _ = pretrain(TINY, *shards, tmp_path / "cut.pt", CPU, said.append)
    assert said[0].startswith("continuing from step 10 of")
    assert torch.equal(weights(whole), weights(resumed))


def test_a_state_of_another_recipe_is_refused(shards, tmp_path):
    pretrain(TINY, *shards, tmp_path / "state.pt", CPU, lambda message: None)
    with pytest.raises(ValueError, match="belongs to another recipe: remove it"):
        pretrain(replace(TINY, seed=1), *shards, tmp_path / "state.pt", CPU, lambda message: None)


def test_the_loss_is_the_mean_pinball_loss(shards):
    saved = read_shard(shards[0][0])
    case = type(saved.case)(*(t if t.dtype == torch.bool else t.float() for t in saved.case))
    y = saved.target.float()
    center = torch.zeros_like(y)
    offsets = torch.linspace(-1, 1, len(LEVELS)).expand(*y.shape, -1)
    found = losses_of(Verdict(center, offsets, None), case, y)
    for row in (0, 5):
        total = 0.0
        for s in range(y.shape[1]):
            for q, level in enumerate(LEVELS):
                miss = float(y[row, s] - offsets[row, s, q])
                total += level * miss if miss > 0 else (level - 1) * miss
        ahead = float(case.spreads[row].mean())
        assert float(found[row]) == pytest.approx(min(total / y.shape[1] / len(LEVELS) / ahead, 30.0), rel=1e-4)


PROCESS = """
import sys
from pathlib import Path
import torch
from torch import distributed as dist
from tests.timeseries.fitting.test_weigher_training import TINY
from timeseries.fitting.weigher_training import prepare, pretrain
folder, rank = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
shards = prepare(TINY, folder, lambda message: None, rank, 2)
dist.barrier()
model, _ = pretrain(TINY, *shards, folder / "state.pt", torch.device("cpu"), lambda message: None)
if rank == 0:
    torch.save(model.state_dict(), folder / "weights.pt")
dist.destroy_process_group()
"""


@pytest.mark.skipif(not dist.is_gloo_available(), reason="needs gloo")
def test_two_processes_reach_the_weights_of_one(shards, tmp_path):
    jobs = [subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), str(rank)]) for rank in range(2)]
    assert [job.wait(timeout=300) for job in jobs] == [0, 0]
    one, _ = pretrain(TINY, *shards, tmp_path / "one.pt", CPU, lambda message: None)
    both = TINY.build()
    both.load_state_dict(torch.load(tmp_path / "weights.pt"))
    # Adam takes steps of one size however small a gradient is: rounding shows where it is almost 0
    assert (weights(one) - weights(both)).abs().mean() < 0.02 * (weights(one) - weights(TINY.build())).abs().mean()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_killed_command_goes_on(tmp_path):
    command = [sys.executable, str(ROOT / "tools/pretrain_series.py"), "forecast", "--work-dir", str(tmp_path)]
    command += [
        "--shards",
        "1",
        "--held-out",
        "1",
        "--shard-size",
        "64",
        "--batch-size",
        "16",
        "--epochs",
        "60",
        "--save-every",
        "10",
    ]
    command += ["--embed-dim", "8", "--depth", "1", "--num-heads", "2", "--jumbo-multiplier", "2", "--device", "cpu"]
    env = os.environ | dict(OMP_NUM_THREADS="1")
    job = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 240
    while not (tmp_path / "state.pt").exists() and time.monotonic() < until and job.poll() is None:
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert (tmp_path / "state.pt").exists()
    assert not (tmp_path / "forecast.safetensors").exists()
    again = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert "continuing from step" in again.stdout + again.stderr
    assert (tmp_path / "forecast.safetensors").exists()
    assert (tmp_path / "run.json").exists()
