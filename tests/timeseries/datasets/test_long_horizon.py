"""The long-horizon benchmarks: splits, scaling, and a score over every window."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sktime")
from tests.conftest import SHARED
from timeseries import JumboForecaster
from timeseries.datasets import evaluate_long_horizon, load_long_horizon


def write(path, rows, columns=2, seed=0):
    rng = np.random.default_rng(seed)
    values = 5 + 3 * np.sin(np.arange(rows)[:, None] / 4) + rng.normal(size=(rows, columns))
    table = pd.DataFrame(values, columns=[f"c{i}" for i in range(columns)])
    table.insert(0, "date", pd.date_range("2020", periods=rows, freq="h").astype(str))
    table.to_csv(path, index=False)
    return path


def test_splits_and_scaling(tmp_path):
    data = load_long_horizon(write(tmp_path / "weather.csv", 1000))
    assert (data.train, data.validation, data.test) == (range(700), range(700, 800), range(800, 1000))
    assert np.allclose(data.values[:700].mean(axis=0), 0) and np.allclose(data.values[:700].std(axis=0), 1)
    write(tmp_path / "ETTh3.csv", 15_000)
    data = load_long_horizon(tmp_path, "ETTh3")
    assert (data.train, data.validation, data.test) == (range(8640), range(8640, 11520), range(11520, 14400))
    assert data.columns == ["c0", "c1"] and data.values.shape == (15_000, 2)


def test_the_score_is_of_every_window(tmp_path):
    path = write(tmp_path / "waves.csv", 1000)
    sizes = dict(context_length=24, depth=1, embed_dim=4, num_heads=2, max_epochs=1)
    forecaster = JumboForecaster(pretrained=None, random_state=0, **sizes)
    result = evaluate_long_horizon(forecaster, path, horizon=8)
    data = load_long_horizon(path)
    fitted = (
        forecaster.clone()
        .set_params(horizon=8, validation=100)
        .fit(pd.DataFrame(data.values[:800], columns=data.columns))
    )
    errors = []
    for cut in range(800, 1000 - 8 + 1):
        center, _ = fitted.forecast_at(pd.DataFrame(data.values[:cut], columns=data.columns), [cut])
        errors.append(center[0] - data.values[cut : cut + 8])
    assert result["mse"] == pytest.approx(np.square(errors).mean(), rel=1e-4)
    assert result["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert result["mse_drop_last"] == pytest.approx(np.square(errors[:128]).mean(), rel=1e-4)
    assert 0.5 < result["coverage_80"] < result["coverage_95"] <= 1
    assert result["mse"] < 0.6 and not forecaster.is_fitted  # a clone was fitted


def test_real_files():
    folder = SHARED / "data" / "forecasting"
    if not folder.is_dir():
        pytest.skip("the benchmark files are not beside this checkout")
    data = load_long_horizon(folder, "ETTh1")
    assert data.values.shape == (17420, 7) and data.test == range(11520, 14400)
    data = load_long_horizon(folder, "exchange_rate")
    assert data.values.shape == (7588, 8) and (data.train.stop, data.test.start) == (5311, 6071)


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data at .*absent.csv: give a CSV file, or a folder and the name"):
        load_long_horizon(tmp_path, "absent")
    (tmp_path / "a.csv").write_text("time,x\n1,2\n")
    with pytest.raises(ValueError, match="begins with the column 'time': its first column has to be 'date'"):
        load_long_horizon(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("date,x\n2020,high\n")
    with pytest.raises(ValueError, match="values that are no numbers"):
        load_long_horizon(tmp_path / "b.csv")
    with pytest.raises(ValueError, match="ETTh1 needs 14400 rows for 12, 4 and 4 months of 30 days, there are 100"):
        load_long_horizon(write(tmp_path / "ETTh1.csv", 100))
    with pytest.raises(
        ValueError, match="horizon 90 is longer than the validation range of 30 or the test range of 60"
    ):
        evaluate_long_horizon(JumboForecaster(), write(tmp_path / "c.csv", 300), horizon=90)


def test_the_package_alone_is_quick_to_import():
    code = "import sys, timeseries; print('torch' in sys.modules, 'sktime' in sys.modules, sorted(dir(timeseries))[:2])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split()[:2] == ["False", "False"] and "JumboClassifier" in out
    with pytest.raises(AttributeError, match="no attribute 'Jumbo'"):
        import timeseries

        _ = timeseries.Jumbo
