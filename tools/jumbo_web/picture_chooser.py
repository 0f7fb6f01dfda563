"""Where a picture comes from: dropped, or one of some rendered scenes."""

from pathlib import Path

import gradio as gr

from .failing import in_sentences
from .markup import heading
from .scenes import scene_files

_SUFFIXES = [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"]


def picture_chooser(page: gr.Blocks, folder: Path, name: str) -> gr.File:
    """A place to drop a picture, and below it scenes to click: a click puts the scene in that place.

    Args:
        page: Its scenes are painted when it is loaded.
        folder: Where the scenes' files are.
        name: Of the tab, for the elements' names.
    """
    picture = gr.File(
        label="Drop a picture: up to 20 MB",
        file_types=_SUFFIXES,
        height=130,
        elem_id=f"{name}-picture",
    )
    gr.HTML(heading("… or click a rendered scene"), padding=False)
    scenes = gr.Gallery(
        show_label=False,
        container=False,
        columns=4,
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id=f"{name}-scenes",
        elem_classes="scenes",
    )

    def paint() -> list[str]:
        return [str(path) for path in scene_files(folder)]

    def take(event: gr.SelectData) -> str:
        return str(scene_files(folder)[event.index])

    page.load(in_sentences(paint), None, scenes, api_visibility="private", show_progress="hidden")
    scenes.select(in_sentences(take), None, picture, api_visibility="private", show_progress="hidden")
    return picture


def picture_shown(title: str, visible: bool = True) -> gr.Image:
    """A place where a picture is shown, below its title."""
    with gr.Column(visible=visible, min_width=260):
        gr.HTML(heading(title), padding=False)
        return gr.Image(show_label=False, container=False, format="png", interactive=False, buttons=["fullscreen"])
