"""Some rendered scenes as pictures to try, since the page needs no data."""

from pathlib import Path

from .loading import libraries

COUNT = 8
_SIDE = 192  # pixels


def scene_files(folder: Path) -> list[Path]:
    """Files of scenes that no training has seen, painted if they are not there."""
    libraries()
    from PIL import Image

    from jumbo_backbone.segmentation.data.scenes import render
    from jumbo_backbone.segmentation.pictures.labels import save

    paths = [folder / f"scene_{number + 1}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        if not path.is_file():
            save(Image.fromarray(render(3_000_000 + number, (_SIDE, _SIDE))[0]), path)
    return paths
