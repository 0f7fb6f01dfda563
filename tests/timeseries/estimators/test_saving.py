"""What fit accepted is saved and says the same in a fresh process, whatever names, indices and labels it has."""

import datetime as dt
import json
import os
import pickle
import subprocess
import sys
import warnings
import zoneinfo
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from dateutil import tz
from safetensors import safe_open
from safetensors.numpy import save_file
from sktime.forecasting.base import ForecastingHorizon

from timeseries import JumboClassifier, JumboForecaster

SMALL = JumboForecaster.get_test_params()[0]
SMALL_CLASSIFIER = JumboClassifier.get_test_params()[0]
T = 40
WALKS = np.random.default_rng(0).normal(size=(T, 2)).cumsum(axis=0)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

LABELS = dict(
    strings=["a", "b"],
    integers=[3, 1],
    numpy=[np.int64(3), np.float32(1.5)],
    numpy_strings=[np.str_("x"), np.str_("y")],
    tuples=[("a", 1), ("b", 2)],
    floats=[0.5, 1.5],
    booleans=[False, True],
    timestamps=[pd.Timestamp("2020"), pd.Timestamp("2021")],
    zoned=[pd.Timestamp("2020", tz=BERLIN), pd.Timestamp("2021", tz=BERLIN)],
    periods=[pd.Period("2020-01"), pd.Period("2020-02")],
    durations=[pd.Timedelta("1h"), pd.Timedelta("2h")],
    dates=[dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
    intervals=[pd.Interval(0, 1), pd.Interval(1, 2)],
    nothing=[None, "b"],
)
INDICES = dict(
    range=pd.RangeIndex(5, 5 + 3 * T, 3),
    integers=pd.Index(np.arange(T) + 7, name="n"),
    bare_dates=pd.DatetimeIndex(list(pd.date_range("2020", periods=T))),
    nanoseconds=pd.date_range("2020", periods=T, unit="ns"),
    seconds=pd.date_range("2020", periods=T, unit="s"),
    zone=pd.date_range("2020-03-01", periods=T, tz="Europe/Berlin"),
    utc=pd.date_range("2020", periods=T, freq="h", tz="UTC"),
    fixed_zone=pd.date_range("2020", periods=T, freq="h", tz="+05:30"),
    dateutil_zone=pd.date_range("2020", periods=T, freq="h", tz=tz.tzoffset("X", 3600)),
    **{freq: pd.date_range("2020", periods=T, freq=freq, name="when") for freq in ("2h", "BME", "W-WED", "C", "SME")},
    **{
        f"period {freq}": pd.period_range("2020", periods=T, freq=freq, name=("t", 1))
        for freq in ("M", "2h", "W-WED", "Q-NOV")
    },
)


def forecaster(**arguments):
    return JumboForecaster(**{**SMALL, **dict(pretrained=None), **arguments})


def classifier(**arguments):
    return JumboClassifier(**{**SMALL_CLASSIFIER, **arguments})


def frame(columns=("a", "b"), index=None):
    return pd.DataFrame(WALKS, columns=columns, index=index)


def with_keys(keys, name):
    """A panel whose keys stay what they are."""
    levels = [pd.Index([key for key in keys for _ in range(T)], tupleize_cols=False), list(range(T)) * len(keys)]
    return pd.DataFrame(
        np.tile(WALKS, (len(keys), 1)), pd.MultiIndex.from_arrays(levels, names=[name, None]), ["a", "b"]
    )


def panel(index=None):
    index = pd.RangeIndex(T) if index is None else index
    parts = dict(p=frame(index=index), q=frame(index=index)[5:], r=frame(index=index)[:30])
    return pd.concat(parts, names=["shop", "time"])


def forecasters():
    """Fitted ones by name, and further arguments of ``predict``."""
    made = {}
    for kind, labels in LABELS.items():
        columns = pd.Index(labels, tupleize_cols=kind == "tuples")
        made[f"columns of {kind}"] = forecaster().fit(frame(columns), fh=[1, 3])
        made[f"a series named by {kind}"] = forecaster().fit(pd.Series(WALKS[:, 0], name=labels[0]), fh=[1, 3])
        if kind not in ("tuples", "nothing"):  # not taken by fit
            made[f"keys of {kind}"] = forecaster().fit(with_keys(labels, labels[0]), fh=[1, 3])
    named = pd.MultiIndex.from_product([["a"], [1, 2]], names=["x", None])
    made["named levels of columns"] = forecaster().fit(frame(named), fh=[1, 3])
    made["categories for columns"] = forecaster().fit(frame(pd.CategoricalIndex(["b", "a"], name="c")), fh=[1, 3])
    for kind, index in INDICES.items():
        made[f"series, {kind}"] = forecaster().fit(pd.Series(WALKS[:, 0], index=index), fh=[1, 3])
        if kind not in ("BME", "SME"):  # not taken by fit without a frequency
            made[f"panel, {kind}"] = forecaster().fit(panel(index), fh=[1, 3])
    for name, y in dict(
        array=WALKS[:, 0],
        table=WALKS,
        cube=np.stack([WALKS.T, WALKS.T]),
        tables=[frame(), frame()[:30]],
        nested=pd.DataFrame({"a": [pd.Series(w) for w in WALKS.T]}),
        hierarchy=pd.concat({("g", 1): frame(), ("h", 2): frame()}, names=["region", "shop", "time"]),
    ).items():
        made[name] = forecaster().fit(y, fh=[1, 3])
    dates = pd.date_range("2020", periods=T)
    later = ForecastingHorizon(pd.date_range("2020-02-12", periods=2), is_relative=False)
    made["absolute horizon"] = forecaster().fit(frame(index=dates), fh=later)
    made["updated"] = forecaster().fit(frame(index=dates)[:30], fh=[1, 3]).update(frame(index=dates)[30:])
    made["with a budget"] = forecaster(elastic=dict(keep_rates=(0.5, 0.7))).fit(frame(), fh=[1, 3]).set_budget(0.5)
    made["pretrained"] = forecaster(horizon=3).pretrain(panel()).fit(frame(), fh=[1, 3])
    made["with experts"] = forecaster(pretrained="synthetic").fit(frame(), fh=[1, 3])
    made["pretrained by masks"] = forecaster(horizon=3, pretraining="masked").pretrain(panel()).fit(frame(), fh=[1, 3])
    made["members"] = forecaster(n_members=2, random_state=np.random.RandomState(3)).fit(frame(), fh=[1, 3])
    made["steps of the past"] = forecaster(insample=True).fit(frame(), fh=[-3, 1])
    made["quantiles in an array"] = forecaster(quantiles=np.array([0.1, 0.5, 0.9])).fit(frame(), fh=[1, 3])
    fitted = {name: (one, {}) for name, one in made.items()}
    X = pd.DataFrame({("x", 1): np.arange(T + 3.0), ("x", 2): np.arange(T + 3.0) % 5})
    with_X = forecaster(past_covariates=[("x", 2)]).fit(frame(), X=X[:T], fh=[1, 3])
    return fitted | {"covariates": (with_X, dict(X=X[T:]))}


def series(n=12):
    X = np.random.default_rng(0).normal(size=(n, 2, 24))
    X[::2] += np.sin(np.arange(24))
    return X


def classifiers():
    """Fitted ones by name."""
    X, made = series(), {}
    times = LABELS["timestamps"]
    of_class = dict(
        strings=np.array(["u", "v"] * 6),
        integers=np.array([3, 1] * 6),
        booleans=np.array([True, False] * 6),
        floats=np.array([1.5, 0.5] * 6, dtype=np.float32),
        objects=np.array(["u", "v"] * 6, dtype=object),
        timestamps=pd.Series(times * 6, name="when"),
        zoned=pd.Series(LABELS["zoned"] * 6),
        dates=np.array(LABELS["dates"] * 6, dtype=object),
        bytes=np.array([b"u", b"v"] * 6),
        categories=pd.Series(pd.Categorical(["u", "v"] * 6)),
        tuples=pd.Series(LABELS["tuples"] * 6),
        one_class=np.array(["u"] * 12),
        one_time=pd.Series(times[:1] * 12),
        two_columns=pd.DataFrame({"a": [1, 2] * 6, ("b", 1): ["x", "y"] * 6}),
        one_class_in_a_column=pd.DataFrame({"a": [1, 1] * 6, "b": times * 6}),
    )
    for name, y in of_class.items():
        made[f"labels: {name}"] = classifier().fit(X, y)
    y = of_class["integers"]
    made["no convolutions"] = classifier(num_kernels=0, n_members=2).fit(X, y)
    made["committee"] = classifier(committee="kernels", validation=0.3).fit(X, y)
    made["weights by label"] = classifier(class_weight={1: 2.0, 3: 1}).fit(X, y)
    made["with a budget"] = classifier(num_kernels=0, elastic=True).fit(X, y).set_budget(0.5, 0.5)
    made["one class with a budget"] = classifier().fit(X, of_class["one_class"]).set_budget(0.5)
    made["two columns with a budget"] = classifier().fit(X, of_class["two_columns"]).set_budget(0.5)
    made["pretrained"] = classifier().pretrain(X).fit(X, y)
    return made


def answers(fitted, arguments):
    if isinstance(fitted, JumboClassifier):
        return fitted.predict(series()), fitted.predict_proba(series())
    return fitted.predict(**arguments), fitted.predict_interval(**arguments)


def answers_of_files(folder):
    """Of the estimators in a folder; or the error, in words."""
    found = {}
    for path in folder.glob("*.safetensors"):
        arguments = pickle.loads(path.with_suffix(".pkl").read_bytes())
        try:
            found[path.stem] = answers(globals()[path.stem.split("-")[0]].load(path), arguments)
        except Exception as error:
            found[path.stem] = repr(error)
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What all of them say, before, and in a process that knows nothing but their files; and the files."""
    folder = tmp_path_factory.mktemp("saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = forecasters() | {name: (one, {}) for name, one in classifiers().items()}
        before, paths = {}, {}
        for number, (name, (one, arguments)) in enumerate(fitted.items()):
            paths[name] = folder / f"{type(one).__name__}-{number}.safetensors"
            before[name] = answers(one, arguments)
            one.save(paths[name])
            paths[name].with_suffix(".pkl").write_bytes(pickle.dumps(arguments))
    command = [sys.executable, "-W", "ignore", __file__, str(folder)]
    subprocess.run(command, check=True, timeout=300, env=os.environ, cwd=Path(__file__).parents[3])
    after = pickle.loads((folder / "answers").read_bytes())
    return before, {name: after[path.stem] for name, path in paths.items()}, paths, fitted


def assert_same(after, before):
    assert type(after) is type(before), after
    if isinstance(before, (tuple, list)):
        assert len(after) == len(before)
        for a, b in zip(after, before, strict=True):
            assert_same(a, b)
    elif isinstance(before, pd.Series):
        pd.testing.assert_series_equal(after, before)
        assert after.index.names == before.index.names
    elif isinstance(before, pd.DataFrame):
        if isinstance(before.iloc[0, 0], pd.Series):  # nested
            assert_same(list(after.iloc[:, 0]), list(before.iloc[:, 0]))
            return
        pd.testing.assert_frame_equal(after, before, check_column_type=True)
        assert (after.index.names, after.columns.names) == (before.index.names, before.columns.names)
    else:
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, before)


def test_a_fresh_process_says_the_same(said):
    """One test for all, so that the process starts once; the names of those that differ are in its message."""
    before, after, *_ = said
    assert len(before) > 90
    wrong = {}
    for name in before:
        try:
            assert_same(after[name], before[name])
        except AssertionError as error:
            wrong[name] = str(error)[:300]
    assert not wrong


def test_parameters_come_back(said):
    for name, (one, _) in said[3].items():
        loaded = type(one).load(said[2][name])
        for parameter, value in one.get_params().items():
            back = loaded.get_params()[parameter]
            if not isinstance(value, (np.ndarray, np.random.RandomState)):
                assert back == value and type(back) is type(value), (name, parameter)


@pytest.mark.parametrize("name", ["series, zone", "panel, integers", "updated", "hierarchy", "pretrained by masks"])
def test_what_is_loaded_lives_on(said, name):
    one, loaded = said[3][name][0], JumboForecaster.load(said[2][name])
    y = {"series, zone": pd.Series(WALKS[:, 0], INDICES["zone"]), "panel, integers": panel(INDICES["integers"])}
    y |= {"updated": frame(index=pd.date_range("2020", periods=T)), "pretrained by masks": frame()}
    y = y.get(name, pd.concat({("g", 1): frame(), ("h", 2): frame()}, names=["region", "shop", "time"]))
    assert_same(loaded.predict(fh=[2, 9]), one.predict(fh=[2, 9]))
    assert_same(loaded.clone().fit(y, fh=[1]).predict(), one.clone().fit(y, fh=[1]).predict())
    both = [pickle.loads(pickle.dumps(estimator)) for estimator in (loaded, one)]
    for estimator in both:
        estimator.update(y)
    assert_same(*(estimator.predict() for estimator in both))


def test_loading_leaves_the_global_generator_alone(said):
    import torch

    before = torch.get_rng_state()
    JumboForecaster.load(said[2]["updated"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_forecast_has_the_columns_of_its_series(said):
    named = said[3]["named levels of columns"][0].predict().columns
    pd.testing.assert_index_equal(named, pd.MultiIndex.from_product([["a"], [1, 2]], names=["x", None]))


# ---- what cannot be saved, and what is no file of ours


class Own:
    def __lt__(self, other):
        return id(self) < id(other)


def test_what_only_code_can_make_is_refused_by_name(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(TypeError, match="Own object.*cannot be written as JSON: save by pickle instead"):
        forecaster(random_state=0, callbacks=None).set_params(past_covariates=[Own()])._packed()
    fitted = forecaster().fit(pd.Series(WALKS[:, 0], name=Own()), fh=[1])
    with pytest.raises(TypeError, match="Own object.*of type Own.*save by pickle instead, or give names of another"):
        fitted.save(path)
    labels = np.array([Own(), Own()] * 6, dtype=object)
    with pytest.raises(TypeError, match="Own object.*of type Own.*save by pickle instead"):
        classifier().fit(series(), labels).save(path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def parts(said):
    """Header and arrays of a file."""
    with safe_open(said[2]["updated"], framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["jumbo"]), arrays


def test_damaged_and_foreign_files_are_refused(said, parts, tmp_path):
    path = tmp_path / "m.safetensors"

    def refuses(match):
        with pytest.raises(ValueError, match=match):
            JumboForecaster.load(path)

    whole = said[2]["updated"].read_bytes()
    for damaged in (b"", b"text", whole[:-9], whole[: len(whole) // 2], os.urandom(500)):
        path.write_bytes(damaged)
        refuses("is not a complete safetensors file of an estimator")
    save_file(dict(a=np.ones(2)), path)
    refuses("holds other tensors, not a JumboForecaster")
    for told in ("[]", "1", '{"type": 3}'):
        save_file(dict(a=np.ones(2)), path, metadata=dict(jumbo=told))
        refuses("not a JumboForecaster")
    save_file(dict(a=np.ones(2)), path, metadata=dict(jumbo="{"))
    refuses("not a complete safetensors file")
    header, arrays = parts
    changes = [dict(params=dict(header["params"], unheard_of=1)), dict(state={"eval": "1"}), dict(state=None)]
    for change in [*changes, dict(params=dict(header["params"], depth=0))]:
        save_file(arrays, path, metadata=dict(jumbo=json.dumps(header | change)))
        refuses("is damaged, or was saved by a version that this one cannot read")
    absent = next(name for name in arrays if "linear.weight" in name)
    save_file({k: v for k, v in arrays.items() if k != absent}, path, metadata=dict(jumbo=json.dumps(header)))
    refuses(f"is damaged.*{absent}")
    save_file(arrays | {absent: np.ones((2, 2), dtype=np.float32)}, path, metadata=dict(jumbo=json.dumps(header)))
    refuses("(?s)is damaged.*size mismatch")
    save_file(arrays, path, metadata=dict(jumbo=json.dumps(header | dict(layout=3))))
    refuses("has layout 3, this version reads layouts up to 2")
    save_file(arrays, path, metadata=dict(jumbo=json.dumps(header)))
    JumboForecaster.load(path)


# ---- files of the first layout


def first_index(index):
    """As the first layout told a time index."""
    if isinstance(index, pd.PeriodIndex):
        return dict(kind="period", freq=index.freqstr, values=index.asi8.tolist())
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else str(index.tz)
        return dict(kind="datetime", freq=index.freqstr, unit=index.unit, zone=zone, values=index.asi8.tolist())
    return dict(kind="number", dtype=str(index.dtype), values=index.tolist())


def in_first_layout(fitted, path):
    """Save as the first layout did."""
    arrays = {f"{n}.{k}": t.numpy() for n, net in enumerate(fitted.networks_) for k, t in net.state_dict().items()}
    params = {k: v for k, v in fitted.get_params().items() if k != "callbacks"}
    state = dict(members=len(fitted.networks_), budget=fitted._budget_as_json())
    if isinstance(fitted, JumboClassifier):
        arrays |= dict(location=fitted.location_, scale=fitted.scale_)
        state |= dict(
            calibration=None if fitted.committee is None else fitted.calibration_.to_json(),
            longest=fitted.longest_,
            patch=[fitted.patch_length_, fitted.patch_stride_],
            classes=fitted.classes_.tolist(),
            classes_dtype=str(fitted.classes_.dtype),
        )
    else:
        tails, timeline = list(fitted._tails.values()), fitted._timeline
        arrays |= {f"tail.{n}": i.values for n, i in enumerate(tails)}
        state |= dict(
            design=vars(fitted.design_),
            keys=[i.key for i in tails],
            indices=[first_index(timeline.times(np.arange(i.start, i.end))) for i in tails],
            index_names=fitted._index_names,
            columns=list(fitted._get_varnames()),
            covariates=list(fitted._covariates[:2]),  # it knew no categories
            mtype=fitted._y_metadata["mtype"],
            cutoff=first_index(fitted.cutoff),
            freq=timeline.offset.freqstr if isinstance(fitted.cutoff, pd.DatetimeIndex) else None,
            fh=timeline.steps_ahead(fitted._fh, fitted._end).tolist(),
        )
    told = dict(type=type(fitted).__name__, params=params, state=state)
    save_file(arrays, path, metadata=dict(jumbo=json.dumps(told, default=lambda scalar: scalar.item())))


FIRST = ["columns of strings", "columns of tuples", "a series named by strings", "series, zone", "series, W-WED"]
FIRST += ["series, period M", "panel, integers", "array", "table", "cube", "tables", "hierarchy", "updated", "members"]
FIRST += ["covariates", "labels: strings", "labels: integers", "labels: booleans", "no convolutions", "committee"]


@pytest.mark.parametrize("name", FIRST)
def test_files_of_the_first_layout_still_load(said, name, tmp_path):
    one, arguments = said[3][name]
    if name == "members":
        one = forecaster(n_members=2).fit(frame(), fh=[1, 3])  # a generator was not to be saved
    in_first_layout(one, tmp_path / "m.safetensors")
    loaded = type(one).load(tmp_path / "m.safetensors")
    assert_same(answers(loaded, arguments), answers(one, arguments))
    loaded.save(tmp_path / "again.safetensors")
    again = type(one).load(tmp_path / "again.safetensors")
    assert_same(answers(again, arguments), answers(one, arguments))
    if isinstance(one, JumboForecaster) and not arguments:
        again.update(one._tails[None].values[-3:] if name in ("array", "table") else _like(one))


def _like(fitted):
    """A forecast, to be observed next."""
    return fitted.predict(fh=[1, 2])


if __name__ == "__main__":
    where = Path(sys.argv[1])
    (where / "answers").write_bytes(pickle.dumps(answers_of_files(where)))
