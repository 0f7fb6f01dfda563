"""The page of a comparison, made of its raw results alone (see compare.py)."""

import json
import math
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from compare_experiments import Experiment, places, several
from compare_plots import norms_of_patches, ranks_on_a_line
from compare_stats import critical_difference, mean_ranks, paired, trend
from compare_text import machine, picture, table
from compare_timings import growth, program
from gpu_page import gpu_section

from jumbo_backbone.files import replacing

HEADING = "# Results\n"
REDUCED = """\
**Reduced**: of each experiment a few runs, trained for a moment. They show that all of it works, not how well it does.
"""
INTRODUCTION = """\
Every table and picture below is made by `python tools/research/compare.py report` of the raw results in {folder}, one
JSON file an experiment, with every run's settings, machine, versions and commit. `python tools/research/compare.py run`
makes what has not been run yet. Means are over seeds, with their standard deviation where there are several.

At a glance, ours (jumbo) against each other model, problem by problem or seed by seed; differences are positive where
ours is better:
"""


def write_report(experiments: list[Experiment], out: Path, page: Path, quick: bool) -> None:
    """Write ``page`` (Markdown) and its pictures, which go beside the raw results."""
    parts, glance = [], [["experiment", "metric", "against", *VERDICT]]
    for experiment in experiments:
        path = out / f"{experiment.name}.json"
        told = json.loads(path.read_text()) if path.exists() else dict(machines=[], results=[])
        records = [r for r in told["results"] if any(run.is_in(r) for run in experiment.runs(quick))]
        parts += section(experiment, told["machines"], records, out, quick)
        if records and SECTIONS[experiment.kind] is scores:
            wide = by_model(experiment, chosen(experiment, records))
            glance += [[experiment.name, experiment.report["metric"], *row] for row in verdicts(experiment, wide)]
    parts = [
        HEADING,
        *[REDUCED] * quick,
        INTRODUCTION.format(folder=f"[{out.name}/]({out.name}/)"),
        table(glance),
        *parts,
        *([] if quick else gpu_section(out / "gpu.json")),
    ]
    page.parent.mkdir(parents=True, exist_ok=True)
    with replacing(page) as temporary:
        temporary.write_text("\n".join(parts).rstrip() + "\n")


def section(experiment: Experiment, machines: list[dict], records: list[dict], out: Path, quick: bool) -> Iterator[str]:
    """Paragraphs of one experiment."""
    runs = experiment.runs(quick)
    yield f"## {experiment.question}\n"
    if experiment.note:
        yield f"{textwrap.fill(' '.join(experiment.note.split()), 120)}\n"
    yield f"`{experiment.name}`, {len(records)} of {len(runs)} runs.\n"
    if records:
        numbers = {i: n for n, i in enumerate(sorted({r["machine"] for r in records}), start=1)}
        records = [r | dict(machine=numbers[r["machine"]]) for r in records]
        yield from SECTIONS[experiment.kind](experiment, records, out)
        yield "".join(f"{n}. {machine(machines[i])}\n" for i, n in numbers.items())
    if len(records) < len(runs):
        yield f"Not run: {not_run(experiment, records, quick)}.\n"


def not_run(experiment: Experiment, records: list[dict], quick: bool) -> str:
    """What is missing, whole levels first."""
    if not records:
        return "anything of it"
    missing = [run.cell for run in experiment.runs(quick) if not any(run.is_in(r) for r in records)]
    texts = []
    for factor in experiment.factors:
        had = {r["cell"][factor] for r in records}
        if levels := [v for v in dict.fromkeys(c[factor] for c in missing) if v not in had]:
            texts.append(f"{factor} {', '.join(map(str, levels))}")
            missing = [c for c in missing if c[factor] in had]
    if missing:
        texts.append(f"{len(missing)} other combinations")
    return "; ".join(texts)


# ---- scores of models


