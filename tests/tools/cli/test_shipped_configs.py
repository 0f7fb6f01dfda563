"""Configs by name: those that come with the package are found wherever the user is."""

import json

import pytest

pytest.importorskip("mmseg")

from pathlib import Path

from jumbo_backbone.segmentation.configs.shipped import find_config, shipped_folder


def test_a_name_is_looked_up_where_there_is_no_such_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = shipped_folder() / "jumbo_upernet_scenes.py"
    for name in ("jumbo_upernet_scenes", "jumbo_upernet_scenes.py", "seg_configs/jumbo_upernet_scenes.py"):
        assert find_config(Path(name)) == shipped and shipped.is_file()
    own = tmp_path / "jumbo_upernet_scenes.py"
    own.write_text("")
    assert find_config(Path("jumbo_upernet_scenes.py")) == Path("jumbo_upernet_scenes.py")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("jumbo_upernet_scene", "did you mean jumbo_upernet_scenes?"),
        ("else/where.py", "or one of finetune_pico, jumbo_base_upernet_ade20k, "),
        ("folder/jumbo_upernet_scenes.py", "did you mean jumbo_upernet_scenes?"),
        ("_base_/runtime", "no config at "),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest_name(name, told):
    with pytest.raises(FileNotFoundError, match="none of this name comes with the package") as raised:
        find_config(Path(name))
    assert told in str(raised.value)


def test_a_training_in_an_empty_folder(jumbo, tmp_path):
    """And little is printed: neither the config nor what libraries say about their own parts."""
    options = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "val_dataloader.dataset.length=2"]
    out, err = jumbo("train", "jumbo_upernet_scenes", "--cfg-options", *options, cwd=tmp_path)
    work_dir = tmp_path / "work_dirs" / "jumbo_upernet_scenes"
    assert {"jumbo_upernet_scenes.py", "run.json", "metrics.json", "iter_2.pth"} <= {p.name for p in work_dir.iterdir()}
    assert json.loads((work_dir / "metrics.json").read_text())[-1]["iter"] == 2
    for noise in ("OneDL", "MultiScaleDeformableAttention", "custom_imports = dict("):
        assert noise not in out + err
    assert len((out + err).splitlines()) < 40 and f"the config of this run and its log are in {work_dir}" in out
    (log,) = work_dir.rglob("*.log")
    assert "custom_imports = dict(" in log.read_text()
