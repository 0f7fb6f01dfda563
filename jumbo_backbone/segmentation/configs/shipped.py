"""The configs that come with the package, found by name."""

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def shipped_folder() -> Path:
    """The folder ``seg_configs``: it lies inside an installed package, and beside the package in a checkout."""
    inside = _PACKAGE / "seg_configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "seg_configs"


def find_config(config: Path) -> Path:
    """The file itself; for a name without a folder, such as ``jumbo_upernet_scenes``, the shipped config of that
    name.

    A path that begins with ``seg_configs/`` means a shipped config as well, where there is no such file.

    Raises:
        FileNotFoundError: If there is neither; the message names the shipped config with the nearest name.
    """
    config = Path(config)
    if config.is_file():
        return config
    name = config.name.removesuffix(".py")
    shipped = shipped_folder() / f"{name}.py"
    if config.parent in (Path(), Path("seg_configs")) and shipped.is_file():
        return shipped
    known = sorted(path.stem for path in shipped_folder().glob("*.py"))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"give your own, or one of {', '.join(known)}"
    raise FileNotFoundError(f"no config at {config.absolute()}, and none of this name comes with the package: {hint}")


def shipped_config(name: str) -> str:
    """The path of a config that comes with the package, for the ``_base_`` of a config elsewhere.

    Args:
        name: Its name, such as "masks_small".

    Raises:
        FileNotFoundError: If there is none of this name.
    """
    return str(find_config(Path("seg_configs", name)))
