"""The site of docs/: every page is in its navigation, every public name in its reference, and its links resolve."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
import yaml

from jumbo_cli.command import Command

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module", autouse=True)
def make_site():
    """The modules that MkDocs' hooks are made of; they do not need it."""
    sys.path.insert(0, str(DOCS))
    yield
    sys.path.remove(str(DOCS))


def module(name: str):
    return importlib.import_module(f"make_site.{name}")


def navigation() -> list[str]:
    """The pages that mkdocs.yml names, in order."""

    def pages(entries) -> list[str]:
        if isinstance(entries, str):
            return [entries]
        values = entries.values() if isinstance(entries, dict) else entries
        return [page for value in values for page in pages(value)]

    return pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])


GENERATED = {"raw_files.md", "contributing.md", "changelog.md"}


def test_every_page_is_in_the_navigation_once():
    found = navigation()
    there = {path.name for path in DOCS.glob("*.md")} | GENERATED
    assert sorted(found) == sorted(there), "add a line for the page to nav in mkdocs.yml"


def test_the_three_questions_are_answered_two_clicks_from_the_front():
    front = (DOCS / "index.md").read_text()
    assert navigation()[0] == "index.md"
    for question in ("your_own_masks", "forecasting", "checkpoints"):
        assert f"]({question}.md)" in front


def test_the_site_asks_nobody_for_fonts():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert settings["theme"]["font"] is False and settings["strict"] is True
    assert "repo_url" not in settings  # the theme would ask the code host for its stars


# ---- public names


def definitions():
    return list(module("names").definitions())


def parameters(function: ast.FunctionDef) -> list[ast.arg]:
    found = function.args
    return [arg for arg in [*found.posonlyargs, *found.args, *found.kwonlyargs] if arg.arg not in ("self", "cls")]


def section(docstring: str, title: str) -> str:
    """What stands below a heading of a docstring."""
    found = re.search(rf"^{title}:\n((?: {{4}}.*\n?|\n)+)", docstring, flags=re.M)
    return found[1] if found else ""


def undocumented(function: ast.FunctionDef, docstring: str) -> list[str]:
    """Parameters without an entry, or whose type neither the signature nor the entry says."""
    told = section(docstring, "Args")
    entries = dict(re.findall(r"^ {4}([\w,\s]+?)(?: (\(.*?\)))?:(?=\s)", told, flags=re.M))
    types = {name: given for names, given in entries.items() for name in re.split(r",\s+", names)}
    return [arg.arg for arg in parameters(function) if arg.arg not in types or not (types[arg.arg] or arg.annotation)]


def test_public_names_are_found_in_the_sources():
    names = module("names").public_names()
    assert {"jumbo_backbone", "jumbo_backbone.segmentation", "timeseries", "timeseries.evaluation"} <= set(names)
    import jumbo_backbone

    assert names["jumbo_backbone"] == jumbo_backbone.__all__
    where = {d.path: d.file.relative_to(ROOT).as_posix() for d in definitions()}
    assert where["jumbo_backbone.JumboViT"] == "jumbo_backbone/models/vit.py"
    assert where["timeseries.JumboForecaster"] == "timeseries/estimators/forecaster.py"  # which is imported lazily


def test_every_public_name_is_in_the_reference():
    reference = module("reference")
    overview = reference.overview()
    pages = {package: reference.page(package) for package in reference.uris()}
    for one in definitions():
        assert f"\n::: {one.path}\n" in pages[one.package]
        assert f"| [`{one.name}`](reference/{one.package}.md#{one.path}) | " in overview
        assert reference.first_sentence(one), f"{one.path} has no docstring (of a constant: the text below it)"


def test_what_pages_import_is_public():
    names = {d.path for d in definitions()} | set(module("names").public_names())
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.S):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in module("names").PACKAGES:
                    assert {f"{node.module}.{alias.name}" for alias in node.names} <= names, page.name


