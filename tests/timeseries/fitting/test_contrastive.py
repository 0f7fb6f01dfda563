"""Contrastive pretraining of the reader: the same pairs and weights every time, also after a kill, and it learns."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed as dist

from timeseries.fitting.contrastive import ContrastiveRecipe, batch_of, info_nce, pretrain_reader, views
from timeseries.weights import about_weights, load_reader

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]
TINY = ContrastiveRecipe(
    steps=40,
    batch_size=16,
    learning_rate=3e-3,
    length=64,
    encoder=dict(embed_dim=16, depth=1, num_heads=2, jumbo_multiplier=2),
    save_every=10,
)
ARGUMENTS = "--batch-size 16 --length 64 --embed-dim 8 --depth 1 --num-heads 2 --jumbo-multiplier 2 --device cpu"


def weights(model):
    return torch.cat([p.flatten() for p in model.state_dict().values()])


def quiet(message):
    pass


def test_batches_are_the_same_every_time_and_differ_from_each_other():
    assert torch.equal(batch_of(TINY, 3), batch_of(TINY, 3))
    assert batch_of(TINY, 3).shape == (2, 16, 64)
    assert not torch.equal(batch_of(TINY, 3), batch_of(TINY, 5))
    assert not torch.equal(batch_of(TINY, 3), batch_of(replace(TINY, seed=1), 3))
    assert {batch_of(TINY, number).shape[2] for number in range(0, 40, 2)} <= {16, 32, 48, 64}


def test_views_show_at_least_three_quarters_of_a_series_in_its_order():
    rising = np.linspace(0, 1, 200, dtype=np.float32)[None].repeat(500, axis=0)
    seen = views(np.random.default_rng(0), rising, 96)
    assert seen.shape == (500, 96)
    assert (np.diff(seen, axis=1) > 0).all()  # linear interpolation keeps a straight line straight
    assert np.allclose(np.diff(seen, axis=1), np.diff(seen, axis=1).mean(axis=1, keepdims=True), atol=1e-5)
    shown = seen[:, -1] - seen[:, 0]
    assert shown.min() >= 0.749 and shown.max() <= 1.001 and shown.std() > 0.05


def test_coarse_views_lose_what_is_fast():
    fast = np.tile(np.array([-1, 1], dtype=np.float32), 128)[None].repeat(400, axis=0)
    rough = np.abs(np.diff(views(np.random.default_rng(0), fast, 256), axis=1)).mean(axis=1)
    assert 0.3 < (rough < 0.5).mean() < 0.6


def test_the_loss_is_the_cross_entropy_of_finding_the_other_of_a_pair():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.nn.functional.normalize(torch.randn(2, 5, 8, generator=generator), dim=2)
    found = info_nce(a, b)
    for i in range(5):
        likeness = torch.stack([a[i] @ b[j] for j in range(5)]) / 0.1
        assert float(found[i]) == pytest.approx(float(likeness.logsumexp(0) - likeness[i]), rel=1e-4)
        back = torch.stack([a[j] @ b[i] for j in range(5)]) / 0.1
        assert float(found[5 + i]) == pytest.approx(float(back.logsumexp(0) - back[i]), rel=1e-4)


def test_training_learns(tmp_path):
    said = []
    _, reached = pretrain_reader(replace(TINY, steps=200, patch_length=8), tmp_path / "state.pt", CPU, said.append)
    assert reached["found"] > 0.15  # one in 16 by chance
    assert reached["loss"] < 0.9 * np.log(16)
    assert said[-1].startswith("step 200 of 200, loss") and "samples per second" in said[-1]


def test_going_on_gives_the_weights_of_an_uninterrupted_run(tmp_path):
    class Stop(Exception):
        pass

    def stop_after_two(message):
        said.append(message)
        if sum(m.startswith("step") for m in said) == 2:
            raise Stop

    whole, _ = pretrain_reader(TINY, tmp_path / "whole.pt", CPU, quiet)
    said = []
    with pytest.raises(Stop):
        pretrain_reader(TINY, tmp_path / "cut.pt", CPU, stop_after_two)
    said = []
    resumed, _ = pretrain_reader(TINY, tmp_path / "cut.pt", CPU, said.append)
    assert said[0].startswith("continuing from step 20 of 40")
    assert torch.equal(weights(whole), weights(resumed))


def test_workers_change_nothing(tmp_path):
    recipe = replace(TINY, steps=3)
    alone, _ = pretrain_reader(recipe, tmp_path / "alone.pt", CPU, quiet)
    helped, _ = pretrain_reader(recipe, tmp_path / "helped.pt", CPU, quiet, workers=2)
    assert torch.equal(weights(alone), weights(helped))


def test_a_state_of_another_recipe_is_refused(tmp_path):
    recipe = replace(TINY, steps=1)
    pretrain_reader(recipe, tmp_path / "state.pt", CPU, quiet)
    with pytest.raises(ValueError, match="belongs to another recipe: remove it"):
        pretrain_reader(replace(recipe, seed=1), tmp_path / "state.pt", CPU, quiet)


PROCESS = """
import sys
from pathlib import Path
import torch
from torch import distributed as dist
from tests.timeseries.fitting.test_contrastive import TINY
from timeseries.fitting.contrastive import pretrain_reader
folder, rank = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
model, _ = pretrain_reader(TINY, folder / "state.pt", torch.device("cpu"), lambda message: None)
if rank == 0:
    torch.save(model.state_dict(), folder / "weights.pt")
