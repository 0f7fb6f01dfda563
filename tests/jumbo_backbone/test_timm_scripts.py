"""timm's scripts know nothing of us; ``python -m jumbo_backbone SCRIPT`` runs them with the presets registered."""

import subprocess
import sys

SCRIPT = """
import argparse, sys
import timm
import helper_beside_the_script
parser = argparse.ArgumentParser()
parser.add_argument("--model")
args = parser.parse_args()
model = timm.create_model(args.model, num_classes=3, img_size=32)
print(__name__, sys.argv[0].endswith("script.py"), model.num_classes)
"""


def run(*args):
    return subprocess.run([sys.executable, "-m", "jumbo_backbone", *args], capture_output=True, text=True)


def test_runs_a_script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "helper_beside_the_script.py").touch()
    done = run(str(tmp_path / "script.py"), "--model", "jumbo_pico_patch16_224")
    assert done.stdout.split() == ["__main__", "True", "3"], done.stderr


def test_without_a_script():
    assert "jumbo_small_patch16_224" in run().stdout
    absent = run("absent.py")
    assert absent.returncode != 0 and "no script at" in absent.stderr


def test_validation_loop_of_timm(tmp_path):
    """What timm's validate.py does: data config, loader and top-1 on a folder of images."""
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from timm.data import create_dataset, create_loader, resolve_data_config
    from timm.utils import accuracy

    import jumbo_backbone  # noqa: F401

    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i in range(3):
            picture = np.random.default_rng(i).integers(0, 255, (260, 300, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / label / f"{i}.png")
    model = timm.create_model("jumbo_pico_patch16_224", num_classes=2).eval()
    config = resolve_data_config({}, model=model)
    loader = create_loader(
        create_dataset("", root=tmp_path),
        input_size=config["input_size"],
        batch_size=4,
        use_prefetcher=False,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        crop_pct=config["crop_pct"],
        num_workers=0,
        device=torch.device("cpu"),
    )
    with torch.inference_mode():
        seen = [(model(x), y) for x, y in loader]
    logits, labels = (torch.cat(parts) for parts in zip(*seen, strict=True))
    assert logits.shape == (6, 2)
    assert accuracy(logits, labels)[0] == 50.0  # a fresh head: every image the same class
