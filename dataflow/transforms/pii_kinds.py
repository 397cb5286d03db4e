"""What counts as an e-mail address, IBAN, payment card or IP address, and a fake one for each.

A kernel picks the lines worth a look, RE2 proposes (linear in the text, whatever stands in it), plain code
disposes. No pattern reaches beyond its line. A number that merely looks like
an address is worse than useless to replace, so each kind says what it refuses: version numbers, object
identifiers, section numbers, private addresses, digits without a check digit.
"""

import re
from bisect import bisect, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
import phonenumbers
import re2
from stdnum import iban as stdnum_iban
from stdnum import luhn, numdb

from dataflow.kernels.personal import CARD, EMAIL, IBAN, IP, PHONE, candidates
from dataflow.transforms.pii_phone import find_phones, phone_pattern

_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset(b"0123456789")


@dataclass(frozen=True, slots=True)
class Found:
    """A valid span in a text, in bytes, and its value in normal form."""

    start: int
    end: int
    kind: str
    value: str


Place = tuple[int, int, str]  # start, end, normalised value
Line = tuple[int, int, int]  # first and last byte of a line worth a look, and for which kinds (sum of bits)

_BITS = {"email": EMAIL, "iban": IBAN, "card": CARD, "ip": IP, "phone": PHONE}
_FEWEST_PHONE_DIGITS = 6

_REMEMBERED = 1 << 14
"""Runs whose parsing is remembered: mail and logs name the same few addresses again and again."""


@dataclass(frozen=True)
class Detector:
    """Searches a text for some kinds, in order of priority."""

    kinds: tuple[str, ...]
    regions: tuple[str, ...]
    countries: np.ndarray
    phone_digits: int

    def candidates(self, data: np.ndarray, offsets: np.ndarray) -> list[tuple[int, list[Line]]]:
        """Row and candidate lines of each text that may hold something."""
        wanted = sum(_BITS[kind] for kind in self.kinds)
        lines: dict[int, list[Line]] = {}
        for row, first, last, kinds in candidates(data, offsets, self.countries, self.phone_digits).tolist():
            if kinds & wanted:
                lines.setdefault(row, []).append((first, last, kinds))
        return [*lines.items()]

    def find(self, data: bytes, lines: list[Line] | None = None) -> list[Found]:
        """Spans that do not overlap, sorted by place; of a text or of its candidate lines, where these are known."""
        if lines is None:
            array = np.frombuffer(data, np.uint8)
            lines = next((found for _, found in self.candidates(array, _ends(len(data)))), [])
        found: list[Found] = []
        starts: list[int] = []
        for kind in self.kinds:
            for first, last, kinds in lines:
                if not kinds & _BITS[kind]:
                    continue
                for start, end, value in _search(kind, data, first, last, self.regions):
                    at = bisect(starts, start)
                    free_before = at == 0 or found[at - 1].end <= start
                    if free_before and (at == len(found) or end <= found[at].start):
                        insort(starts, start)
                        found.insert(at, Found(start, end, kind, value))
        return found


def _ends(length: int) -> np.ndarray:
    """Offsets of a single text, read-only as those of Arrow: the kernel is compiled for one kind of array."""
    offsets = np.array([0, length], np.int64)
    offsets.flags.writeable = False
    return offsets


@cache
def detector(kinds: tuple[str, ...], regions: tuple[str, ...]) -> Detector:
    """The detector of these kinds, made once a process."""
    if "phone" in kinds:
        phone_pattern(regions)  # an unknown region is an error at once
    codes = {phonenumbers.country_code_for_region(region.upper()) for region in regions}
    countries = np.zeros((26, 26), np.bool_)
    for first in range(26):
        for second in range(26):
            countries[first, second] = _iban_length(chr(65 + first) + chr(65 + second)) > 0
    return Detector(kinds, regions, countries, 0 if codes <= {1} else _FEWEST_PHONE_DIGITS)


def _search(kind: str, data: bytes, first: int, last: int, regions: tuple[str, ...]) -> Iterator[Place]:
    if kind == "phone":
        yield from find_phones(data, first, last, regions)
    else:
        yield from _FINDERS[kind](data, first, last)


# --- e-mail

