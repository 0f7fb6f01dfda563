"""The tab "Classify series": its components and events."""

from typing import Any

import gradio as gr

from . import classifying
from .classifying import Fitted, attention, fit
from .failing import in_sentences
from .jobs import Jobs
from .limits import HOUR
from .markup import note, progress, table
from .picture_chooser import picture_shown
from .results import Results

_EXPLAINED = """Drop labelled series: a `.ts` file, a CSV file (a row for each series, or for each step with a column
that names the series), or an `.npz` file with arrays X and y. One part is learned from, the other is held out to
measure accuracy. The classifier joins fixed convolutions with a Jumbo encoder, whose weight in the scores is chosen in
the fit."""
_NONE = "(none)"
_WIDEST = 12  # classes in the table of hits


def classify_tab(results: Results) -> None:
    """Build the tab."""
    jobs = Jobs()
    gr.Markdown(_EXPLAINED)
    kept: gr.State = gr.State(None, time_to_live=HOUR)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            file = gr.File(
                label="Drop .ts, .csv or .npz: up to 20 MB",
                file_types=[".ts", ".csv", ".tsv", ".txt", ".npz"],
                height=130,
                elem_id="classify-file",
            )
            example = gr.Dropdown(
                [_NONE, *classifying.EXAMPLES], value=_NONE, label="… or choose an example", elem_id="classify-example"
            )
            label = gr.Dropdown([], label="Column of the labels", visible=False, allow_custom_value=True)
            held_out = gr.Slider(10, 60, 30, step=5, label="Held out, in % of each class")
            epochs = gr.Slider(
                0,
                60,
                0,
                step=1,
                label="Epochs of a new encoder",
                info="0: the encoder in the package, pretrained",
                elem_id="classify-epochs",
            )
            with gr.Row():
                begin = gr.Button("Fit", variant="primary", elem_id="fit")
                stop = gr.Button("Stop", elem_id="fit-stop")
        with gr.Column(scale=5, min_width=320):
            how = gr.HTML(note("No series yet."), elem_id="classify-read", padding=False)
            state = gr.HTML(elem_id="classify-state", padding=False)
            scores = gr.HTML(elem_id="classify-scores", padding=False)
            number = gr.Slider(1, 2, 1, step=1, label="Series that is shown, of those held out", visible=False)
            about = gr.HTML(padding=False)
            picture = picture_shown("A series, and the attention that the Jumbo token pays to its patches")

    def read(path: str | None) -> tuple[Any, Any]:
        if not path:
            return gr.skip(), gr.skip()
        columns, guess = classifying.columns_of(path)
        told = classifying.read(path, guess).told if guess or not columns else "Choose the column of the labels."
        return note(f"{told.rstrip('.')}."), gr.Dropdown(columns, value=guess, visible=bool(columns))

    def read_again(path: str | None, label: str | None) -> str:
        return note(f"{classifying.read(path, label).told}.")

    def run(path: str | None, label: str | None, held_out: float, epochs: int, request: gr.Request) -> Any:
        data = classifying.read(path, label)
        job = jobs.begin(request.session_hash, lambda job: fit(job, data, held_out / 100, int(epochs)))
        for now in job.watch():
            yield progress(now), *(gr.skip(),) * 5
        found: Fitted = job.result()
        count = len(found.predicted)
        slider = gr.Slider(1, max(count, 2), 1, step=1, visible=count > 1)
        about, picture = show(found, 1)
        yield "", found, _scores(found), slider, about, picture

    def show(found: Fitted | None, number: float) -> tuple[Any, Any]:
        if found is None:
            return gr.skip(), gr.skip()
        place = min(int(number), len(found.predicted)) - 1
        said, true = found.predicted[place], found.held_out.y[place]
        right = "which is right" if said == true else f"but it is {true}"
        return note(f"Series {place + 1}: the classifier says {said}, {right}."), attention(found, place)

    def halt(request: gr.Request) -> str:
        return note("Stopping …" if jobs.stop(request.session_hash) else "Nothing of yours is running.")

    def take(name: str) -> Any:
        return gr.skip() if name == _NONE else str(_copied(name, results))

    private: dict[str, Any] = dict(api_visibility="private", show_progress="hidden")
    example.input(in_sentences(take), example, file, **private)
    file.change(in_sentences(read), file, [how, label], api_name="read_labelled", show_progress="hidden")
    label.input(in_sentences(read_again), [file, label], how, **private)
    begin.click(
        in_sentences(run),
        [file, label, held_out, epochs],
        [state, kept, scores, number, about, picture],
        api_name="classify",
        show_progress="hidden",
    )
    stop.click(halt, None, state, api_name="stop_fit", show_progress="hidden")
    number.release(in_sentences(show), [kept, number], [about, picture], **private)


def _copied(name: str, results: Results) -> Any:
    path = classifying.example_file(name)
    copy = results.new() / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def _scores(found: Fitted) -> str:
    told = table(
        ["on the series held out", "accuracy"],
        [["JumboClassifier", f"{found.accuracy:.1%}"], ["always the commonest class", f"{found.commonest:.1%}"]],
        f"Learned from {found.learned_from:,} series, tested on {len(found.predicted):,}. The encoder has a weight of "
        f"{found.share:.0%} in the scores, the convolutions the rest.",
    )
    classes = list(found.classifier.classes_)
    if len(classes) > _WIDEST:
        return told
    true, said = found.held_out.y, found.predicted
    rows = [[f"is {a}", *(int(((true == a) & (said == b)).sum()) for b in classes)] for a in classes]
    return told + table(["", *(f"said {b}" for b in classes)], rows, "How many series of each class got which answer")
