"""A table as spreadsheets and programs write it: text with comma, semicolon or tab, and perhaps a byte-order mark."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ...errors import UserError

DELIMITERS = (",", ";", "\t")
NO_NUMBER = {"", "nan", "na", "n/a", "null", "none"}
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)


class TextTable:
    """The rows of a table file, each with its line number, by column name in lower case.

    Args:
        path: a text file whose first line names the columns. An Excel ``sep=;`` line before it is understood.

    Raises:
        UserError: no such file, a workbook in place of text, another encoding than UTF-8 or UTF-16, a row with more or
            fewer cells than the header, a column named twice, or no rows.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        text = _read_text(self.path)
        first, _, rest = text.partition("\n")
        if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
            text, delimiter, shift = rest, first.strip()[4], 1
        else:
            delimiter, shift = max(DELIMITERS, key=first.count), 0
        self.delimiter = delimiter
        rows = self._cells(text, shift)
        if not rows:
            raise UserError(f"{self.path} is empty; its first line must name the columns")
        self.columns = [cell.strip().lower() for cell in rows[0][1]]
        self._refuse_bad_header()
        self.rows = [(line, dict(zip(self.columns, self._whole(line, cells), strict=True))) for line, cells in rows[1:]]
        if not self.rows:
            raise UserError(f"{self.path} holds column names and no row")

    def decimal_comma(self, names: list[str]) -> bool:
        """Whether the numbers of these columns are written with a decimal comma (0,87).

        Raises:
            UserError: some numbers have a comma and others a point.
        """
        commas = [(line, name) for line, row in self.rows for name in names if _COMMA_NUMBER.fullmatch(row[name])]
        points = [(line, name) for line, row in self.rows for name in names if "." in row[name]]
        if commas and points:
            raise UserError(
                f"{self.path} has a decimal comma in line {commas[0][0]} ({commas[0][1]}) and a point in line "
                f"{points[0][0]} ({points[0][1]}); write all numbers one way"
            )
        return bool(commas)

    def number(self, line: int, row: dict[str, str], name: str, comma: bool) -> float:
        """The number in a cell; NaN for an empty one, or one that says that there is none.

        Raises:
            UserError: it is neither.
        """
        text = row[name]
        if text.lower() in NO_NUMBER:
            return float("nan")
        try:
            value = float(text.replace(",", ".") if comma and text.count(",") == 1 and "." not in text else text)
        except ValueError:
            value = float("inf")
        if value in (float("inf"), float("-inf")) or "_" in text:
            raise UserError(
                f"{self.path}, line {line}: {name} '{text}' is no number; leave it empty where there is none"
            )
        return value

    def _cells(self, text: str, shift: int) -> list[tuple[int, list[str]]]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter)
        try:
            rows = [(reader.line_num + shift, [cell.strip() for cell in cells]) for cells in reader]
        except csv.Error as error:
            raise UserError(f"{self.path}, line {reader.line_num + shift} can't be read: {error}") from error
        return [(line, cells) for line, cells in rows if any(cells)]

    def _refuse_bad_header(self) -> None:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise UserError(f"{self.path} names the column '{twice[0]}' twice")

    def _whole(self, line: int, cells: list[str]) -> list[str]:
        if len(cells) == len(self.columns):
            return cells
        hint = ""
        if self.delimiter == "," and len(cells) > len(self.columns):
            hint = "; with decimal commas, export with semicolons between the cells"
        raise UserError(f"{self.path}, line {line} has {len(cells)} cells and the header {len(self.columns)}{hint}")


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path} is not there; give a file of scores with the columns loss, repeat, fold, case, score")
    data = path.read_bytes()
    if data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise UserError(f"{path} is a workbook; export the sheet as CSV")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); export it as CSV UTF-8") from error
    if "\0" in text:
        raise UserError(f"{path} is no text file; export the scores as CSV")
    return text.replace("\r\n", "\n").replace("\r", "\n")
