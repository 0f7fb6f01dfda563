"""The backbones that mmsegmentation sees: shapes, gradients, freezing, readouts, loading; nothing of their own beside
the encoder's output."""

import logging

import pytest
import timm
import torch
from mmengine.model import initialize
from mmseg.registry import MODELS

from jumbo_backbone import JumboViT, save_checkpoint
from jumbo_backbone.models.presets import PRESETS
from tests.conftest import images

SIZES = dict(embed_dim=48, depth=3, num_heads=3, jumbo_multiplier=4)


def build(**overrides):
    torch.manual_seed(0)
    arguments = dict(type="JumboViTBackbone", arch=SIZES, img_size=64, out_indices=(0, 1, 2))
    return MODELS.build({**arguments, **overrides})


def test_maps_are_the_encoders_own():
    backbone = build(jumbo_readout="ignore", final_norm=True).eval()
    x = images(2, 3, 64, 64)
    maps = backbone(x)
    expected = backbone.vit.forward_intermediates(x, [0, 1, 2], norm=True, intermediates_only=True)
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (16, 128), (80, 48)])
@pytest.mark.parametrize("patch_size", [16, 8])
def test_any_multiple_of_the_patch(size, patch_size):
    maps = build(patch_size=patch_size)(images(2, 3, *size))
    assert isinstance(maps, tuple)
    assert [m.shape for m in maps] == [(2, 48, size[0] // patch_size, size[1] // patch_size)] * 3


def test_other_sizes_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="60.*multiple"):
        build()(images(1, 3, 60, 64))


@pytest.mark.parametrize("readout", ["add", "ignore"])
@pytest.mark.parametrize(
    ("budget", "grid"), [(dict(keep_rate=0.5), (4, 6)), (dict(keep_rate=0.5, resolution=0.5), (2, 3))]
)
def test_maps_are_complete_at_any_budget_and_all_parameters_learn(budget, grid, readout):
    backbone = build(budget=budget, jumbo_readout=readout)
    maps = backbone(images(2, 3, 64, 96))
    assert [m.shape for m in maps] == [(2, 48, *grid)] * 3
    sum(m.square().sum() for m in maps).backward()
    assert [n for n, p in backbone.named_parameters() if p.requires_grad and p.grad is None] == []


def test_a_budget_that_does_not_fit():
    with pytest.raises(ValueError, match="keep_rate 2: give a share above 0"):
        build(budget=dict(keep_rate=2))
    with pytest.raises(ValueError, match=r"reduce_at \(3,\) does not fit a model of 3 blocks"):
        build(budget=dict(keep_rate=0.5, reduce_at=(3,)))


@pytest.mark.parametrize("out_indices", [(2,), (-1, 0), 2])
def test_out_indices_in_the_order_asked_for(out_indices):
    backbone = build(out_indices=out_indices, jumbo_readout="ignore").eval()
    x = images(1, 3, 64, 64)
    expected = backbone.vit.forward_intermediates(x, out_indices, norm=True, intermediates_only=True)
    for ours, theirs in zip(backbone(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_patch_hears_the_wide_token():
    """Through the readout alone: with the Jumbo token's slices kept from attention, nothing else tells them."""
    backbone = build(jumbo_readout="add").eval()
    torch.nn.init.normal_(backbone.readouts[-1].from_jumbo.weight)
    torch.nn.init.normal_(backbone.vit.jumbo_mlp.fc2.bias)
    x = images(1, 3, 64, 64)
    before = backbone(x)[-1]
    with torch.no_grad():
        backbone.vit.blocks[-1].norm3.bias += 1.0  # changes the last FFN of the Jumbo token, which no attention follows
    after = backbone(x)[-1]
    assert ((before - after).abs().amax(dim=1) > 1e-4).all()


def test_training_begins_with_the_patches_as_they_are():
    torch.manual_seed(0)
    plain = build(jumbo_readout="ignore", init_cfg=dict(type="FromScratch")).eval()
    read = build(jumbo_readout="add", init_cfg=dict(type="FromScratch")).eval()
    for backbone in (plain, read):
        backbone.init_weights()
    read.vit.load_state_dict(plain.vit.state_dict())
    x = images(1, 3, 64, 64)
    for ours, theirs in zip(read(x), plain(x), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("with_cp", [False, True])
@pytest.mark.parametrize("final_norm", [False, True])
@pytest.mark.parametrize("jumbo_readout", ["ignore", "add"])
@pytest.mark.parametrize("jumbo_ffn", ["shared", "per_layer", "none", "patch"])
@pytest.mark.parametrize("out_indices", [(0, 1, 2), (0,)])
def test_what_asks_for_a_gradient_gets_one(jumbo_ffn, jumbo_readout, final_norm, out_indices, with_cp, device):
    """DistributedDataParallel waits for the gradient of every parameter that takes one."""
    arch = dict(SIZES, jumbo_ffn=jumbo_ffn)
    options = dict(final_norm=final_norm, out_indices=out_indices, with_cp=with_cp)
    backbone = build(arch=arch, jumbo_readout=jumbo_readout, **options).to(device)
    sum(m.square().sum() for m in backbone(images(1, 3, 32, 32).to(device))).backward()
    wrong = [name for name, p in backbone.named_parameters() if p.requires_grad != (p.grad is not None)]
    assert not wrong


@pytest.mark.parametrize("frozen_stages", [-1, 0, 1, 3])
def test_frozen_stages(frozen_stages):
    backbone = build(frozen_stages=frozen_stages, jumbo_readout="add")
    frozen = {name for name, p in backbone.vit.named_parameters() if not p.requires_grad}
    stem = {n for n, _ in backbone.vit.named_parameters() if n.startswith(("patch_embed", "pos_embed", "jumbo_token"))}
    blocks = {n for n, _ in backbone.vit.named_parameters() if n.startswith("blocks.")}
    shared = {n for n, _ in backbone.vit.named_parameters() if n.startswith("jumbo_mlp")}
    assert (stem <= frozen) == (frozen_stages >= 0)
    assert {n for n in blocks if int(n.split(".")[1]) < frozen_stages} == frozen & blocks
    assert (shared <= frozen) == (frozen_stages >= 1)
    assert not frozen & {"norm.weight", "norm.bias"}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_and_their_registers(preset):
    with torch.device("meta"):
        vit = MODELS.get("JumboViTBackbone")(preset, img_size=64, out_indices=(-1,)).vit
        registers = dict(preset=preset, jumbo_multiplier=17, jumbo_ffn="patch")
        baseline = MODELS.get("JumboViTBackbone")(registers, img_size=64, out_indices=(-1,)).vit
    for model in (vit, baseline):
        assert (model.embed_dim, len(model.blocks)) == (PRESETS[preset]["embed_dim"], PRESETS[preset]["depth"])
    assert vit.jumbo_multiplier == PRESETS[preset]["jumbo_multiplier"] and vit.jumbo_mlp is not None
    assert baseline.jumbo_multiplier == 17 and baseline.jumbo_mlp is None


def test_timm_baseline():
    arguments = dict(type="TimmViTBackbone", model_name="vit_tiny_patch16_224", img_size=64, reg_tokens=16)
    backbone = MODELS.build(dict(arguments, depth=4, out_indices=(0, 2)))
    maps = backbone(images(2, 3, 32, 64))
    assert [m.shape for m in maps] == [(2, 192, 2, 4)] * 2
    sum(m.square().sum() for m in maps).backward()
    assert all(p.grad is not None for p in backbone.parameters())
    layers = {name: backbone.get_layer_depth(name)[0] for name, _ in backbone.named_parameters()}
    assert layers["vit.reg_token"] == layers["vit.pos_embed"] == 0
    assert layers["vit.blocks.2.attn.qkv.weight"] == layers["vit.norm.weight"] == 3
    assert "vit.reg_token" in backbone.no_weight_decay()


def test_from_scratch():
    backbone = build(init_cfg=dict(type="FromScratch"), img_size=(48, 80), pos_embed_sizes=(32,))
    backbone.init_weights()
    table = backbone.vit.pos_embed.detach()[0].view(3, 5, 48)
    # half of the channels tell the row alone, the others the column alone
    rows, columns = (table == table[:, :1]).all(dim=(0, 1)), (table == table[:1]).all(dim=(0, 1))
    assert rows.sum() == columns.sum() == 24 and not (rows & columns).any()
    small = backbone.vit.pos_embed_tables["2x2"].detach()[0].view(2, 2, 48)
    torch.testing.assert_close(small, table[:2, :2])
    wide = backbone.vit.jumbo_mlp.fc1.weight
    bound = (6 / sum(wide.shape)) ** 0.5
    assert 0.9 * bound < wide.abs().max() <= bound
    with pytest.raises(TypeError, match="for models with a JumboViT, such as JumboViTBackbone, not Linear"):
        initialize(torch.nn.Linear(2, 2), dict(type="FromScratch"))


# ---- loading


@pytest.fixture()
def pretrained(tmp_path):
    torch.manual_seed(1)
    model = JumboViT(img_size=32, num_classes=7, **SIZES)
    torch.nn.init.normal_(model.head.weight)
    return model, tmp_path


def files_of(model, folder):
    state = model.state_dict()
    torch.save({**state, "cls_token": torch.zeros(1, 1, 48)}, folder / "released.pth")
    save_checkpoint(model, folder / "ours.safetensors")
    torch.save(dict(state_dict=state, epoch=3, arch="jumbo"), folder / "timm.pth.tar")
    return ["released.pth", "ours.safetensors", "timm.pth.tar"]


def test_pretrained_files_are_loaded_and_told(pretrained, caplog):
    model, folder = pretrained
    for name in files_of(model, folder):
        backbone = build(init_cfg=dict(type="Pretrained", checkpoint=str(folder / name)), img_size=64)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            backbone.init_weights()
        torch.testing.assert_close(backbone.vit.blocks[1].norm3.weight, model.blocks[1].norm3.weight)
        torch.testing.assert_close(backbone.vit.jumbo_mlp.fc1.weight, model.jumbo_mlp.fc1.weight)
        assert "resampled: pos_embed from a grid of 2x2 to 4x4" in caplog.text
        assert "head of 7 classes" in caplog.text


def test_positions_of_several_sizes_are_loaded_and_told(pretrained, caplog):
    model, folder = pretrained
    files_of(model, folder)
    init_cfg = dict(type="Pretrained", checkpoint=str(folder / "released.pth"))
    backbone = build(init_cfg=init_cfg, img_size=64, pos_embed_sizes=[32, (48, 64)], frozen_stages=0)
    with caplog.at_level(logging.INFO):
        backbone.init_weights()
    assert "resampled: pos_embed_tables.3x4 from a grid of 2x2 to 3x4" in caplog.text
    assert torch.equal(backbone.vit.pos_embed_tables["2x2"], model.pos_embed)
    assert not any(table.requires_grad for table in backbone.vit.position_tables().values())


def test_other_initialisers_come_first(pretrained):
    model, folder = pretrained
    files_of(model, folder)
    both = [dict(type="Constant", layer="LayerNorm", val=3.0)]
    backbone = build(init_cfg=both)
    backbone.init_weights()
    assert (backbone.vit.norm.weight == 3).all()
    both.append(dict(type="Pretrained", checkpoint=str(folder / "released.pth")))
    backbone = build(init_cfg=both)
    backbone.init_weights()
    torch.testing.assert_close(backbone.vit.norm.weight, model.norm.weight)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    torch.save(timm.create_model("vit_tiny_patch16_224", depth=1).state_dict(), tmp_path / "vit.pth")
    with pytest.raises(ValueError, match="another architecture"):
        build(init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "vit.pth"))).init_weights()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(arch="huge"), ValueError, "unknown preset 'huge'.*small"),
        (dict(arch=dict(SIZES, embed_dims=48)), TypeError, "embed_dims"),
        (dict(jumbo_readout="concat"), ValueError, "unknown jumbo_readout 'concat'.*ignore, add"),
        (dict(out_indices=(0, 3)), ValueError, "block indices .*0, 3.* 3 blocks"),
        (dict(frozen_stages=4), ValueError, "frozen_stages=4.*up to 3"),
        (dict(num_layers=3), TypeError, "num_layers"),
        (dict(init_cfg=dict(type="Pretrained", checkpoint="x", prefix="backbone.")), ValueError, "prefix.*load_from"),
        (dict(type="TimmViTBackbone", model_name="vit_nothing"), ValueError, "no model 'vit_nothing'"),
    ],
)
def test_bad_input(arguments, error, message):
    cls = MODELS.get(arguments.pop("type", "JumboViTBackbone"))
    if cls.__name__ == "JumboViTBackbone":
        arguments = {**dict(arch=SIZES, img_size=64, out_indices=(0, 1, 2)), **arguments}
    with pytest.raises(error, match=message):
        cls(**arguments)


def test_a_missing_checkpoint_says_where_it_looked():
    with pytest.raises(FileNotFoundError, match="no checkpoint at /.*nowhere.pth"):
        build(init_cfg=dict(type="Pretrained", checkpoint="nowhere.pth")).init_weights()


def test_it_publishes_its_depth():
    backbone = build()
    assert backbone.depth == backbone.vit.depth == len(backbone.vit.blocks) == 3
