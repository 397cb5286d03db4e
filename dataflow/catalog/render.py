"""Tables on a terminal, with rich: numbers right-aligned, grouped by thousands, colours where they show.

Into a file or a pipe the same table is written without colours and as wide as it needs to be, so nothing is
cut off. What came from documents is never taken for markup, and control characters in it never reach the
terminal.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dataflow.catalog.difference import Difference
from dataflow.catalog.excerpt import WIDTH, Line
from dataflow.catalog.offending import Span
from dataflow.catalog.table import Table

_UNLIMITED = 100_000  # columns
# C0 and C1 controls but tab and line feed: an escape sequence in a text must not steer the terminal.
# Nor may marks of writing direction turn the line around.
_STEERING = {*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {9, 10}
_HARMLESS = dict.fromkeys(_STEERING, "\ufffd")


def render(table: Table) -> RichTable:
    """A table for a rich console."""
    drawn = RichTable(
        title=Text(table.title) if table.title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for position, name in enumerate(table.columns):
        numeric = all(_is_number(row[position]) or row[position] is None for row in table.rows)
        justify: Any = "right" if numeric and table.rows else "left"
        header = name if table.as_named else name.replace("_", "\n")
        drawn.add_column(Text(header), justify=justify, overflow="fold", no_wrap=numeric)
    for row in table.rows:
        total = row[:1] == ("all",)
        cells = (Text(cell(value, name)) for value, name in zip(row, table.columns, strict=True))
        drawn.add_row(*cells, style="bold" if total else None)
    return drawn


def show(tables: Iterable[Table], file: IO[str] | None = None) -> None:
    """Print tables one below the other."""
    file = file or sys.stdout
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, width=_UNLIMITED)
    for table in tables:
        console.print(render(table))


def heading(name: str, fate: str) -> None:
    """Print the line that an excerpt stands under."""
    Console(highlight=False).print(
        Text(harmless(name), style="bold"), Text(f"[{fate}]", style="cyan"), soft_wrap=True
    )


def excerpt_width() -> int:
    """Characters of a line of an excerpt that fit on the terminal."""
    console = Console()
    return max(40, min(WIDTH, console.width - 8)) if console.is_terminal else WIDTH


def show_lines(lines: Iterable[Line], file: IO[str] | None = None) -> None:
    """Print an excerpt: marked lines behind ``>``, what is marked in colour, or underlined where there is none."""
    console = Console(file=file or sys.stdout, highlight=False)
    for line in lines:
        if line.gap:
            console.print(Text(f"    {line.text}", style="dim"))
            continue
        shown = Text(harmless(line.text).replace("\t", " "))
        for mark in line.marks:
            shown.stylize("black on yellow", mark.start, mark.end)
        gutter = ("  > ", "bold red") if line.marks else ("  | ", "dim")
        console.print(Text.assemble(gutter, shown), soft_wrap=True)
        if line.marks and not console.is_terminal and not line.marked_whole:
            console.print(Text(f"    {_underline(shown.plain, line.marks)}"), soft_wrap=True)


_SIDES = {"-": "red", "+": "green", "~": "yellow", ".": "dim"}
_PIECES = {"-": "red strike", "+": "green underline", "=": ""}


def show_difference(found: Difference, file: IO[str] | None = None) -> None:
    """Print two texts compared: on a terminal in colours, elsewhere ``[-what went-] {+what came+}`` within a line."""
    console = Console(file=file or sys.stdout, highlight=False)
    for line in found.lines:
        gutter = (f"  {line.side if line.side in '-+~' else ' '} ", _SIDES.get(line.side, ""))
        if not console.is_terminal:
            console.print(Text.assemble(gutter, harmless(line.text)), soft_wrap=True)
            continue
        styles = {"-": "red", "+": "green"} if line.side in "-+" else _PIECES
        pieces = ((harmless(piece.text), styles.get(piece.side, "")) for piece in line.pieces)
        dim = "dim" if line.side in "=." else ""
        console.print(Text.assemble(gutter, *pieces, style=dim), soft_wrap=True)


def _underline(text: str, marks: Sequence[Span]) -> str:
    """Carets below what is marked; a wide character takes two."""
    drawn = ""
    for mark in marks:
        drawn += " " * (cell_len(text[: mark.start]) - len(drawn))
        drawn += "^" * cell_len(text[mark.start : mark.end])
    return drawn


def cell(value: object, column: str = "") -> str:
    """One value as text: 12,345 or 12.3 % or a list, a record as its values; nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return (
            f"{value:.1%}"
            if column.endswith("share")
            else f"{value:,.4g}"
            if abs(value) < 1000
            else f"{value:,.0f}"
        )
    if isinstance(value, Mapping):
        return " ".join(cell(item, name) for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return harmless(str(value))


def harmless(text: str) -> str:
    """``text`` with the characters replaced that could steer a terminal."""
    return text.translate(_HARMLESS)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