_EMAIL = re2.compile(r"[A-Za-z0-9._%+\-]*[A-Za-z0-9_%+\-](?:@|%40)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
_AT = re.compile("(@|%40)")
_NOT_TOP_LEVEL = frozenset(
    {"bmp", "css", "gif", "htm", "html", "ico", "invalid", "jpeg", "jpg", "js", "json", "pdf", "php", "png"}
    | {"svg", "webp", "xml"}
)
"""``logo@2x.png`` is a picture; ``.invalid`` (RFC 2606) is where our own pseudonyms live."""


def find_emails(data: bytes, first: int, last: int) -> Iterator[Place]:
    """``local@domain.tld`` or, in a url, ``local%40domain.tld``; the last label is letters (or ``xn--``)."""
    at = first
    while match := _EMAIL.search(data, at, last):
        start = match.start()
        found, begin, stop, value = _parse_email(match.group())
        at = start + stop
        if found:
            yield start + begin, at, value


@lru_cache(_REMEMBERED)
def _parse_email(run: bytes) -> tuple[bool, int, int, str]:
    """Whether a run holds an address, where in it, and its normal form; else where to search on."""
    local, sign, domain = _AT.split(run.decode("ascii"), maxsplit=1)
    labels = domain.split(".")
    while len(labels) > 1 and not _is_top_level(labels[-1]):
        labels.pop()
    if len(labels) < 2 or any(label.startswith("-") or label.endswith("-") for label in labels):
        return False, 0, len(local) + len(sign), ""
    clean_local, host = local.lstrip("."), ".".join(labels)
    first = len(local) - len(clean_local)
    return True, first, len(local) + len(sign) + len(host), f"{clean_local}@{host}".lower()


def _is_top_level(label: str) -> bool:
    name = label.lower()
    return (name.isalpha() and len(name) >= 2 and name not in _NOT_TOP_LEVEL) or name.startswith("xn--")


# --- IP

_IPV4 = re2.compile(r"[0-9]+(?:\.[0-9]+){3,}")
_IPV6 = re2.compile(r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:.]{3,}")
_NUMBERING_BEFORE = re.compile(
    rb"(?:\bv|\bver|version|release|\brev|revision|build|firmware|kernel|patch|update|section|\bsec|chapter|clause"
    rb"|article|appendix|figure|\bfig|table|step|item|paragraph|rule|annex|\boid\w*|\xc2\xa7)s?\.?"
    rb"[ \t]*[:=#(]?[ \t]*[\"']?\Z",
    re.IGNORECASE,
)
_ADDRESS_BEFORE = re.compile(
    rb"\bip\b|ipv4|addr|host|server|\bdns|\bping|gateway|://|\w@\Z|proxy|client|\bssh|remote|\bpeer|router|\binet",
    re.IGNORECASE,
)
_PORT_OR_NETWORK = re.compile(rb":[0-9]{2,5}(?![0-9.])|/[0-9]{1,2}(?![0-9.])")
_SMALL_PART = 50
"""Four parts all below this are a version or a section unless the words before them on the line speak of an
address: that misses (50/256)^4, one address in 700, where nothing else tells."""


def find_ips(data: bytes, first: int, last: int) -> Iterator[Place]:
    """Public IPv4 and IPv6 addresses (``is_global``), and not what only looks like one.

    A whole run of dotted numbers is looked at, so that an OID (``1.3.6.1.4.1``) is never cut into an address.
    Refused are runs glued to a word (``v4.15.2.1``, ``Product/4.0.0.1``, ``1.2.3.4-rc1``), after a word such
    as *version* or *section*, and four small numbers with nothing before them that speaks of an address.
    IPv6 is taken from 2000::/3, all that is handed out.
    """
    for match in _IPV4.finditer(data, first, last):
        start, end = match.span()
        address = _public_ipv4(data[start:end])
        if address and not _is_numbering(data, start, end):
            yield start, end, address
    for match in _IPV6.finditer(data, first, last):
        start, end = match.span()
        if start and (data[start - 1] in _WORD or data[start - 1] in b":."):
            continue
        run = data[start:end]
        for text in (run, run.rstrip(b"."), run.rstrip(b".:")):
            end = start + len(text)
            address6 = _ipv6(text)
            if (
                address6 is not None
                and _is_public(address6)
                and data[end : end + 1].strip(b".:") not in _WORD_BYTES
            ):
                yield start, end, str(address6)
                break


_WORD_BYTES = frozenset(bytes([byte]) for byte in _WORD)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


@lru_cache(_REMEMBERED)
def _public_ipv4(run: bytes) -> str:
    """The public address that a run of dotted numbers is; empty where it is none."""
    if run.count(b".") != 3 or len(run) > 15:
        return ""
    try:
        address = IPv4Address(run.decode("ascii"))  # refuses 256 and leading zeros
    except ValueError:
        return ""
    return str(address) if _is_public(address) else ""


def _ipv6(run: bytes) -> IPv6Address | None:
    try:
        address = ip_address(run.decode("ascii"))
    except ValueError:
        return None
    return address if isinstance(address, IPv6Address) else None


def _is_numbering(data: bytes, start: int, end: int) -> bool:
    """Whether four dotted numbers are a version or a section rather than an address."""
    before, after = data[max(0, start - 40) : start].rpartition(b"\n")[2], data[end : end + 8]
    if before and (
        before[-1] in _WORD or (before[-1] in b"-/." and len(before) > 1 and before[-2] in _LETTERS)
    ):
        return True
    if after and (after[0] in _WORD or (after[0] in b"-." and len(after) > 1 and after[1] in _LETTERS_LOWER)):
        return True
    if _NUMBERING_BEFORE.search(before):
        return True
    small = max(int(part) for part in data[start:end].split(b".")) < _SMALL_PART
    return small and not _ADDRESS_BEFORE.search(before) and not _PORT_OR_NETWORK.match(after)


_LETTERS_LOWER = frozenset(b"abcdefghijklmnopqrstuvwxyz")

# --- payment card

_CARD = re2.compile(r"[0-9](?:[ \-]?[0-9]){11,}")
_GROUPS = re.compile(rb"[0-9]+")
_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = (
    # first and last prefix, lengths (ISO/IEC 7812; ranges as the schemes publish them)
    ("4", "4", frozenset({13, 16, 19})),  # Visa
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),  # Mastercard
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),  # American Express
    ("300", "305", frozenset({14, 16})),  # Diners Club
    ("3095", "3095", frozenset({14, 16})),  # Diners Club
    ("36", "36", frozenset({14, 16})),  # Diners Club
    ("38", "39", frozenset({14, 16})),  # Diners Club
    ("6011", "6011", frozenset({16, 19})),  # Discover
    ("644", "659", frozenset({16, 19})),  # Discover
    ("3528", "3589", frozenset({16, 19})),  # JCB
    ("1800", "1800", frozenset({15})),  # JCB
    ("2131", "2131", frozenset({15})),  # JCB
    ("62", "62", frozenset({16, 17, 18, 19})),  # UnionPay
    ("2200", "2204", frozenset({16})),  # Mir
    ("5018", "5018", frozenset(range(12, 20))),  # Maestro
    ("5020", "5020", frozenset(range(12, 20))),  # Maestro
    ("5038", "5038", frozenset(range(12, 20))),  # Maestro
    ("5612", "5612", frozenset(range(12, 20))),  # Maestro
    ("5893", "5893", frozenset(range(12, 20))),  # Maestro
    ("6304", "6304", frozenset(range(12, 20))),  # Maestro
    ("6759", "6763", frozenset(range(12, 20))),  # Maestro
    ("0604", "0604", frozenset(range(12, 20))),  # Maestro
    ("6390", "6390", frozenset(range(12, 20))),  # Maestro
)