def test_public_docstrings_give_each_parameter_and_its_type():
    lacking = {}
    for one in definitions():
        docstring = module("reference").docstring(one)
        functions = [one.node] if isinstance(one.node, ast.FunctionDef) else []
        if isinstance(one.node, ast.ClassDef):
            functions = [n for n in one.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
            fields = [n.target.id for n in one.node.body if isinstance(n, ast.AnnAssign) and not functions]
            absent = [f for f in fields if not f.startswith("_") and not re.search(rf"\b{f}\b", docstring)]
            lacking |= {one.path: absent} if absent else {}
        for function in functions:
            if absent := undocumented(function, docstring):
                lacking[one.path] = absent
    assert lacking == {}


@pytest.mark.parametrize("kind", ["Forecaster", "Classifier"])
def test_docstrings_of_estimators_give_each_parameter_and_its_type(kind):
    """Their constructors, without annotations as sktime has them, are in files of their own."""
    tree = ast.parse((ROOT / f"timeseries/estimators/{kind.lower()}_parameters.py").read_text())
    (init,) = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    (estimator,) = [d for d in definitions() if d.path == f"timeseries.Jumbo{kind}"]
    assert len(parameters(init)) > 25 and undocumented(init, module("reference").docstring(estimator)) == []


@pytest.mark.parametrize("package", ["jumbo_backbone", "timeseries", "tools/jumbo_cli"])
def test_docstrings_are_of_one_style(package):
    """Google's: the reference reads no other."""
    of_numpy = [
        path.name
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^ +(Parameters|Returns|Raises|Attributes)\n +-{3,}$", path.read_text(), flags=re.M)
    ]
    assert of_numpy == []


def test_the_checks_of_docstrings_see_what_is_missing():
    (function,) = ast.parse("def f(a, b: int, c: int, d): ...").body
    assert undocumented(function, "F.\n\nArgs:\n    a, b: Two.\n    d (int): One.\n") == ["a", "c"]


# ---- pages that are generated


def test_the_command_line_has_every_argument_of_every_command():
    commands = module("commands")
    page = commands.reference()
    found = {path.stem.replace("_", "-") for path in (ROOT / "tools/jumbo_cli/commands").glob("[a-z]*.py")}
    assert {command.name for command in commands.commands()} == found
    for command in commands.commands():
        assert isinstance(command, Command) and f"## jumbo {command.name}\n" in page
        for action in command.make_parser()._actions:
            for option in action.option_strings:
                if action.help != "==SUPPRESS==":
                    assert option.replace("_", "&#95;") in page
    assert "{prog}" not in page and "%(default)s" not in page


def test_measured_tables_are_those_of_the_pages():
    tables = module("tables")
    told = tables.all_tables()
    for page, heading in tables.SECTIONS:
        for _, table in tables.tables_of(tables.section((DOCS / page).read_text(), heading)):
            assert table in told
    assert "| GunPoint | 50 | 1.000 |" in told and told.count("\n| ") > 80
    with pytest.raises(LookupError, match="no section 'Nothing'"):
        tables.section("# A\n\n## B\n", "Nothing")


def test_raw_files_are_listed_with_the_pages_that_name_them():
    raw_files = module("raw_files")
    listed = dict(re.findall(r"^- \[.*?\]\((.*?)\): (.*)$", raw_files.page(), flags=re.M))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("*/*.json")}
    assert set(listed) == there
    assert "[forecasting](forecasting.md)" in listed["benchmarks/channel_mixing.json"]
    assert "[budgets](budgets.md)" in listed["benchmarks/cpu_keep_rates_epyc.json"]  # named by a pattern
    assert "tools/" in listed["benchmarks/cpu_base.json"] and "EPYC" in listed["benchmarks/cpu_base.json"]


@pytest.mark.parametrize(
    ("link", "on_the_site"),
    [
        ("[a](budgets.md#b)", "[a](budgets.md#b)"),
        ("[raw](benchmarks)", "[raw](raw_files.md#benchmarks)"),
        ("[raw](results/)", "[raw](raw_files.md#results)"),
        ("[raw](benchmarks/cpu_base.json)", "[raw](benchmarks/cpu_base.json)"),
        ("[how](../CONTRIBUTING.md#how-to-test)", "[how](contributing.md#how-to-test)"),
        ("[docs/glossary.md](docs/glossary.md)", "[docs/glossary.md](glossary.md)"),
        ("[tools/research](../tools/research)", "`tools/research`"),
        ("[them](tools/research)", "them (`tools/research`)"),
        ("[p](https://arxiv.org/abs/1)", "[p](https://arxiv.org/abs/1)"),
        ("![picture](overview.png)", "![picture](overview.png)"),
    ],
)
def test_links_on_the_site(link, on_the_site):
    assert module("links").of_the_site(link) == on_the_site


@pytest.fixture
def built(tmp_path):
    """Builds the site; a warning is an error."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    def run() -> Path:
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
        return tmp_path

    return run


@pytest.mark.slow
def test_the_site_builds_without_a_warning_or_a_request(built):
    pages = list(built().rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text())
        assert not [tag for tag in tags if re.search(r"(src|href)=.?(https?:)?//", tag)], page.name


@pytest.mark.slow
def test_a_broken_link_breaks_the_build(built, monkeypatch):
    links = module("links")
    of_the_site = links.of_the_site
    monkeypatch.setattr(links, "of_the_site", lambda text: f"{of_the_site(text)}\n\n[nowhere](nowhere.md)\n")
    from mkdocs.exceptions import Abort

    with pytest.raises(Abort, match="strict mode"):
        built()
