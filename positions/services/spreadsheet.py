"""Cells that a spreadsheet would run.

A text that begins with = + - or @, or with the tab or line break that hides one, gets an apostrophe before it. Numbers
stay bare: −12.50 that became a text could no longer be added up.
"""

import re

_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")  # the wide ones too: some spreadsheets read them as the others
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def harmless(cell: str) -> str:
    """The cell as text: whoever opens the list in a spreadsheet must not run what a stranger wrote."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell.strip()) else cell
