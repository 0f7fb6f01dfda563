"""Links that lead elsewhere on the site than on a code host."""

import re

FOLDERS = {"benchmarks": "raw_files.md#benchmarks", "results": "raw_files.md#results"}  # which a code host lists
BESIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}  # pages that lie beside docs/
ELSEWHERE = ("tools/", "seg_configs/", "tests/")  # files of the repository that are not on the site


def of_the_site(markdown: str) -> str:
    """A page of docs/, or one that lies beside it, with links as the site has them."""
    return re.sub(r"(?<!!)\[([^\]\[]+)\]\(([^)\s:]+)\)", _link, markdown)


def _link(found: re.Match) -> str:
    text, target = found.groups()
    path, hash_, anchor = target.partition("#")
    path = path.removeprefix("../").removeprefix("docs/").rstrip("/")
    if path.startswith(ELSEWHERE):
        return f"`{path}`" if path in text else f"{text} (`{path}`)"
    path = BESIDE.get(path, FOLDERS.get(path, path))
    return f"[{text}]({path}{hash_}{anchor})"
