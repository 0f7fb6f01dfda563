"""The README and the pages tell the truth: their figures are those of the raw files."""

import json
import re
import shlex
from pathlib import Path
from statistics import mean, median, stdev

import pytest

from tests.conftest import imported_tool

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "docs" / "benchmarks"


def page(name: str) -> str:
    """A page of docs/ by its name, or the README."""
    return (ROOT / "README.md" if name == "README" else ROOT / "docs" / f"{name}.md").read_text()


def words_of(name: str) -> str:
    """A page without its line breaks."""
    return " ".join(page(name).split())


def results(name: str) -> dict:
    records = json.loads((BENCHMARKS / name).read_text())["results"]
    return {(r["model"].split("_")[0], r["img_size"], r["batch_size"], r["dtype"]): r for r in records}


@pytest.mark.parametrize("preset", ["pico", "nano", "tiny", "small", "base"])
def test_speed_table_is_the_raw_files(preset):
    (row,) = re.findall(rf"^\| {preset} \|(.*)\|$", page("benchmarks"), flags=re.M)
    raw = results(f"cpu_{preset}.json")
    batches = [b for b in (16, 64) if ("jumbo", 224, b, "float32") in raw]
    for cell, batch in zip(row.split("|"), batches, strict=False):
        ratio = raw["jumbo", 224, batch, "float32"]["ratio"]
        assert cell.strip() == "{median:.3f} [{q1:.3f}, {q3:.3f}]".format(**ratio)
    ours, theirs = (raw[m, 224, batches[-1], "float32"]["peak_memory_bytes"] / 2**20 for m in ("jumbo", "registers"))
    assert f"{ours:.0f} / {theirs:.0f} MiB" in row


def test_figures_in_the_text_are_the_raw_files():
    text = words_of("benchmarks")
    sizes = results("cpu_tiny_sizes.json")
    small, large = (sizes["jumbo", size, 1, "float32"]["ratio"]["median"] for size in (224, 1024))
    assert f"tiny runs at {small:.3f} of the speed of its registers twin, at 1024 pixels at {large:.3f}" in text
    memory = [sizes["jumbo", s, 1, "float32"]["peak_memory_bytes"] / 2**20 for s in (224, 384, 512, 768, 1024)]
    assert "{:.0f}, {:.0f}, {:.0f}, {:.0f} and {:.0f} MiB for tiny".format(*memory) in text
    raw = results("cpu_small_bfloat16.json")
    rates = [raw["jumbo", 224, 16, dtype]["images_per_s"]["median"] for dtype in ("bfloat16", "float32")]
    assert f"small ran at {rates[0] / rates[1]:.3f} of its float32 speed" in text


def test_speed_in_bfloat16_and_compiled_is_the_raw_file():
    text = words_of("benchmarks")
    records = json.loads((ROOT / "docs" / "results" / "speed.json").read_text())["results"]
    sentences = dict(
        bfloat16="run at {} to {} and base at {}", compiled="run at {} to {} of their compiled twins and base at {}"
    )
    for mode, told in sentences.items():
        ratios = {
            r["cell"]["preset"]: r["figures"]["results"][1]["ratio"]["median"]
            for r in records
            if r["cell"]["setting"] == f"224 px, batch 16, {mode}"
        }
        base = ratios.pop("base")
        assert len(ratios) == 4
        assert told.format(*(f"{r:.3f}" for r in (min(ratios.values()), max(ratios.values()), base))) in text


