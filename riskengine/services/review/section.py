"""What a sheet is made of: sections of figures and tables, as text."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`right`: the columns that stand on the right, amounts."""

    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    right: frozenset[int] = frozenset()

    @property
    def cells(self) -> list[list[tuple[str, bool]]]:
        """By row each cell, and whether it stands on the right."""
        return [[(cell, place in self.right) for place, cell in enumerate(row)] for row in self.rows]

    @property
    def heads(self) -> list[tuple[str, bool]]:
        return [(each, place in self.right) for place, each in enumerate(self.head)]


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    lead: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
