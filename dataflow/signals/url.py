"""What a document's URL tells: its host, whether it lies under a listed domain, and listed words in it.

The lists are the user's, as are those of datatrove's URL filter, whose decisions they can reproduce. A list of
domains has a domain a line, which stands for its subdomains too; a line with a path stands for that address and
those that begin with it, up to a ``/``, ``?``, ``&`` or ``#``. A list of words has one a line, found as a whole
word of the URL, whose words are what lies between characters other than letters and digits; written
``*word*``, found anywhere in the URL's letters and digits run together. With a ``!`` before it a word is a
strong one, of which a single one is enough. Percent signs are resolved first, and case does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import DataflowError
from dataflow.signals.lists import Stamp, read_list, stamp
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal

if TYPE_CHECKING:
    from dataflow.kernels.phrases import Phrases
    from dataflow.kernels.urls import Hashes, Spans

_FINEWEB = (
    "URL filter of Penedo et al. 2024 (FineWeb), section 3.3; Penedo et al. 2023 (RefinedWeb), section G.1"
)
_HOST_BYTES = 253  # RFC 1035, section 2.3.4

SIGNALS = (
    Signal(
        "url_host",
        "label",
        "Host of the URL in lower case and, beyond ASCII, as punycode; without user, port and final dot. Null without.",
        "RFC 3986, section 3.2.2",
        "url",
        pa.string(),
    ),
    Signal(
        "url_domain_listed",
        "flag",
        "Whether the host is a domain of signal_options.url_domains or under one, or the URL an address listed there "
        "or under one. Null without a list or URL.",
        _FINEWEB,
        "url",
        pa.bool_(),
    ),
    Signal(
        "n_url_words_listed",
        "words",
        "Different words of signal_options.url_words in the URL. Null without a list or URL.",
        _FINEWEB,
        "url",
        pa.int64(),
    ),
    Signal(
        "n_url_strong_words_listed",
        "words",
        "Different words marked as strong (!) there in the URL. Null without a list or URL.",
        _FINEWEB,
        "url",
        pa.int64(),
    ),
)


def compute(
    documents: Documents, columns: Mapping[str, pa.Array], options: SignalOptions
) -> dict[str, pa.Array]:
    """The columns of this family, by the lists that ``options`` names."""
    del columns
    urls = pc.cast(documents.urls, pa.large_string())
    none = urls.is_null().to_numpy(zero_copy_only=False)
    parsed, spans = _parsed(urls)
    listed = pa.nulls(len(urls), pa.bool_())
    soft = strong = pa.nulls(len(urls), pa.int64())
    if options.url_domains:
        found = _domains(tuple(map(stamp, options.url_domains))).hold(parsed, spans)
        listed = pa.array(found, pa.bool_(), mask=none)
    if options.url_words:
        words = _words(tuple(map(stamp, options.url_words)))
        plain = _unquoted(urls)
        soft, strong = (pa.array(counts, pa.int64(), mask=none) for counts in words.count(plain))
    return {
        "url_host": _hosts(parsed, spans),
        "url_domain_listed": listed,
        "n_url_words_listed": soft,
        "n_url_strong_words_listed": strong,
    }


@dataclass(frozen=True)
class _Domains:
    """Sets of hashes of domains, and of addresses with a path."""

    domains: "Hashes"
    addresses: "Hashes"

    def hold(self, urls: pa.LargeStringArray, spans: "Spans") -> npt.NDArray[np.bool_]:
        """Whether each URL is listed."""
        from dataflow.kernels import urls as kernel
        from dataflow.kernels.arrow import buffers

        listed = np.zeros(len(urls), np.bool_)
        kernel.is_listed(buffers(urls)[0], spans, self.domains, self.addresses, listed)
        return listed


@dataclass(frozen=True)
class _Words:
    """Two lists, of words and of strong ones, each in the two ways of looking for them."""

    whole: "Phrases"
    within: "Phrases"

    def count(self, urls: pa.LargeStringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Different words of each list in each URL."""
        from dataflow.kernels.phrases import count_phrases

        def different(number: int) -> npt.NDArray[np.int64]:
            total = np.zeros(len(urls), np.int64)
            for phrases in (self.whole, self.within):
                if phrases.begins[number].any():
                    total += count_phrases(phrases, urls, np.full(len(urls), number, np.int32))[:, 1]
            return total

        return different(0), different(1)