def test_figures_of_segmentation_are_the_raw_files():
    text = words_of("segmentation")
    ours = {}
    for name in ("train_128", "train_512", "slide_480x360", "slide_1024x1024"):
        ours[name] = json.loads((BENCHMARKS / f"cpu_segmentation_{name}.json").read_text())["results"][1]
    times = [ours[name]["time_ratio"]["median"] for name in ("train_128", "train_512")]
    memory = [ours[name]["memory_ratio"]["value"] for name in ("train_128", "train_512")]
    assert f"with 128 channels {times[0]:.3f} of the time and {memory[0]:.3f} of the peak memory" in text
    assert f"with 512 channels {times[1]:.3f} and {memory[1]:.3f}" in text
    assert f"{ours['slide_480x360']['time_ratio']['median']:.3f} of the time of mmsegmentation's one-by-one" in text
    assert f"at 1024×1024 {ours['slide_1024x1024']['time_ratio']['median']:.3f}" in text
    peaks = {}
    for size in ("480x360", "1024x1024"):
        runs = json.loads((BENCHMARKS / f"cpu_segmentation_slide_{size}.json").read_text())["results"]
        peaks[size] = [r["peak_memory_bytes"] / 2**20 for r in reversed(runs)]  # ours, theirs
    assert "Eight windows at once take {:.0f} MiB where its one takes {:.0f};".format(*peaks["480x360"]) in text
    assert "at 1024×1024, where logits count most, {:.0f} against {:.0f}.".format(*peaks["1024x1024"]) in text


def test_the_estimate_of_the_whole_recipe_is_the_raw_file():
    text = words_of("segmentation")
    runs = json.loads((BENCHMARKS / "ade20k_flops.json").read_text())["results"]
    flops = [r["flops"] for r in runs]
    assert [r["name"] for r in runs] == ["tiny", "small", "base"]
    assert (
        "takes {:.0f}, {:.0f} and {:.0f} GFLOPs (tiny, small, base, counted)".format(*(f / 1e9 for f in flops)) in text
    )
    assert f"160k steps of batch 16 are about {16 * 160_000 * flops[1] / 1e18:.1f} EFLOPs for small" in text


def test_figures_of_the_demo_are_the_raw_file():
    told = json.loads((BENCHMARKS / "cpu_scenes.json").read_text())
    text = (
        "seed {seed}, one run): mIoU {ours:.1f} after {iterations} iterations in {minutes:.1f} minutes on two cores; "
        "always the commonest class {classes:.1f}, the commonest at each place {place:.1f}, "
        "a random forest of each pixel's colour {colour:.1f}."
    )
    names = dict(zip(("ours", "classes", "place", "colour"), told["mIoU"].values(), strict=True))
    assert text.format(**{k: told[k] for k in ("seed", "iterations", "minutes")}, **names) in words_of("segmentation")


def test_figures_of_camvid_are_the_raw_file():
    text = words_of("segmentation")
    runs = json.loads((BENCHMARKS / "cpu_camvid.json").read_text())["results"]
    mious = {}
    for run in runs:
        mious.setdefault(run["name"], []).append(run["mIoU"])
    ours, theirs = mious["jumbo"], mious["registers"]
    assert len(ours) == len(theirs) == 3
    listed = [", ".join(f"{m:.1f}" for m in seeds) for seeds in (ours, theirs)]
    means = [f"{mean(seeds):.1f}" for seeds in (ours, theirs)]
    assert f"mIoU {listed[0]} against {listed[1]}, in the mean {means[0]} (s.d. {stdev(ours):.1f})" in text
    assert f"against {means[1]} ({stdev(theirs):.1f})" in text
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    assert f"Jumbo's lead is {mean(gaps):+.1f} ± {stdev(gaps) / 3**0.5:.1f} points" in text

    def both(length: str, started: str = "") -> tuple[float, float]:
        return mean(mious[f"jumbo{length}{started}"]), mean(mious[f"registers{length}"])

    longer, shorter = both(", 1400 iterations"), both(", 1100 iterations", ", readout from zero")
    told = "After 1400 iterations it is {:.1f} against {:.1f}, after 1100 {:.1f} against {:.1f}"
    assert told.format(*longer, *shorter) in text
    at_random, _ = both(", 1100 iterations")
    assert f"as it began until then, it was {at_random:.1f}" in text
    elsewhere = both(", stride 64 on the Xeon")
    assert "a Xeon gave {:.1f} against {:.1f}".format(*elsewhere) in text
    assert f"in place of the lattice {mious['jumbo, loss on every pixel'][0]:.1f}" in text
    times = [[r[key] for r in runs if r["name"] == "jumbo"] for key in ("cpu_seconds", "loader_cpu_seconds")]
    (low, high), (least, most) = ((min(t), max(t)) for t in times)
    assert f"A run takes {low} to {high} s of the EPYC's processor time, and {least} to {most} s of its data" in text


