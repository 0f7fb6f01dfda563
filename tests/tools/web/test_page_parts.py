"""Parts of the page that need no server: jobs, what is kept, which models are offered, limits, sentences."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jumbo_web import checkpoints, limits, markup
from jumbo_web.jobs import Job, Jobs, Progress, Stopped
from jumbo_web.recent import Recent
from jumbo_web.results import Results


def test_a_job_tells_its_progress_and_gives_its_result():
    def work(job: Job) -> str:
        for share in (0.25, 0.5):
            job.tell(share, "working")
            time.sleep(0.5)
        return "done"

    job = Job(work)
    seen = {(now.share, now.doing) for now in job.watch()}
    assert (0.5, "working") in seen and job.result() == "done"


def test_a_job_that_is_stopped_ends_at_its_next_word():
    rounds = []

    def work(job: Job) -> None:
        for n in range(1000):
            rounds.append(n)
            job.tell(n / 1000, "working")
            time.sleep(0.02)

    jobs = Jobs()
    job = jobs.begin("me", work)
    next(iter(job.watch()))
    assert not jobs.stop("somebody else") and jobs.stop("me") and not jobs.stop("me")
    with pytest.raises(Stopped, match="stopped while working; nothing was kept"):
        job.result()
    assert len(rounds) < 1000


def test_whoever_stops_watching_stops_the_job_and_one_waits_for_the_other():
    begun = threading.Event()

    def work(job: Job) -> None:
        begun.set()
        while True:
            job.tell(0.5, "working")
            time.sleep(0.02)

    first = Job(work)
    begun.wait(10)
    second = Job(lambda job: "second")
    assert next(iter(second.watch())).doing == "waiting for another visitor's work to end"
    watching = first.watch()
    next(watching)
    watching.close()  # as when the page is left
    with pytest.raises(Stopped):
        first.result()
    third = Job(lambda job: "third")
    assert third.result() == "third"


def test_an_error_of_a_job_is_raised_and_the_next_one_runs():
    def work(job: Job) -> None:
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        Job(work).result()
    assert Job(lambda job: 1).result() == 1


def test_only_the_last_values_are_kept():
    made = []
    recent: Recent[int] = Recent(2)
    for key in (1, 2, 1, 3, 1, 2):
        recent.get(key, lambda key=key: made.append(key) or key)
    assert made == [1, 2, 3, 2]  # 2 went when 3 came, for 1 had been asked for since


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for n, name in enumerate(names):
        (folder / name).touch()
        os.utime(folder / name, (n, n))


def test_models_are_the_best_or_last_checkpoints_of_work_dirs(tmp_path):
    touch(tmp_path / "best", "a.py", "iter_9.pth", "best_mIoU_iter_3.pth", "other.pth")
    touch(tmp_path / "deep" / "er" / "last", "old.py", "new.py", "iter_5.pth", "iter_40.pth")
    touch(tmp_path / "epochs", "a.py", "epoch_2.pth")
    touch(tmp_path / "cascade", "a.py", "calibration.json")
    touch(tmp_path / "mae", "a.py", "encoder.safetensors", "decoder.safetensors", "iter_8.pth")
    touch(tmp_path / "no_config", "iter_8.pth")
    touch(tmp_path / ".hidden", "a.py", "iter_8.pth")
    found = checkpoints.segmentors([tmp_path, tmp_path / "none"])
    assert {name.removeprefix(f"{tmp_path}/"): trained.weights.name for name, trained in found.items()} == {
        "best (best_mIoU_iter_3)": "best_mIoU_iter_3.pth",
        "cascade (cascade)": "calibration.json",
        "deep/er/last (iter_40)": "iter_40.pth",
        "epochs (epoch_2)": "epoch_2.pth",
    }
    assert found[f"{tmp_path}/deep/er/last (iter_40)"].config.name == "new.py"
    assert [t.is_cascade for t in found.values()] == [False, True, False, False]
    assert list(checkpoints.pretrained([tmp_path])) == [f"{tmp_path}/mae (pretrained)"]


def test_files_of_too_many_bytes(tmp_path):
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(limits.UPLOAD + 1)
    with pytest.raises(ValueError, match="big.csv has 20.0 MB, more than 20: give a smaller file"):
        limits.check_size(path)


def test_texts_are_escaped():
    wrong = "<script>alert(1)</script>"
    pieces = [markup.note(wrong), markup.table([wrong], [[wrong, wrong]], wrong), markup.progress(Progress(0.5, wrong))]
    assert all("<script>" not in piece and "&lt;script&gt;" in piece for piece in pieces)


def test_old_results_go(tmp_path):
    results = Results(tmp_path)
    old = results.new()
    (old / "forecast.csv").touch()
    os.utime(old, (0, 0))
    new = results.new()
    assert new.is_dir() and not old.exists()


def test_errors_become_sentences():
    pytest.importorskip("gradio")
    from jumbo_web.failing import in_sentences, told

    path = "/somewhere/uploads/abc/photo.png"

    def failing(path: str, error: Exception) -> None:
        raise error

    cases = [
        (ValueError(f"{path} is an unreadable file:\n  give another"), "photo.png is an unreadable file: give another"),
        (TypeError("column 'a' holds str"), "Column 'a' holds str"),
        (KeyError("x"), "A defect of this program (KeyError): the terminal says more"),
        (MemoryError(), "There is not enough memory for this: give less"),
    ]
    for error, expected in cases:
        with pytest.raises(Exception) as raised:
            in_sentences(failing)(path, error)
        assert raised.value.message == expected
    assert told(told(ValueError("a b"))).message == "A b"


def test_hidden_patches_of_a_picture_are_guessed_by_a_pretrained_encoder(tmp_path):
    pytest.importorskip("mmseg")
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    from jumbo_backbone.pretraining import save_weights
    from jumbo_backbone.segmentation.configs.shipped import shipped_config
    from jumbo_web.inside import reconstruct
    from jumbo_web.loading import Shelf, begin_importing

    work_dir = tmp_path / "pretrain_mae_pico"
    work_dir.mkdir()
    cfg = Config.fromfile(shipped_config("pretrain_mae_pico"))
    cfg.dump(work_dir / "pretrain_mae_pico.py")
    init_default_scope("mmseg")
    save_weights(MODELS.build(cfg.model), work_dir)
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "a.png")
    begin_importing()
    shelf = Shelf([tmp_path])
    (name,) = shelf.pretrained()
    assert name.endswith("pretrain_mae_pico (pretrained)")
    page = reconstruct(shelf, str(tmp_path / "a.png"), name, seed=0).astype(int)
    height = page.shape[0]
    image, visible, guess = page[:, :height], page[:, (page.shape[1] - height) // 2 :][:, :height], page[:, -height:]
    hidden = (visible == np.median(visible, axis=(0, 1))).all(axis=2)  # of one colour
    assert 0.7 < hidden.mean() < 0.8
    assert np.array_equal(image[~hidden], visible[~hidden]) and np.array_equal(image[~hidden], guess[~hidden])
    assert not np.array_equal(image[hidden], guess[hidden])
    assert not np.array_equal(page, reconstruct(shelf, str(tmp_path / "a.png"), name, seed=1))  # other patches
