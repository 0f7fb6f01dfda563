"""What of a config has no effect is refused, with the nearest that has one, and so is what cannot be."""

import argparse
from pathlib import Path

import pytest
from mmengine.config import Config

from jumbo_backbone.segmentation.cli import KeysAndValues, add_config_arguments, in_users_terms, read_config
from jumbo_backbone.segmentation.configs.keys import TOP_LEVEL, require_known
from jumbo_backbone.segmentation.configs.variables import require_read
from tests.conftest import write_config

CONFIGS = sorted((Path(__file__).parents[4] / "seg_configs").glob("*.py"))
ADE = "jumbo_upernet_ade20k.py"


def read(config: Path, *options: str) -> Config:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    return read_config(parser.parse_args([str(config), *(["--cfg-options", *options] if options else [])]))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_our_own_configs_have_no_such_keys(path):
    before, cfg = Config.fromfile(path), read(path)
    kept = {key: value for key, value in before.to_dict().items() if key in TOP_LEVEL}
    kept.setdefault("work_dir", f"work_dirs/{path.stem}")
    assert {**cfg.to_dict(), "launcher": None} == {**kept, "launcher": None}


def test_what_a_run_leaves_can_be_read_again(tmp_path):
    """mmengine writes the resolved config: of one that was read it says what has an effect alone."""
    cfg = read(CONFIGS[0].parent / ADE, "train_cfg.max_iters=7")
    cfg.dump(tmp_path / "left.py")
    again = read(tmp_path / "left.py")
    assert again.to_dict() == cfg.to_dict() and "train_pipeline" not in again
    # of earlier versions, and of mmengine alone, variables stand there that have been used
    Config.fromfile(CONFIGS[0].parent / ADE).dump(tmp_path / "with_variables.py")
    assert read(tmp_path / "with_variables.py").train_cfg.max_iters == 160_000


