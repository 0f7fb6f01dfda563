"""The tab "Forecast": its components and events."""

from typing import Any

import gradio as gr

from . import tables
from .failing import in_sentences
from .forecast_figure import draw
from .forecasting import Forecast, arranged, forecast
from .jobs import Jobs
from .limits import HOUR, ROWS
from .markup import note, progress, table
from .results import Results

_EXPLAINED = f"""Drop a CSV file of series, **long** (a row for each series and time) or **wide** (a column for each
series), up to 20 MB and {ROWS:,} rows; the page says how it read it, and you can choose other columns. Forecasts need
no training: classical methods (*experts*) forecast, and a pretrained Jumbo token sets their weights. With *epochs*
above 0 networks learn the table as well, and read its covariates."""
_NONE = "(none)"
_SPOKEN = 8  # experts in the table


def forecast_tab(results: Results) -> None:
    """Build the tab."""
    jobs = Jobs()
    gr.Markdown(_EXPLAINED)
    kept: gr.State = gr.State(None, time_to_live=HOUR)
    any_name: dict[str, Any] = dict(allow_custom_value=True)  # what is no column the library tells
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            file = gr.File(
                label="Drop a CSV file: up to 20 MB",
                file_types=[".csv", ".tsv", ".txt"],
                height=130,
                elem_id="forecast-file",
            )
            example = gr.Dropdown(
                [_NONE, *tables.EXAMPLES], value=_NONE, label="… or choose an example", elem_id="forecast-example"
            )
            with gr.Accordion("Columns", open=False):
                time = gr.Dropdown([_NONE], value=_NONE, label="Time", info="(none): the rows are in order", **any_name)
                series = gr.Dropdown(
                    [_NONE], value=_NONE, label="Name of the series", info="(none): a wide table", **any_name
                )
                targets = gr.Dropdown([], value=[], multiselect=True, label="To forecast", **any_name)
                covariates = gr.Dropdown(
                    [],
                    value=[],
                    multiselect=True,
                    label="Covariates",
                    info="may go on beyond the last value",
                    **any_name,
                )
                again = gr.Button("Read with these columns", size="sm")
            horizon = gr.Number(12, precision=0, minimum=1, maximum=1000, label="Horizon, in steps", elem_id="horizon")
            coverage = gr.Slider(50, 99, 80, step=1, label="Coverage of the interval, in %")
            epochs = gr.Slider(0, 30, 0, step=1, label="Epochs of networks", info="0: no training", elem_id="epochs")
            with gr.Row():
                begin = gr.Button("Forecast", variant="primary", elem_id="forecast")
                stop = gr.Button("Stop", elem_id="forecast-stop")
        with gr.Column(scale=5, min_width=320):
            how = gr.HTML(note("No table yet."), elem_id="forecast-read", padding=False)
            state = gr.HTML(elem_id="forecast-state", padding=False)
            shown = gr.Dropdown([], label="Series that is shown", visible=False, elem_id="forecast-series")
            figure = gr.Plot(show_label=False, visible=False, elem_id="forecast-figure")
            with gr.Row():
                with gr.Column(min_width=300):
                    scores = gr.HTML(elem_id="forecast-scores", padding=False)
                with gr.Column(min_width=300):
                    spoken = gr.HTML(elem_id="forecast-experts", padding=False)
            download = gr.DownloadButton("Download CSV", interactive=False, elem_id="download-forecast")

    def read(path: str | None) -> tuple[Any, ...]:
        if not path:
            return (gr.skip(),) * 5
        found = tables.read(path)
        from timeseries.data.layout import find_layout

        layout, columns = find_layout(found), list(found.columns)
        told = arranged(found, layout).told
        return (
            note(told),
            gr.Dropdown([_NONE, *columns], value=layout.time or _NONE),
            gr.Dropdown([_NONE, *columns], value=layout.series or _NONE),
            gr.Dropdown(columns, value=list(layout.targets)),
            gr.Dropdown(columns, value=list(layout.covariates)),
        )

    def layout_of(time: str, series: str, targets: list[str], covariates: list[str]) -> Any:
        from timeseries.data.layout import Layout

        named = [None if column == _NONE else column for column in (time, series)]
        return Layout(named[0], tuple(targets or ()), named[1], tuple(covariates or ()))

    def read_again(path: str | None, *columns: Any) -> str:
        return note(arranged(tables.read(path), layout_of(*columns)).told)

    def run(
        path: str | None,
        time: str,
        series: str,
        targets: list[str],
        covariates: list[str],
        horizon: int,
        coverage: float,
        epochs: int,
        request: gr.Request,
    ) -> Any:
        data = arranged(tables.read(path), layout_of(time, series, targets, covariates))
        job = jobs.begin(
            request.session_hash, lambda job: forecast(job, data, int(horizon), coverage / 100, int(epochs))
        )
        for now in job.watch():
            yield progress(now), *(gr.skip(),) * 7
        found: Forecast = job.result()
        path_of_table = results.new() / "forecast.csv"
        found.table.to_csv(path_of_table, index=False)
        name = found.names[0]
        yield (
            "".join(map(note, found.notes)),
            found,
            gr.Dropdown(found.names, value=name, visible=len(found.names) > 1),
            gr.Plot(draw(found, name), visible=True),
            _scores(found, name),
            _spoken(found, name),
            gr.DownloadButton(value=str(path_of_table), interactive=True),
            note(data.told),
        )

    def show(found: Forecast | None, name: str) -> tuple[Any, ...]:
        if found is None or name not in found.names:
            return (gr.skip(),) * 3
        return draw(found, name), _scores(found, name), _spoken(found, name)

    def halt(request: gr.Request) -> str:
        return note("Stopping …" if jobs.stop(request.session_hash) else "Nothing of yours is running.")

    def take(name: str) -> Any:
        return gr.skip() if name == _NONE else str(tables.write_example(name, results.new()))

    columns = [time, series, targets, covariates]
    settings = [file, *columns, horizon, coverage, epochs]
    outputs = [state, kept, shown, figure, scores, spoken, download, how]
    private: dict[str, Any] = dict(api_visibility="private", show_progress="hidden")
    example.input(in_sentences(take), example, file, **private)
    file.change(in_sentences(read), file, [how, *columns], api_name="read_table", show_progress="hidden").success(
        in_sentences(_if_there(run)), settings, outputs, **private
    )
    again.click(in_sentences(read_again), [file, *columns], how, **private)
    begin.click(in_sentences(run), settings, outputs, api_name="forecast", show_progress="hidden")
    stop.click(halt, None, state, api_name="stop_forecast", show_progress="hidden")
    shown.input(in_sentences(show), [kept, shown], [figure, scores, spoken], **private)


