"""CSV files as tables: their separator, decimal sign and header are found out, and wrong files are refused."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd

MOST_ROWS = 1_000_000
_SEPARATORS = ",;\t|"
_HEAD = 2**16  # bytes from which the separator is found
_DECIMAL_COMMA = re.compile(r"(?:^|[;\t|])\s*-?\d+,\d+\s*(?:[;\t|]|$)", re.MULTILINE)


def read_csv(path: str | Path, most_rows: int = MOST_ROWS) -> pd.DataFrame:
    """Read a table whose first line names the columns.

    Columns are separated by commas, semicolons, tabs or bars. Where commas do not separate, they may be decimal signs.

    Args:
        path: The file, in UTF-8.
        most_rows: Limit of the number of rows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no table, has no names or the same twice, or too many rows.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}: give a CSV file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise ValueError(f"{path.name} is empty: give a CSV file with a line of names and a row for each time")
    if b"\0" in head:
        raise ValueError(f"{path.name} is not a text: save the table as CSV, in UTF-8")
    try:
        separator, decimal = _dialect(head[: head.rfind(b"\n") + 1 or None].decode("utf-8-sig"))
        table = pd.read_csv(path, sep=separator, decimal=decimal, nrows=most_rows + 1, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not in UTF-8: save it as 'CSV UTF-8'") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        told = " ".join(str(error).replace("Error tokenizing data. C error: ", "").split())
        raise ValueError(f"{path.name} is not a table of even rows: {told}") from None
    return _checked(table, path.name, most_rows)


def _dialect(text: str) -> tuple[str, str]:
    """The separator that most lines of a text have equally often, and the decimal sign."""
    lines = [line for line in text.splitlines() if line.strip()][:50]
    counts = {sign: [line.count(sign) for line in lines] for sign in _SEPARATORS}

    def fit(sign: str) -> tuple[float, int]:
        return float(np.mean([n == counts[sign][0] for n in counts[sign]])), counts[sign][0]

    separator = max((sign for sign in _SEPARATORS if counts[sign][0]), key=fit, default=",")
    decimal = "," if separator != "," and _DECIMAL_COMMA.search("\n".join(lines[1:])) else "."
    return separator, decimal


def _checked(table: pd.DataFrame, name: str, most_rows: int) -> pd.DataFrame:
    if len(table) > most_rows:
        raise ValueError(f"{name} has more than {most_rows:,} rows: give fewer series, or longer steps of time")
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"{name} has more values than names in its rows: name each column in the first line")
    table = table.loc[:, [not (_unnamed(c) and table[c].isna().all()) for c in table.columns]]  # of a separator at ends
    if table.empty:
        raise ValueError(f"{name} has no rows below its first line: give a row for each time")
    if all(_is_number(str(c)) for c in table.columns):
        raise ValueError(f"the first line of {name} holds numbers, {table.columns[0]}: put the columns' names there")
    if twice := [str(c) for c in table.columns if re.fullmatch(r".+\.\d+", str(c)) and c.rsplit(".", 1)[0] in table]:
        raise ValueError(f"two columns of {name} have the name {twice[0].rsplit('.', 1)[0]!r}: give each its own")
    return table.rename(columns=lambda c: "unnamed" if _unnamed(c) else str(c).strip())


def _unnamed(column: object) -> bool:
    return str(column).startswith("Unnamed: ")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
