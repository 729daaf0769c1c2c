"""Text files and tables of two columns."""

import csv
from collections.abc import Collection
from pathlib import Path

from edgenet.errors import EdgenetError

Columns = tuple[str | int, str | int]
SUFFIXES = (".tsv", ".csv", ".txt")


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, ended by a line feed (a carriage return before it is dropped) and nothing else.

    Raises EdgenetError for a file that can't be read, is no UTF-8, or is empty.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EdgenetError(f"{path} cannot be read as UTF-8 text ({error}): save it as UTF-8") from error
    # Not splitlines: it also cuts at characters that stand inside messages, such as U+0085 and U+2028.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    lines = lines[:-1] if lines[-1] == "" else lines
    if not lines:
        raise EdgenetError(f"{path} is empty")
    return lines


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a table, all of the same width: commas and quotes in .csv, else tabs and nothing else.

    Empty lines are skipped. Raises EdgenetError with the line of a row of another width, or for less than two columns.
    """
    lines = read_lines(path)
    try:
        rows = list(csv.reader(line + "\n" for line in lines)) if path.suffix.lower() == ".csv" else _by_tabs(lines)
    except csv.Error as error:
        raise EdgenetError(f"{path} cannot be read as a table ({error}): save it anew") from error
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    width = len(numbered[0][1]) if numbered else 0
    if width < 2:
        sign = "commas" if path.suffix.lower() == ".csv" else "tabs"
        raise EdgenetError(f"{path} has no two columns parted by {sign}: write first<TAB>second, or name it .csv")
    for number, row in numbered:
        if len(row) != width:
            raise EdgenetError(f"{path}, row {number} has {len(row)} columns, the first has {width}: make them equal")
    return [row for _, row in numbered]


def _by_tabs(lines: list[str]) -> list[list[str]]:
    return [line.split("\t") for line in lines]


def read_columns(path: Path, columns: Columns | None, names: tuple[Collection[str], Collection[str]]) -> Columns | None:
    """Where two columns stand in a table: their numbers from 0, or their names where the first row names them.

    names
        Usual names of either column; without `columns` a first row that has one of each decides.

    Returns `columns` themselves, the names found, or None. Raises EdgenetError for columns that are not there.
    """
    header = [cell.strip().lower() for cell in read_rows(path)[0]]
    if columns is None:
        found = [next((cell for cell in header if cell in usual), None) for usual in names]
        return (found[0], found[1]) if found[0] is not None and found[1] is not None else None
    for column in columns:
        there = column.lower() in header if isinstance(column, str) else 0 <= column < len(header)
        if not there:
            raise EdgenetError(f"{path} has no column {column!r}; it has {len(header)}, in the first row {header}")
    return columns


def pick_columns(path: Path, columns: Columns) -> list[tuple[str, str]]:
    """Two columns of a table; columns by name stand under a first row that is left out."""
    rows = read_rows(path)
    header = [cell.strip().lower() for cell in rows[0]]
    one, other = (header.index(column.lower()) if isinstance(column, str) else column for column in columns)
    body = rows[1:] if any(isinstance(column, str) for column in columns) else rows
    return [(row[one], row[other]) for row in body]


def list_tables(folder: Path) -> list[Path]:
    """The .tsv and .csv files of a folder, and .txt files named as a split: another is more likely a note."""
    return [
        file
        for file in sorted(folder.iterdir())
        if file.name[0] != "."
        and (file.suffix.lower() in (".tsv", ".csv") or (file.suffix.lower() == ".txt" and file.stem.lower() in SPLITS))
    ]


def find_tables(path: Path) -> dict[str, Path]:
    """The table itself, as "all", or `train` and `test` (and `validation`) of a folder.

    Raises EdgenetError where a folder has neither both nor a single table.
    """
    if path.is_file():
        return {"all": path}
    tables = list_tables(path)
    named = {SPLITS.get(file.stem.lower(), file.stem): file for file in tables}
    if "train" in named and "test" in named:
        return {name: named[name] for name in ("train", "validation", "test") if name in named}
    if len(tables) != 1:
        raise EdgenetError(f"folder {path} needs one table, or train.tsv and test.tsv; it has {len(tables)} tables")
    return {"all": tables[0]}


# Usual names of files of each split.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
}
