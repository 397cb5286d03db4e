"""The table of characters against unicodedata, for every code point there is."""

import time
import unicodedata

import plain_definition as plain

from dataflow.kernels import characters as c

ASSIGNED = [
    chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) not in ("Cn", "Co", "Cs")
]


def kind(character: str) -> int:
    return int(c.table()[ord(character)]) & c.KIND


def test_every_assigned_character_has_the_kind_of_its_category_and_script():
    for character in ASSIGNED:
        if character in c.JOINERS:
            expected = c.JOINER
        elif plain.script(character):
            expected = c.SPACELESS
        elif character.isspace():
            expected = c.SPACE
        else:
            expected = {"L": c.LETTER, "M": c.MARK, "N": c.DIGIT}.get(
                unicodedata.category(character)[0], c.SYMBOL
            )
        assert kind(character) == expected, f"U+{ord(character):04X} {unicodedata.name(character, '')}"


def test_every_letter_and_digit_lower_cases_to_one_character():
    for character in ASSIGNED:
        if unicodedata.category(character)[0] in "LN":
            lower = ord(character) ^ int(c.table()[ord(character)]) >> c.LOWER_SHIFT
            assert chr(lower) == character.lower()[0]


def test_surrogates_private_and_unassigned_code_points_are_symbols():
    for point in (0xD800, 0xDFFF, 0xE000, 0xF8FF, 0x0378, 0x40000, 0xE0FFF, 0x10FFFF):
        assert kind(chr(point)) == c.SYMBOL


def test_marks_that_end_a_sentence_are_symbols():
    assert {kind(chr(point)) for point in c._points(c._TERMINALS)} == {c.SYMBOL}
    assert set(c._points(c._TERMINALS_ALONE)) < set(c._points(c._TERMINALS))


def test_the_table_is_built_in_a_moment():
    start = time.process_time()
    c.table.__wrapped__()
    assert time.process_time() - start < 0.5, "some 50 ms on an idle machine"
