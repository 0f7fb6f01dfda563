"""An extension of griffe, which reads docstrings: what this project writes in a shorter form than griffe knows.

Parameters of one meaning share an entry, as in ``mean, std: …``; and what a function returns is said without its type,
which the signature has.
"""

import re
from typing import Any

from griffe import Class, Extension, Function, Object

_SECTION = re.compile(r"^(Args|Attributes):\n((?:[ ]{4}.*\n?|\n)+)", flags=re.M)
_ENTRY = re.compile(r"^ {4}(\w+(?:,\s+\w+)+)( \([^\n]*?\))?:(.*\n?(?: {5,}.*\n?)*)", flags=re.M)


class Grouped(Extension):
    """Gives each parameter an entry of its own, and each returned value its type."""

    def on_function(self, *, func: Function, **_: Any) -> None:
        _separate(func)
        if func.docstring is not None and func.returns is not None:
            func.docstring.value = func.docstring.value.replace("Returns:\n    ", f"Returns:\n    {func.returns}: ")

    def on_class(self, *, cls: Class, **_: Any) -> None:
        _separate(cls)


def _separate(thing: Object) -> None:
    if thing.docstring is not None:
        thing.docstring.value = separated(thing.docstring.value)


def separated(docstring: str) -> str:
    def entries(found: re.Match) -> str:
        names, type_, text = found.groups()
        return "".join(f"    {name}{type_ or ''}:{text.rstrip()}\n" for name in re.split(r",\s+", names))

    def section(found: re.Match) -> str:
        return f"{found[1]}:\n" + _ENTRY.sub(entries, found[2])

    return _SECTION.sub(section, docstring)
