"""Lists of names in text files, such as an ``ann_file``, and the faults that would become part of a name."""

import os
from pathlib import Path

from ...words import some

_BYTE_ORDER_MARK = "\ufeff"


def require_sound(path: str | os.PathLike, what: str) -> None:
    """Check that a file holds one name a line.

    Args:
        path: The file.
        what: What it lists, and who says so: "names (ann_file)".

    Raises:
        ValueError: If it begins with a byte-order mark, is not UTF-8, or has blank lines; the message says how to mend
            it.
    """
    told = f"{what} in {os.path.abspath(path)}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{told} is not UTF-8 text ({error.reason}): save it as UTF-8") from None
    if text.startswith(_BYTE_ORDER_MARK):
        raise ValueError(f"{told} begins with a byte-order mark, which would belong to the first name: save it without")
    names = [line.strip() for line in text.splitlines()]
    blank = [number for number, name in enumerate(names, 1) if not name]
    if blank:
        raise ValueError(f"{told} has a blank line ({some(blank)} of {len(names)}): remove it, each line is a name")
