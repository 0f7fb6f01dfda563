"""Small pieces of HTML: tables of numbers, progress, notes. All texts are escaped."""

from collections.abc import Sequence
from html import escape

from .jobs import Progress


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """A table; the first column names the row."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr><th scope='row'>{escape(str(first))}</th>{''.join(f'<td>{escape(str(cell))}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    told = f"<p class='caption'>{escape(caption)}</p>" if caption else ""
    return f"<div class='numbers'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{told}"


def progress(now: Progress) -> str:
    """A bar, and what is being done."""
    return (
        f"<div class='running' role='status'><progress max='1' value='{now.share:.3f}'></progress>"
        f"<span>{escape(now.doing)} … {now.share:.0%}</span></div>"
    )


def note(text: str) -> str:
    """A paragraph."""
    return f"<p class='note'>{escape(text)}</p>" if text else ""


def heading(text: str) -> str:
    """The title of a picture."""
    return f"<p class='heading'>{escape(text)}</p>"