OPTIONS = {
    "max_iters=100": "max_iters has no effect.* Set train_cfg.max_iters and param_scheduler.1.end",
    "crop_size=[3,3]": "Set train_dataloader.dataset.pipeline.4.crop_size and model.data_preprocessor.size",
    "data_preprocessor.size=3": "Set model.data_preprocessor",
    "optimizer.lr=3": "optimizer has no effect.* Did you mean optim_wrapper.optimizer",
    "train_datalaoder.batch_size=2": "Did you mean train_dataloader",
    "train_dataloader.batchsize=2": "did you mean train_dataloader.batch_size",
    "train_dataloader.dataset.data_rot=x": "did you mean train_dataloader.dataset.data_root",
    "train_dataloader.dataset.pipeline.3.scle=3": "did you mean train_dataloader.dataset.pipeline.3.scale",
    "train_cfg.max_iter=3": "did you mean train_cfg.max_iters",
    "optim_wrapper.optimizer.lrr=3": "did you mean optim_wrapper.optimizer.lr",
    "optim_wrapper.paramwise_cfg.layer_decay=3": "did you mean optim_wrapper.paramwise_cfg.layer_decay_rate",
    "param_scheduler.1.pwer=3": "did you mean param_scheduler.1.power",
    "model.decode_head.num_clases=3": "did you mean model.decode_head.num_classes",
    "model.decode_head.loss_decode.clas_weight=3": "did you mean model.decode_head.loss_decode.class_weight",
    "model.bckbone.with_cp=True": "did you mean model.backbone",
    "model.backbone.arch.embed_dims=3": "did you mean model.backbone.arch.embed_dim",
    "model.backbone.norm_eval=True": "model.backbone.norm_eval has no effect, as nothing reads it",
    "model.backbone.budget.keep=0.5": "did you mean model.backbone.budget.keep_rate",
    "model.test_cfg.strid=3": "did you mean model.test_cfg.stride",
    "model.data_preprocessor.test_cfg.size_divisr=32": "did you mean model.data_preprocessor.test_cfg.size_divisor",
    "default_hooks.checkpoint.intervall=3": "did you mean default_hooks.checkpoint.interval",
    "default_hooks.chekpoint.interval=1": "did you mean default_hooks.checkpoint",
    "randomness.sed=3": "did you mean randomness.seed",
    "val_evaluator.iou_metric=mIoU": "did you mean val_evaluator.iou_metrics",
    "env_cfg.mp_cfg.mp_start=fork": "did you mean env_cfg.mp_cfg.mp_start_method",
    "train_cfg.val_interval=0": "val_interval=0: give a whole number from 1; to leave validation out",
    "train_cfg.val_interval=-5": "val_interval=-5: give a whole number from 1",
    "train_cfg.max_iters=0": "max_iters=0: give a whole number from 1",
    "train_cfg.max_iters=1e3": "max_iters=1000.0: give a whole number",
    "model.backbone.patch_size=14": "data_preprocessor.size=512: patches of 14 .*give 518, or another patch_size",
    "model.data_preprocessor.test_cfg.size_divisor=24": "size_divisor=24: patches of 16 .*give 48",
    "model.data_preprocessor.size=[512,500]": "size=512x500: patches of 16 .*give 512x496",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_without_an_effect_are_refused(option):
    with pytest.raises(ValueError, match=OPTIONS[option]):
        read(CONFIGS[0].parent / ADE, option)


@pytest.mark.parametrize("gone", ["decide='window'", "test_cfg=dict(mode='slide')"])
def test_what_cascades_no_longer_take_is_refused(tmp_path, gone):
    path = tmp_path / "cascade.py"
    path.write_text(f"model = dict(type='CascadeSegmentor', members=[], {gone})\n")
    told = f"model.{gone.partition('=')[0]} has no effect, as nothing reads it"
    with pytest.raises(ValueError, match=told):
        read(path)


EFFECTS = [
    ("model.backbone.with_cp=True", lambda cfg: cfg.model.backbone.with_cp is True),
    ("train_dataloader.drop_last=True", lambda cfg: cfg.train_dataloader.drop_last is True),
    ("randomness.deterministic=True", lambda cfg: cfg.randomness.deterministic is True),
    ("find_unused_parameters=True", lambda cfg: cfg.find_unused_parameters is True),
    ("optim_wrapper.accumulative_counts=2", lambda cfg: cfg.optim_wrapper.accumulative_counts == 2),
    ("model.backbone.budget.keep_rate=0.7", lambda cfg: cfg.model.backbone.budget.keep_rate == 0.7),
    ("train_dataloader.dataset.pipeline.3.resize_type=Resize", lambda cfg: True),  # passed on to another transform
    ("default_hooks.checkpoint.save_optimizer=False", lambda cfg: True),
    ("model.decode_head.ignore_index=0", lambda cfg: cfg.model.decode_head.ignore_index == 0),
]


@pytest.mark.parametrize(("option", "holds"), EFFECTS)
def test_keys_that_the_config_does_not_have_yet(option, holds):
    assert holds(read(CONFIGS[0].parent / ADE, option))


@pytest.mark.parametrize(
    "text", ["foo", "=3", "a..b=3", "a=[1,2", "a=(1,2]]", "custom_hooks=[dict(type=A)]", "a={1:2}"]
)
def test_options_that_cannot_be_read(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=KeysAndValues, default={})
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--cfg-options", "model.backbone.with_cp=True", text])
    assert stopped.value.code == 2 and f"{text}" in capsys.readouterr().err


FILES = {
    "a slip": ("train_dataloder = dict(batch_size=2)", "Did you mean train_dataloader"),
    "a variable of the base": ("max_iters = 100", "Set train_cfg.max_iters and param_scheduler.0.end"),
    "a key of a dict": ("model = dict(test_cfg=dict(mod='slide'))", "did you mean model.test_cfg.mode"),
    "a variable of nobody": ("helper = 3", "Delete it, or begin its name with an underscore"),
}
READ = {
    "used here": "steps = 4\ntrain_cfg = dict(max_iters=steps)",
    "used by a loop": "sizes = [1, 2]\n_all = [s for s in sizes]",
    "of the base": "train_cfg = dict(max_iters=_base_.max_iters)",
    "of the base, in mmengine's way": "train_cfg = dict(max_iters={{_base_.max_iters}})",
    "of the base, within a text": "work_dir = 'runs/{{_base_.max_iters}}'",
    "a note": "_note = 3",
    "a key that mmengine reads": "find_unused_parameters = True",
}


@pytest.fixture()
def base(tmp_path):
    path = write_config(tmp_path)
    path.write_text("max_iters = 41\n" + path.read_text().replace("'max_iters': 8", "'max_iters': max_iters"))
    path.write_text(path.read_text().replace("'end': 8", "'end': max_iters"))
    return path


@pytest.mark.parametrize("what", FILES)
def test_files_with_something_in_vain_are_refused(base, what):
    text, told = FILES[what]
    child = base.with_name("child.py")
    child.write_text(f"_base_ = 'tiny.py'\n{text}\n")
    with pytest.raises(ValueError, match=told):
        read(child)
    grandchild = base.with_name("grandchild.py")
    grandchild.write_text("_base_ = 'child.py'\n")
    with pytest.raises(ValueError, match=told):
        read(grandchild)


@pytest.mark.parametrize("what", READ)
def test_files_whose_variables_are_read(base, what):
    child = base.with_name("child.py")
    child.write_text(f"_base_ = 'tiny.py'\n{READ[what]}\n")
    read(child)


def test_a_base_that_is_computed_is_followed(base):
    """The config that `jumbo prepare` writes finds its base by a call."""
    child = base.with_name("child.py")
    child.write_text("_base_ = ['tiny' + '.py']\ntrain_cfg = dict(max_iters=_base_.max_iters)\n")
    assert read(child).train_cfg.max_iters == 41
    child.write_text("_base_ = ['tiny' + '.py']\nmax_iters = 100\n")
    with pytest.raises(ValueError, match="Set train_cfg.max_iters"):
        read(child)


def test_a_slip_in_a_file_of_literals_is_a_slip(tmp_path):
    (tmp_path / "flat.py").write_text("model = dict(type='JumboSegmentor')\nval_evaluater = dict(type='IoUMetric')\n")
    with pytest.raises(ValueError, match="val_evaluater has no effect.* Did you mean val_evaluator"):
        require_read(tmp_path / "flat.py", TOP_LEVEL)


def test_types_of_unknown_arguments_are_let_through():
    """Whoever builds them says what is wrong: a type that is not registered, or one that takes anything."""
    require_known(Config(dict(model=dict(type="NobodyKnows", anything=3))))
    require_known(Config(dict(model=dict(backbone=dict(type="TimmViTBackbone", model_name="x", reg_tokens=16)))))


def test_errors_are_for_users(base, capsys):
    with pytest.raises(SystemExit) as stopped, in_users_terms("train.py"):
        read(base, "model.decode_head.num_clases=3")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("train.py: model.decode_head.num_clases has no effect")