def find_cards(data: bytes, first: int, last: int) -> Iterator[Place]:
    """12 to 19 digits of a known issuer with a right Luhn digit, in one or as on a card."""
    for match in _CARD.finditer(data, first, last):
        start, end = match.span()
        groups = [found.span() for found in _GROUPS.finditer(data, start, end)]
        index = 0
        while index < len(groups):
            place = _card_from(data, groups[index : index + 5])
            index += 1
            if place is not None:
                yield place
                while index < len(groups) and groups[index][0] < place[1]:
                    index += 1


def _card_from(data: bytes, groups: list[tuple[int, int]]) -> Place | None:
    """The card that begins with the first of these groups of digits: four fours before anything longer."""
    start = groups[0][0]
    if not _stands_free(data, start, groups[0][1]):
        return None
    for count in (1, 4, 3, 5):
        if count > len(groups):
            continue
        sizes = tuple(end - begin for begin, end in groups[:count])
        if count > 1 and not (sizes[0] == 4 and sizes[1] in (4, 6) and all(size <= 6 for size in sizes)):
            continue
        end = groups[count - 1][1]
        digits = data[start:end].replace(b" ", b"").replace(b"-", b"").decode("ascii")
        if _is_card(digits) and _stands_free(data, start, end):
            return start, end, digits
    return None


