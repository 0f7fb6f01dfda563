"""Weights in and out: what is adapted, what is refused, and that nothing saved is lost."""

import json
import logging
import os
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from jumbo_backbone import ComputeBudget, JumboViT, load_checkpoint, save_checkpoint
from tests.conftest import TINY, images, tiny_model

ENTRIES = (
    "load_state_dict",  # plain torch, and what mmengine's loader calls
    "checkpoint_path",  # timm.create_model
    "load_checkpoint",
)


@pytest.fixture()
def released(tmp_path):
    """A file as the authors publish them: a bare state_dict with a dead class token."""
    source = tiny_model()
    path = tmp_path / "released.pth"
    torch.save({**source.state_dict(), "cls_token": torch.zeros(1, 1, 48)}, path)
    return source, path


def load(entry, path, **overrides) -> JumboViT:
    model = tiny_model(seed=1, **overrides)
    if entry == "load_state_dict":
        model.load_state_dict(torch.load(path, weights_only=True))
    elif entry == "load_checkpoint":
        load_checkpoint(model, path)
    else:
        model = timm.create_model("jumbo_pico_patch16_224", checkpoint_path=str(path), **{**TINY, **overrides}).eval()
    return model


@pytest.mark.parametrize("entry", ENTRIES)
def test_released_file(released, entry):
    source, path = released
    x = images(2, 3, 64, 64)
    assert torch.equal(load(entry, path)(x), source(x))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("size", [96, (32, 128), (48, 80)])
