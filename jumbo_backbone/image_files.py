"""The images that a tool reads, and the names of the files it writes for them."""

from collections.abc import Collection, Sequence
from pathlib import Path

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def find_images(
    arguments: Sequence[Path], own_endings: tuple[str, ...], suffixes: Collection[str] = IMAGE_SUFFIXES
) -> list[Path]:
    """The named files, and the images in the named folders (not in folders below them), each once. An image and a
    link to it count as two.

    Args:
        arguments: Files and folders.
        own_endings: Endings of the names of pictures that the tool itself writes: in a folder they are skipped.
        suffixes: Suffixes of images in folders, in lower case.

    Raises:
        FileNotFoundError: If there are none.
    """
    found: list[Path] = []
    endings = tuple(suffixes)
    for path in arguments:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.lower().endswith(endings) and p.is_file())
            found += [p for p in inside if not (p.name.startswith(".") or p.name.endswith(own_endings))]
        else:
            found.append(path)
    if not any(path.exists() for path in found):
        kinds = "/".join(sorted(suffix[1:] for suffix in suffixes))
        named = ", ".join(map(str, arguments))
        raise FileNotFoundError(f"no images at {named}: name image files, or a folder that itself holds {kinds} files")
    return list({_place(path): path for path in found}.values())


def output_stems(images: Sequence[Path], out: Path, own_endings: tuple[str, ...]) -> list[Path]:
    """For each image, the start of the paths of its files in ``out``: its name, with a number if several images share
    one, chosen so that no image is overwritten."""
    folder = out.resolve()
    # some file systems do not tell A from a; a link is kept, and so is what it leads to
    taken = {str(place).casefold() for path in images for place in (_place(path), path.resolve())}
    stems = []
    for image in images:
        number, name = 1, image.stem
        while taken & (files := {f"{folder / name}{ending}".casefold() for ending in own_endings}):
            number += 1
            name = f"{image.stem}-{number}"
        taken |= files
        stems.append(out / name)
    return stems


def _place(path: Path) -> Path:
    """The place of a file, however it was named; for a link, the place of the link itself."""
    return path.parent.resolve() / path.name
