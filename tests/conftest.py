import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from types import ModuleType

# A test run shares the cores with whatever else runs: waiting threads must not spin, and workers take one each.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from jumbo_backbone import JumboViT  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="where the tests that ask for a device run: cpu (default) or cuda")


def pytest_collection_modifyitems(items):
    """What asks for ``device`` is marked so; what is marked ``cuda`` needs it and is skipped where there is none."""
    for item in items:
        if "device" in item.fixturenames:
            item.add_marker(pytest.mark.device)
        if "cuda" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def device(request) -> torch.device:
    """Of ``--device``; products there are as exact as on CPU."""
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(request.config.getoption("device"))


TINY = dict(img_size=64, patch_size=16, num_classes=10, embed_dim=48, depth=3, num_heads=3, jumbo_multiplier=4)


def tiny_model(seed: int = 0, **overrides) -> JumboViT:
    """A model of the reference's sizes in evaluation mode, with a head that is not zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = JumboViT(**{**TINY, **overrides})
        if model.num_classes:
            torch.nn.init.normal_(model.head.weight, std=0.1)
    return model.eval()


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def reference() -> dict[str, torch.Tensor]:
    path = SHARED / "reference" / "jumbo_reference.npz"
    if not path.is_file():
        pytest.skip("the authors' reference outputs are not beside this checkout")
    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture()
def reference_weights(reference) -> dict[str, torch.Tensor]:
    return {name.removeprefix("weights/"): t for name, t in reference.items() if name.startswith("weights/")}


@pytest.fixture()
def heeds_ctrl_c():
    """Whoever starts the tests in the background has Ctrl-C ignored, in them and in what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# ---- segmentation: a data set of a few files, and a config that trains on it in a second

CLASSES = ("ground", "box", "disc")