def test_another_grid_gets_resampled_positions(released, entry, size):
    source, path = released
    model = load(entry, path, img_size=size)
    H, W = model.patch_embed.img_size
    x = images(1, 3, H, W)
    torch.testing.assert_close(model(x), source(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("entry", ENTRIES)
def test_another_number_of_classes_keeps_a_fresh_head(released, entry, caplog):
    source, path = released
    with caplog.at_level(logging.WARNING):
        model = load(entry, path, num_classes=3)
    assert "the file has 10 classes, the model 3" in caplog.text or entry == "load_checkpoint"
    assert model.head.weight.shape[0] == 3 and not torch.equal(model.head.weight, source.head.weight[:3])
    x = images(1, 3, 64, 64)
    assert torch.equal(model.forward_features(x), source.forward_features(x))


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_classes_drops_the_head(released, entry):
    source, path = released
    x = images(1, 3, 64, 64)
    assert torch.equal(load(entry, path, num_classes=0)(x), source.forward_head(source.forward_features(x), True))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("chans", [1, 4])
def test_another_number_of_channels(released, entry, chans):
    source, path = released
    model = load(entry, path, in_chans=chans)
    weight = model.patch_embed.proj.weight
    assert weight.shape[1] == chans
    if chans == 1:  # a grey image as one channel is the image in three equal ones
        grey = images(1, 1, 64, 64)
        torch.testing.assert_close(model(grey), source(grey.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-5)


def test_the_report_says_what_happened(released):
    _, path = released
    report = load_checkpoint(tiny_model(img_size=96, num_classes=3, in_chans=1), path)
    assert "4x4 to 6x6" in report.resampled[0]
    assert any("from 3 to 1 input channels" in line for line in report.adapted)
    assert len(report.fresh) == 2 and "10 classes, the model 3" in report.fresh[0]
    assert "cls_token" in report.skipped[0]
    assert report.loaded == len(tiny_model().state_dict()) - 2  # all but the head's two
    assert str(report).startswith(f"{report.loaded} tensors loaded; resampled: pos_embed")


def test_loading_leaves_the_callers_dict_alone(released):
    _, path = released
    weights = torch.load(path, weights_only=True)
    names = set(weights)
    tiny_model(img_size=96).load_state_dict(weights)
    assert set(weights) == names and weights["pos_embed"].shape[1] == 16


def test_inside_a_larger_model(released):
    source, path = released
    outer = torch.nn.ModuleDict(dict(backbone=tiny_model(seed=1, img_size=96)))
    outer.load_state_dict({f"backbone.{k}": v for k, v in torch.load(path, weights_only=True).items()})
    assert torch.equal(outer["backbone"].blocks[0].attn.qkv.weight, source.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize("container", ["bare", "state_dict", "model", "ema", "module."])
def test_timm_s_training_checkpoints(tmp_path, container):
    source, path = tiny_model(), tmp_path / "last.pth.tar"
    weights, other = source.state_dict(), tiny_model(seed=5).state_dict()
    torch.save(
        {
            "bare": weights,
            "state_dict": {"state_dict": weights, "epoch": 3},
            "model": {"model": weights},
            "ema": {"state_dict": other, "state_dict_ema": weights},
            "module.": {f"module.{k}": v for k, v in weights.items()},
        }[container],
        path,
    )
    model = tiny_model(seed=1)
    load_checkpoint(model, path)
    x = images(1, 3, 64, 64)
    assert torch.equal(model(x), source(x))


class TestGridOfTheFile:
    """A flat position table does not say its shape: square files say nothing, the others carry pos_embed_grid."""

    def test_square_models_have_the_released_names(self):
        assert "pos_embed_grid" not in tiny_model().state_dict()

    @pytest.mark.parametrize("entry", ENTRIES)
    @pytest.mark.parametrize("size", [(32, 128), (64, 144), (64, 64), (128, 32)])
    def test_from_a_wide_grid(self, tmp_path, entry, size):
        source = tiny_model(img_size=(64, 144))  # 4 x 9 = 36 patches: a square number on no square grid
        torch.save(source.state_dict(), tmp_path / "wide.pth")
        model = load(entry, tmp_path / "wide.pth", img_size=size)
        x = images(1, 3, *size)
        torch.testing.assert_close(model(x), source(x), atol=1e-5, rtol=1e-5)

    def test_unknown_grid_is_refused(self):
        weights = tiny_model(img_size=(32, 64)).state_dict()
        del weights["pos_embed_grid"]
        with pytest.raises(ValueError, match="8 positions, which is no square grid.*add a tensor pos_embed_grid"):
            tiny_model().load_state_dict(weights)

    def test_contradicting_grid_is_refused(self):
        weights = {**tiny_model().state_dict(), "pos_embed_grid": torch.tensor([3, 4])}
        with pytest.raises(ValueError, match="16 positions, but pos_embed_grid says 3x4"):
            tiny_model().load_state_dict(weights)


def test_safetensors_round_trip(tmp_path):
    source, path = tiny_model(img_size=(32, 64)), tmp_path / "model.safetensors"
    save_checkpoint(source, path)
    assert os.listdir(tmp_path) == ["model.safetensors"]
    assert set(load_file(path)) == set(source.state_dict())
    model = tiny_model(seed=1, img_size=(32, 64))
    assert load_checkpoint(model, path).loaded == len(source.state_dict())
    x = images(1, 3, 32, 64)
    assert torch.equal(model(x), source(x))


def test_a_failing_save_keeps_the_good_file(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_checkpoint(tiny_model(), path)
    good = path.read_bytes()

    def full_disk(file, data):
        with open(file, "wb") as half:
            half.write(data[: len(data) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tiny_model(seed=1), path)
    assert path.read_bytes() == good
    assert os.listdir(tmp_path) == ["model.safetensors"]


class TestHubMixin:
    def test_round_trip(self, tmp_path):
        source = tiny_model(img_size=(32, 64), jumbo_lora_rank=2, drop_rate=0.1)
        source.save_pretrained(tmp_path)
        assert {"config.json", "model.safetensors"} <= set(os.listdir(tmp_path))
        model = JumboViT.from_pretrained(tmp_path)
        assert not model.training and model.head_drop.p == 0.1
        x = images(1, 3, 32, 64)
        assert torch.equal(model(x), source(x))

    def test_remembers_later_changes(self, tmp_path):
        source = tiny_model()
        source.reset_classifier(3, "token")
        source.set_input_size((48, 80))
        source.save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        assert (config["num_classes"], config["global_pool"], config["img_size"]) == (3, "token", [48, 80])
        x = images(1, 3, 48, 80)
        assert torch.equal(JumboViT.from_pretrained(tmp_path)(x), source(x))

    @pytest.mark.parametrize(
        "budget", [ComputeBudget(0.5, (1,)), ComputeBudget(resolution=(32, 48)), ComputeBudget(0.7, fuse=False)]
    )
    @pytest.mark.parametrize("given", ["an attribute", "an argument"])
    def test_remembers_the_budget(self, tmp_path, budget, given):
        source = tiny_model(**dict(default_budget=budget) if given == "an argument" else {})
        source.default_budget = budget
        source.save_pretrained(tmp_path / "model")
        x = images(1, 3, 64, 64)
        for model in (
            JumboViT.from_pretrained(tmp_path / "model"),
            timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval(),
        ):
            assert model.default_budget == budget
            assert torch.equal(model(x), source(x)) and not torch.equal(model(x), source(x, budget=ComputeBudget()))
        assert JumboViT.from_pretrained(tmp_path / "model", default_budget={}).default_budget == ComputeBudget()
        source.default_budget = ComputeBudget()
        source.save_pretrained(tmp_path / "full")
        assert "default_budget" not in json.loads((tmp_path / "full" / "config.json").read_text())
        assert JumboViT.from_pretrained(tmp_path / "full").default_budget == ComputeBudget()

    def test_overrides(self, tmp_path):
        source = tiny_model()
        source.save_pretrained(tmp_path)
        model = JumboViT.from_pretrained(tmp_path, img_size=96, num_classes=3)
        assert model.grid_size == (6, 6) and model.head.out_features == 3

    def test_a_model_of_timm_s_factory(self, tmp_path):
        source = timm.create_model("jumbo_pico_patch16_224", **TINY).eval()
        source.save_pretrained(tmp_path)
        x = images(1, 3, 64, 64)
        assert torch.equal(JumboViT.from_pretrained(tmp_path)(x), source(x))

    def test_is_strict(self, tmp_path):
        tiny_model().save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="blocks.3.attn.proj.bias"):
            JumboViT.from_pretrained(tmp_path, depth=4)

    def test_push_uploads_the_folder_and_todays_config(self, monkeypatch):
        model, calls = tiny_model(), []
        model.reset_classifier(3)

        class Api:
            def __init__(self, **kwargs): ...

            def create_repo(self, repo_id, **kwargs):
                return type("Url", (), {"repo_id": repo_id})()

            def upload_folder(self, repo_id, folder_path, **kwargs):
                with open(os.path.join(folder_path, "config.json")) as file:
                    calls.append((repo_id, sorted(os.listdir(folder_path)), json.load(file)))

        monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
        model.push_to_hub("someone/digits")
        ((repo, files, config),) = calls
        assert repo == "someone/digits"
        assert {"config.json", "model.safetensors"} <= set(files)
        assert config["num_classes"] == 3


class Code:
    """Runs on unpickling."""

    def __reduce__(self):
        return (print, ("code in a pickle was run",))


def broken_files(folder):
    good = tiny_model().state_dict()
    torch.save(good, folder / "good.pth")
    save_checkpoint(tiny_model(), folder / "good.safetensors")
    (folder / "empty.pth").touch()
    for kind in ("pth", "safetensors"):
        data = (folder / f"good.{kind}").read_bytes()
        (folder / f"truncated.{kind}").write_bytes(data[: len(data) // 2])
    (folder / "text.pth").write_text("<html>404 not found</html>")
    torch.save({"model": Code(), **good}, folder / "code.pth")
    torch.save({"epoch": 3, "lr": 0.1}, folder / "no_tensors.pth")
    torch.save({"state_dict": {**good, "note": "hello"}}, folder / "more.pth")
    torch.save([1, 2], folder / "list.pth")
    torch.save(timm.create_model("vit_tiny_patch16_224", depth=1).state_dict(), folder / "vit.pth")
    torch.save(timm.create_model("resnet18").state_dict(), folder / "resnet.pth")
    torch.save(tiny_model(depth=4).state_dict(), folder / "deeper.pth")
    torch.save(tiny_model(embed_dim=96).state_dict(), folder / "wider.pth")
    torch.save({**good, "cls_token": torch.zeros(1, 4, 48)}, folder / "earlier_token.pth")
    torch.save({**good, "blocks.0.ls1.gamma": torch.ones(48)}, folder / "earlier_scale.pth")
    (folder / "folder.pth").mkdir()


@pytest.mark.parametrize(
    ("file", "error", "message"),
    [
        ("absent.pth", FileNotFoundError, r"no checkpoint at .*absent.pth"),
        ("folder.pth", FileNotFoundError, r"no checkpoint at .*folder.pth"),
        ("empty.pth", ValueError, r"empty.pth is empty \(0 bytes\).*fetch it again"),
        ("truncated.pth", ValueError, r"truncated.pth \(\d+ bytes\) cannot be read as weights.*cut off"),
        ("truncated.safetensors", ValueError, r"truncated.safetensors \(\d+ bytes\) cannot be read"),
        ("text.pth", ValueError, r"text.pth \(26 bytes\) cannot be read as weights"),
        ("code.pth", ValueError, r"code.pth .*cannot be read as weights.*hold code, which is never run"),
        ("no_tensors.pth", ValueError, r"holds no tensors by name \(found epoch, lr\)"),
        ("more.pth", ValueError, r"holds more than tensors: note"),
        ("list.pth", ValueError, r"list.pth .*cannot be read as weights"),
        (
            "vit.pth",
            ValueError,
            r"does not fit this model: \d+ missing: .*1 unexpected: cls_token.*another architecture",
        ),
        ("resnet.pth", ValueError, r"does not fit this model: \d+ missing: .*unexpected: .*bn1.*no jumbo_token"),
        ("deeper.pth", ValueError, r"14 unexpected: blocks.3.attn.proj.bias"),
        ("wider.pth", ValueError, r"53 of another shape: blocks.0.attn.proj.bias \(96,\) instead of \(48,\)"),
        ("earlier_token.pth", ValueError, r"authors' earlier release.*Use the jumbo_\{pico,nano,tiny,small,base\}.pth"),
        ("earlier_scale.pth", ValueError, r"authors' earlier release"),
    ],
)
def test_files_that_are_refused(tmp_path, capsys, file, error, message):
    broken_files(tmp_path)
    model = tiny_model(seed=1)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(error, match=message):
        load_checkpoint(model, tmp_path / file)
    assert "code in a pickle was run" not in capsys.readouterr().out
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_plain_loading_refuses_the_earlier_release_too(tmp_path):
    with pytest.raises(ValueError, match="authors' earlier release"):
        tiny_model().load_state_dict({**tiny_model().state_dict(), "cls_token": torch.zeros(1, 4, 48)})


def test_files_on_the_hub_are_fetched(tmp_path, monkeypatch):
    model = tiny_model(seed=1)
    torch.save(model.state_dict(), tmp_path / "jumbo_small.pth")
    asked = []

    def download(repository, name):
        asked.append((repository, name))
        return str(tmp_path / name)

    monkeypatch.setattr("jumbo_backbone.models.checkpoint.hf_hub_download", download)
    other = tiny_model()
    load_checkpoint(other, "hf-hub:antofuller/jumbo/jumbo_small.pth")
    assert asked == [("antofuller/jumbo", "jumbo_small.pth")]
    torch.testing.assert_close(other.state_dict(), model.state_dict())


def test_what_the_hub_does_not_give(monkeypatch):
    def unreachable(repository, name):
        raise OSError("no route to host")

    monkeypatch.setattr("jumbo_backbone.models.checkpoint.hf_hub_download", unreachable)
    with pytest.raises(FileNotFoundError, match="jumbo_tiny.pth could not be fetched .*no route.*path of a file"):
        load_checkpoint(tiny_model(), "hf-hub:antofuller/jumbo/jumbo_tiny.pth")
    with pytest.raises(ValueError, match="hf-hub:owner/repository/file"):
        load_checkpoint(tiny_model(), "hf-hub:jumbo_tiny.pth")


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("inside", [False, True])
def test_weights_of_another_preset_say_which(tmp_path, entry, inside):
    sizes = dict(embed_dim=128, num_heads=4, jumbo_multiplier=6, depth=12)
    path = tmp_path / "nano.pth"
    torch.save(tiny_model(**sizes).state_dict(), path)
    told = (
        r"This looks like nano \(width 128, 6 slices, 12 blocks\), and the model is no preset \(width 48, 4 slices, 3"
    )
    if inside:  # a larger model, as mmsegmentation's
        whole = torch.nn.ModuleDict(dict(backbone=tiny_model()))
        with pytest.raises(RuntimeError, match=told):
            whole.load_state_dict({f"backbone.{name}": t for name, t in torch.load(path).items()}, strict=False)
    else:
        with pytest.raises((ValueError, RuntimeError), match=told):
            load(entry, path)


def test_fewer_blocks_are_told_by_the_strict_loader(tmp_path):
    save_checkpoint(tiny_model(), tmp_path / "three.safetensors")
    with pytest.raises(ValueError, match=r"width 48, 4 slices, 3 blocks\), and the model is .* 2 blocks\)"):
        load_checkpoint(tiny_model(depth=2), tmp_path / "three.safetensors")