def test_figures_of_time_series_are_the_raw_files():
    text = words_of("forecasting")
    raw = {
        part: json.loads((BENCHMARKS / f"cpu_timeseries_{part}.json").read_text())["results"]
        for part in ("epoch", "predict", "memory", "long_horizon", "small")
    }
    with imported_tool("benchmark_timeseries") as tool:
        for row in tool.small_table(raw["small"]):
            assert "| " + " | ".join(row) + " |" in page("forecasting")
    settings = {}
    for run in raw["long_horizon"]:
        assert run["params"] == {} and run["threads"] == 1  # default arguments
        settings.setdefault("{data} {context_length} → {horizon}".format(**run), []).append(run)
    for setting, runs in settings.items():
        figures = [f"{mean(r[k] for r in runs):.4f}" for k in ("mse", "mae", "mse_drop_last", "mae_drop_last")]
        figures += [f"{100 * mean(r[k] for r in runs):.1f}" for k in ("coverage_80", "coverage_95")]
        figures.append(f"{mean(r['fit_seconds'] for r in runs):.0f}")
        seeds = sorted(r["seed"] for r in runs)
        assert "| " + " | ".join([setting, str(len(seeds)), *figures]) + " |" in page("forecasting")
        assert seeds == list(range(len(seeds)))

    _, defaults, plain, dropped = raw["epoch"]
    share = {r["model"]: r["share_of_cpu_time"]["median"] for r in raw["epoch"]}
    ours = [share["patchtst, dropout 0.3"], share["patchtst"]]
    told = (
        "takes {:.2f} of the processor time of PatchTST with the dropout of its script, and {:.2f} of its time without"
    )
    assert told.format(*ours) in text
    used = [quotient(defaults, other) for other in (dropped, plain)]
    assert "default patches (21 steps) and two blocks, it takes {:.2f} and {:.2f}".format(*used) in text

    (predict,) = raw["predict"]
    rates = [predict[k]["median"] for k in ("series_per_cpu_s", "series_per_s")]
    assert "{:,.0f} series per second of processor time, {:,.0f} per second of wall-clock time".format(*rates) in text
    (memory,) = raw["memory"]
    peak, before = memory["bytes"] / 1e9, memory["bytes_before"] / 1e9
    assert f"takes at most {peak:.2f} GB; {before:.2f} GB of this is used before the fit" in text


def test_figures_of_classification_are_the_raw_file():
    text = words_of("classification")
    results = json.loads((BENCHMARKS / "cpu_classification.json").read_text())["results"]
    runs = {}
    for run in results:
        assert run["params"] == {}  # default arguments
        runs.setdefault((run["problem"], run["model"]), []).append(run)

    def figure(problem, model, name):
        values = [run[name] for run in runs[problem, model] if name in run]
        return f"{mean(values):.3f}" if values else "–"

    problems = [problem for problem, model in runs if model == "jumbo"]
    columns = [("jumbo", "accuracy"), ("minirocket", "accuracy")]
    columns += [("jumbo", "accuracy_convolutions"), ("jumbo", "accuracy_tokens")]
    for problem in problems:
        ours = runs[problem, "jumbo"]
        name = problem if len(ours) == 3 else f"{problem} (seed 0)"
        cells = [name, ours[0]["train"], *(figure(problem, *column) for column in columns)]
        cells.append(f"{mean(r['fit_seconds'] for r in ours):.0f}")
        assert "| " + " | ".join(map(str, cells)) + " |" in page("classification")
    both = [p for p in problems if len(runs[p, "jumbo"]) == 3 and "accuracy" in runs[p, "minirocket"][0]]
    means = [f"{mean(r[name] for p in both for r in runs[p, model]):.3f}" for model, name in columns]
    told = "| **mean of the {} that both take** | | **{}** | **{}** | {} | {} | |".format(len(both), *means)
    assert told in page("classification")
    by_seed = [
        ", ".join(f"{mean(runs[p, model][seed]['accuracy'] for p in both):.3f}" for seed in range(3))
        for model in ("jumbo", "minirocket")
    ]
    assert "means of the three seeds are {} against {}".format(*by_seed) in text


