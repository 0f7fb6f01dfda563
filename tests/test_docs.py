"""docs/your_own_masks.md works: its folder, config and commands, in its order, with a smaller model and few steps."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_pairs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "your_own_masks.md").read_text()
SMALLER = [
    *("model.backbone.init_cfg=None", "model.backbone.arch.embed_dim=24", "model.backbone.arch.num_heads=2"),
    *("model.neck.embed_dim=24", "model.decode_head.in_channels=[24,24,24,24]", "model.auxiliary_head.in_channels=24"),
    *("model.decode_head.channels=16", "model.auxiliary_head.channels=16", "train_dataloader.batch_size=2"),
    *("train_cfg.max_iters=2", "train_cfg.val_interval=2"),
    *(
        f"{split}_dataloader.{key}"
        for split in ("train", "val", "test")
        for key in ("num_workers=0", "persistent_workers=False")
    ),
]


@pytest.fixture()
def folder(tmp_path):
    """What the page's reader has: a checkout's tools and configs, and pictures with masks 0, 1, 2 and 255."""
    cv2 = pytest.importorskip("cv2")
    for name in ("tools", "seg_configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_pairs(tmp_path / "my_data", 3)
    for path in (tmp_path / "my_data" / "images").rglob("*.png"):
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
        path.unlink()
    for path in (tmp_path / "my_data" / "annotations").rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) - np.uint8(1))
    return tmp_path


def test_the_page(folder):
    (config,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    (folder / "my_config.py").write_text(config)
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert [Path(c[1]).name for c in commands] == ["prepare_ade20k.py", "train.py", "test.py", "infer.py"]
    outputs = []
    for python, tool, *arguments in commands:
        assert python == "python"
        arguments = [a.replace("iter_16000", "iter_2") for a in arguments]
        if "--check" not in arguments:
            arguments += ["--cfg-options", *SMALLER]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, tool, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout + done.stderr)
    for name in ("ground", "box", "disc"):
        assert name in outputs[0]
    assert "mIoU" in outputs[1] and "mIoU" in outputs[2]
    left = {p.name for p in (folder / "work_dirs" / "my_config").iterdir()}
    assert {"iter_2.pth", "metrics.json", "run.json", "my_config.py"} <= left
    assert len(list((folder / "pictures").iterdir())) == 3
    assert len(list((folder / "painted").glob("*_overlay.png"))) == 3