def write_pairs(folder: Path, count: int, size: tuple[int, int] = (48, 64), first: int = 0) -> None:
    """Images with a bright box and a dark disc, and masks: 0 none, 1 ground, 2 box, 3 disc."""
    cv2 = pytest.importorskip("cv2")
    for split in ("training", "validation"):
        for kind in ("images", "annotations"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + count):
            rng = np.random.default_rng((i, split == "training"))
            image = rng.integers(80, 140, (*size, 3)).astype(np.uint8)
            mask = np.ones(size, dtype=np.uint8)
            y, x = rng.integers(0, size[0] - 20), rng.integers(0, size[1] // 2 - 20)
            image[y : y + 20, x : x + 20], mask[y : y + 20, x : x + 20] = 220, 2
            centre = (int(rng.integers(size[1] // 2, size[1])), int(rng.integers(0, size[0])))
            cv2.circle(image, centre, 10, (20, 20, 20), -1)
            cv2.circle(mask, centre, 10, 3, -1)
            mask[:2] = 0
            cv2.imwrite(str(folder / "images" / split / f"{i:03d}.png"), image)
            cv2.imwrite(str(folder / "annotations" / split / f"{i:03d}.png"), mask)


def write_config(folder: Path, **changes: object) -> Path:
    """A config of a few thousand parameters for the data set in ``folder``, on top of seg_configs/_base_."""
    runtime = Path(__file__).resolve().parents[1] / "seg_configs" / "_base_" / "runtime.py"
    pipeline = [
        dict(type="SeedAugmentation"),
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations"),
        dict(type="RandomCrop", crop_size=(32, 32)),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PhotoMetricDistortion"),
        dict(type="PackSegInputs"),
    ]
    loading = dict(
        type="BaseSegDataset",
        data_root=str(folder),
        metainfo=dict(classes=CLASSES, palette=[[90, 90, 90], [230, 60, 60], [60, 60, 230]]),
        img_suffix=".png",
        seg_map_suffix=".png",
        reduce_zero_label=True,
    )

    def loader(split: str, steps: list[dict], **rest: object) -> dict:
        prefix = dict(img_path=f"images/{split}", seg_map_path=f"annotations/{split}")
        return dict(num_workers=0, persistent_workers=False, **rest) | dict(
            dataset=dict(data_prefix=prefix, pipeline=steps, **loading)
        )

    config = dict(
        model=dict(
            type="JumboSegmentor",
            data_preprocessor=dict(
                type="SegDataPreProcessor",
                mean=[127.0] * 3,
                std=[60.0] * 3,
                bgr_to_rgb=True,
                size=(32, 32),
                test_cfg=dict(size_divisor=16),
            ),
            backbone=dict(
                type="JumboViTBackbone",
                arch=dict(embed_dim=24, depth=2, num_heads=2, jumbo_multiplier=2),
                img_size=32,
                patch_size=8,
                out_indices=(0, 1),
                drop_path_rate=0.1,
            ),
            decode_head=dict(
                type="LatticeFCNHead",
                in_channels=[24, 24],
                in_index=[0, 1],
                input_transform="resize_concat",
                channels=16,
                num_convs=1,
                concat_input=False,
                dropout_ratio=0.1,
                num_classes=3,
                norm_cfg=dict(type="SyncBN"),
            ),
            test_cfg=dict(mode="whole"),
        ),
        train_dataloader=loader(
            "training", pipeline, batch_size=2, sampler=dict(type="NumberedInfiniteSampler", shuffle=True)
        ),
        val_dataloader=loader(
            "validation",
            [pipeline[1], pipeline[2], pipeline[6]],
            batch_size=1,
            sampler=dict(type="DefaultSampler", shuffle=False),
        ),
        tta_pipeline=[
            dict(type="LoadImageFromFile"),
            dict(
                type="TestTimeAug",
                transforms=[
                    [dict(type="Resize", scale_factor=r, keep_ratio=True) for r in (1.0, 1.5)],
                    [dict(type="RandomFlip", prob=p, direction="horizontal") for p in (0.0, 1.0)],
                    [dict(type="LoadAnnotations")],
                    [dict(type="PackSegInputs")],
                ],
            ),
        ],
        optim_wrapper=dict(
            type="OptimWrapper",
            optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.05),
            constructor="LayerDecayOptimWrapperConstructor",
            paramwise_cfg=dict(layer_decay_rate=0.9),
        ),
        param_scheduler=[dict(type="PolyLR", eta_min=0.0, power=1.0, by_epoch=False, begin=0, end=8)],
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=8, val_interval=4),
        default_hooks=dict(checkpoint=dict(interval=2, max_keep_ckpts=2), logger=dict(interval=1)),
        **changes,
    )
    config["test_dataloader"] = config["val_dataloader"]
    lines = [f"_base_ = [{str(runtime)!r}]", *(f"{name} = {value!r}" for name, value in config.items())]
    path = folder / "tiny.py"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_trained(config: Path, checkpoint: Path, seed: int = 0) -> Path:
    """A checkpoint of random weights for a config, whose predictions vary."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope("mmseg")
    cfg = Config.fromfile(config)
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=2.0)
    meta = dict(cfg.val_dataloader.dataset.metainfo, reduce_zero_label=True)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=meta)), checkpoint)
    return checkpoint


def write_cascade(folder: Path, name: str, **changes: object) -> Path:
    """A config of a cascade of two such checkpoints, the first at half its patches."""
    config = str(folder / "tiny.py")
    members = []
    for seed, (member, budget) in enumerate({"first": dict(budget=dict(keep_rate=0.5)), "second": {}}.items()):
        checkpoint = folder / f"{member}.pth"
        if not checkpoint.exists():
            write_trained(folder / "tiny.py", checkpoint, seed)
        members.append(dict(config=config, checkpoint=str(checkpoint), name=member, **budget))
    model = dict(_delete_=True, type="CascadeSegmentor", members=members) | changes
    path = folder / f"{name}.py"
    path.write_text(f"_base_ = 'tiny.py'\nmodel = {model!r}\n")
    return path


# ---- series: a folder of the archive


def write_waves(folder: Path, count: int = 20) -> Path:
    """Slow and fast waves as NAME_TRAIN.ts and NAME_TEST.ts; of the last test series the class is told wrongly."""
    from sktime.datasets import write_ndarray_to_tsfile

    rng = np.random.default_rng(0)
    for part in ("TRAIN", "TEST"):
        y = np.arange(count) % 2
        X = np.sin(np.arange(40) / (2 + 4 * y[:, None, None])) + 0.1 * rng.normal(size=(count, 1, 40))
        if part == "TEST":
            y[-1] = 1 - y[-1]
        labels = np.array(["slow", "fast"])[y]
        write_ndarray_to_tsfile(
            X, str(folder / "Waves"), "Waves", class_label=["fast", "slow"], class_value_list=labels, fold=f"_{part}"
        )
    return next(folder.rglob("*_TRAIN.ts")).parent


@contextlib.contextmanager
def imported_tool(name: str) -> Iterator[ModuleType]:
    """A program of tools/ or tools/research/ that may build on its neighbours, as a module; afterwards as if they never
    were."""
    threads, tools = torch.get_num_threads(), Path(__file__).parents[1] / "tools"
    folder = next(folder for folder in (tools, tools / "research") if (folder / f"{name}.py").is_file())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # where Python looks when one is run as a program
        yield importlib.import_module(name)
    torch.set_num_threads(threads)
    for neighbour in folder.glob("*.py"):
        sys.modules.pop(neighbour.stem, None)