def test_figures_of_channel_mixing_are_the_raw_file():
    text = words_of("forecasting")
    results = json.loads((BENCHMARKS / "channel_mixing.json").read_text())["results"]

    def figures(data, mixing, digits):
        runs = sorted((r["seed"], r["mse"]) for r in results if (r["data"], r["channel_mixing"]) == (data, mixing))
        assert [seed for seed, _ in runs] == [0, 1]
        return " and ".join(f"{mse:.{digits}f}" for _, mse in runs)

    assert f"MSE {figures('ETTh1', False, 4)} without, {figures('ETTh1', True, 4)} with it on ETTh1" in text
    exchange = [figures("exchange_rate", mixing, 4) for mixing in (False, True)]
    assert "{} against {} on exchange rates".format(*exchange) in text
    assert f"({figures('synthetic', False, 3)} against {figures('synthetic', True, 3)})" in text
    seconds = {(r["data"], r["seed"], r["channel_mixing"]): r["cpu_seconds_per_epoch"] for r in results}
    more = [100 * (s / seconds[d, n, False] - 1) for (d, n, m), s in seconds.items() if m and d != "synthetic"]
    assert f"at {min(more):.0f} to {max(more):.0f} % more time" in text


def quotient(ours: dict, theirs: dict) -> float:
    """The median over the rounds."""
    return median(a / b for a, b in zip(ours["cpu_seconds"], theirs["cpu_seconds"], strict=True))


def test_figures_of_pretraining_are_the_raw_file():
    raw = json.loads((BENCHMARKS / "pretraining.json").read_text())
    for name, problem in raw["classification"]["problems"].items():
        (row,) = re.findall(rf"^\| {name}: (.*)\|$", page("classification"), flags=re.M)
        assert f"{problem['labelled']} " in row
        assert all(f" {mean(problem[how]):.3f} " in row for how in ("scratch", "pretrained"))
    (row,) = re.findall(r"^\| ETTh1 192→96: (.*)\|$", page("forecasting"), flags=re.M)
    for how in ("scratch", "pretrained"):
        mse, mae = (mean(raw["forecasting"][score][how]) for score in ("mse", "mae"))
        assert f"{mse:.3f} / {mae:.3f}" in row
    first, last = (mean(raw["forecasting"]["reconstruction_loss"][f"{e}_epoch"]) for e in ("first", "last"))
    assert f"from {first:.2f} to {last:.2f} of the variance" in words_of("forecasting")


@pytest.mark.parametrize("kind", ["segmentation", "series"])
def test_tables_of_budgets_are_the_raw_files(kind):
    pytest.importorskip("sktime")
    told = json.loads((BENCHMARKS / f"cpu_budgets_{kind}.json").read_text())
    with imported_tool("benchmark_budgets") as tool:
        words = shlex.split(told["command"])[2:]
        assert words[0] == kind
        for row in tool.table(told["results"], tool.parse_args(words)):
            assert "| " + " | ".join(row) + " |" in page("budgets")
    assert (BENCHMARKS / f"cpu_budgets_{kind}.png").is_file() and f"cpu_budgets_{kind}.png" in page("budgets")


