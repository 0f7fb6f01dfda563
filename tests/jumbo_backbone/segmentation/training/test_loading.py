"""A file is compared with the model before anything of it is taken: any file, and any model."""

import copy
import io
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import MODELS
from safetensors.torch import save_file

from jumbo_backbone.segmentation.training.checkpoint_files import read_checkpoint
from jumbo_backbone.segmentation.training.loading import load_strictly, require_resumable, start_from
from tests.conftest import write_config, write_pairs

TIMM = dict(
    _delete_=True,
    type="TimmViTBackbone",
    model_name="vit_tiny_patch16_224",
    img_size=32,
    patch_size=8,
    embed_dim=24,
    depth=2,
    num_heads=2,
    out_indices=(0, 1),
)
MODEL_CHANGES = {
    "plain": {},
    "elastic": {"type": "ElasticSegmentor"},
    "elastic_of_more": {"type": "ElasticSegmentor", "elastic": dict(keep_rates=[0.5, 0.6, 0.8])},
    "classes": {"decode_head.num_classes": 5},
    "bands": {"backbone.in_channels": 4},
    "wide": {"backbone.arch.embed_dim": 32, "decode_head.in_channels": [32, 32]},
    "deep": {"backbone.arch.depth": 3},
    "registers": {"backbone.arch.jumbo_ffn": "patch"},
    "larger": {"backbone.img_size": 48},
    "oblong": {"backbone.img_size": (32, 48)},
    "head": {"decode_head.channels": 24},
    "one_channel": {"decode_head.out_channels": 1, "decode_head.num_classes": 2, "decode_head.threshold": 0.5},
    "timm": {"backbone": TIMM},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    init_default_scope("mmseg")
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, 1)
    return Config.fromfile(write_config(folder))


@pytest.fixture(scope="module")
def built(config):
    """Model, optimiser and number of schedules of each kind."""

    def build(kind):
        cfg = copy.deepcopy(config)
        cfg.merge_from_dict({f"model.{key}": value for key, value in MODEL_CHANGES[kind].items()})
        if "one" in kind:
            cfg.model.decode_head.loss_decode = dict(type="CrossEntropyLoss", use_sigmoid=True)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        return model, build_optim_wrapper(model, cfg.optim_wrapper)

    return {kind: build(kind) for kind in MODEL_CHANGES}


def training(model, wrapper):
    """What a training of one step leaves, without training."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    wrapper.step()
    meta = dict(iter=1, epoch=0, seed=0, dataset_meta=dict(classes=("a", "b")))
    state = dict(state_dict=model.state_dict(), meta=meta, message_hub={}, param_schedulers=[{}])
    return state | dict(optimizer=wrapper.state_dict())


@pytest.fixture(scope="module")
def files(built, tmp_path_factory):
    """Of each kind of model: a training's file, and its weights alone in four ways."""
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for kind, (model, wrapper) in built.items():
        state = training(model, wrapper)
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        backbone = {n.removeprefix("backbone."): t for n, t in weights.items() if n.startswith("backbone.")}
        contents = dict(training=state, weights=dict(state_dict=weights, meta={}), bare=weights, backbone=backbone)
        contents["wrapped"] = {f"module.{name}": tensor for name, tensor in weights.items()}
        for what, content in contents.items():
            found[kind, what] = folder / f"{kind}_{what}.pth"
            torch.save(content, found[kind, what])
        found[kind, "safetensors"] = folder / f"{kind}.safetensors"
        save_file({name: tensor.clone() for name, tensor in weights.items()}, found[kind, "safetensors"])
    return found


@pytest.mark.parametrize("kind", MODEL_CHANGES)
def test_any_pair_of_model_and_file(built, files, kind):
    """Either it fits in every weight, or what differs is said, and the model is as it was."""
    model, wrapper = built[kind]
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def attempt(load, path):
        try:
            return load(path) or True
        except ValueError as error:
            assert str(path) in str(error) and not str(error).endswith(": ")
            return False
        finally:
            model.load_state_dict(own)

    def load(path):
        load_strictly(model, path)
        theirs = read_checkpoint(path).weights
        same = all(torch.equal(tensor, model.state_dict().get(name, tensor)) for name, tensor in theirs.items())
        assert same or (kind != other and {kind, other} <= grids)

    def resume(path):
        require_resumable(model, wrapper, [{}], read_checkpoint(path))

    def start(path):
        file = read_checkpoint(path)
        start_from(model, file)
        model.load_state_dict(file.weights, strict=True)

    grids, elastic = {"plain", "larger", "oblong"}, {"plain", "elastic", "elastic_of_more"}
    for (other, what), path in files.items():
        if other != kind and what not in ("training", "backbone"):
            continue
        whole, same = what != "backbone", other == kind
        assert attempt(load, path) == (whole and (same or {kind, other} <= grids)), (other, what)
        assert attempt(resume, path) == (same and what == "training"), (other, what)
        may_start = same or {kind, other} <= grids or {kind, other} <= elastic
        may_start = may_start or {kind, other} <= {*grids, "bands", "elastic"} and other != "bands"
        may_start = may_start or {kind, other} <= {*grids, *elastic, "classes", "one_channel"}
        may_start = may_start or (kind == "bands" and other in (*grids, *elastic, "classes", "one_channel"))
        assert attempt(start, path) == (whole and may_start), (other, what)


@pytest.mark.parametrize(
    ("kind", "other", "what", "told"),
    [
        ("plain", "classes", "training", "it has 5 classes, the model 3"),
        ("bands", "plain", "training", "it has 3 input channels, the model 4"),
        ("elastic", "plain", "training", "it is of a plain segmentor, the model is elastic"),
        ("plain", "elastic", "bare", "it is of an elastic segmentor, the model is a plain one"),
        (
            "plain",
            "plain",
            "backbone",
            r"a backbone alone.*init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=",
        ),
        ("deep", "plain", "training", r"\d+ missing: backbone.vit.blocks.2.*Give the config it was trained with"),
    ],
)
def test_what_differs_is_said(built, files, kind, other, what, told):
    with pytest.raises(ValueError, match=f"does not fit this config's model.*{told}"):
        load_strictly(built[kind][0], files[other, what])


def test_weights_alone_cannot_be_resumed(built, files):
    for what in ("weights", "bare", "safetensors", "wrapped"):
        with pytest.raises(ValueError, match="lacks the optimiser's state.*--load-from"):
            require_resumable(*built["plain"], [{}], read_checkpoint(files["plain", what]))


def test_an_optimizer_that_differs(built, files, config, tmp_path):
    """Torch would take its state, and read past the end of it in the first step."""
    model, _ = built["plain"]
    whole = torch.load(files["plain", "training"])

    def refused(told, change=None, schedules=1, **optim):
        cfg = copy.deepcopy(config)
        cfg.merge_from_dict({f"optim_wrapper.{key}": value for key, value in optim.items()})
        state = copy.deepcopy(whole)
        if change:
            change(state)
        torch.save(state, tmp_path / "changed.pth")
        with pytest.raises(ValueError, match=f"does not fit this config's optimiser: {told}.*--load-from"):
            require_resumable(
                model,
                build_optim_wrapper(model, cfg.optim_wrapper),
                [{}] * schedules,
                read_checkpoint(tmp_path / "changed.pth"),
            )

    def reshape(state):
        number = whole["optimizer"]["param_groups"][0]["params"][0]
        state["optimizer"]["state"][number]["exp_avg"] = torch.zeros(2)

    sgd = dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9)
    refused("it is of another optimiser than SGD, with amsgrad, betas", optimizer=sgd)
    refused(
        r"it optimises \d+ parameters in \d+ groups", constructor="DefaultOptimWrapperConstructor", paramwise_cfg=None
    )
    refused(r"exp_avg of parameter \d+ is not of its shape", reshape)
    refused("it has 1 parameter schedulers, the config 2", schedules=2)
    one = dict(param_groups=[{}], state={})
    for other in (dict(a=1), one | dict(param_groups=3), one | dict(state=3), one):
        refused("its state of the optimiser has a form", lambda state, other=other: state.update(optimizer=other))


