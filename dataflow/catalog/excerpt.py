"""A text made short enough to be looked at, around what is marked in it.

Lines with a mark are shown with a neighbour on either side, what lies between is counted; a long line is cut
around its first mark; blank lines are left out. Where nothing is marked it is the beginning that is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dataflow.catalog.offending import Span

WIDTH = 150  # characters of a line
MARKED_LINES, FIRST_LINES = 10, 6  # lines shown where there are marks, and where there are none
_BEFORE = 40  # characters shown before the first mark of a long line


@dataclass(frozen=True)
class Line:
    """A line as shown, with the marks in it; ``gap`` of lines that are left out has no text of its own."""

    text: str
    marks: tuple[Span, ...] = ()
    gap: bool = False

    @property
    def marked_whole(self) -> bool:
        """Whether one mark covers the line."""
        n = len(self.text)
        return any(
            mark.start <= n - len(self.text.lstrip()) and mark.end >= len(self.text.rstrip())
            for mark in self.marks
        )


def excerpt(text: str, spans: Sequence[Span] = (), width: int = WIDTH) -> list[Line]:
    """The lines of ``text`` that are worth showing; ``spans`` are sorted and do not overlap."""
    lines = [line for line in _lines(text, spans, width) if line.text.strip()]
    places = [place for place, line in enumerate(lines) if line.marks]
    if not places:
        shown = set(range(min(FIRST_LINES, len(lines))))
    else:
        shown = {
            near
            for place in places[:MARKED_LINES]
            for near in (place - 1, place, place + 1)
            if 0 <= near < len(lines)
        }
    return list(_collapsed(lines, shown))


def _lines(text: str, spans: Sequence[Span], width: int) -> Iterator[Line]:
    start = place = 0
    for line in text.split("\n"):
        end = start + len(line)
        marks = []
        while place < len(spans) and spans[place].start <= end:
            mark = spans[place]
            if mark.end > start and mark.start < end:
                marks.append(Span(max(mark.start, start) - start, min(mark.end, end) - start))
            if mark.end > end:
                break
            place += 1
        yield _cut(line.rstrip(), tuple(marks), width)
        start = end + 1


def _cut(line: str, marks: tuple[Span, ...], width: int) -> Line:
    """At most ``width`` characters of a line, around its first mark."""
    if len(line) <= width:
        return Line(line, marks)
    first = max(0, min(marks[0].start - _BEFORE, len(line) - width)) if marks else 0
    last = first + width
    before, after = "... " if first else "", " ..." if last < len(line) else ""
    shift = len(before) - first
    kept = (Span(max(mark.start, first) + shift, min(mark.end, last) + shift) for mark in marks)
    return Line(f"{before}{line[first:last]}{after}", tuple(mark for mark in kept if mark.start < mark.end))


def _collapsed(lines: Sequence[Line], shown: set[int]) -> Iterator[Line]:
    place = 0
    while place < len(lines):
        if place in shown:
            yield lines[place]
            place += 1
            continue
        end = place
        while end < len(lines) and end not in shown:
            end += 1
        if end - place == 1 and lines[place].text and end < len(lines):
            yield lines[place]  # as long as the note that it is left out
        else:
            yield Line(_note(lines[place:end]), gap=True)
        place = end


def _note(left_out: Sequence[Line]) -> str:
    n, marked = len(left_out), sum(bool(line.marks) for line in left_out)
    said = f"... {n:,} line{'s' if n > 1 else ''}"
    return f"{said}, {marked:,} of them marked ..." if marked else f"{said} ..."