def _is_card(digits: str) -> bool:
    known = any(
        low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _ISSUERS
    )
    return known and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _stands_free(data: bytes, start: int, end: int) -> bool:
    """Neither part of a word nor of a longer or decimal number."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if before and (
        before[-1] in _WORD or before[-1] in b"." or (before[-1] in b"," and before[-2:-1].isdigit())
    ):
        return False
    return not after or not (
        after[0] in _WORD or (after[0] in b"." and len(after) > 1 and after[1] in _DIGITS)
    )


# --- IBAN

_IBAN = re2.compile(r"[A-Za-z]{2}[0-9]{2}(?:[ \-.]?[A-Za-z0-9]){11,30}")
_SEPARATORS = frozenset(b" -.")


def find_ibans(data: bytes, first: int, last: int) -> Iterator[Place]:
    """Country, check digits (ISO 7064 mod 97-10), the country's own length and form, spaces or none."""
    at = first
    while match := _IBAN.search(data, at, last):
        start, end = match.span()
        place = None if start and data[start - 1] in _WORD else _iban_from(data, start, end)
        if place is not None:
            yield place
        at = place[1] if place is not None else start + 2


def _iban_from(data: bytes, start: int, end: int) -> Place | None:
    """The IBAN at the start of a candidate, which may have swallowed the words after it."""
    length = _iban_length(data[start : start + 2].decode("ascii").upper())
    places = [place for place in range(start, end) if data[place] not in _SEPARATORS][:length]
    if length == 0 or len(places) < length:
        return None
    stop = places[-1] + 1
    if stop < len(data) and data[stop] in _WORD:
        return None
    number = bytes(data[place] for place in places).decode("ascii").upper()
    return (start, stop, number) if stdnum_iban.is_valid(number) else None


@cache
def _iban_length(country: str) -> int:
    """Characters of an IBAN of a country, 0 where it has none."""
    structure = numdb.get("iban").info(country + "00")[0][1].get("bban", "")
    sizes = [int(size) for size in re.findall(r"([0-9]+)!", structure)]
    return 4 + sum(sizes) if sizes else 0


_FINDERS: dict[str, Callable[[bytes, int, int], Iterator[Place]]] = {
    "email": find_emails,
    "iban": find_ibans,
    "card": find_cards,
    "ip": find_ips,
}


def pseudonym(found: Found, digest: bytes) -> str:
    """A fake value of the same kind, from ranges set aside for that, which no finder takes for a real one."""
    number = int.from_bytes(digest, "big")
    if found.kind == "email":
        name = "".join(chr(ord("a") + (byte & 15)) for byte in digest[:12])
        return f"{name}@mail.invalid"  # RFC 2606
    if found.kind == "ip":
        if ":" in found.value:
            return str(IPv6Address((0x20010DB8 << 96) + number % (1 << 64)))  # documentation, RFC 3849
        return str(IPv4Address((198 << 24) + (18 << 16) + number % (1 << 17)))  # benchmarks, RFC 2544
    if found.kind == "phone":
        area = 200 + 100 * (number % 8) + 10 * (number // 8 % 9) + number // 72 % 10
        return f"+1-{area}-555-01{number // 720 % 100:02d}"  # kept for fiction by the North American plan
    if found.kind == "card":
        return f"9999{number % 10**12:012d}"  # no issuer begins with 9
    return f"ZZ{number % 10**20:020d}"  # no such country
