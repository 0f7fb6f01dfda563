"""How the programs are laid out: none imports another, users' tools know nothing of research, no file is long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS, RESEARCH = ROOT / "tools", ROOT / "tools" / "research"


def imports(path: Path) -> Iterator[str]:
    """Top-level names of all that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def programs(folder: Path) -> dict[str, Path]:
    """Files that are run, by module name; the others of a folder are their parts."""
    return {path.stem: path for path in folder.glob("*.py") if "__main__" in path.read_text()}


FILES = sorted(TOOLS.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_program_imports_another(path):
    others = {**programs(TOOLS), **programs(RESEARCH)}.keys() - {path.stem}
    assert not others & set(imports(path))


def test_users_tools_know_nothing_of_research():
    research = {path.stem for path in RESEARCH.glob("*.py")} | {"tools"}
    packages = [p for name in ("jumbo_backbone", "tools/jumbo_cli", "timeseries") for p in (ROOT / name).rglob("*.py")]
    for path in [*TOOLS.glob("*.py"), *packages]:
        assert not research & set(imports(path)), path


def test_no_file_is_long():
    paths = [*FILES, *(p for name in ("jumbo_backbone", "timeseries") for p in (ROOT / name).rglob("*.py"))]
    assert [(str(p), n) for p in paths if (n := len(p.read_text().splitlines())) > 350] == []
