"""Personal data out of text: what is taken for it, what is not, and what stays on record."""

import hashlib
import re
from collections import Counter
from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import RecipeError
from dataflow.kernels.arrow import buffers
from dataflow.transforms.pii import KINDS, SPANS, VERSION, Kind, Pii, scrub, scrub_strings
from dataflow.transforms.pii_kinds import detector

SCRUBBED = [
    ("Write to jo.doe+x@mail.example.org, please.", "Write to <EMAIL>, please."),
    ("https://x.org/?user=jo%40mail.org&a=1", "https://x.org/?user=<EMAIL>&a=1"),
    ("mail a@b.org.Next sentence", "mail <EMAIL> sentence"),
    ("From 81.2.69.142:8080 and 81.2.69.143/32.", "From <IP>:8080 and <IP>/32."),
    ("Server 2606:4700:4700::1111 is up", "Server <IP> is up"),
    ("DNS is at 8.8.8.8 there", "DNS is at <IP> there"),
    ("Call (202) 456-1111 x12 or +44 20 7946 0958!", "Call <PHONE> or <PHONE>!"),
    ("phone: 2024561111", "phone: <PHONE>"),
    ("Pay with 4111 1111 1111 1111 exp 12/27", "Pay with <CARD> exp 12/27"),
    ("4111111111111111, 3782-822463-10005", "<CARD>, <CARD>"),
    ("To GB82 WEST 1234 5698 7654 32 TODAY", "To <IBAN> TODAY"),
    ("to de89370400440532013000.", "to <IBAN>."),
    ("é@x 😀 jo@mail.org 你好", "é@x 😀 <EMAIL> 你好"),
    ("电话+8613812345678，谢谢", "电话<PHONE>，谢谢"),
]
KEPT = [
    ("no address", "see you @ noon, a@b, logo@2x.png, x@1.2.3"),
    ("version with v", "Linux v4.15.2.1 was fine"),
    ("version in words", "upgrade to version 81.2.69.142 now"),
    ("product version", "Mozilla/81.2.69.142 Gecko"),
    ("pre-release", "81.2.69.142-rc1"),
    ("object identifier", "OID 1.3.6.1.4.1 and 1.3.6.1"),
    ("object identifier in code", "const OID_EDDSA = '1.3.101.112';"),
    ("clause of a regulation", "as defined in DFARS 252.227-7013 (c)"),
    ("section number", "as in Section 81.2.69.142 above"),
    ("heading", "11.5.4.6 Servers and clients"),
    ("small numbers that nothing calls an address", "since 3.4.0.0"),
    ("private and reserved addresses", "10.0.0.1 127.0.0.1 192.168.1.1 169.254.1.1 224.0.0.5 192.0.2.7"),
    ("private IPv6", "fe80::1 ::1 fd00::1 2001:db8::1"),
    ("times and code", "at 12:30:45 std::dead::beef a::b 20:10:11:12"),
    ("more than 255", "Chrome 96.0.4664.110"),
    ("Luhn digit wrong", "4111 1111 1111 1112"),
    ("no issuer", "9999 9999 9999 9995"),
    ("part of a number", "0.4111111111111111 and x4111111111111111"),
    ("IBAN checksum wrong", "GB82 WEST 1234 5698 7654 33"),
    ("bare digits", "order 2024561111 shipped"),
    ("fictional phone", "Call 202-555-0143"),
    ("impossible phone", "Call 123-456-7890"),
    ("date and sums", "2024-02-28 1234 5678 and 144 233 377 610 987 1597"),
]


def column(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize(("text", "expected"), SCRUBBED)
def test_what_is_replaced(text: str, expected: str) -> None:
    assert scrub(column(text), Pii()).texts.to_pylist() == [expected]


@pytest.mark.parametrize(("name", "text"), KEPT)
def test_what_is_left_alone(name: str, text: str) -> None:
    scrubbed = scrub(column(text), Pii())
    assert scrubbed.texts.to_pylist() == [text]
    assert scrubbed.spans.num_rows == 0


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    texts = column("jo@mail.org 81.2.69.142")
    assert scrub(texts, Pii(kinds=("ip",))).texts.to_pylist() == ["jo@mail.org <IP>"]
    assert scrub(texts, Pii(kinds=())).texts.to_pylist() == texts.to_pylist()
    assert set(KINDS) == set(get_args(Kind)) == set(Pii().kinds)


def test_national_phone_formats_belong_to_the_regions_asked_for() -> None:
    text = column("Ruf an: 030 901820, oder (202) 456-1111")
    assert scrub(text, Pii(regions=("DE",))).texts.to_pylist() == ["Ruf an: <PHONE>, oder (202) 456-1111"]
    assert scrub(text, Pii(regions=("US",))).texts.to_pylist() == ["Ruf an: 030 901820, oder <PHONE>"]
    with pytest.raises(RecipeError, match='unknown region "XX"'):
        scrub(text, Pii(regions=("XX",)))


def test_spans_count_characters_before_and_after() -> None:
    texts = column("nothing", "😀é jo@mail.org, 你好 81.2.69.142.")
    scrubbed = scrub(texts, Pii(salt="pepper"))
    assert scrubbed.spans.schema == SPANS
    for span in scrubbed.spans.to_pylist():
        assert span["row"] == 1
        old, new = texts[1].as_py(), scrubbed.texts[1].as_py()
        assert old[span["start"] :][: span["length"]] in ("jo@mail.org", "81.2.69.142")
        assert new[span["new_start"] :][: span["new_length"]] == f"<{span['kind'].upper()}>"


def test_the_audit_holds_salted_hashes_of_the_value_and_not_of_its_spelling() -> None:
    spans = scrub(column("JO@mail.org jo@MAIL.org", "+1 202 456 1111, 202-456-1111"), Pii(salt="a")).spans
    hashes = spans["hash"].to_pylist()
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3] != hashes[0]
    other = scrub(column("jo@mail.org"), Pii(salt="b")).spans["hash"].to_pylist()
    assert other[0] != hashes[0]
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in hashes)