def test_what_elastic_training_costs_is_the_raw_file():
    results = json.loads((BENCHMARKS / "cpu_budgets_segmentation.json").read_text())["results"]
    metrics, times = results["metrics"], results["times"]
    full = {"keep_rate": 1.0, "resolution": None}

    def behind(elastic, alone, iterations, seeds=(0, 1, 2)):
        """Points of mIoU at the full budget, the mean over seeds."""
        mious = [
            {m["run"]["seed"]: m["metric"] for m in metrics if m["tested"] == full and m["run"].items() >= run.items()}
            for run in (
                dict(kind=elastic, trained=None, iterations=iterations),
                dict(kind=alone, trained=full, iterations=iterations),
            )
        ]
        assert sorted(mious[0]) == sorted(mious[1]) == [0, 1, 2]
        return mean(mious[1][seed] - mious[0][seed] for seed in seeds)

    text = words_of("budgets")
    ahead = []
    for tested in (dict(keep_rate=k, resolution=r) for k in (1.0, 0.7, 0.5) for r in (None, 5 / 7)):
        of = [m for m in metrics if m["tested"] == tested and m["run"]["iterations"] == 1250]
        kinds = (dict(kind="elastic", trained=None), dict(kind="alone", trained=tested))
        mious = [[m["metric"] for m in of if m["run"].items() >= kind.items()] for kind in kinds]
        assert [len(m) for m in mious] == [3, 3]
        ahead.append(mean(mious[0]) - mean(mious[1]))
    assert f"{min(ahead):+.1f} to {max(ahead):+.1f} points in the mean" in text
    reduced, smaller = both = [dict(keep_rate=k, resolution=r) for k, r in ((0.5, None), (1.0, 5 / 7))]
    ms = [t["seconds"]["median"] for b in both for t in times if (t["part"], t["tested"]) == ("backbone", b)]
    own = [m for m in metrics if m["run"].items() >= dict(kind="elastic", iterations=1250).items()]
    gain = mean(m["metric"] for m in own if m["tested"] == reduced) - mean(
        m["metric"] for m in own if m["tested"] == smaller
    )
    assert f"takes {ms[0] / ms[1]:.1f} times the backbone's time of 0.714" in text
    assert f"is {gain:.1f} points better" in text
    twins = behind("elastic, twins teach at a quarter of the weight", "alone", 1250)
    assert f"it was {twins:.1f} points behind" in text
    assert f"run afterwards, has {-behind('elastic', 'alone', 1250, seeds=[2]):+.1f} at" in text
    assert f"at the weight of the labels {behind('elastic', 'alone', 1100):.1f} points" in text
    assert f"resolutions alike {behind('elastic, small_weight=1', 'alone, on the Xeon', 1100):.1f}." in text


@pytest.mark.parametrize("kind", ["segmentation", "series"])
def test_tables_of_committees_are_the_raw_files(kind):
    told = json.loads((BENCHMARKS / f"cpu_committees_{kind}.json").read_text())
    with imported_tool("benchmark_committees") as tool:
        for row in tool.MEASURE[kind][1](told["results"]):
            assert "| " + " | ".join(row) + " |" in page("committees")
    if kind == "segmentation":
        behind = mean(100 * (r["members"][0] - r["members"][1]) for r in told["results"] if not r["ensemble"])
        assert f"alone it is {-behind:.1f} points behind" in words_of("committees")
    if kind == "series":
        lost = [100 * (r["accuracy"]["cascade"] - r["accuracy"]["last"]) for r in told["results"]]
        sentence = f"is {mean(lost):+.1f} ± {stdev(lost) / len(lost) ** 0.5:.1f} points from the whole"
        assert sentence in words_of("committees")
        first, unseen = (mean(part) for part in (lost[:12], lost[12:]))
        assert f"difference {unseen:+.1f}, that of the twelve {first:+.1f})" in words_of("committees")


def test_committees_of_networks_alone_are_the_raw_file():
    results = json.loads((BENCHMARKS / "cpu_committees_networks.json").read_text())["results"]
    with imported_tool("benchmark_committees") as tool:
        for row in tool.table_series(results)[-4:]:
            assert "| " + " | ".join(row) + " |" in page("committees")
    doubled = [r["accuracy"] for r in results if r["committee"] == "doubled"]
    ahead = [100 * (a["two"] - a["wide"]) for a in doubled]
    assert f"are {mean(ahead):.1f} ± {stdev(ahead) / len(ahead) ** 0.5:.1f} points better" in words_of("committees")


