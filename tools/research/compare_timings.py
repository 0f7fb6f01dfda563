"""Sections of the report on times: growth with the size of the data, and records of other programs."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from compare_experiments import Experiment, places, several
from compare_plots import growth_of_seconds, medians
from compare_stats import growth_exponent
from compare_text import picture, shown, table


def growth(experiment: Experiment, records: list[dict], out: Path) -> Iterator[str]:
    """Seconds over size, and the exponent of their growth; several devices have their own columns."""
    size = experiment.report["over"]
    devices = devices_of(experiment, records)
    frame = pd.DataFrame([{**r["cell"], **r["figures"]} for r in records])
    timed = {}
    for name, digits in (("fit_seconds", 2), ("predict_seconds", 3)):
        for device in devices:
            some = frame[frame.device == device] if device else frame
            what = labelled(name.removesuffix("_seconds"), device, devices)
            timed[what] = some.groupby(size)[name].mean(), digits
    sizes = sorted(set(frame[size]))
    cells = [[f"{s[n]:.{digits}f}" if n in s else "-" for s, digits in timed.values()] for n in sizes]
    yield table(
        [[size, *(f"{what} s" for what in timed)], *([f"{n:,}", *row] for n, row in zip(sizes, cells, strict=True))]
    )
    lines = {what: seconds for what, (seconds, _) in timed.items() if len(seconds) >= 3}
    if lines:
        fitted = {what: growth_exponent(s.index.to_numpy(), s.to_numpy()) for what, s in lines.items()}
        texts = [f"{what} grows as {size} to the power of {n:.2f} ± {error:.2f}" for what, (n, error) in fitted.items()]
        yield f"Over the whole range, {', '.join(texts)}.\n"
        figure = growth_of_seconds(lines, {what: n for what, (n, _) in fitted.items()}, size)
        yield picture(figure, out / f"{experiment.name}.png", f"seconds over {size}")


def program(experiment: Experiment, records: list[dict], out: Path) -> Iterator[str]:
    """What the program measured, by the columns that the experiment names: each the key of a figure, or that and the
    unit to show it in, for each of several devices if it is named in by_device. And a picture, if the experiment says
    what lines, x and y are to be."""
    told, devices = experiment.report, devices_of(experiment, records)
    records = sorted(records, key=lambda r: places(experiment, list(r["cell"]))(r["cell"].values()))
    factors = [f for f in experiment.factors if f not in ("seed", "device")]
    rows: dict[tuple, dict] = {}  # by levels and place among what the program told: what it told on each device
    for record in records:
        for i, result in enumerate(record["figures"]["results"]):
            here = rows.setdefault((*(str(record["cell"][f]) for f in factors), i), {})
            here[record["cell"].get("device")] = result | dict(machine=record["machine"])
    columns = []  # heading; key and unit; device, or None if all agree
    for name, column in told["columns"].items():
        spec = column if isinstance(column, dict) else dict(key=column)
        of = devices if name in told.get("by_device", ()) else [None]
        columns += [(labelled(name, device, of), spec, device) for device in of]
    body = []
    for (*levels, _), here in rows.items():
        first = next(iter(here.values()))
        results = [(first if device is None else here.get(device, {}), spec) for _, spec, device in columns]
        machines = ", ".join(str(n) for n in sorted({result["machine"] for result in here.values()}))
        cells = [shown(result.get(spec["key"]), spec.get("unit", 1)) for result, spec in results]
        body.append([*levels, *cells, *[machines] * several(records)])
    yield table([[*factors, *(name for name, _, _ in columns), *["machine"] * several(records)], *body])
    if plot := told.get("plot"):
        figure = medians(lines_of(records, plot, devices), plot["x"].replace("_", " "), plot["label"])
        yield picture(figure, out / f"{experiment.name}.png", plot["label"])


def lines_of(records: list[dict], plot: dict[str, str], devices: list) -> dict[str, list]:
    """Points (x, y) by line, of the factors and figures that a plot names."""
    lines: dict[str, list] = {}
    for record in records:
        for result in record["figures"]["results"]:
            known = result | record["cell"]
            name = labelled(known[plot["lines"]], record["cell"].get("device"), devices)
            lines.setdefault(name, []).append((known[plot["x"]], result[plot["y"]]))
    return lines


def devices_of(experiment: Experiment, records: list[dict]) -> list[str | None]:
    """On which devices there are records, in the order of the experiment's file; [None] if it does not tell."""
    there = {r["cell"].get("device") for r in records}
    return [d for d in experiment.factors.get("device", [None]) if d in there]


def labelled(what: str, device: str | None, devices: list) -> str:
    """A heading that names its device if there are several."""
    return f"{what}, {device}" if len(devices) > 1 else what
