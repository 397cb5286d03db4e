"""How one text differs from another, word by word, laid out to be read.

Two passes: lines, and of long lines their sentences, are aligned first; between those that agree words are aligned.
Words are what they are everywhere here, so in scripts without spaces each letter is one. White space never counts.
Where two texts have little in common between two changes ("of", a comma), it is shown as changed too: confetti is
harder to read than a phrase for a phrase. Both passes are ``difflib``'s: the alignment is good, not the shortest,
and its time grows with the square of the length, so of long texts the beginnings are compared.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import NamedTuple

from dataflow.catalog.offending import Reading

COMPARED_CHARACTERS = 20_000  # of each text
SHOWN_LINES = 60
WIDTH = 100  # characters of a line
_CONTEXT = 1  # lines that are the same, shown on either side of a change
_FIRST_LINES = 4  # of many that one text has alone
_ALONE = {"-": "only in the survivor", "+": "only in this document"}
_OWN_LINE = 60  # a change of more characters than this begins a line of its own

_TOKEN = re.compile("[dl][dlm]*(?:j[dl][dlm]*)*|cm*|[.jm]+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*$|[。！？｡]")


@dataclass(frozen=True)
class Piece:
    """Some words: of both texts (side ``=``), of the first alone (``-``) or of the second alone (``+``)."""

    side: str
    text: str


@dataclass(frozen=True)
class DiffLine:
    """A line of the comparison; its ``side`` is ``~`` where it has words of several sides, ``.`` for a gap."""

    side: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The line without colours: ``the [-quick-] {+slow+} fox``."""
        if self.side != "~":
            return "".join(piece.text for piece in self.pieces)
        return "".join(map(_bracketed, self.pieces))


@dataclass(frozen=True)
class Difference:
    """Two texts compared."""

    lines: tuple[DiffLine, ...]  # none where the texts are the same but for white space
    same: int  # words that both have, in the same order
    only_before: int
    only_after: int
    identical: bool  # to the byte
    cut: bool  # whether one of the texts is longer than what was compared
    only_case: bool  # whether the words are the same but for upper and lower case


def difference(before: str, after: str, width: int = WIDTH, most: int = SHOWN_LINES) -> Difference:
    """What the text ``after`` has in place of what ``before`` has; at most so many lines of it."""
    cut = max(len(before), len(after)) > COMPARED_CHARACTERS
    first, second = _tokens(before[:COMPARED_CHARACTERS]), _tokens(after[:COMPARED_CHARACTERS])
    runs = list(_aligned(first, second))
    counts = dict.fromkeys("=-+", 0)
    for run in runs:
        counts[run.side] += sum(token.is_word for token in run.tokens)
    changed = any(run.side != "=" for run in runs)
    return Difference(
        lines=tuple(_bounded(list(_shortened(_laid_out(runs, width))), most)) if changed else (),
        same=counts["="],
        only_before=counts["-"],
        only_after=counts["+"],
        identical=before == after and not cut,
        cut=cut,
        only_case=[one.text.casefold() for one in first] == [one.text.casefold() for one in second],
    )


def summary(found: Difference) -> str:
    """One sentence: how much the two have in common."""
    within = f" (of the first {COMPARED_CHARACTERS:,} characters)" if found.cut else ""
    if found.identical:
        return "the same text, to the byte"
    if not found.lines:
        return f"the same words{within}; only white space differs"
    if found.only_case:
        return f"the same words{within} but for upper and lower case"
    return (
        f"{_words(found.same)} in both{within}; {found.only_before:,} {_ALONE['-']} (-), "
        f"{found.only_after:,} {_ALONE['+']} (+)"
    )


def _words(n: int) -> str:
    return f"{n:,} word{'' if n == 1 else 's'}"


def _bracketed(piece: Piece) -> str:
    if piece.side == "=":
        return piece.text
    inner = piece.text.strip()
    at = piece.text.index(inner) if inner else 0
    left, right = piece.text[:at], piece.text[at + len(inner) :]
    return f"{left}[-{inner}-]{right}" if piece.side == "-" else f"{left}{{+{inner}+}}{right}"


# Words -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    text: str
    space: str  # the white space before it
    is_word: bool


@dataclass(frozen=True)
class _Run:
    side: str
    tokens: Sequence[_Token]

    @property
    def length(self) -> int:
        return sum(len(token.text) + bool(token.space) for token in self.tokens)


def _tokens(text: str) -> list[_Token]:
    reading = Reading(text)
    tokens, end = [], 0
    for match in _TOKEN.finditer(reading.kinds):
        start = match.start()
        word = match.group()[0] in "dlc"
        tokens.append(_Token(text[start : match.end()], text[end:start], word))
        end = match.end()
    return tokens


def _segments(tokens: Sequence[_Token]) -> Iterator[tuple[_Token, ...]]:
    """Lines, and of lines their sentences."""
    segment: list[_Token] = []
    for token in tokens:
        if segment:
            ended = _SENTENCE_END.search(segment[-1].text)
            if "\n" in token.space or (ended and (token.space or ord(ended.group()[0]) > 0x2FFF)):
                yield tuple(segment)
                segment = []
        segment.append(token)
    if segment:
        yield tuple(segment)


# Alignment -------------------------------------------------------------------------------------------------------


def _aligned(before: Sequence[_Token], after: Sequence[_Token]) -> Iterator[_Run]:
    first, second = list(_segments(before)), list(_segments(after))
    keys = [[tuple(token.text for token in segment) for segment in side] for side in (first, second)]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    runs: list[_Run] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            runs.append(_Run("=", _flat(second[k:m])))
        else:
            runs += _joined(list(_by_words(_flat(first[i:j]), _flat(second[k:m]))))
    for side, group in groupby(runs, key=lambda run: run.side):
        yield _Run(side, [token for run in group for token in run.tokens])