dist.destroy_process_group()
"""


@pytest.mark.skipif(not dist.is_gloo_available(), reason="needs gloo")
def test_two_processes_reach_the_weights_of_one(tmp_path):
    jobs = [subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), str(rank)]) for rank in range(2)]
    assert [job.wait(timeout=300) for job in jobs] == [0, 0]
    one, _ = pretrain_reader(TINY, tmp_path / "one.pt", CPU, quiet)
    both, start = TINY.build().reader, TINY.build().reader
    both.load_state_dict(torch.load(tmp_path / "weights.pt"))
    # Adam takes steps of one size however small a gradient is: rounding shows where it is almost 0
    assert (weights(one) - weights(both)).abs().mean() < 0.02 * (weights(one) - weights(start)).abs().mean()


def command(folder, *more):
    words = [sys.executable, str(ROOT / "tools/pretrain_series.py"), "classify", "--work-dir", str(folder)]
    return words + ARGUMENTS.split() + list(more)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_killed_command_goes_on_and_writes_weights(tmp_path):
    words, env = command(tmp_path, "--steps", "400", "--save-every", "5"), os.environ | dict(OMP_NUM_THREADS="1")
    job = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 240
    while not (tmp_path / "state.pt").exists() and time.monotonic() < until and job.poll() is None:
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert (tmp_path / "state.pt").exists()
    assert not (tmp_path / "classify.safetensors").exists()
    again = subprocess.run(words, env=env, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert "continuing from step" in again.stderr and "MB of memory" in again.stderr
    about, _ = about_weights(tmp_path / "classify.safetensors", "classify")
    assert about["made"]["command"].startswith("python tools/pretrain_series.py classify --work-dir")
    assert str(tmp_path) not in about["made"]["command"]  # where files lie on a machine is nothing to tell
    assert load_reader(tmp_path / "classify.safetensors").sizes["embed_dim"] == 8
    assert (tmp_path / "run.json").exists()


BAD = [
    (["--length", "60"], "--length 60 is no multiple of --patch-length 16"),
    (["--batch-size", "1"], "--batch-size 1 leaves nothing to tell a pair apart from"),
    (["--embed-dim", "9"], "9"),
    (["--device", "abacus"], "abacus"),
]


@pytest.mark.parametrize(("more", "message"), BAD)
def test_wrong_arguments_are_told(tmp_path, capsys, more, message):
    from jumbo_cli.commands.pretrain_series import COMMAND

    assert COMMAND.run(["classify", "--work-dir", str(tmp_path), *ARGUMENTS.split(), *more]) == 2
    assert message in capsys.readouterr().err
