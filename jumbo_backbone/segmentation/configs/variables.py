"""Variables of config files that nothing reads: a config that assigns one is refused, with the keys to set instead.

A base config that says ``train_cfg = dict(max_iters=max_iters)`` has used its own ``max_iters`` when another file
builds on it: an assignment to ``max_iters`` there changes nothing, and neither does an option ``max_iters=100``.
"""

import ast
import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

_CLOSE = 0.9  # how alike two names are of which one is a slip of the other: val_evaluater, but not test_pipeline


class ConfigFile:
    """What a config file assigns at its top level, what it reads, and which files it builds on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        tree = ast.parse(path.read_text())
        self.assigned: set[str] = set()
        self.bases: list[Path] = []
        statement: Any
        for statement in tree.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            names = {node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)}
            if any(isinstance(target, ast.Name) and target.id == "_base_" for target in targets):
                bases = [path.parent / base for base in Config._get_base_files(str(path))]  # it may be computed
                self.bases = [base for base in bases if base.suffix == ".py" and base.is_file()]
            elif not isinstance(statement, (ast.For, ast.With)):
                self.assigned |= {name for name in names if not name.startswith("_")}
        nodes = list(ast.walk(tree))
        self.read = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)}
        # `_base_.name`, and `{{_base_.name}}` with or without quotes
        self.read_of_bases = {
            n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "_base_"
        }
        texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        self.read_of_bases |= {name for text in texts for name in re.findall(r"_base_\.(\w+)", text)}

    def chain(self) -> Iterator["ConfigFile"]:
        """This file, and all that it builds on."""
        yield self
        for base in self.bases:
            yield from ConfigFile(base).chain()


def require_read(path: Path, known: Iterable[str]) -> None:
    """Check that a config file, and all that it builds on, assign nothing in vain.

    Args:
        path: The file.
        known: Names that are keys of a config, for whoever reads it.

    Raises:
        ValueError: If one assigns a variable that nothing reads; the message names the keys to set instead.
    """
    if path.suffix != ".py" or "read_base" in path.read_text():  # mmengine's other style imports what it reads
        return
    known, chain = set(known), list(ConfigFile(path).chain())
    of_bases = set().union(*(file.read_of_bases for file in chain))
    for file in chain:
        vain = sorted(file.assigned - known - file.read - of_bases)
        if not file.bases and not file.read - {"dict"}:
            # literals alone, as a run leaves its config: variables have been used already, a slip is still a slip
            vain = [name for name in vain if difflib.get_close_matches(name, known, 1, _CLOSE)]
        if vain:
            bases = [Config.fromfile(base) for base in file.bases]
            raise ValueError(f"{file.path}: {_in_vain(vain[0], bases, known)}")


def require_keys(names: Iterable[str], cfg: Config, known: Iterable[str]) -> None:
    """Check that options set keys of a config, and not variables that it has used already.

    Raises:
        ValueError: If one does not; the message names the keys to set instead.
    """
    for name in names:
        if name not in set(known):
            raise ValueError(_in_vain(name, [cfg], known))


def _in_vain(name: str, before: list[Config], known: Iterable[str]) -> str:
    """That an assignment has no effect, and which would have."""
    told = f"{name} has no effect: nothing reads it"
    places = list(dict.fromkeys(place for cfg in before for place in places_of(name, cfg, known)))
    if places and any(name in cfg for cfg in before):
        return f"{told} after the config that used it. Set {' and '.join(places)}"
    if near := difflib.get_close_matches(name, known, 1, 0.75) or places[:1]:
        return f"{told}. Did you mean {near[0]}?"
    return f"{told}. Delete it, or begin its name with an underscore if it is a note of yours"


def places_of(name: str, cfg: Config, known: Iterable[str], most: int = 4) -> list[str]:
    """The keys of a config that hold what a variable of it holds, and those of its name."""
    tree, keys = cfg.to_dict(), set(known)
    value = tree.get(name)
    telling = isinstance(value, (list, tuple, dict, str)) or (isinstance(value, (int, float)) and abs(value) > 1)
    both: list[str] = []
    equal: list[str] = []
    alike: list[str] = []
    for place, other in _walk({key: child for key, child in tree.items() if key in keys}):
        named = place.rpartition(".")[2] == name
        if telling and type(other) is type(value) and other == value:
            (both if named else equal).append(place)
        elif named:
            alike.append(place)
    return ([*both, *equal] or alike)[:most]


def _walk(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, child in children:
        here = f"{place}.{key}" if place else str(key)
        yield here, child
        yield from _walk(child, here)


def without_variables(cfg: Config, known: Iterable[str], path: str | os.PathLike) -> Config:
    """A config without the variables that its files have used: what a run leaves then says what has an effect."""
    known = set(known)
    return Config({key: value for key, value in cfg._cfg_dict.items() if key in known}, filename=str(path))