def scores(experiment: Experiment, records: list[dict], out: Path) -> Iterator[str]:
    """Models side by side, and the first of them paired with each other one."""
    told = experiment.report
    metric, ours = told["metric"], next(iter(experiment.factors["model"]))
    frame = chosen(experiment, records)
    frame["figure"] = told.get("scale", 1) * frame[metric]
    models = [m for m in experiment.factors["model"] if m in set(frame.model)]
    rows = told["rows"] if isinstance(told["rows"], list) else [told["rows"]]
    by_row = dict(list(frame.groupby(rows, sort=False)))
    columns = [c for c in experiment.factors[told["columns"]] if c in set(frame[told["columns"]])]

    def cells(some: pd.DataFrame) -> list[str]:
        return [spread(experiment, some.figure[some[told["columns"]] == c]) for c in columns]

    yield f"{metric}{' in per cent' * (told.get('scale') == 100)}, {told['better']} is better:\n"
    body = [[", ".join(map(str, name)), *cells(by_row[name])] for name in sorted(by_row, key=places(experiment, rows))]
    if rows != ["model"] and len(body) > 1:
        means = frame.pivot_table("figure", rows, told["columns"])[columns].dropna()
        body.append(
            [
                f"mean of the {len(means)} that all have",
                *(spread(experiment, means[c][:0], means[c].mean()) for c in columns),
            ]
        )
    yield table([[", ".join(rows), *map(str, columns)], *body])
    yield from published(experiment)
    if also := [name for name in told.get("also", ()) if name in frame]:
        have = frame.dropna(subset=["figure"]).groupby(rows).model.nunique() == len(models)
        shared = frame if rows == ["model"] else frame.set_index(rows).loc[have[have].index]
        means = shared.groupby("model")[also].mean().loc[models]
        yield (
            "Means over the runs of these:\n" if rows == ["model"] else f"Means over the {have.sum()} that all have:\n"
        )
        heading = ["model", *also, *["machine"] * several(records)]
        places_of = frame.groupby("model").machine.unique()
        body = []
        for m in models:
            cells = [f"{v:,.4g}" if v < 1e5 else f"{v:,.0f}" for v in means.loc[m]]
            body.append([m, *cells, *[", ".join(map(str, sorted(places_of[m])))] * several(records)])
        yield table([heading, *body])
    if len(models) > 1 and ours in models:
        wide = by_model(experiment, frame)
        for name, some in groups_of(experiment, wide):
            yield from compared(experiment, name, some, ours, out)
        yield from hypotheses(experiment, wide, ours)
    if "norm_quantiles" in frame:
        yield from norms(frame, out / f"{experiment.name}_norms.png")


def by_model(experiment: Experiment, frame: pd.DataFrame) -> pd.DataFrame:
    """A row a pair, a column a model, ours first."""
    models = [m for m in experiment.factors["model"] if m in set(frame.model)]
    wide = frame.pivot_table(experiment.report["metric"], experiment.report["pairs"], "model")[models]
    return (experiment.report.get("scale", 1) * wide).round(9)  # what is equal is a tie, however it was added up


VERDICT = ("pairs", "better / equal / worse", "mean difference", "95 % of it", "p (Wilcoxon)", "ours is")


def verdicts(experiment: Experiment, wide: pd.DataFrame) -> Iterator[list[str]]:
    """Ours against each other model, on the pairs that both have."""
    higher, digits = experiment.report["better"] == "higher", experiment.report.get("digits", 2)
    for other in wide.columns[1:]:
        both = wide[[wide.columns[0], other]].dropna()
        if not len(both):
            continue
        found = paired(*both.to_numpy().T, higher_is_better=higher)
        error = f" ± {found.error:.{digits}f}" if len(both) > 1 else ""
        yield [
            str(other),
            str(len(both)),
            f"{found.wins} / {found.ties} / {found.losses}",
            f"{found.mean:+.{digits}f}{error}",
            f"{found.low:+.{digits}f} … {found.high:+.{digits}f}" if len(both) > 1 else "-",
            "-" if found.p is None else f"{found.p:.3f}",
            found.verdict,
        ]


def spread(experiment: Experiment, values: pd.Series, mean: float | None = None) -> str:
    """Mean, and standard deviation if there are several."""
    digits, values = experiment.report.get("digits", 2), values.dropna()
    if mean is None and not len(values):
        return "-"
    deviation = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean() if mean is None else mean:.{digits}f}{deviation}"


def published(experiment: Experiment) -> Iterator[str]:
    """What others have reported, with where."""
    told = dict(experiment.report.get("published", {}))
    if told:
        source = told.pop("source")
        models = list(dict.fromkeys(model for row in told.values() for model in row))
        yield f"Published, not run here: {source}.\n"
        yield table([["", *models], *([name, *(str(row.get(m, "-")) for m in models)] for name, row in told.items())])


