"""The line rules of C4 as regular expressions in RE2: the plain definition that the kernel is held against."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MIN_WORDS = 3
MAX_WORD_CHARACTERS = 1_000
MAX_NESTED_CITATIONS = 4
"""Marks inside marks come from broken markup: a line that still has one after so many passes is dropped."""

CITATION = r"\[[0-9]*\]|\[edit\]|\[citation needed\]"
POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)

# Sentence_Terminal of Unicode 16 (PropList), the marks in use today.
_TERMINAL = ".!?։؝؞؟۔܀܁܂߹।॥၊။።፧፨᙮᠃᠉។៕᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼。꓿꘎꘏꛳꛷︒﹒﹖﹗！．？｡"
_CLOSING = r"""["'”’»›)\]）」』】〉》]"""
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPACE = r"[\s\p{Z}]"
_WORD = r"[^\s\p{Z}]+"

# A closing double quotation mark alone ends a sentence in C4; Thai and Lao write no full stop at all.
ENDS = rf"[{_TERMINAL}]{_CLOSING}*$|[\"”»」』]$|[\p{{Thai}}\p{{Lao}}]$"
ELLIPSIS = rf"(?:\.\.\.|…){_CLOSING}*$"
ENOUGH_WORDS = rf"(?:{_WORD}{_SPACE}+){{{MIN_WORDS - 1}}}[^\s\p{{Z}}]|[{_SPACELESS}]"
BOILERPLATE = "(?i)javascript|" + "|".join(POLICY_PHRASES)


def c4_lines(texts: pa.LargeStringArray, any_end: bool = False) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Texts with only the lines that pass, and per text the lines dropped or shortened."""
    if len(texts) == 0:
        return texts, np.zeros(0, np.int64)
    split = pc.split_pattern(texts, "\n")
    offsets = split.offsets.to_numpy() - split.offsets[0].as_py()
    before = split.flatten()
    lines, too_nested = _without_citations(pc.utf8_trim_whitespace(before))
    blank = pc.equal(pc.binary_length(lines), 0)
    ends = pc.and_(
        pc.match_substring_regex(lines, ENDS), pc.invert(pc.match_substring_regex(lines, ELLIPSIS))
    )
    sentence = pc.and_(
        pc.or_(ends, any_end),
        pc.and_(
            pc.match_substring_regex(lines, ENOUGH_WORDS),
            pc.invert(pc.match_substring_regex(lines, BOILERPLATE)),
        ),
    )
    refused = _as_numpy(too_nested) | _has_long_word(lines)
    kept = _as_numpy(pc.or_(blank, sentence)) & ~refused
    was_blank = _as_numpy(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(before)), 0))
    touched = ~was_blank & (~kept | ~_as_numpy(pc.equal(lines, before)))

    running = np.concatenate([[0], np.cumsum(kept)])[offsets]
    left = pa.ListArray.from_arrays(pa.array(running, pa.int32()), lines.filter(pa.array(kept)))
    joined = pc.binary_join(left, pa.scalar("\n", pa.large_string()))
    tidy = pc.utf8_trim(pc.replace_substring_regex(joined, r"\n\n\n+", "\n\n"), "\n")

    counted = np.concatenate([[0], np.cumsum(touched)])
    changes = (counted[offsets[1:]] - counted[offsets[:-1]]).astype(np.int64)
    differs = _as_numpy(pc.not_equal(tidy, texts))  # only blank lines or outer white space went
    return tidy, np.where(differs, np.maximum(changes, 1), 0).astype(np.int64)


def _without_citations(lines: pa.LargeStringArray) -> tuple[pa.LargeStringArray, pa.BooleanArray]:
    """Lines without citation marks, trimmed; and which of them nest marks too deep to be prose."""
    for _ in range(MAX_NESTED_CITATIONS):
        marked = pc.match_substring_regex(lines, CITATION)
        if not pc.any(marked).as_py():
            return lines, marked
        cut = pc.replace_substring_regex(lines.filter(marked), CITATION, "")
        lines = pc.replace_with_mask(lines, marked, pc.utf8_trim_whitespace(cut))
    return lines, pc.match_substring_regex(lines, CITATION)


def _has_long_word(lines: pa.LargeStringArray) -> np.ndarray:
    """Whether a line holds a word over 1,000 characters: only lines longer than that are looked at."""
    found = np.zeros(len(lines), bool)
    for row in np.flatnonzero(pc.binary_length(lines).to_numpy() > MAX_WORD_CHARACTERS):
        words = lines[int(row)].as_py().split()
        found[row] = max(map(len, words), default=0) > MAX_WORD_CHARACTERS
    return found


def _as_numpy(mask: pa.BooleanArray) -> np.ndarray:
    array: np.ndarray = mask.to_numpy(zero_copy_only=False)
    return array
