"""Below an empty list of models: a button that trains a small one."""

from typing import Any

import gradio as gr

from .failing import in_sentences
from .jobs import Jobs
from .loading import Shelf
from .markup import note, progress
from .training import ITERATIONS, train

_WHY = f"""There is **no trained model** in the folders of this page yet. Train a small one here on rendered scenes: no
data is needed, and it takes two to five minutes ({ITERATIONS} iterations). `make demo` trains a better one in five."""


def training_panel(page: gr.Blocks, shelf: Shelf, model: gr.Dropdown) -> None:
    """Build the panel. It is seen only while there are no models.

    Args:
        page: Looks for models whenever it is loaded.
        shelf: Where models are; the first of its folders takes the new one.
        model: The list of models.
    """
    jobs = Jobs()
    with gr.Group(visible=not shelf.segmentors()) as panel:
        gr.Markdown(_WHY, padding=True)
        with gr.Row():
            begin = gr.Button("Train a small model", variant="primary", elem_id="train")
            stop = gr.Button("Stop", elem_id="train-stop")
        state = gr.HTML(padding=False)

    def listed() -> tuple[Any, Any]:
        names = list(shelf.segmentors())
        return gr.Dropdown(names, value=names[0] if names else None), gr.Group(visible=not names)

    def run(request: gr.Request) -> Any:
        job = jobs.begin(request.session_hash, lambda job: train(job, shelf.folders[0]))
        for now in job.watch():
            yield progress(now), gr.skip(), gr.skip()
        job.result()
        yield note("Trained."), *listed()

    def halt(request: gr.Request) -> str:
        return note("Stopping …" if jobs.stop(request.session_hash) else "No training of yours is running.")

    begin.click(in_sentences(run), None, [state, model, panel], api_name="train", show_progress="hidden")
    stop.click(halt, None, state, api_name="stop_training", show_progress="hidden")
    page.load(listed, None, [model, panel], api_name="models", show_progress="hidden")
