"""What every Unicode character is to the kernels: one 32-bit entry a code point, all planes, looked up once.

An entry packs the kind (symbol, space, joiner, mark, digit, letter, or a character of a script without
spaces), a few flags, the script and the change to lower case. Entries of most code points come from
``unicodedata``; the great uniform blocks (Han, Hangul, planes 2 and 3) are filled by range, which keeps the
table at some 40 ms, built on first use.

Lower case is the simple mapping, one character to one: ``İ`` becomes ``i``, and a final sigma stays ``σ``.
"""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

SYMBOL, SPACE, JOINER, MARK, DIGIT, LETTER, SPACELESS = range(7)
"""Kinds, in bits 0 to 2. From DIGIT on a character starts a word; a mark or a joiner only continues one."""

KIND = 7
TERMINAL = 1 << 3  # ends a sentence before white space: Unicode's Sentence_Terminal, and the ellipsis
TERMINAL_ALONE = 1 << 4  # ends a sentence with no white space after it
CLOSER = 1 << 5  # a quotation mark or closing bracket, which may follow the end of a sentence
BULLET = 1 << 6
ALPHABETIC = 1 << 7  # a letter; in scripts without spaces a letter or a mark
SCRIPT_SHIFT, SCRIPT = 8, 7  # index into SPACELESS_SCRIPTS
UPPER = 1 << 11  # an uppercase character, as str.isupper has it
LOWER = 1 << 12
LOWER_SHIFT = 15  # above: code point XOR lower-case code point

TABLE_SIZE = 0x110000

SPACELESS_SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "han": (
        (0x3005, 0x3005),
        (0x3007, 0x3007),
        (0x3021, 0x3029),
        (0x3038, 0x303B),
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        (0xF900, 0xFAFF),
        (0x16FE2, 0x16FE3),
        (0x16FF0, 0x16FF6),
        (0x20000, 0x3FFFD),
    ),
    "kana": ((0x3041, 0x309F), (0x30A1, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F)),
    "thai": ((0x0E01, 0x0E7F),),
    "lao": ((0x0E80, 0x0EFF),),
    "khmer": ((0x1780, 0x17FF),),
    "myanmar": ((0x1000, 0x109F), (0xA9E0, 0xA9FE), (0xAA60, 0xAA7F)),
}
"""Scripts written without spaces, by code point range (Unicode Scripts.txt, with shared marks and digits)."""

JOINERS = "'-\u2019\u2010\u2011\u00ad\u200c\u200d"
"""Inside a word these belong to it: apostrophes, hyphens, the soft hyphen and the zero-width (non-)joiner."""

BULLETS = "•●◦▪-*‣·"

# Filled whole, the few unassigned code points too, so that a new Unicode version changes nothing there.
_LETTERS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x3FFFD))

# Asked of unicodedata; whatever is in neither list is unassigned, a surrogate or private.
_LISTED = (
    (0x0000, 0x33FF),
    (0x4DC0, 0x4DFF),
    (0xA000, 0xABFF),
    (0xD7A4, 0xD7FF),
    (0xF900, 0x1FFFF),
    (0xE0000, 0xE01FF),
)

# Unicode PropList.txt, Sentence_Terminal, and the ellipsis; first and last code point of each run.
_TERMINALS = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736
17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F 2024
2026 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 2E60-2E61 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877
A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61
10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF
11238-11239 1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E
11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38
16B44 16D6E-16D6F 16E98 1BC9F 1DA88
"""

# Those of scripts without spaces: Chinese and Japanese full and half width, Myanmar, Khmer.
_TERMINALS_ALONE = "3002 FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61 104A-104B 17D4-17D5"


@cache
def table() -> npt.NDArray[np.uint32]:
    """The entry of every code point; zero (a symbol) where nothing is assigned. Read-only."""
    entries = np.zeros(TABLE_SIZE, np.uint32)
    for first, last in _LISTED:
        entries[first : last + 1] = [_entry(chr(point)) for point in range(first, last + 1)]
    for first, last in _LETTERS:
        entries[first : last + 1] = LETTER | ALPHABETIC
    for index, ranges in enumerate(SPACELESS_SCRIPTS.values()):
        for first, last in ranges:
            part = entries[first : last + 1]
            kind = part & KIND
            alphabetic = np.where((kind == LETTER) | (kind == MARK), ALPHABETIC, 0)
            part[:] = np.where(kind >= MARK, SPACELESS | alphabetic | index << SCRIPT_SHIFT, part)
    for text in JOINERS:
        entries[ord(text)] = JOINER | (entries[ord(text)] & ~np.uint32(KIND))
    for text in BULLETS:
        entries[ord(text)] |= BULLET
    for text in "\"'":
        entries[ord(text)] |= CLOSER
    for point in _points(_TERMINALS):
        entries[point] |= TERMINAL
    for point in _points(_TERMINALS_ALONE):
        entries[point] |= TERMINAL_ALONE
    entries.flags.writeable = False
    return entries


def _entry(character: str) -> int:
    """Kind, letter and lower case of one character, by its Unicode category."""
    category = unicodedata.category(character)
    if category[0] == "L":
        lower = ord(character.lower()[0]) ^ ord(character)
        case = UPPER * character.isupper() | LOWER * character.islower()
        return LETTER | ALPHABETIC | case | lower << LOWER_SHIFT
    if category[0] == "M":
        return MARK
    if category[0] == "N":
        return (
            DIGIT | (ord(character.lower()) ^ ord(character)) << LOWER_SHIFT
        )  # the Roman numeral Ⅳ has a lower case
    if character.isspace():
        return SPACE
    return CLOSER if category in ("Pe", "Pf", "Pi") else SYMBOL


def _points(runs: str) -> list[int]:
    """Code points of hexadecimal runs such as ``3F 61D-61F``."""
    ends = [run.split("-") for run in runs.split()]
    return [point for run in ends for point in range(int(run[0], 16), int(run[-1], 16) + 1)]
