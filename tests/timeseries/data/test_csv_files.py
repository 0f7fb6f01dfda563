"""Tables in CSV files: what is found out of them, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from timeseries.data.csv_files import read_csv


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "date,a,b\n2024-01-01,1.5,2\n2024-01-02,,3\n",
        "date;a;b\r\n2024-01-01;1,5;2\r\n2024-01-02;;3\r\n",
        "date\ta\tb\n2024-01-01\t1.5\t2\n2024-01-02\t\t3\n",
        "date|a|b\n2024-01-01|1.5|2\n2024-01-02||3\n",
        b"\xef\xbb\xbfdate,a,b\n2024-01-01,1.5,2\n2024-01-02,,3",
        "date,a,b,\n2024-01-01,1.5,2,\n2024-01-02,,3,\n",
    ],
    ids=["commas", "semicolons and decimal commas", "tabs", "bars", "a mark of UTF-8", "a comma at the ends"],
)
def test_separators_and_decimal_signs(tmp_path, text):
    table = read_csv(write(tmp_path, text))
    expected = pd.DataFrame(dict(date=["2024-01-01", "2024-01-02"], a=[1.5, np.nan], b=[2, 3]))
    pd.testing.assert_frame_equal(table.reset_index(drop=True), expected, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "table.csv is empty: give a CSV file"),
        ("date,a\n", "has no rows below its first line"),
        (b"\x89PNG\0\0\1", "is not a text: save the table as CSV"),
        ("date,a\n2024-01-01,caf\xe9".encode("latin-1"), "is not in UTF-8: save it as 'CSV UTF-8'"),
        ("1,2\n3,4\n", "the first line of table.csv holds numbers, 1: put the columns' names there"),
        ("date,a\n2024-01-01,1\n2024-01-02,1,2,3\n", "is not a table of even rows"),
        ("date,a\n2024-01-01,1,5\n2024-01-02,1,6\n", "more values than names in its rows: name each column"),
        ("date,a,a\n2024-01-01,1,2\n", "two columns of table.csv have the name 'a'"),
        ("date,a\n1,2\n1,2\n1,2\n1,2\n", "has more than 3 rows: give fewer series"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, text, told):
    with pytest.raises(ValueError, match=told):
        read_csv(write(tmp_path, text), most_rows=3)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at .*none.csv: give a CSV file"):
        read_csv(tmp_path / "none.csv")