def _flat(segments: Iterable[Sequence[_Token]]) -> list[_Token]:
    return [token for segment in segments for token in segment]


def _by_words(before: Sequence[_Token], after: Sequence[_Token]) -> Iterator[_Run]:
    # Its junk (words of more than 1 % of a long text) begins no match, but may be within one.
    matcher = SequenceMatcher(None, [one.text for one in before], [one.text for one in after])
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            yield _Run("=", after[k:m])
            continue
        if i < j:
            yield _Run("-", before[i:j])
        if k < m:
            yield _Run("+", after[k:m])


def _joined(runs: list[_Run]) -> list[_Run]:
    """Without what is the same between two changes that are both at least as long."""
    changes: list[_Change] = [
        _Change([], [])
    ]  # before the first of what is the same, between, after the last
    same: list[list[_Token]] = []
    for run in runs:
        if run.side == "=":
            same.append([*run.tokens])
            changes.append(_Change([], []))
        else:
            changes[-1][run.side == "+"].extend(run.tokens)
    kept: list[_Run] = []
    current = changes[0]
    for equal, following in zip(same, changes[1:], strict=True):
        length = _Run("=", equal).length
        if all(length <= max(_Run("", side).length for side in change) for change in (current, following)):
            current = _Change(
                current.removed + equal + following.removed, current.added + equal + following.added
            )
        else:
            kept += [*current.runs(), _Run("=", equal)]
            current = following
    return [*kept, *current.runs()]


class _Change(NamedTuple):
    """What one text has in a place, and the other."""

    removed: list[_Token]
    added: list[_Token]

    def runs(self) -> list[_Run]:
        return [_Run(side, tokens) for side, tokens in zip("-+", self, strict=True) if tokens]


# Layout ----------------------------------------------------------------------------------------------------------


def _laid_out(runs: Iterable[_Run], width: int) -> Iterator[DiffLine]:
    """Lines as in the text, long ones broken between words; a long change begins a line of its own."""
    pieces: list[Piece] = []
    length = 0
    was_long = False
    laid = list(_by_lines(runs))
    for number, run in enumerate(laid):
        is_long = run.side != "=" and run.length > _OWN_LINE
        beside = number > 0 and not is_long and not was_long and _is_beside(laid, number)
        for place, token in enumerate(run.tokens):
            space = " " if token.space else ""
            broken = "\n" in token.space or (place == 0 and (is_long or (was_long and token.is_word)))
            broken = broken and not (place == 0 and beside)
            if pieces and (broken or length + len(space) + len(token.text) > width):
                yield _line(pieces)
                pieces, length = [], 0
            shown = f"{space}{token.text}" if pieces else token.text
            pieces.append(Piece(run.side, shown))
            length += len(shown)
        was_long = is_long
    if pieces:
        yield _line(pieces)


def _is_beside(runs: Sequence[_Run], number: int) -> bool:
    """Whether a run has the beginning of a line in place of the one before, and the line goes on as in both texts."""
    one, other = runs[number - 1 : number + 1]
    begin = "\n" in one.tokens[0].space and "\n" in other.tokens[0].space
    follow = runs[number + 1] if number + 1 < len(runs) else None
    goes_on = follow is not None and follow.side == "=" and "\n" not in follow.tokens[0].space
    return (one.side, other.side) == ("-", "+") and begin and goes_on


def _by_lines(runs: Iterable[_Run]) -> Iterator[_Run]:
    """Runs cut where their text has an end of line."""
    for run in runs:
        starts = [0, *(place for place, token in enumerate(run.tokens) if place and "\n" in token.space)]
        for start, end in zip(starts, [*starts[1:], len(run.tokens)], strict=True):
            yield _Run(run.side, run.tokens[start:end])


def _line(pieces: Sequence[Piece]) -> DiffLine:
    joined = tuple(
        Piece(side, "".join(piece.text for piece in group))
        for side, group in groupby(pieces, key=lambda piece: piece.side)
    )
    return DiffLine(joined[0].side if len(joined) == 1 else "~", joined)


def _shortened(lines: Iterable[DiffLine]) -> Iterator[DiffLine]:
    """Of lines that are the same those beside a change; for the others how many words they have."""
    laid = list(lines)
    near = {
        other
        for place, line in enumerate(laid)
        if line.side != "="
        for other in range(place - _CONTEXT, place + _CONTEXT + 1)
    }
    for shown, group in groupby(enumerate(laid), key=lambda one: one[0] in near):
        members = [line for _, line in group]
        if shown:
            for side, alike in groupby(members, key=lambda line: line.side):
                yield from _beginning_and_end(side, list(alike))
        elif len(members) == 1:
            yield members[0]
        else:
            yield _gap(f"... {_words(_n_words(members))} the same ...")


def _beginning_and_end(side: str, lines: Sequence[DiffLine]) -> Iterator[DiffLine]:
    """Of many lines that one text has alone the first ones and the last."""
    if side not in _ALONE or len(lines) <= _FIRST_LINES + 2:
        yield from lines
        return
    yield from lines[:_FIRST_LINES]
    yield _gap(f"... {_words(_n_words(lines[_FIRST_LINES:-1]))} more {_ALONE[side]} ...")
    yield lines[-1]


def _n_words(lines: Iterable[DiffLine]) -> int:
    return sum(token.is_word for line in lines for token in _tokens(line.text))


def _bounded(lines: Sequence[DiffLine], most: int) -> Iterator[DiffLine]:
    yield from lines[:most]
    if len(lines) > most:
        yield _gap(f"... and {len(lines) - most:,} more lines")


def _gap(said: str) -> DiffLine:
    return DiffLine(".", (Piece("=", said),))
