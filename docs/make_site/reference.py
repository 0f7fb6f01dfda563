"""The pages on the packages: an entry for each public name, which mkdocstrings makes of its docstring."""

import ast

from .names import Definition, definitions, public_names, summary


def uris() -> dict[str, str]:
    """The page of each package."""
    return {package: f"reference/{package}.md" for package in public_names()}


def page(package: str) -> str:
    """A page in Markdown with the directives of mkdocstrings."""
    entries = [f"::: {package}.{name}" for name in public_names()[package]]
    return "\n\n".join([f"# {package}", summary(package), *entries, ""])


def overview() -> str:
    """A table for each package: its names, and the first sentence on each."""
    parts: list[str] = []
    for package, uri in uris().items():
        parts += [f"## {package}", summary(package).split("\n\n")[0]]
        rows = [
            f"| [`{d.name}`]({uri}#{d.path}) | {first_sentence(d)} |" for d in definitions() if d.package == package
        ]
        parts.append("\n".join(["| name | what it is |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def first_sentence(definition: Definition) -> str:
    told = " ".join(docstring(definition).split("\n\n")[0].split())
    return told.split(". ")[0].rstrip(".:").replace("|", "\\|")


def docstring(definition: Definition) -> str:
    """Of a constant, the text below its assignment."""
    node = definition.node
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return ast.get_docstring(node) or ""
    body = ast.parse(definition.file.read_text()).body
    for one, after in zip(body, body[1:], strict=False):
        if one.lineno == node.lineno and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return str(after.value.value)
    return ""