# ---- files that are none


def test_cut_at_any_byte(files, tmp_path):
    content, path = files["plain", "training"].read_bytes(), tmp_path / "cut.pth"
    step = max(1, len(content) // 150)
    for length in {*range(70), *range(0, len(content), step), *range(len(content) - 70, len(content))}:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cut.pth (cannot be read|is empty)"):
            read_checkpoint(path)


def test_cut_safetensors_and_the_older_format(built, files, tmp_path):
    old = io.BytesIO()
    torch.save(built["plain"][0].state_dict(), old, _use_new_zipfile_serialization=False)
    for name, content in {"a.safetensors": files["plain", "safetensors"].read_bytes(), "a.pth": old.getvalue()}.items():
        (tmp_path / name).write_bytes(content)
        assert read_checkpoint(tmp_path / name).weights
        for length in range(0, len(content), len(content) // 40):
            (tmp_path / name).write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"a\.(pth|safetensors) (cannot be read|is empty)"):
                read_checkpoint(tmp_path / name)


def test_changed_bytes_are_noticed(files, tmp_path):
    """Torch reads them without a word: it does not look at the sums."""
    content = bytearray(files["plain", "training"].read_bytes())
    at = len(content) // 2
    content[at : at + 4] = bytes(255 - byte for byte in content[at : at + 4])
    (tmp_path / "flipped.pth").write_bytes(content)
    torch.load(tmp_path / "flipped.pth", weights_only=True)
    with pytest.raises(ValueError, match=r"flipped.pth cannot be read.*check sum"):
        read_checkpoint(tmp_path / "flipped.pth")


class Code:
    def __reduce__(self):
        return exec, ("raise SystemExit('code was run')",)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        torch.zeros(3),
        7,
        {},
        None,
        dict(state_dict=None),
        dict(state_dict=[torch.zeros(1)]),
        dict(model=dict(a=torch.zeros(1))),
        {1: torch.zeros(1)},
        dict(a=torch.zeros(1), b=3),
        dict(a=torch.zeros(2, 2).to_sparse()),
        dict(a=torch.zeros(2, device="meta")),
    ],
)
def test_files_without_weights_by_name(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth holds .*expected a state_dict"):
        read_checkpoint(tmp_path / "other.pth")


def test_code_in_a_file_is_not_run(tmp_path):
    (tmp_path / "code.pth").write_bytes(pickle.dumps(dict(state_dict=Code())))
    with pytest.raises(ValueError, match=r"code.pth "):
        read_checkpoint(tmp_path / "code.pth")
    torch.save(dict(state_dict=Code()), tmp_path / "code.pth")
    with pytest.raises(ValueError, match=r"code.pth holds more than weights.*save its weights alone"):
        read_checkpoint(tmp_path / "code.pth")


def test_mmengine_reads_safetensors(files):
    found = CheckpointLoader.load_checkpoint(str(files["plain", "safetensors"]))
    assert found.keys() == read_checkpoint(files["plain", "bare"]).weights.keys()


def test_a_timm_backbone_is_not_loaded_loosely(files):
    """mmengine's own initialiser would find none of its names in such a file, and go on."""
    timm = {key: value for key, value in TIMM.items() if key != "_delete_"}
    with pytest.raises(ValueError, match="give TimmViTBackbone checkpoint_path=FILE"):
        MODELS.build(dict(timm, init_cfg=dict(type="Pretrained", checkpoint=str(files["timm", "backbone"]))))
