"""tools/research/benchmark_segmentation.py on tiny segmentors: what it writes agrees with what it timed, each mode is
what it is called, and what is wrong is said in one line."""

import json
import statistics
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.structures import PixelData

from jumbo_backbone.benchmarking import timing
from tests.conftest import imported_tool

with warnings.catch_warnings():  # mmcv without compiled operators, which nothing here needs
    warnings.simplefilter("ignore")
    from mmseg.models import EncoderDecoder
    from mmseg.models.decode_heads import FCNHead, UPerHead
    from mmseg.structures import SegDataSample

ROOT = Path(__file__).parents[2]
STOCK = ["model.type=EncoderDecoder", "model.decode_head.loss_stride=1", "model.auxiliary_head.loss_stride=1"]
QUICK = ["--img-size", "32", "--repeats", "3", "--threads", "1", "--device", "cpu"]
PEAKS = {"stock": 4 * 2**20, "ours": 3 * 2**20}
CONFIG = """
_base_ = {bases}
D = 24
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(48, 32)),
    backbone=dict(
        arch=dict(_delete_=True, embed_dim=D, depth=2, num_heads=2, jumbo_multiplier=3),
        img_size=32,
        out_indices=(0, 0, 1, 1),
        # whoever reads it fails
        init_cfg=dict(type="Pretrained", checkpoint="hf-hub:no/such/weights.pth"),
    ),
    neck=dict(embed_dim=D, norm_cfg=norm_cfg),
    decode_head=dict(in_channels=[D] * 4, channels=8, norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=D, channels=8, norm_cfg=norm_cfg),
)
"""


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cudnn, "benchmark", False)  # the tool sets it
        with imported_tool("benchmark_segmentation") as tool:
            logger = tool.MMLogger.get_current_instance()
            level = logger.level
            yield tool
        logger.setLevel(level)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "tiny.py"
    bases = [str(ROOT / "seg_configs" / "_base_" / f"{name}.py") for name in ("runtime", "upernet", "schedule_160k")]
    path.write_text(CONFIG.format(bases=bases))
    return str(path)


@pytest.fixture()
def case(bench, config):
    def case(*changes, mode="train", img_size=(32, 32), amp=False):
        return bench.Case("tiny", config, list(changes), mode, 2, list(img_size), amp, "cpu", 1)

    return case


@pytest.fixture()
def built(bench, case):
    """A case's segmentor and its step."""

    def build(*changes, **options):
        cfg = bench.read(case(*changes, **options))
        torch.manual_seed(0)
        model = bench.build(cfg, "cpu")
        return model, bench.make_step(case(*changes, **options), cfg, model)

    return build


