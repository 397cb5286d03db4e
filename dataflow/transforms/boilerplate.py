"""Lines that belong to the page and not to the text: menus, counters, share buttons, cookie notices.

The line-wise rules of RefinedWeb (Penedo et al. 2023, appendix G.2), a line being dropped if it is

- mainly upper case (over half of its letters, in scripts that have two cases),
- of numbers alone,
- a counter (``3 likes``),
- a single word, or
- of at most 10 words and, in English, holds what only pages say: *sign-in*, *read more...*, *items in cart*.

Single words end in no punctuation here and stand in a script that parts its words, so that ``Yes.`` and a line of
Chinese stay. RefinedWeb drops a whole document that loses over 5 % of its words: that is a rule's to decide.
What is dropped leaves at most one blank line; all else stays as it was.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

VERSION = 1

MAX_WORDS = 10
MAX_UPPER_SHARE = 0.5

_PHRASES = (
    r"sign[- ]?(?:in|up|out)\b|log[- ]?(?:in|out)\b|register now|subscribe|unsubscribe|newsletter|read more|learn more"
    r"|see more|show more|load more|view all|click here|tap here|share (?:this|on|via)|tweet this|pin it|follow us"
    r"|items? in (?:your )?cart|add to (?:cart|basket|wishlist)|skip to (?:main )?content|back to top"
    r"|all rights reserved|copyright (?:©|\(c\)|[12][0-9]{3})|^©"
    r"|cookie (?:policy|settings|preferences)|(?:use|uses) cookies|accept (?:all )?cookies"
    r"|privacy policy|terms (?:of|and) (?:use|service|conditions)|leave a (?:comment|reply)|post navigation|powered by"
    r"|advertisement|sponsored|enable javascript|print this page"
)
PHRASES = rf"(?i){_PHRASES}"
COUNTER = (
    r"(?i)^[\s\pZ]*[0-9][0-9.,]*[\s\pZ]*[km]?[\s\pZ]+(?:likes?|shares?|comments?|retweets?|reposts?|views?|votes?|points?"
    r"|followers|replies|reply|reactions?|downloads?|reviews?|ratings?|tweets?|pins?)[\s\pZ]*$"
)
NUMERIC = r"^[\pN\pP\pS\s\pZ]*\pN[\pN\pP\pS\s\pZ]*$"
SINGLE_WORD = r"^[\s\pZ]*[^\s\pZ]*[\pL\pN][\s\pZ]*$"
_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_MORE_WORDS = rf"(?:[^\s\pZ]+[\s\pZ]+){{{MAX_WORDS}}}[^\s\pZ]"


def boilerplate(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """Texts without lines of boilerplate, and the lines dropped from each."""
    if len(texts) == 0:
        return texts, np.zeros(0, np.int64)
    split = pc.split_pattern(texts, "\n")
    offsets = split.offsets.to_numpy() - split.offsets[0].as_py()
    lines = split.flatten()
    dropped = _is_boilerplate(lines)
    counted = np.concatenate([[0], np.cumsum(dropped)])
    changes = (counted[offsets[1:]] - counted[offsets[:-1]]).astype(np.int64)
    if not changes.any():
        return texts, changes
    kept = ~dropped & ~_needless(
        pc.equal(pc.binary_length(lines), 0).to_numpy(zero_copy_only=False), dropped, offsets
    )
    running = np.concatenate([[0], np.cumsum(kept)])[offsets]
    left = pa.ListArray.from_arrays(pa.array(running, pa.int32()), lines.filter(pa.array(kept)))
    joined = pc.binary_join(left, pa.scalar("\n", pa.large_string()))
    return pc.if_else(pa.array(changes > 0), joined, texts), changes


def _is_boilerplate(lines: pa.LargeStringArray) -> np.ndarray:
    """Which lines go; long ones are not even looked at but for their case."""

    def match(some: pa.LargeStringArray, pattern: str) -> np.ndarray:
        found: np.ndarray = pc.match_substring_regex(some, pattern).to_numpy(zero_copy_only=False)
        return found

    upper = pc.count_substring_regex(lines, r"[\p{Lu}\p{Lt}]").to_numpy()
    cased = pc.count_substring_regex(lines, r"[\p{Lu}\p{Lt}\p{Ll}]").to_numpy()
    found: np.ndarray = upper > MAX_UPPER_SHARE * cased
    short = np.flatnonzero((pc.binary_length(lines).to_numpy() <= 400) & ~found)
    some = lines.take(pa.array(short))
    few = ~match(some, _MORE_WORDS)
    found[short] = (
        match(some, NUMERIC)
        | match(some, COUNTER)
        | (match(some, SINGLE_WORD) & ~match(some, _SPACELESS))
        | (few & match(some, PHRASES))
    )
    return found


def _needless(blank: np.ndarray, dropped: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Blank lines that only parted a dropped line from others: what is left of them is as it was around it."""
    needless = np.zeros(len(blank), bool)
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        if not dropped[first:last].any():
            continue
        after_blank, gone = True, False  # a text begins as if after a blank line
        for line in range(first, last):
            if dropped[line]:
                gone = True
            elif blank[line]:
                needless[line] = gone and after_blank
                after_blank = True
            else:
                after_blank = gone = False
        line = last - 1
        while gone and line >= first and (dropped[line] or blank[line]):
            needless[line] |= blank[line]
            line -= 1
    return needless