@lru_cache(maxsize=2)
def _domains(files: tuple[Stamp, ...]) -> _Domains:
    """The lists of domains, read and hashed once a process."""
    from dataflow.kernels import urls as kernel
    from dataflow.kernels.arrow import buffers

    found: tuple[list[Any], list[Any]] = ([], [])
    for path, _, _ in files:
        entries = read_list(path)
        lines = [entry.removeprefix("*.") for entry in entries]
        urls, spans = _parsed(
            pa.array([one if "://" in one else f"http://{one}" for one in lines], pa.large_string())
        )
        wrong = np.flatnonzero(spans[:, 0] < 0)
        if len(wrong):
            raise DataflowError(
                f'"{entries[wrong[0]]}" is neither a domain nor a URL',
                path,
                "Write one a line, as in example.com.",
            )
        data, _ = buffers(urls)
        follows = spans[:, 3] - spans[:, 2]
        plain = (follows == 0) | ((follows == 1) & (data[np.minimum(spans[:, 2], len(data) - 1)] == ord("/")))
        for chosen, hashing, into in (
            (plain, kernel.hash_domains, found[0]),
            (~plain, kernel.hash_addresses, found[1]),
        ):
            hashes = np.zeros(int(chosen.sum()), np.uint64)
            hashing(data, np.ascontiguousarray(spans[chosen]), hashes)
            into.append(hashes)
    return _Domains(*(_as_set(np.concatenate(hashes)) for hashes in found))


def _as_set(hashes: "Hashes") -> "Hashes":
    from dataflow.kernels import urls as kernel

    table = np.zeros(1 << (2 * len(hashes) + 1).bit_length(), np.uint64)
    kernel.make_set(hashes, table)
    return table


@lru_cache(maxsize=2)
def _words(files: tuple[Stamp, ...]) -> _Words:
    """The lists of words, read and compiled once a process."""
    from dataflow.kernels.phrases import compile_phrases, fold

    whole: tuple[list[str], list[str]] = ([], [])
    within: tuple[list[str], list[str]] = ([], [])
    for path, _, _ in files:
        for entry in read_list(path):
            word = entry.removeprefix("!").strip()
            anywhere = len(word) > 2 and word.startswith("*") and word.endswith("*")
            if not fold(word, "joined"):
                raise DataflowError(f'"{entry}" has no letter or digit to look for', path, "Remove the line.")
            (within if anywhere else whole)[entry.startswith("!")].append(word)
    return _Words(compile_phrases(whole, "words"), compile_phrases(within, "joined"))


def _parsed(urls: pa.LargeStringArray) -> tuple[pa.LargeStringArray, "Spans"]:
    """The URLs with hosts beyond ASCII as punycode, and where their hosts are."""
    from dataflow.kernels import urls as kernel
    from dataflow.kernels.arrow import buffers

    spans, foreign = np.full((len(urls), 4), -1, np.int64), np.zeros(len(urls), np.bool_)
    data, offsets = buffers(urls)
    kernel.find_hosts(data, offsets, spans, foreign)
    rows = np.flatnonzero(foreign)
    if len(rows):
        raw = data.data
        changed = []
        for row in rows.tolist():
            first, last = spans[row, :2]
            parts = (bytes(raw[offsets[row] : first]), bytes(raw[last : offsets[row + 1]]))
            host = _as_ascii(bytes(raw[first:last]).decode(errors="replace")).encode()
            changed.append((parts[0] + host + parts[1]).decode(errors="replace"))
        urls = pc.replace_with_mask(urls, pa.array(foreign), pa.array(changed, pa.large_string()))
        data, offsets = buffers(urls)
        kernel.find_hosts(data, offsets, spans, foreign)
    return urls, spans


def _as_ascii(host: str) -> str:
    """A host as it is looked up: percent signs resolved, beyond ASCII as punycode where that is defined."""
    plain = unquote(host).lower()
    if len(plain.encode()) > _HOST_BYTES:
        return plain
    try:
        return plain.encode("idna").decode()
    except UnicodeError:
        return plain


def _hosts(urls: pa.LargeStringArray, spans: "Spans") -> pa.StringArray:
    """The hosts as a column, null where there is none."""
    from dataflow.kernels import urls as kernel
    from dataflow.kernels.arrow import buffers

    offsets = np.zeros(len(urls) + 1, np.int64)
    kernel.host_lengths(spans, offsets)
    text = np.empty(offsets[-1], np.uint8)
    kernel.copy_hosts(buffers(urls)[0], spans, offsets, text)
    hosts = pa.LargeStringArray.from_buffers(len(urls), pa.py_buffer(offsets), pa.py_buffer(text))
    return pc.if_else(pa.array(spans[:, 0] >= 0), hosts, None).cast(pa.string())


def _unquoted(urls: pa.LargeStringArray) -> pa.LargeStringArray:
    """The URLs with percent signs resolved."""
    quoted = pc.fill_null(pc.match_substring(urls, "%"), False)
    if not pc.any(quoted).as_py():
        return urls
    plain = [unquote(url) for url in urls.filter(quoted).to_pylist()]
    return pc.replace_with_mask(urls, quoted, pa.array(plain, pa.large_string()))
