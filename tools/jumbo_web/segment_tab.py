"""The tab "Segment": its components and events."""

from pathlib import Path
from typing import Any

import gradio as gr

from .failing import in_sentences
from .loading import Shelf
from .markup import note, table
from .picture_chooser import picture_chooser, picture_shown
from .results import Results
from .segmenting import Answer, Segmenting, save_pictures
from .training_panel import training_panel

_EXPLAINED = """Drop a picture (JPEG, PNG, TIFF, BMP or WebP, up to 25 megapixels), or click a scene; the model paints
its classes over it. The **dial** sets how much it computes: the *keep rate* is the share of the patches (small squares
of the picture) that goes on at each of the blocks that drop patches, those to which the Jumbo token attends most; the
*resolution* is the scale at which the picture is read. Fewer FLOPs (additions and multiplications) take less time, and
cost some accuracy."""
_KEPT = "Kept patches; dropped ones are veiled"


def _dial(label: str) -> tuple[gr.Slider, gr.Slider]:
    keep = gr.Slider(0.3, 1, 1, step=0.05, label=f"Keep rate{label}", elem_id=f"keep-rate{label.replace(' ', '-')}")
    resolution = gr.Slider(
        0.05, 1.5, 1, step=0.05, label=f"Resolution{label}", info="1: the picture's own size", elem_id=f"scale{label}"
    )
    return keep, resolution


def _numbers(answers: list[Answer]) -> str:
    header = ["setting", "GFLOPs", "milliseconds", "patches kept"]
    rows = [
        (
            a.setting,
            f"{a.flops / 1e9:.2f}",
            f"{a.milliseconds:.0f}",
            "–" if a.kept_share is None else f"{a.kept_share:.0%}",
        )
        for a in answers
    ]
    return table(
        header,
        rows,
        "What a setting costs on this machine (the fastest of up to three predictions), and how many patches pass all "
        "blocks. The earlier a patch is dropped, the denser its veil.",
    )


def segment_tab(page: gr.Blocks, shelf: Shelf, results: Results, folder: Path) -> None:
    """Build the tab."""
    segmenting = Segmenting(shelf)
    names = list(shelf.segmentors())
    gr.Markdown(_EXPLAINED)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = picture_chooser(page, folder, "segment")
            model = gr.Dropdown(
                names, value=names[0] if names else None, label="Model: work dir and checkpoint", elem_id="model"
            )
            training_panel(page, shelf, model)
            keep, resolution = _dial("")
            opacity = gr.Slider(0, 1, 0.6, step=0.05, label="Opacity of the colours")
            compare = gr.Checkbox(False, label="Compare with a second setting", elem_id="compare")
            with gr.Group(visible=False) as second:
                other_keep, other_resolution = _dial(" of the second setting")
        with gr.Column(scale=5, min_width=320):
            numbers = gr.HTML(note("No picture yet."), elem_id="segment-numbers", padding=False)
            with gr.Row():
                overlay, kept = _pictures("")
            with gr.Row(visible=False) as beside:
                other_overlay, other_kept = _pictures(" · second setting")
            with gr.Row():
                labels_file = gr.DownloadButton("Download label PNG", interactive=False, elem_id="download-labels")
                overlay_file = gr.DownloadButton("Download overlay", interactive=False, elem_id="download-overlay")

    def segment(
        picture: str | None,
        model: str | None,
        keep_rate: float = 1,
        resolution: float = 1,
        opacity: float = 0.6,
        compare: bool = False,
        other_keep_rate: float = 1,
        other_resolution: float = 1,
    ) -> tuple[Any, ...]:
        if not picture:
            return (gr.skip(),) * 7
        settings = [(keep_rate, resolution), (other_keep_rate, other_resolution)][: 1 + compare]
        answers = [segmenting.answer(picture, model, *setting) for setting in settings]
        files = [save_pictures(answer, opacity, results.new(), Path(picture).stem) for answer in answers]
        labels, painted, kept = files[0]
        beside = files[1][1:] if compare else (None, None)
        buttons = [gr.DownloadButton(value=path, interactive=True) for path in (labels, painted)]
        return _numbers(answers), painted, kept, *beside, *buttons

    inputs = [picture, model, keep, resolution, opacity, compare, other_keep, other_resolution]
    outputs = [numbers, overlay, kept, other_overlay, other_kept, labels_file, overlay_file]
    compare.change(
        lambda on: (gr.Group(visible=on), gr.Row(visible=on)), compare, [second, beside], api_visibility="private"
    )
    gr.on(
        [
            picture.change,
            model.change,
            compare.change,
            *(s.release for s in (keep, resolution, opacity, other_keep, other_resolution)),
        ],
        in_sentences(segment),
        inputs,
        outputs,
        trigger_mode="always_last",
        api_name="segment",
        show_progress="minimal",
        show_progress_on=[overlay],
    )


def _pictures(label: str) -> tuple[gr.Image, gr.Image]:
    return picture_shown(f"Classes and their shares{label}"), picture_shown(f"{_KEPT}{label}")