def test_stock_against_ours(bench, config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "peak_memory", lambda case, script: PEAKS[case.name])
    path = tmp_path / "out.json"
    arguments = ["--case", "stock", config, *STOCK, "--case", "ours", config, *QUICK]
    assert bench.main([*arguments, "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = json.loads(path.read_text())
    assert all(argument in told["command"] for argument in arguments)
    assert told["machine"]["threads"] == 1 and told["machine"]["torch"] == torch.__version__
    assert {"cpu", "mmsegmentation", "git"} <= set(told["machine"])

    stock, ours = told["results"]
    assert [stock["changes"], ours["changes"]] == [STOCK, []]
    for r in (stock, ours):
        assert (r["mode"], r["batch_size"], r["img_size"]) == ("train", 2, [32, 32])
        assert len(r["seconds"]) == 3 and min(r["seconds"]) > 0
        assert r["latency_s"]["median"] == statistics.median(r["seconds"])
        ratio = statistics.median(s / f for s, f in zip(r["seconds"], stock["seconds"], strict=True))
        assert r["time_ratio"]["median"] == pytest.approx(ratio) and r["time_ratio"]["to"] == "stock"
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [r["name"]]]
        assert f"{ratio:.3f} [" in line
        assert r["peak_memory_bytes"] == PEAKS[r["name"]]
    assert stock["params"] == ours["params"]
    assert stock["time_ratio"] == {"to": "stock", "q1": 1.0, "median": 1.0, "q3": 1.0}
    assert "time / stock [quartiles]" in out and "memory / stock" in out

    assert [r["memory_ratio"] for r in (stock, ours)] == [{"to": "stock", "value": v} for v in (1.0, 0.75)]
    assert line.split()[-4:-2] == ["3", "0.750"]
    assert ours["flops"] > 0 and line.split()[-1] == f"{ours['flops'] / 1e9:.3g}"


def test_peak_memory_of_a_fresh_process(bench, case):
    # a mebibyte at least: this process, larger than the fresh one, must not hide it
    assert 2**20 < bench.peak_memory(case(), [bench.__file__]) < 2**28


def test_the_loss_at_every_pixel_takes_more_memory(bench, case):
    # each in a fresh process: what others left to this one would hide the difference
    lattice, full = (
        bench.peak_memory(case(*changes, img_size=(128, 128)), [bench.__file__]) for changes in ([], STOCK)
    )
    # at 2 images, 128x128 pixels and 150 classes: logits and their gradient
    assert full - lattice > 2 * (2 * 150 * 128 * 128 * 4)


def test_a_case_against_itself(bench, config, tmp_path, capsys, monkeypatch):
    """Rounds in which each case has its turn; in twice the time a step stands at 2."""
    turns, clock = [], iter([4.0, 4.0, 1.0, 2.0, 1.0, 2.0])

    def timed(step, calls, device):
        turns.append(step)
        assert calls == 1
        return next(clock)

    monkeypatch.setattr(timing, "timed", timed)
    path = tmp_path / "out.json"
    cases = ["--case", "once", config, "--case", "again", config]
    assert bench.main([*cases, *QUICK, "--no-memory", "--json", str(path)]) == 0
    assert turns == turns[:2] * 3 and turns[0] is not turns[1]
    once, again = json.loads(path.read_text())["results"]
    assert once["params"] == again["params"] and once["peak_memory_bytes"] is None
    assert (once["seconds"], again["seconds"]) == ([4.0, 1.0, 1.0], [4.0, 2.0, 2.0])
    assert again["time_ratio"] == {"to": "once", "q1": 1.5, "median": 2.0, "q3": 2.0}
    assert "memory" not in capsys.readouterr().out


def test_stock_is_mmsegmentations_own(built):
    model, _ = built(*STOCK)
    assert type(model) is EncoderDecoder
    logits = torch.randn(2, 150, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(150, (2, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    for head, kind in ((model.decode_head, UPerHead), (model.auxiliary_head, FCNHead)):
        for name, expected in kind.loss_by_feat(head, logits, samples).items():
            torch.testing.assert_close(head.loss_by_feat(logits, samples)[name], expected, rtol=0, atol=0)


def test_a_training_step_moves_every_weight_by_the_configs_optimiser(built, monkeypatch):
    model, step = built("optim_wrapper.optimizer.lr=0.01", "optim_wrapper.optimizer.weight_decay=0.0")
    for readout in model.backbone.readouts:  # from zero, the first step moves nothing that is read through it alone
        torch.nn.init.normal_(readout.from_jumbo.weight, std=0.02)
    seen = []
    monkeypatch.setattr(model, "loss", lambda *a, loss=model.loss: seen.append(a) or loss(*a))
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    step()
    moved = {name: (p - before[name]).abs().max().item() for name, p in model.named_parameters() if name in before}
    assert min(moved.values()) > 0
    # Adam's first step is the learning rate: decayed by 0.75 a layer, and the stem lies three layers below the head
    assert moved["decode_head.conv_seg.weight"] == pytest.approx(0.01, rel=1e-3)
    assert moved["backbone.vit.patch_embed.proj.weight"] == pytest.approx(0.01 * 0.75**3, rel=1e-3)

    ((images, samples),) = seen
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples])
    assert images.shape == (2, 3, 32, 32) and labels.shape == (2, 1, 32, 32)  # and not padded to the config's crop
    assert abs(images.mean()) < 0.3 and 0.9 < images.std() < 1.6  # normalised
    assert 0.03 < (labels == 255).float().mean() < 0.07 and labels[labels != 255].max() == 149


def test_predictions_are_logits_of_the_size_of_the_image(built):
    for amp, dtype in ((False, torch.float32), (True, torch.bfloat16)):
        model, step = built(mode="infer", img_size=(64, 32), amp=amp)
        logits = step()
        assert logits.shape == (2, 150, 64, 32) and logits.dtype == dtype
        assert not (model.training or logits.requires_grad)


def test_windows_are_the_training_crop_at_two_thirds(built, monkeypatch):
    model, step = built("model.test_cfg.max_batch=3", mode="slide", img_size=(96, 64))
    windows = []
    monkeypatch.setattr(
        model, "encode_decode", lambda x, metas, f=model.encode_decode: windows.append(tuple(x.shape)) or f(x, metas)
    )
    assert step().shape == (2, 150, 96, 64)
    # tops 0, 32, 48 and lefts 0, 21, 32 of two images: 18 windows
    assert windows == [(3, 3, 48, 32)] * 6


def test_backbone_alone(built):
    _, step = built(mode="backbone", img_size=(32, 64))
    assert [tuple(x.shape) for x in step()] == [(2, 24, 2, 4)] * 4


def test_amp_trains_in_bfloat16(built, monkeypatch):
    model, step = built(amp=True)
    seen = []
    model.decode_head.conv_seg.register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    step()
    assert seen == [torch.bfloat16]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --case"),
        (["--case", "a"], "--case a: no config; give --case NAME CONFIG"),
        (["--case", "a", "CONFIG", "--case", "a", "CONFIG"], "--case a: two cases have this name"),
        (
            ["--case", "a", "CONFIG", "--case", "b", "no/config.py"],
            "no/config.py, and none of this name comes with the package: give your own, or",
        ),
        (["--case", "a", "CONFIG", "max_iters"], "--case a: a change must be key=value, got 'max_iters'"),
        (["--case", "a", "CONFIG", "model.neck.rescales=[4,2"], "rescales=[4,2 cannot be read (Imbalanced brackets"),
        (["--case", "a", "CONFIG", "model.decode_head.loss_strid=1"], "did you mean model.decode_head.loss_stride?"),
        (["--case", "a", "CONFIG", "model.type=NoModel"], "a (train, 32x32 px, batch 2): NoModel is not in the mmseg"),
        (["--case", "a", "CONFIG", "--img-size", "40", "32"], "a (train, 40x32 px, batch 2): "),
        (["--case", "a", "CONFIG", "model.data_preprocessor.size=None", "--mode", "slide"], "data_preprocessor.size"),
        (["--case", "a", "CONFIG", "--img-size", "1", "2", "3"], "--img-size takes one side or height and width"),
        (["--case", "a", "CONFIG", "--repeats", "0"], "argument --repeats: must be at least 1, got 0"),
        (["--case", "a", "CONFIG", "--device", "cuda"], "torch finds no CUDA device here"),
        (["--case", "a", "CONFIG", "--json", "no/such/folder/out.json"], "cannot write no/such/folder/out.json"),
    ],
)
def test_bad_input_is_told_in_one_line(bench, config, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    given = [config if argument == "CONFIG" else argument for argument in arguments]
    assert bench.main([*QUICK, "--no-memory", *given]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("benchmark_segmentation: error: ") and err.count("\n") == 1
    assert message in err


def test_help_shows_examples(bench, capsys):
    with pytest.raises(SystemExit) as exit_:
        bench.main(["--help"])
    assert exit_.value.code == 0
    assert "examples:\n  benchmark_segmentation.py --case stock seg_configs/" in capsys.readouterr().out
