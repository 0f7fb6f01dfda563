"""The page: four tabs."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from .classify_tab import classify_tab
from .forecast_tab import forecast_tab
from .inside_tab import inside_tab
from .limits import HOUR
from .loading import Shelf
from .look import TITLE
from .results import Results
from .segment_tab import segment_tab

_HEAD = """# Jumbo
Vision transformers with one wide global token, for pictures and series. Everything is computed on this machine, and
nothing leaves it; files that you drop are deleted after some hours."""


def build(models: Sequence[Path], folder: Path) -> gr.Blocks:
    """The page.

    Args:
        models: Folders in which work dirs are looked for; the first takes what the page itself trains.
        folder: For temporary files; it has to be removed when the page ends.
    """
    shelf, results = Shelf(models), Results(folder)
    scenes = folder / "scenes"
    scenes.mkdir(parents=True, exist_ok=True)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(HOUR, HOUR), fill_width=True) as page:
        gr.Markdown(_HEAD)
        with gr.Tab("Segment", id="segment"):
            segment_tab(page, shelf, results, scenes)
        with gr.Tab("Forecast", id="forecast"):
            forecast_tab(results)
        with gr.Tab("Classify series", id="classify"):
            classify_tab(results)
        with gr.Tab("Look inside", id="inside"):
            inside_tab(page, shelf, scenes)
    return page.queue(default_concurrency_limit=8, max_size=64)