def test_price_of_routing_is_the_raw_file():
    (record,) = json.loads((BENCHMARKS / "cpu_committees_routing.json").read_text())["results"]
    assert f"takes {record['share_of_member']['median']:.1%} of the time of a pico model" in words_of("committees")


def test_speed_of_keep_rates_is_the_raw_files():
    ratios = []
    for machine in ("xeon", "epyc"):
        _, *reduced = json.loads((BENCHMARKS / f"cpu_keep_rates_{machine}.json").read_text())["results"]
        assert [r["keep_rate"] for r in reduced] == [0.7, 0.5]
        ratios += [r["ratio"]["median"] for r in reduced]
    text = "of its speed with keep rate 0.7 and at {:.3f} with 0.5 on a Xeon, at {:.3f} and {:.3f} on an EPYC"
    assert "runs at {:.3f} ".format(*ratios) + text.format(*ratios[1:]) in words_of("budgets")


def test_what_the_results_say_is_said_of_them():
    text = words_of("benchmarks")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in page("results").splitlines()]
    verdicts = {(row[0], row[2]): row[-1] for row in rows if len(row) == 9}
    assert verdicts["peers_forecasting", "NLinear, least squares"] == "better"
    assert verdicts["peers_series", "InceptionTime"] == "better"
    assert verdicts["peers_series", "MiniRocket"] == "not told apart"
    others = {who: told for who, told in verdicts.items() if who[0].startswith("architecture")}
    assert len(others) >= 9 and set(others.values()) <= {"not told apart", "too few pairs to tell"}

    records = json.loads((ROOT / "docs" / "results" / "architecture_segmentation.json").read_text())["results"]
    found = {(r["cell"]["width"], r["cell"]["seed"], r["cell"]["model"]): r["figures"]["mIoU"] for r in records}
    gains = {key[:2]: v - found[*key[:2], "registers"] for key, v in found.items() if key[2] == "jumbo"}
    narrow, wide = ([g for (width, _), g in gains.items() if (width == "pico") == is_pico] for is_pico in (True, False))
    assert min(narrow) > 0 > max(wide) and len(narrow) == len(wide) == 3
    assert f"ahead of registers by {mean(narrow):.1f} ± {stdev(narrow) / 3**0.5:.1f} points at each of three" in text
    assert f"behind by {-mean(wide):.1f} ± {stdev(wide) / 3**0.5:.1f} at each of three runs" in text
    (claim,) = [row for row in rows if row[0] == "narrower patches gain more"]
    assert f"(rank correlation {claim[3]}, p = {claim[4]})" in text and claim[-1] == "not told"


def test_figures_of_the_first_page_are_the_raw_files():
    text = words_of("README")
    ratios = [
        results(f"cpu_{preset}.json")["jumbo", 224, 64, "float32"]["ratio"]["median"]
        for preset in ("pico", "nano", "tiny", "small")
    ]
    assert "pico {:.3f}, nano {:.3f}, tiny {:.3f} and small {:.3f} times".format(*ratios) in text
    mious = {}
    for run in json.loads((BENCHMARKS / "cpu_camvid.json").read_text())["results"]:
        mious.setdefault(run["name"], []).append(run["mIoU"])
    ours, theirs = mious["jumbo"], mious["registers"]
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    assert f"mIoU {mean(ours):.1f} against {mean(theirs):.1f} with registers" in text
    assert f"a lead of {mean(gaps):+.1f} ± {stdev(gaps) / 3**0.5:.1f} points" in text
    # tables that other tests check against the raw files
    behind = re.search(r"behind by ([\d.]+ ± [\d.]+)", words_of("benchmarks"))[1]
    assert f"Jumbo is behind by {behind}" in text
    ours, theirs = re.search(r"both take\*\* \| \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)", page("classification")).groups()
    assert f"{ours} against MiniRocket's {theirs} in the mean of 16 problems" in text


def test_the_first_page_is_short():
    assert len(page("README").splitlines()) <= 150