def _if_there(run: Any) -> Any:
    """``run``, once there is a file."""

    def run_if_there(
        path: str | None, time: Any, series: Any, targets: Any, covariates: Any, h: Any, c: Any, e: Any, r: gr.Request
    ) -> Any:
        if path:
            yield from run(path, time, series, targets, covariates, h, c, e, r)

    return run_if_there


def _scores(found: Forecast, name: str) -> str:
    if found.backtest is None:
        return ""
    s, tested = found.backtest.scores, found.tested(name)
    several = len(found.names) > 1
    from timeseries.evaluation import score_panel

    naive = score_panel(found.backtest.held_out, found.backtest.naive)[0]["MASE"]
    header, rows = ["backtest"], [["JumboForecaster"], ["seasonal naive"]]
    if tested is not None:
        place = [str(n) for n in found.backtest.held_out.names].index(name)
        header.append(f"MASE of {name}")
        rows[0].append(_number(tested[3]))
        rows[1].append(_number(float(naive[place])))
    if several or tested is None:
        header.append("mean MASE of all")
        rows[0].append(_number(s.mase))
        rows[1].append(_number(s.naive_mase))
    return table(
        header,
        rows,
        f"The last {len(found.backtest.held_out.steps)} steps were held out. MASE: mean error in units of the mean "
        f"error of the seasonal naive forecast (season of {found.backtest.held_out.season}) within the past; lower is "
        f"better. {s.coverage[found.coverage]:.0%} of the values lay in the {found.coverage:.0%} interval.",
    )


def _number(value: float) -> str:
    return "unknown" if value != value else f"{value:.3f}"


def _spoken(found: Forecast, name: str) -> str:
    rows = [[expert.replace("_", " "), f"{weight:.0%}"] for expert, weight in found.spoken(name)]
    return table(["who spoke", "weight"], rows[:8], f"Weights in the forecast of {name}, averaged over the horizon")
