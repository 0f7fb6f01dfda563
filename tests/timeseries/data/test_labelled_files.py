"""Labelled series in files of several kinds: read alike, and faulty ones refused."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from tests.conftest import write_waves
from timeseries.data.labelled_files import read_labelled

rng = np.random.default_rng(0)
Y = np.array(["slow", "fast"])[np.arange(6) % 2]
X = rng.normal(size=(6, 9)).round(3)


def rows(tmp_path):
    table = pd.DataFrame(X, columns=[f"t{i}" for i in range(9)]).assign(label=Y)
    table.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def steps(tmp_path):
    table = pd.DataFrame(dict(series=np.repeat(np.arange(6), 9), time=np.tile(np.arange(9), 6), value=X.ravel()))
    table.assign(label=np.repeat(Y, 9)).to_csv(tmp_path / "steps.csv", index=False)
    return tmp_path / "steps.csv"


def arrays(tmp_path, **changes):
    np.savez(tmp_path / "arrays.npz", **dict(X=X, y=Y) | changes)
    return tmp_path / "arrays.npz"


@pytest.mark.parametrize("write", [rows, steps, arrays])
def test_three_kinds_hold_the_same(tmp_path, write):
    found = read_labelled(write(tmp_path))
    assert found.y.tolist() == Y.tolist() and found.told.startswith("Read 6 series")
    np.testing.assert_allclose(np.asarray(found.X, dtype=float).reshape(6, 9), X)
    some = found.of(np.array([1, 4]))
    assert some.y.tolist() == Y[[1, 4]].tolist()
    np.testing.assert_allclose(np.asarray(some.X, dtype=float).reshape(2, 9), X[[1, 4]])


def test_a_ts_file(tmp_path):
    folder = write_waves(tmp_path)
    found = read_labelled(next(folder.glob("*_TRAIN.ts")))
    assert len(found.y) == 20 and found.told == "Read 20 series of 1 channels from a .ts file"
    assert len(found.of(np.array([0, 3])).X) == 2


def test_the_column_of_the_labels_may_be_chosen(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame(X).assign(kind=np.arange(6) % 3).to_csv(path, index=False)
    with pytest.raises(ValueError, match="no column of table.csv has a usual name of labels .* choose one of '0', '1'"):
        read_labelled(path)
    assert read_labelled(path, "kind").y.tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match="table.csv has no column 'sort'"):
        read_labelled(path, "sort")


def text(name, content):
    def write(tmp_path):
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (text("a.ts", "no header\n"), "a.ts cannot be read as a .ts file"),
        (text("a.wav", ""), "a.wav is of a kind that is not read: give one of .ts"),
        (text("a.npz", "nothing"), "a.npz cannot be read as arrays"),
        (lambda p: arrays(p, X=X[:3]), r"X \(3, 9\) and y \(6,\) of arrays.npz do not fit"),
        (lambda p: arrays(p, X=np.array([None] * 6)), "arrays.npz cannot be read as arrays: Object arrays cannot be"),
        (text("a.csv", "label,t0\na,1\nb,2\n"), "a.csv has 1 columns beside the labels: a series needs at least 2"),
        (text("a.csv", "label,t0,t1\na,1,2\n,2,3\n"), "row 2 of a.csv has no label in column 'label'"),
        (text("a.csv", "label,t0,t1\na,x,2\nb,y,3\n"), "column 't0' of a.csv holds texts"),
        (text("a.csv", "id,label,v\n1,a,1\n1,b,2\n"), "series 1 of a.csv has 2 labels in 'label'"),
    ],
)
def test_faulty_files_are_told(tmp_path, write, told):
    with pytest.raises(ValueError, match=told):
        read_labelled(write(tmp_path))


def test_arrays_without_a_name_and_arrays_too_large(tmp_path):
    np.savez(tmp_path / "a.npz", X=X)
    with pytest.raises(ValueError, match=r"no array y: save it by np.savez\(path, X=X, y=y\)"):
        read_labelled(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="arrays.npz has 54 steps, more than 50"):
        read_labelled(arrays(tmp_path), most_rows=50)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as packed, packed.open("X.npy", "w") as part:
        for _ in range(300):
            part.write(bytes(2**20))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**20
    with pytest.raises(ValueError, match="its arrays take 300 MiB, more than 256"):
        read_labelled(tmp_path / "bomb.npz")
