"""What MkDocs calls while it builds the site: pages that are generated, and markers in pages that are filled in.

A marker is a comment that a code host does not show, such as ``<!-- commands -->``.
"""

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "docs"), str(ROOT / "tools")]  # MkDocs imports this file by its path

from make_site import commands, links, raw_files, reference, tables  # noqa: E402


def on_config(config: Any) -> Any:
    """Put the pages of the packages behind the page on all of them."""
    for section in config.nav:
        for entries in section.values():
            if isinstance(entries, list):
                at = [n for n, entry in enumerate(entries) if list(entry.values()) == ["reference.md"]]
                for n in at:
                    entries[n + 1 : n + 1] = [{package: uri} for package, uri in reference.uris().items()]
    config.watch += [str(ROOT / name) for name in links.BESIDE]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are generated."""
    pages = {uri: (ROOT / name).read_text() for name, uri in links.BESIDE.items()}
    pages |= {uri: reference.page(package) for package, uri in reference.uris().items()}
    pages["raw_files.md"] = raw_files.page()
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in the markers, and point links to where the site has what a code host has elsewhere."""
    fills = dict(commands=commands.reference, names=reference.overview, tables=tables.all_tables)
    for marker, fill in fills.items():
        if f"<!-- {marker} -->" in markdown:
            markdown = markdown.replace(f"<!-- {marker} -->", fill())
    return links.of_the_site(markdown)