def chosen(experiment: Experiment, records: list[dict]) -> pd.DataFrame:
    """A row a run; of those that differ in the factors to choose among, the one that did best in validation."""
    frame = pd.DataFrame([{**r["cell"], **r["figures"], "machine": r["machine"]} for r in records])
    choose = experiment.report.get("choose")
    if choose is None:
        return frame
    by = [f for f in experiment.factors if f not in choose["among"]]
    first = frame[choose["by"]].astype(float).fillna(math.inf).groupby([frame[f] for f in by], sort=False).idxmin()
    return frame.loc[first].reset_index(drop=True)


def groups_of(experiment: Experiment, wide: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """All problems, and the groups that the experiment names."""
    yield "", wide
    for name, members in experiment.report.get("groups", {}).items():
        some = wide[wide.index.isin(members)]
        if len(some):
            yield name, some


def compared(experiment: Experiment, name: str, wide: pd.DataFrame, ours: str, out: Path) -> Iterator[str]:
    """Ours against each other model on the pairs that both have, and ranks on those that all have."""
    higher = experiment.report["better"] == "higher"
    where = f", {name}" if name else ""
    yield table([[f"{ours} against{where}", *VERDICT], *verdicts(experiment, wide)])
    complete = wide.dropna()
    if not experiment.report.get("ranks") or len(complete) < 3:
        return
    ranks = mean_ranks(complete.to_numpy(), higher_is_better=higher)
    listed = ", ".join(f"{model} {rank:.2f}" for model, rank in zip(wide.columns, ranks, strict=True))
    yield f"Mean ranks on {len(complete)} problems{where}: {listed}.\n"
    if not name:
        difference = critical_difference(len(ranks), len(complete))
        figure = ranks_on_a_line(list(map(str, wide.columns)), ranks, difference)
        yield picture(figure, out / f"{experiment.name}_ranks.png", "mean ranks and critical difference")


def hypotheses(experiment: Experiment, wide: pd.DataFrame, ours: str) -> Iterator[str]:
    """Whether what ours gains rises or falls with something, as somebody has claimed."""
    claims = experiment.report.get("hypotheses", {})
    sign = 1 if experiment.report["better"] == "higher" else -1
    rows = [["hypothesis", "against", "pairs", "rank correlation", "p", "it is"]]
    for claim, told in claims.items():
        both = wide[[ours, told["against"]]].dropna() if told["against"] in wide else wide[:0]
        gains = sign * (both.iloc[:, 0] - both.iloc[:, -1])
        sizes = [told["sizes"][level] for level in both.index.get_level_values(told["over"])]
        try:
            correlation, p = trend(np.array(sizes), gains.to_numpy())
        except ValueError:
            rows.append([claim, told["against"], str(len(both)), "-", "-", "not tested: too few runs"])
            continue
        agrees = (correlation > 0) == (told["gain"] == "rises")
        verdict = "not told" if not p < 0.05 else "borne out" if agrees else "contradicted"
        rows.append([claim, told["against"], str(len(both)), f"{correlation:+.2f}", f"{p:.3f}", verdict])
    if claims:
        yield table(rows)


def norms(frame: pd.DataFrame, path: Path) -> Iterator[str]:
    """Lengths of the patch tokens: artefacts are many times as long as the others."""
    frame = frame[frame.norm_quantiles.notna()]
    rows = [["patch tokens of", "99 % / median", "99.9 % / median", "longest / median"]]
    for model, runs in frame.groupby("model", sort=False):
        q = np.array(runs.norm_quantiles.tolist())
        rows.append([str(model), *(f"{v:.2f}" for v in (q[:, 7:] / q[:, 4:5]).mean(axis=0))])
    yield "Lengths of the patch tokens after the last block; artefacts would be several times as long as the median:\n"
    yield table(rows)
    figure = norms_of_patches(frame.drop_duplicates("model").set_index("model").to_dict("index").items())
    what = "distribution of the lengths of patch tokens, and a map of one image"
    yield picture(figure, path, what)


SECTIONS: dict[str, Callable[[Experiment, list[dict], Path], Iterator[str]]] = dict(
    segmentation=scores,
    pretraining=scores,
    finetuning=scores,
    adaptation=scores,
    classification=scores,
    forecasting=scores,
    growth=growth,
    program=program,
)
