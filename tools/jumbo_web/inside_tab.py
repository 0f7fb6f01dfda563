"""The tab "Look inside": its components and events."""

from pathlib import Path
from typing import Any

import gradio as gr

from .failing import in_sentences
from .inside import depth_of, look, reconstruct
from .loading import Shelf
from .markup import note
from .picture_chooser import picture_chooser, picture_shown

_EXPLAINED = """What happens to a picture within an encoder. **Attention**: how much the Jumbo token, the one wide token
of the whole picture, attends to each patch in a block. **Features**: patches of like colours have like features after
the block; the colours are the first three principal components of this picture alone. **Reconstruction**: an encoder
that was pretrained by `jumbo pretrain` sees a quarter of the patches, and its decoder guesses the others."""
_NO_PRETRAINED = (
    "No reconstruction: the folders of this page hold no work dir of jumbo pretrain, with encoder.safetensors and "
    "decoder.safetensors."
)


def inside_tab(page: gr.Blocks, shelf: Shelf, folder: Path) -> None:
    """Build the tab."""
    gr.Markdown(_EXPLAINED)
    names, others = _models(shelf), list(shelf.pretrained())
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = picture_chooser(page, folder, "inside")
            model = gr.Dropdown(
                names, value=names[0] if names else None, label="Model: work dir and checkpoint", elem_id="inside-model"
            )
            block = gr.Slider(0, 11, 0, step=1, label="Block", info="from 0, the first", elem_id="block")
            autoencoder = gr.Dropdown(
                others,
                value=others[0] if others else None,
                label="Pretrained encoder and decoder",
                visible=bool(others),
                elem_id="autoencoder",
            )
            seed = gr.Slider(0, 20, 0, step=1, label="Number of the draw of hidden patches", visible=bool(others))
        with gr.Column(scale=5, min_width=320):
            told = gr.HTML(note("No picture yet."), elem_id="inside-told", padding=False)
            attention = picture_shown("The picture, the attention over it, and the attended parts")
            with gr.Row():
                features = picture_shown("Features of the patches as colours")
                rebuilt = picture_shown("The middle of the picture, what the encoder sees, the guess", bool(others))
            gr.HTML(note(_NO_PRETRAINED), visible=not others, padding=False)

    def blocks(model: str | None) -> Any:
        if not model:
            return gr.skip()
        depth = depth_of(shelf, model)
        return gr.Slider(0, depth - 1, depth - 1, step=1)

    def see(picture: str | None, model: str | None, block: int) -> tuple[Any, ...]:
        if not picture or not model:
            return (gr.skip(),) * 3
        seen = look(shelf, picture, model, min(int(block), depth_of(shelf, model) - 1))
        return (
            note(f"Block {int(block)} of 0 to {seen.depth - 1}. The colours show {seen.variance:.0%} of the variance."),
            seen.attention,
            seen.features,
        )

    def rebuild(picture: str | None, model: str | None, seed: int) -> Any:
        return reconstruct(shelf, picture, model, int(seed)) if picture and model else gr.skip()

    def listed() -> Any:
        now = _models(shelf)
        return gr.Dropdown(now, value=now[0] if now else None)

    options: dict[str, Any] = dict(api_visibility="private", trigger_mode="always_last", show_progress="minimal")
    page.load(listed, None, model, api_visibility="private", show_progress="hidden").then(
        in_sentences(blocks), model, block, api_visibility="private", show_progress="hidden"
    )
    model.input(in_sentences(blocks), model, block, **options)
    gr.on(
        [picture.change, model.change, block.release],
        in_sentences(see),
        [picture, model, block],
        [told, attention, features],
        api_name="look_inside",
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=[attention],
    )
    gr.on(
        [picture.change, autoencoder.change, seed.release],
        in_sentences(rebuild),
        [picture, autoencoder, seed],
        rebuilt,
        **options,
    )


def _models(shelf: Shelf) -> list[str]:
    """Names of segmentors with an encoder of their own: not of cascades."""
    return [name for name, trained in shelf.segmentors().items() if not trained.is_cascade]