def test_a_pseudonym_is_stable_keyed_and_nobodys() -> None:
    text = (
        "jo@mail.org 81.2.69.142 2606:4700:4700::1111 +442079460958 4111111111111111 DE89370400440532013000"
    )
    config = Pii(action="pseudonym", salt="a")
    once = scrub(column(text, text), config).texts.to_pylist()
    assert once[0] == once[1]
    assert all(a != b for a, b in zip(once[0].split(), text.split(), strict=True))
    assert once[0] != scrub(column(text), Pii(action="pseudonym", salt="b")).texts[0].as_py()
    assert scrub(column(*once), Pii()).spans.num_rows == 0


def test_what_shows_only_after_scrubbing_is_scrubbed_too() -> None:
    text = "x@1.2.3@mail.org a@b.org@81.2.69.142"
    scrubbed = scrub(column(text), Pii())
    assert scrubbed.texts.to_pylist() == ["x@<EMAIL> <EMAIL>@<IP>"]


def test_nulls_and_urls_among_short_strings() -> None:
    urls = pa.array([None, "http://81.2.69.142/a", "https://jo@mail.org/", "http://x.org"])
    assert scrub_strings(urls, Pii()).to_pylist() == [
        None,
        "http://<IP>/a",
        "https://<EMAIL>/",
        "http://x.org",
    ]


VALUES = ["jo@mail.org", "81.2.69.142", "2606:4700:4700::1111", "+44 20 7946 0958", "202-456-1111"]
NUMBERS = [
    "4111 1111 1111 1111",
    "GB82WEST12345698765432",
    "10.0.0.1",
    "4111",
    "1111",
    "GB82",
    "1.2",
    "0",
    "7",
]
GLUE = [
    "@",
    ".",
    "a",
    "::",
    " ",
    "-",
    "x",
    "(",
    "tel ",
    "é",
    "你",
    "😀",
    "<EMAIL>",
    "ip ",
    "v",
    "/",
    ":",
    "\n",
    ",",
]
FRAGMENTS = st.sampled_from([*VALUES, *NUMBERS, *GLUE])
TEXTS = st.lists(FRAGMENTS, max_size=14).map("".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["placeholder", "pseudonym"]))
def test_scrubbing_twice_is_scrubbing_once(text: str, action: str) -> None:
    config = Pii(action=action, salt="s")
    once = scrub(column(text), config)
    twice = scrub(once.texts, config)
    assert twice.texts.to_pylist() == once.texts.to_pylist()
    assert twice.spans.num_rows == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=3))
def test_spans_tell_the_whole_difference(texts: list[str]) -> None:
    """What lies between the spans is the same before and after, character by character."""
    scrubbed = scrub(column(*texts), Pii())
    rebuilt = {row: ["", 0] for row in range(len(texts))}
    for span in scrubbed.spans.to_pylist():
        piece = rebuilt[span["row"]]
        piece[0] += texts[span["row"]][piece[1] : span["start"]]
        assert len(piece[0]) == span["new_start"]
        piece[0] += f"<{span['kind'].upper()}>"
        piece[1] = span["start"] + span["length"]
    whole = [piece[0] + text[piece[1] :] for piece, text in zip(rebuilt.values(), texts, strict=True)]
    assert whole == scrubbed.texts.to_pylist()


SIGNS = st.lists(
    st.sampled_from([*"0123456789" * 2, *" .-()/+:@%aAgb\n", "\xa0", "\u2011", "DE89"]), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(TEXTS | SIGNS.map("".join), st.sampled_from([("US",), ("DE", "US"), ()]))
def test_the_lines_picked_hold_all_that_is_found_in_the_whole_text(
    text: str, regions: tuple[str, ...]
) -> None:
    find, data = detector(KINDS, regions).find, text.encode()
    assert find(data) == find(data, [(0, len(data), 31)])


def test_candidate_lines_are_of_their_own_row() -> None:
    texts = column("no", "a\ncall (202) 456-1111\nb", "jo@mail.org\n\n81.2.69.142", "").slice(1)
    found = detector(KINDS, ("US",)).candidates(*buffers(texts))
    assert found == [(0, [(2, 21, 16)]), (1, [(0, 11, 1), (13, 24, 8)])]


def test_hostile_texts_take_linear_time() -> None:
    """Each of these makes a careless pattern quadratic; together they take well under a second."""
    n = 5_000
    hostile = column(
        "a" * n, "a." * n, "a@" * n, "1" * n, "1." * n, "1 " * n, "4111 " * n, "GB82 " * n, "2606:" * n
    )
    counted = Counter(scrub(hostile, Pii()).spans["kind"].to_pylist())
    assert set(counted) <= {"card", "email"}


def test_golden_bytes() -> None:
    """A new digest needs a new VERSION: the bytes on disk change."""
    texts = column(*(text for text, _ in SCRUBBED), *(text for _, text in KEPT))
    parts = []
    for action in ("placeholder", "pseudonym"):
        scrubbed = scrub(texts, Pii(action=action, salt="golden"))
        parts += [*scrubbed.texts.to_pylist(), str(scrubbed.spans.to_pylist())]
    digest = hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]
    assert (VERSION, digest) == (2, "b53aa37766ba4c14")
