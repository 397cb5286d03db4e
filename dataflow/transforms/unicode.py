"""Clean Unicode: mojibake repaired, NFC, no control characters, ``\\n`` for every line break, no runs of
white space.

The idea: a kernel reads every byte once and says what could be wrong with which text; where it is white space
alone, another writes the text anew; only what is left (mojibake, composition) is touched in Python, by
``clean_text``, which is also the definition of it all. ftfy, slow and worse than linear on long texts, sees
only the lines that look suspicious, in pieces. Kept on purpose: indentation (code, poems), joiners and
direction marks (Persian, Hindi, emoji), zero-width spaces (Khmer and Thai word breaks), the ideographic space.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.kernels.arrow import buffers, column
from dataflow.kernels.clean import COMPOSE, HARD, MAX_MARKS, MOJIBAKE, WHITE, suspect, table, tidy

VERSION = 2

PIECE = 4_000
"""Characters of a line that ftfy sees at once."""

LONG = 1 << 18
"""Bytes of a text beyond which it is repaired piece by piece."""

_MAX_PASSES = 8

_CONTROL = r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufff9-\ufffb\ufffe\uffff"
_SPACES = r"\xa0\u1680\u2000-\u200a\u202f\u205f"

_BREAK = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# A terminal's colour sequence (ECMA-48, section 5.4) goes whole: without its escape, `[33m` would stay as text.
_REMOVED = re.compile(f"\x1b\\[[0-?]*[ -/]*[@-~]|[{_CONTROL}\xad]")
_SPACE = re.compile(f"[{_SPACES}]")
# Written so that Python's engine skips ahead to a first character: one that begins with a choice or a look
# behind is tried at every character, ten times as slow.
_TRAILING = re.compile(r"[ \t]++(?![^\n])")
_INNER = re.compile(r"[ \t](?<=[^ \t\n][ \t])[ \t]+")
_BLANK_LINES = re.compile(r"\n\n\n+")

# RE2's spelling of "one of the above could match", for whole columns.
_CONTROL_RE2 = r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}\x{ad}\x{feff}\x{fff9}-\x{fffb}\x{fffe}\x{ffff}]"
_ANY_SUSPICION = (
    _CONTROL_RE2 + r"|[\x0b-\x0d\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}]"
    r"|[^ \t\n][ \t]{2}|[ \t]\n|[ \t]\z|\n\n\n|\A\n|\n\z"
)
_MANY_MARKS = rf"\p{{M}}{{{MAX_MARKS + 1}}}"


def clean_unicode(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Cleaned texts, and per text the changes: characters replaced, runs folded, lines repaired."""
    changes = np.zeros(len(texts), np.int64)
    flags = _suspicions(texts)
    in_python = _beyond_white_space(texts, flags)
    rows = np.flatnonzero((flags & WHITE != 0) & ~in_python)
    tidied, counts = _tidied(texts, rows)
    # A repair may bare the next one: a mark that stood behind a control character now composes.
    again = _suspicions(tidied)
    unfinished = (again & WHITE != 0) | _beyond_white_space(tidied, again)
    in_python[rows[unfinished]] = True
    rows, tidied, counts = rows[~unfinished], tidied.filter(pa.array(~unfinished)), counts[~unfinished]
    changes[rows] = counts

    cleaned = []
    others = np.flatnonzero(in_python)
    for row in others:
        text = texts.slice(int(row), 1)
        if text.nbytes > LONG:
            after, changes[row] = _clean_long(text)
        else:
            one, changes[row] = clean_text(text[0].as_py())
            after = pa.array([one], pa.large_string())
        cleaned.append(after)
    if not changes.any():
        return texts, changes
    replaced = np.concatenate([rows, others])
    order = np.argsort(replaced)
    order = order[changes[replaced[order]] > 0]
    repairs = pa.concat_arrays([tidied, *cleaned]).take(pa.array(order))
    return pc.replace_with_mask(texts, pa.array(changes > 0), repairs), changes


def _clean_long(text: pa.LargeStringArray) -> tuple[pa.LargeStringArray, int]:
    """The same for one long text: Python sees only the pieces that need it, so that memory stays a few copies."""
    changes = 0
    for _ in range(_MAX_PASSES):
        pieces = _cut(text)
        odd = _beyond_white_space(pieces, _suspicions(pieces))
        repaired = []
        for row in np.flatnonzero(odd):
            piece, n = _repair_characters(pieces[int(row)].as_py())
            repaired.append(piece)
            changes += n
        if repaired:
            pieces = pc.replace_with_mask(pieces, pa.array(odd), pa.array(repaired, pa.large_string()))
        data, offsets = buffers(pieces)
        joined = column(data[offsets[0] : offsets[-1]], np.array([0, offsets[-1] - offsets[0]], np.int64))
        tidied, counts = _tidied(joined, np.zeros(1, np.int64))
        changes += int(counts[0])
        if tidied.equals(text):
            break
        text = tidied
    return text, changes


