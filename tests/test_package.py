"""The project as a package: what a wheel holds, what importing costs, what the make targets promise."""

import configparser
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_wheel_holds_the_packages_the_configs_and_no_tests(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in (
        "jumbo_backbone",
        "timeseries",
        "seg_configs",
        "tests",
        "tools",
        "setup.cfg",
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        (source / name).symlink_to(ROOT / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"jumbo_backbone", "jumbo_cli", "jumbo_web", "timeseries"}
    configs = {str(path.relative_to(ROOT)) for path in (ROOT / "seg_configs").rglob("*.py")}
    assert {f"jumbo_backbone/{name}" for name in configs} <= set(names) and len(configs) > 20
    commands = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    assert "jumbo = jumbo_cli.main:main" in commands and "[jumbo.commands]\n" in commands
    modules = {path.name for path in (ROOT / "jumbo_backbone").glob("*.py")}
    assert modules <= {name.split("/")[1] for name in names if name.startswith("jumbo_backbone/")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"jumbo_backbone/py.typed", "timeseries/py.typed"} <= set(names)  # annotations are for users
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA"))).decode()
    for extra in ("seg", "timeseries", "onnx", "pictures", "docs", "dev", "all"):
        assert f"Provides-Extra: {extra}\n" in metadata
    required = {line.split()[1].split(">")[0] for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    assert {"torch", "torchvision", "timm", "numpy", "safetensors", "huggingface_hub"} <= required


def test_importing_registers_the_presets_and_nothing_else():
    loaded = run(
        "import sys, jumbo_backbone, timm; assert len(timm.list_models('jumbo_*')) == 6;"
        "print(*[m for m in ('mmengine', 'mmseg', 'sktime', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    assert loaded.strip() == ""


def test_importing_touches_no_global_state_of_torch():
    code = "import torch, timm; a = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype();"
    code += "import jumbo_backbone; b = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype();"
    run(code + "assert torch.equal(a[0], b[0]) and a[1:] == b[1:]")


@pytest.mark.parametrize("folder", ["jumbo_backbone", "timeseries", "tools", "tests", "docs"])
def test_nothing_names_this_machine(folder):
    for path in (ROOT / folder).rglob("*"):
        if path.suffix in (".py", ".md", ".json", ".cfg"):
            assert str(ROOT) + "/" not in path.read_text(), path


def test_the_oldest_versions_tested_are_those_that_setup_allows():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    listed = [setup["options"]["install_requires"], *(extras[name] for name in ("seg", "timeseries", "onnx"))]
    allowed = dict(re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(listed), re.MULTILINE))
    lines = (ROOT / "tests" / "constraints" / "oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))

    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.sub(r"(\.0)+$", "", version).split("."))

    assert allowed and not [n for n, v in allowed.items() if number(v) != number(pinned[n])]


def test_make_lists_what_there_is():
    told = subprocess.run(["make", "-C", ROOT], check=True, capture_output=True, text=True).stdout
    assert "6 GB" in told
    for target in ("demo", "docs", "test", "test-slow", "test-oldest", "gpu-report", "results"):
        assert re.search(rf"^  {target} +\w", told, re.MULTILINE), target


def test_make_says_when_nothing_is_to_be_installed(tmp_path):
    """And nothing is installed: this environment would not find pip."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".ready").touch()
    command = ["make", "-C", ROOT, "venv", f"VENV={tmp_path}"]
    assert "Nothing to install" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
