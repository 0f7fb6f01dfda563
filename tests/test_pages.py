"""The README and the pages of docs/ work: their code runs, their commands parse, their links lead somewhere."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch

import jumbo_backbone
from tests.conftest import imported_tool

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.S)


# ---- Python


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in, without a window for pictures."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def short_epochs(monkeypatch):
    """The code of a page is run, not what comes out of it judged: few batches an epoch will do."""
    pytest.importorskip("sktime")
    for module in ("fitting.classification", "estimators.forecaster_learning"):
        monkeypatch.setattr(f"timeseries.{module}._STEPS", (2, 4))


@pytest.fixture
def released(folder, monkeypatch):
    """A local file of the released format takes the place of the network."""
    import timm

    weights = jumbo_backbone.create_model("small").state_dict()
    torch.save({**weights, "cls_token": torch.zeros(1, 1, 384)}, "jumbo_small.pth")
    create = timm.create_model

    def from_local_file(name, pretrained=False, **kwargs):
        overlay = dict(file="jumbo_small.pth") if pretrained and ":" not in name else None
        return create(name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **kwargs)

    monkeypatch.setattr(timm, "create_model", from_local_file)
    return folder


def test_code_of_the_first_page_runs(released, short_epochs):
    images, series = blocks("README.md")
    session: dict = {}
    exec(images, session)
    assert session["classes"].indices.shape == (1, 5) and session["maps"][0].shape == (1, 384, 14, 14)
    exec(series, session)
    assert len(session["forecast"]) == 24 and session["intervals"].shape == (24, 4)
    assert (released / "forecast.png").is_file() and (released / "forecaster.safetensors").is_file()


def test_code_of_images_runs(released):
    """All blocks in turn, in one session."""
    use, own, doors = blocks("docs/images.md")
    session: dict = {}
    with torch.no_grad():
        exec(use, session)
        exec(own, session)
    assert session["maps"][0].shape == (1, 384, 20, 30)
    assert session["model"].grid_size == (24, 24) and session["model"].num_classes == 10
    assert "resampled: pos_embed from a grid of 14x14 to 24x24" in str(
        jumbo_backbone.load_checkpoint(session["model"], "jumbo_small.pth")
    )
    with torch.no_grad():
        exec(doors, session)
    assert [m.shape for m in session["maps"]] == [(1, 96, 14, 14)] * 3


def test_code_of_deployment_runs(folder):
    """Both files give what the model gives. A smaller model takes the place of the first block's."""
    pytest.importorskip("onnxscript"), pytest.importorskip("onnxruntime")
    start, whole, at_a_budget, in_pytorch = blocks("docs/deployment.md")
    session: dict = {}
    exec(start, session)
    model = session["model"] = jumbo_backbone.create_model("pico", img_size=64, depth=2, num_classes=10).eval()
    torch.nn.init.normal_(model.head.weight, std=0.2)
    exec(whole, session)
    exec(at_a_budget, session)
    images, half = session["images"], session["half"]
    with torch.no_grad():
        full, fewer = model(images), model(images, budget=half)
    torch.testing.assert_close(torch.from_numpy(session["logits"]), full[:1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.from_numpy(session["fewer"]), fewer, atol=1e-4, rtol=1e-4)
    assert (full - fewer).abs().max() > 1e-3  # the budget is in the file
    exec(in_pytorch, session)
    torch.testing.assert_close(session["same"], full, atol=1e-4, rtol=1e-4)
    assert (folder / "jumbo.pt2").is_file()


def test_code_of_checkpoints_runs(folder):
    opening, using = blocks("docs/checkpoints.md")
    session: dict = {}
    exec(opening, session)
    report = session["report"]
    assert report.resampled == ["pos_embed from a grid of 14x14 to 24x24"]
    assert {line.split()[0] for line in report.fresh} == {"head.weight", "head.bias"}
    exec(using, session)
    assert session["logits"].shape == (2, 3) and session["attention"].shape == (2, 24, 24)
    assert len(session["maps"]) == 12 and {m.shape for m in session["maps"]} == {(2, 96, 24, 24)}
    with pytest.raises(ValueError, match="does not fit this model") as refused:
        jumbo_backbone.load_checkpoint(jumbo_backbone.create_model("nano"), "mine.safetensors")
    assert "pico" in str(refused.value)  # "the message says which sizes it has"


def test_the_backbone_in_a_config_of_ones_own():
    pytest.importorskip("mmseg")
    (lines,) = blocks("docs/segmentation.md")
    session: dict = {}
    exec(lines, session)
    (module,) = session["custom_imports"]["imports"]
    importlib.import_module(module)
    backbone = {key: value for key, value in session["model"]["backbone"].items() if key != "_delete_"}
    from mmseg.registry import MODELS

    assert len(MODELS.build(backbone)(torch.rand(1, 3, 64, 64))) == 4


def test_code_of_budgets_runs():
    block, several_tables = blocks("docs/budgets.md")
    session: dict = {}
    exec(block, session)
    assert session["loss"].requires_grad and len(session["table"]) == 6
    assert session["model"].default_budget == session["table"].fastest_within(metric_drop=0.005).budget
    exec(several_tables, session)
    sizes = {budget.input_size((224, 224), (16, 16)) for budget in session["elastic"].grid()}
    assert sizes == {(224, 224), *session["model"].pos_embed_sizes}  # each has positions of its own
    of_a_crop = [budget.input_size((512, 512), (16, 16))[0] for budget in session["elastic"].grid()]
    assert f"pos_embed_sizes={sorted(set(of_a_crop) - {512})}" in (ROOT / "docs/budgets.md").read_text()


def test_code_of_committees_runs(folder, short_epochs):
    models, series = blocks("docs/committees.md")
    session: dict = {}
    exec(models, session)
    assert session["stage"].shape == (8,) and (folder / "calibration.json").is_file()
    exec(series, session)
    assert session["classifier"].calibration_.samples == 20 and (folder / "classifier.safetensors").is_file()


def test_code_of_forecasting_runs(folder, short_epochs):
    """From a made-up table to a saved model, then a single series with sktime's tools."""
    *table, single, parts = blocks("docs/forecasting.md")
    session: dict = {}
    for block in table:
        exec(block, session)
    days = [len(session[name].loc["north"]) for name in ("forecast", "intervals", "week", "second_week")]
    assert days == [14, 14, 7, 7] and list(session["forecast"].index.levels[0]) == ["north", "south"]
    assert (session["upper"] > session["forecast"]["sales"]).all()
    assert str(session["second_week"].index[0][1].date()) == "2026-02-18"
    again = session["loaded"].predict(X=session["plan"], fh=range(1, 8))
    assert again.equals(session["second_week"])
    west = session["of_west"].predict(X=session["new_plan"])
    assert west.index.unique(0).tolist() == ["west"] and len(west) == 7
    missing = session["table"].groupby("shop").size()
    assert (missing < 406).all()  # days on which a shop was closed
    exec(single, session)
    assert {p.name for p in folder.iterdir()} >= {"north.png", "forecast.png", "forecaster.safetensors"}
    assert session["search"].best_params_["JumboForecaster__normalisation"] in ("standard", "difference")
    exec(parts, session)
    assert not session["closed_form"].history_[0].epochs and len(session["closed_form"].predict()) == 12
    assert session["registers"].networks_[0].encoder.encoder.jumbo_multiplier == 5


def test_code_of_benchmarks_runs(folder, short_epochs):
    (block,) = blocks("docs/benchmarks.md")
    session: dict = {}
    exec(block, session)
    assert session["panel"].names == ["a", "b"] and session["naive"].mase == session["naive"].naive_mase
    assert session["ours"].mase > 0 and 0 <= session["ours"].coverage[0.8] <= 1


def test_code_of_classification_runs(folder, short_epochs):
    session: dict = {}
    for block in blocks("docs/classification.md"):
        exec(block, session)
    assert 0 <= session["share"] <= 1 and 0 <= session["accuracy"] <= 1
    assert session["tokens"] + session["minirocket"] + session["hydra"] == pytest.approx(1)
    assert session["tokens_alone"].networks_[0].share == 1
    assert session["nearest"].shape == session["estimates"].shape == (22,)
    assert session["registers"].networks_[0].encoder.encoder.jumbo_multiplier == 5
    assert {p.name for p in folder.iterdir()} == {"attention.png", "kept.png", "classifier.safetensors"}


# ---- commands


def commands() -> list[list[str]]:
    """All that run a program of tools/."""
    found = []
    for page in PAGES:
        text = "".join(blocks(str(page.relative_to(ROOT)), "bash")).replace("\\\n", " ")
        lines = [shlex.split(line, comments=True) for line in text.splitlines()]
        found += [words for words in lines if len(words) > 1 and words[1].startswith("tools/")]
    return found


class Parsed(BaseException):
    """Raised where a program has understood its arguments, before it does anything."""


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_parses(words, monkeypatch):
    pytest.importorskip("mmseg"), pytest.importorskip("sktime")
    python, path, *arguments = words
    assert python == "python" and (ROOT / path).is_file()
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with imported_tool(Path(path).stem) as tool, pytest.raises(Parsed):
        tool.main(arguments)
    for config in [word for word in arguments if word.startswith("seg_configs/")]:
        from mmengine.config import Config

        assert Config.fromfile(ROOT / config).model


def test_make_has_the_targets_that_pages_name():
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
    named = {name for page in PAGES for name in re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)(?=[`\s,;])", _code(page))}
    assert named and named <= set(rules), named - set(rules)


def _code(page: Path) -> str:
    """What stands in code blocks and between backticks."""
    text = page.read_text()
    return "\n".join([*re.findall(r"```bash\n(.*?)```", text, flags=re.S), *re.findall(r"`[^`\n]+`", text)])


# ---- links


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("https://") or link == "../../issues":  # where the repository is hosted
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() and target.is_relative_to(ROOT), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.M)
            assert anchor in [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings], link


def test_every_page_is_reached_from_the_first():
    reached, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text())
        left += [p for link in links if (p := (page.parent / link).resolve()) not in reached and p.exists()]
    assert set(PAGES) <= reached, set(PAGES) - reached