def _cut(text: pa.LargeStringArray) -> pa.LargeStringArray:
    """One text in pieces of about ``LONG`` bytes, each cut after a line break or, failing that, a space."""
    data, offsets = buffers(text)
    data = data[offsets[0] : offsets[1]]
    cuts = [0]
    while len(data) - cuts[-1] > LONG:
        start = cuts[-1] + LONG // 2
        for sign in b"\n ":
            found = np.flatnonzero(data[start : start + LONG // 2] == sign)
            if len(found):
                break
        cuts.append(start + int(found[-1]) + 1 if len(found) else _next_break(data, start + LONG // 2))
    return column(data, np.array([*cuts, len(data)] if cuts[-1] < len(data) else cuts, np.int64))


def _next_break(data: np.ndarray, start: int) -> int:
    found = np.flatnonzero((data[start:] == ord("\n")) | (data[start:] == ord(" ")))
    return start + int(found[0]) + 1 if len(found) else len(data)


def _suspicions(texts: pa.LargeStringArray) -> np.ndarray:
    """What each text may need (flags of ``kernels.clean``)."""
    found = np.zeros(len(texts), np.uint8)
    suspect(*buffers(texts), table(), found)
    return found


def _beyond_white_space(texts: pa.LargeStringArray, flags: np.ndarray) -> np.ndarray:
    """Which texts need ``clean_text``: of the suspected ones those that RE2 and unicodedata confirm."""
    found: np.ndarray = flags & HARD != 0
    rows = np.flatnonzero((flags & MOJIBAKE != 0) & ~found)
    if len(rows):
        bad = pc.match_substring_regex(texts.take(pa.array(rows)), _badness())
        found[rows] = bad.to_numpy(zero_copy_only=False)
    for row in np.flatnonzero((flags & COMPOSE != 0) & ~found):
        found[row] = not unicodedata.is_normalized("NFC", texts[int(row)].as_py())
    return found


def _tidied(texts: pa.LargeStringArray, rows: np.ndarray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Some of the texts with clean white space, and the changes in each."""
    data, offsets = buffers(texts)
    out = np.empty(int((offsets[rows + 1] - offsets[rows]).sum()), np.uint8)
    out_offsets, changes = np.zeros(len(rows) + 1, np.int64), np.zeros(len(rows), np.int64)
    tidy(data, offsets, rows, table(), out, out_offsets, changes)
    return column(out, out_offsets), changes


def clean_text(text: str) -> tuple[str, int]:
    """One text cleaned, and its changes. Passes repeat until nothing moves: one repair may bare another."""
    changes = 0
    for _ in range(_MAX_PASSES):
        cleaned, changed = _one_pass(text)
        if cleaned == text:
            return text, changes
        text, changes = cleaned, changes + max(changed, 1)
        if not _is_suspect(text):
            break
    return text, changes


def _is_suspect(text: str) -> bool:
    """Whether one text needs a look."""
    if _pattern(_ANY_SUSPICION).search(text):
        return True
    if text.isascii():
        return False
    odd = _pattern(_badness()).search(text) or _pattern(_MANY_MARKS).search(text)
    return bool(odd) or not unicodedata.is_normalized("NFC", text)


def _one_pass(text: str) -> tuple[str, int]:
    text, changes = _repair_characters(text)
    for guard, pattern, replacement in _REPAIRS:
        if _pattern(guard).search(text):
            text, n = pattern.subn(replacement, text)
            changes += n
    inner = text.strip("\n")
    return inner, changes + text.startswith("\n") + text.endswith("\n")


def _repair_characters(text: str) -> tuple[str, int]:
    """Mojibake, marks and composition."""
    if text.isascii():
        return text, 0
    text, changes = _repair_mojibake(text)
    text, marks = _limit_marks(text)
    changes += marks
    if not unicodedata.is_normalized("NFC", text):
        text, changes = unicodedata.normalize("NFC", text), changes + 1
    return text, changes


def _fold(run: re.Match[str]) -> str:
    """A run of blanks inside a line becomes one: a tab where it holds one, for tables."""
    return "\t" if "\t" in run[0] else " "


_REPAIRS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (r"[\r\x0b\x0c\x{85}\x{2028}\x{2029}]", _BREAK, "\n"),
    (_CONTROL_RE2, _REMOVED, ""),
    (r"[\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}]", _SPACE, " "),
    (r"[ \t](?:\n|\z)", _TRAILING, ""),
    (r"[^ \t\n][ \t]{2}", _INNER, _fold),
    (r"\n\n\n", _BLANK_LINES, "\n\n"),
)
"""What is looked for (RE2, ten times as fast), what is replaced, and by what; in this order."""


def _repair_mojibake(text: str) -> tuple[str, int]:
    """The text with every suspicious line decoded again, and how many pieces changed."""
    suspicious = _pattern(_badness())
    if not suspicious.search(text):
        return text, 0
    from ftfy import fix_encoding

    changed = 0
    pieces = []
    for line in text.split("\n"):
        if line.isascii() or not suspicious.search(line):
            pieces.append(line)
            continue
        before = _pieces(line)
        after = [fix_encoding(piece) for piece in before]
        changed += sum(a != b for a, b in zip(after, before, strict=True))
        pieces.append("".join(after))
    return "\n".join(pieces), changed


def _pieces(line: str) -> list[str]:
    """A line in pieces of at most ``PIECE`` characters, cut after a space where there is one."""
    pieces, start = [], 0
    while len(line) - start > PIECE:
        space = line.rfind(" ", start + PIECE // 2, start + PIECE)
        end = space + 1 if space >= 0 else start + PIECE
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _limit_marks(text: str) -> tuple[str, int]:
    if not _pattern(_MANY_MARKS).search(text):
        return text, 0
    shortened: tuple[str, int] = _pattern(rf"(\p{{M}}{{{MAX_MARKS}}})\p{{M}}+").subn(r"\1", text)
    return shortened


@cache
def _badness() -> str:
    """ftfy's own pattern of mojibake, layout and comments taken out: RE2 knows no verbose mode."""
    from ftfy.badness import BADNESS_RE

    layout = re.compile(r"(\[[^\]]*\])|[ \n]+|#[^\n]*")
    return layout.sub(lambda found: found[1] or "", BADNESS_RE.pattern).replace(r"\s", r"[\s\p{Z}]")


@cache
def _pattern(expression: str):  # type: ignore[no-untyped-def]  # re2 has no types
    import re2

    return re2.compile(expression)
