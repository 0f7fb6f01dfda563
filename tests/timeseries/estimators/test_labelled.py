"""What a classifier is given: odd inputs are refused in words, or say what they would in another format."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")

from timeseries import JumboClassifier, JumboForecaster

SMALL = JumboClassifier.get_test_params()[0]
rng = np.random.default_rng(0)
X = rng.normal(size=(12, 2, 24))
X[::2] += np.sin(np.arange(24))
y = np.array(["u", "v"] * 6)
NaN, NONE = float("nan"), None


def small(**arguments):
    return JumboClassifier(**{**SMALL, **arguments})


def table(X=X, names=None, columns=("a", "b")):
    names = range(len(X)) if names is None else names
    parts = [
        pd.DataFrame(x.T, pd.MultiIndex.from_product([[name], range(x.shape[1])]), columns)
        for name, x in zip(names, X, strict=True)
    ]
    return pd.concat(parts)


def replaced(value, dtype=float, where=(3, 0, 5)):
    changed = X.astype(dtype)
    changed[where] = value
    return changed


def nested_arrays(shape):
    array = np.empty(shape, dtype=object)
    for n in range(len(X)):
        array[(n, *[0] * (len(shape) - 1))] = X[n, 0]
    return array


PANELS = {
    "objects, a text": (replaced("z", object), TypeError, "X holds 'z' of object, which is not a number"),
    "texts": (X.astype(str), TypeError, "which is not a number: convert it, with astype"),
    "complex": (X + 1j, TypeError, "of complex128, which is not a number"),
    "times": (X.astype("M8[s]"), TypeError, "which is not a number"),
    "array of arrays": (nested_arrays((12,)), TypeError, r"array of arrays, of shape \(12,\).*np.stack joins"),
    "table of arrays": (nested_arrays((12, 1)), TypeError, r"array of arrays, of shape \(12, 1\)"),
    "no series": (X[:0], ValueError, r"X of shape \(0, 2, 24\) holds no values"),
    "no steps": (X[..., :0], ValueError, r"X of shape \(12, 2, 0\) holds no values"),
    "no channels": (X[:, :0], ValueError, r"X of shape \(12, 0, 24\) holds no values"),
    "four axes": (X[None], TypeError, r"X of shape \(1, 12, 2, 24\) is no panel of series"),
    "empty list": ([], ValueError, "X is an empty list"),
    "list of arrays": (list(X), TypeError, "X is a list with a ndarray in it"),
    "list with an empty one": ([*map(pd.DataFrame, X[:11]), pd.DataFrame()], ValueError, "series 11 of X.*is empty"),
    "empty table": (table()[:0], ValueError, "X of 0 rows and 2 columns holds no values"),
    "no columns": (table()[[]], ValueError, "rows and 0 columns holds no values"),
    "other channels": (
        [*(pd.DataFrame(x.T) for x in X[:11]), pd.DataFrame(X[11].T)[[0]]],
        ValueError,
        r"series 11 of X has the channels \[0\], the first has \[0, 1\]",
    ),
    "one array": (X[0, 0], TypeError, r"X of shape \(24,\) is one series"),
    "one series": (pd.Series(X[0, 0]), TypeError, "X is one series of 24 steps, where a panel of series is wanted"),
    "one table": (pd.DataFrame(X[0].T), TypeError, "X is a table of 24 rows whose index does not say which series"),
    "long table": (table().reset_index(), TypeError, r"set_index\(\[series, time\]\)"),
    "hierarchy": (pd.concat({"g": table()}), TypeError, "the index of X has 3 levels"),
    "two of a name": (table(names=[0, 0, *range(1, 11)]), ValueError, "more than one row of series 0 at 0"),
    "a time twice": (pd.concat([table(), table()[30:31]]), ValueError, "more than one row of series 1 at 6"),
    "no name": (
        table(names=[NaN, *range(1, 12)]),
        ValueError,
        "row 0 of X.*NaN in place of the name of its series",
    ),
    "a column of texts": (table().assign(b="x"), TypeError, "column 'b' of X holds 'x' of object"),
    "a column of times": (table().assign(b=pd.Timestamp("2020")), TypeError, "column 'b' of X holds"),
    "infinite": (replaced(np.inf), ValueError, "there are infinite values: replace them with NaN"),
    "huge": (replaced(1e200), ValueError, r"there are values up to 1e\+200, at most 1e\+150 is allowed"),
    "nothing observed": (replaced(NaN, where=4), ValueError, "1 series have no observed value, the first is series 4"),
}


@pytest.mark.parametrize("name", PANELS)
def test_panels_that_fit_refuses(name):
    X, error, match = PANELS[name]
    with pytest.raises(error, match=match):
        small().fit(X, y)


@pytest.fixture(scope="module")
def fitted():
    return small().fit(table(), y)


@pytest.mark.parametrize("name", [name for name in PANELS if name != "nothing observed"])
def test_panels_that_predict_refuses(name, fitted):
    X, error, match = PANELS[name]
    with pytest.raises(error, match=match):
        fitted.predict(X)


LABELS = {
    "NaN": (np.array([0, 1, NaN] * 4), ValueError, "4 of 12 labels are missing, the first for series 2"),
    "all NaN": (np.full(12, NaN), ValueError, "12 of 12 labels are missing"),
    "None": (np.array(["u", "v", NONE] * 4, dtype=object), ValueError, "4 of 12 labels are missing"),
    "NA": (pd.Series(["u", "v", NONE] * 4, dtype="string"), ValueError, "4 of 12 labels are missing"),
    "NaT": (pd.Series(pd.to_datetime(["2020", "2021", NONE] * 4)), ValueError, "4 of 12 labels are missing"),
    "no category": (pd.Series(pd.Categorical(["u", "v", NONE] * 4)), ValueError, "4 of 12 labels are missing"),
    "NaN in a column": (pd.DataFrame({"a": y, "b": [1, NaN] * 6}), ValueError, "6 of 12.*the first for series 1"),
    "texts and numbers": (pd.Series(["u", 1] * 6), TypeError, r"several kinds, such as 'u' \(str\), 1 \(int\)"),
    "booleans and numbers": (np.array([True, 1] * 6, dtype=object), TypeError, "labels are of several kinds"),
    "tuples and texts": (pd.Series([(1, 2), "u"] * 6), TypeError, "labels are of several kinds"),
    "a list": (list(y), TypeError, "y is of type list: give one label for each series, in a numpy array"),
    "an index": (pd.Index(y), TypeError, "y is of type Index"),
    "a dict": (dict(enumerate(y)), TypeError, "y is of type dict"),
    "a text": ("u", TypeError, "y is of type str"),
    "nothing": (NONE, TypeError, "y is of type NoneType"),
    "too few": (y[:11], ValueError, "Number in X = 12 nos in y = 11"),
    "too many": (np.append(y, "u"), ValueError, "Number in X = 12 nos in y = 13"),
    "none": (y[:0], ValueError, "Number in X = 12 nos in y = 0"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_refused(name):
    labels, error, match = LABELS[name]
    with pytest.raises(error, match=match):
        small().fit(X, labels)


def test_objects_that_are_numbers_are_numbers(fitted):
    with_none = replaced(None, object)
    expected = small().fit(replaced(NaN), y).predict_proba(X)
    assert np.array_equal(small().fit(with_none, y).predict_proba(X), expected)
    objects = table().astype(object)
    assert np.array_equal(fitted.predict_proba(objects), fitted.predict_proba(table()))


def test_labels_go_by_the_names_of_their_series():
    names = [f"s{n}" for n in range(12)]
    expected = small().fit(X, y).predict_proba(X)
    for labels in (pd.Series(y, names), pd.Series(y, names)[::-1], pd.Series(y, range(100, 112)), pd.Series(y)):
        assert np.array_equal(small().fit(table(names=names), labels).predict_proba(X), expected)
    both = pd.DataFrame({"a": y, "b": y[::-1]}, index=names)
    columns = small().fit(table(names=names), both[::-1]).predict(X)
    assert columns.equals(small().fit(X, both).predict(X))


def test_channels_go_by_their_names(fitted):
    expected = fitted.predict_proba(table())
    assert np.array_equal(fitted.predict_proba(table()[["b", "a"]]), expected)
    assert np.array_equal(fitted.predict_proba(X), expected)  # without names, by their order
    with pytest.raises(ValueError, match=r"series of the channels \['a', 'c'\], fitted on \['a', 'b'\]"):
        fitted.predict(table(columns=["a", "c"]))
    pretrained = small().pretrain(table())
    probabilities = pretrained.clone().fit(table(), y).predict_proba(X)
    other_way = pretrained.clone().fit(table()[["b", "a"]], y)
    assert np.array_equal(other_way.predict_proba(X), probabilities)
    with pytest.raises(ValueError, match="fitted on"):
        pretrained.clone().fit(table(columns=["a", "c"]), y)


def test_channels_that_were_saved_go_by_their_names(fitted, tmp_path):
    fitted.save(tmp_path / "c.safetensors")
    loaded = JumboClassifier.load(tmp_path / "c.safetensors")
    assert np.array_equal(loaded.predict_proba(table()[["b", "a"]]), fitted.predict_proba(table()))


def test_a_class_of_a_series_without_values_is_told_to_be_a_guess(fitted):
    with pytest.warns(UserWarning, match="1 series have no observed value, the first is series 4.*are guesses"):
        probabilities = fitted.predict_proba(replaced(NaN, where=4))
    others = [n for n in range(12) if n != 4]
    assert np.allclose(probabilities[others], fitted.predict_proba(X)[others], atol=1e-6)


def test_what_has_no_network_says_so(tmp_path):
    with pytest.warns(UserWarning, match="single label"):
        one = small(committee="kernels").fit(X, np.full(12, "u"))
    assert one.set_budget(0.5).predict_stage(X).tolist() == [0] * 12
    with pytest.raises(ValueError, match="fitted on one class, u: there is no network; fit on two classes"):
        one.plot_attention(X)
    table = small(committee="kernels", validation=0.3).fit(X, pd.DataFrame({"a": y, "b": y[::-1]}))
    for ask in (table.predict_stage, table.plot_attention):
        with pytest.raises(
            ValueError, match="fitted on 2 columns of labels: use the classifier of one, in classifiers_"
        ):
            ask(X)


def test_values_of_tiny_units_are_no_constants():
    level = 1e-30 * (5 + X)
    expected = small().fit(X + 5, y).predict_proba(X + 5)
    assert np.allclose(small().fit(level, y).predict_proba(level), expected, atol=1e-3)
    series = pd.Series(np.sin(np.arange(80)))
    forecaster = JumboForecaster(**JumboForecaster.get_test_params()[0])
    tiny = forecaster.fit(1e-30 * series, fh=[1, 2]).predict()
    assert np.allclose(1e30 * tiny, forecaster.fit(series, fh=[1, 2]).predict(), atol=1e-3)
