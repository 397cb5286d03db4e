"""The compiled scan against the plain definition, on examples and on anything hypothesis can think of."""

import numpy as np
import plain_definition as plain
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.kernels import scan

PIECES = [
    *(
        "the",
        "the",
        "be",
        "to",
        "Of",
        "and",
        "that",
        "have",
        "with",
        "lorem",
        "Lorem",
        "ipsum",
        " lorem ipsum ",
    ),
    *("a", "a", "b", "ab", "x1", "42", "don't", "well-known", "rock-n-roll", "o'"),
    *(" ", " ", " ", "  ", "\n", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u2028", "\u200b", "\u200d"),
    *(".", "..", "...", "…", "!", "?", "?!", '."', ".)", "#", "{", "}", "'", "’", "-", "--", "«", "»", "_"),
    *("• ", "- ", "* ", "-", "‣", "·x", "I am your father.\n", "one two three four five six seven "),
    *("ÄÖÜ", "İstanbul", "ΣΊΣΥΦΟΣ", "Ⅳ", "½", "Привет", "العربية؟ ", "हिन्दी। ", "می\u200cخواهم", "한국어"),
    *("你好", "世界。", "中文,", "日本語", "カタカナー", "ｶﾞ", "ひらがな", "〇", "々", "か\u3099"),
    *("ภาษาไทย", "๑๒", "ລາວ", "ខ្មែរ។", "မြန်မာ။", "e\u0301", "\u0301", "❤\ufe0f", "葛\U000e0100"),
    *("𝒜𝒷", "𐐀𐐨", "𠮷野家", "𒀀", "😀", "🇩🇪", "\U000f0000", "\x00", "\x1c", "\ufffd", "\u202e"),
]
texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    st.lists(st.sampled_from(["a", "b", "cd", "\n"]), max_size=60).map(" ".join),
    st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=60),
    st.text(alphabet="aé中ก '-.\n…", max_size=30),
)


def statistics(*documents: str) -> list[dict[str, int]]:
    found = scan.analyse(pa.array(documents, pa.large_string()), 0, 5).statistics
    return [{name: int(column[row]) for name, column in found.items()} for row in range(len(documents))]


def within_rounding(counts: dict[str, int]) -> dict[str, object]:
    """Entropies are sums of floats: in another order the last of their millionths may differ."""
    return {
        name: pytest.approx(value, abs=2) if name.endswith("_millionths") else value
        for name, value in counts.items()
    }


@settings(max_examples=250, deadline=None)
@given(texts)
def test_the_kernels_count_what_the_plain_definition_counts(text):
    assert statistics(text)[0] == within_rounding(plain.statistics(text))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), texts), max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_a_document_counts_the_same_alone_and_in_any_slice(documents, start, stop):
    whole = pa.array(documents, pa.large_string())
    part = whole[start:stop]
    found, alone = scan.analyse(whole, 4, 2), scan.analyse(part, 4, 2)
    for name, column in found.statistics.items():
        assert column[start:stop].tolist() == alone.statistics[name].tolist()
    assert found.signatures[start:stop].tolist() == alone.signatures.tolist()
    again = scan.analyse(pa.array(documents[start:stop], pa.large_string()), 4, 2)
    assert again.signatures.tolist() == alone.signatures.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't well-known o'", ["don't", "well-known", "o"]),
        ("-a- a--b 'n'", ["a", "a", "b", "n"]),
        ("a-\u0301b '\u0301c", ["a", "b", "c"]),  # a mark with nothing to stand on is a symbol
        ("3.14 snake_case", ["3", "14", "snake", "case"]),
        ("ÄRGER İz ΟΔΟΣ", ["ärger", "iz", "οδοσ"]),
        ("e\u0301te\u0301 \u0301x", ["e\u0301te\u0301", "x"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("iPhone手机 3台", ["iphone", "手", "机", "3", "台"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("𝒜𝒷 𐐀 𠮷", ["𝒜𝒷", "𐐨", "𠮷"]),
        ("❤\ufe0f 😀", []),
    ],
)
def test_words(text, expected):
    assert [word.text for word in plain.words(text)] == expected
    one = scan.analyse(pa.array([text, "\n".join(expected)], pa.large_string()), 16, 1)
    assert one.signatures[0].tolist() == one.signatures[1].tolist(), "the kernel finds the same words"


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("One. Two! Three?", 3),
        ("Pi is 3.14 today", 1),
        ('"Go." he said (twice!) and went...', 3),
        ("No end\nBut a line", 2),
        ("...\n!!!\n", 0),
        ("你好。世界！", 2),
        ("他说：“你好。”然后走了。", 2),
        ("यह है। वह है।", 2),
    ],
)
def test_sentences(text, n):
    assert statistics(text)[0]["sentences"] == n == sum(map(plain.sentences, text.split("\n")))


def test_groups_cover_all_documents_in_order_and_hold_to_their_size():
    lengths = np.array(
        [0, 0, scan.GROUP_BYTES, 1, scan.GROUP_BYTES * 3, 0, 5, *[0] * (scan.GROUP_DOCUMENTS + 7)]
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    groups = scan._groups(offsets)
    assert [document for first, last in groups for document in range(first, last)] == list(
        range(len(lengths))
    )
    for first, last in groups:
        assert last - first <= scan.GROUP_DOCUMENTS
        assert lengths[first:last].sum() <= scan.GROUP_BYTES or last - first == 1


@pytest.mark.parametrize(
    "tail", [b"\xc3", b"\xe4\xbd", b"\xf0\x9f\x98", b"\x80", b"\xff", b"\xf4\xbf\xbf\xbf", b"\xf0"]
)
def test_bytes_that_are_not_utf8_are_symbols_and_nothing_is_read_beyond_them(tail):
    data = b"one two" + tail
    neighbours = [
        pa.LargeStringArray.from_buffers(
            1, pa.py_buffer(np.array([0, len(data)], np.int64)), pa.py_buffer(data + after)
        )
        for after in (b"", b"three", b"\xbf\xbf\xbf three")
    ]
    found = [scan.analyse(texts, 8, 1) for texts in neighbours]
    assert [int(f.statistics["spaced_words"][0]) for f in found] == [2, 2, 2]
    assert found[0].signatures.tolist() == found[1].signatures.tolist() == found[2].signatures.tolist()


def test_other_arrays_and_impossible_parameters_are_refused():
    with pytest.raises(TypeError, match="large_string"):
        scan.analyse(pa.array(["a"], pa.string()), 8, 5)
    with pytest.raises(ValueError, match="shingle"):
        scan.analyse(pa.array(["a"], pa.large_string()), 8, 0)


def test_no_documents_give_no_rows():
    found = scan.analyse(pa.array([], pa.large_string()), 8, 5)
    assert found.signatures.shape == (0, 8)
    assert all(len(column) == 0 for column in found.statistics.values())


@pytest.mark.parametrize("unit", ["a ", "a\n", "中", "word " * 10 + "\n", "x"])
def test_a_document_of_five_megabytes_passes(unit):
    n = 5_000_000 // len(unit.encode())
    found = statistics(unit * n, "after it")
    assert found[0]["characters"] == n * len(unit)
    assert found[1] == within_rounding(plain.statistics("after it"))


@pytest.mark.slow
def test_a_document_of_fifty_megabytes_passes():
    vocabulary = np.array([f"w{i}" for i in range(50_000)])
    text = " ".join(np.random.default_rng(3).choice(vocabulary, 8_500_000).tolist())
    found = statistics(text)[0]
    assert len(text) > 50_000_000
    assert found["spaced_words"] == 8_500_000
