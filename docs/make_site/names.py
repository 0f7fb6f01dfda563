"""The public names of the packages, read from their sources: nothing is imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("jumbo_backbone", "timeseries")
# packages whose names are for the rest of the project, and not for its users
INNER = ("jumbo_backbone.layers", "jumbo_backbone.segmentation.cli", "jumbo_backbone.segmentation.data.scenes")


@dataclass(frozen=True)
class Definition:
    """A public name, such as ``create_model`` of ``jumbo_backbone``, and the file in which it is defined."""

    package: str
    name: str
    file: Path
    node: ast.stmt

    @property
    def path(self) -> str:
        return f"{self.package}.{self.name}"


def public_names() -> dict[str, list[str]]:
    """Of each package with an ``__all__``, its summary's names in their order."""
    found = {}
    for file in sorted(path for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")):
        package = ".".join(file.parent.relative_to(ROOT).parts)
        if package not in INNER and (names := _all_of(_tree(file))):
            found[package] = names
    return found


def summary(package: str) -> str:
    """The docstring of a package."""
    return ast.get_docstring(_tree(_file(package))) or ""


def definitions() -> Iterator[Definition]:
    """Where each public name is defined."""
    for package, names in public_names().items():
        for name in names:
            yield Definition(package, name, *_find(package, name))


def _find(module: str, name: str) -> tuple[Path, ast.stmt]:
    """Follow imports from a module to the class, function or assignment of this name."""
    file = _file(module)
    for node in ast.walk(_tree(file)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                return file, node
            case ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found)) if found == name:
                return file, node
            case ast.ImportFrom():
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _find(_absolute(node, module, file), alias.name)
    raise LookupError(f"{module} has no {name}: is it in __all__ by mistake?")


def _absolute(node: ast.ImportFrom, module: str, file: Path) -> str:
    """The module that an import names, without leading dots."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _all_of(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []
