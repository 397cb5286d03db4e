"""Hosts of URLs, and whether a URL lies under a listed domain or a listed address, by hashes alone.

A URL is taken apart as browsers do it: scheme, user and password, host, port, the rest. A set of domains is a
table of 64-bit hashes, each of a domain read from its end: so one pass over a host, from its end, meets the hash
of every domain that it lies under. Among a million domains one host in some 10^13 is taken for a listed one.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets

Spans = npt.NDArray[np.int64]
"""For each URL the first byte of its host, the byte after it, the first byte of what follows host and port, and
the byte after the URL; all -1 where it has no host."""

Hashes = npt.NDArray[np.uint64]
"""A set of hashes, open-addressed; its size is a power of two, and 0 is an empty place."""

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)

_NEVER = np.zeros(256, np.bool_)  # in a host
_NEVER[: ord(" ") + 1] = True
_NEVER[[ord(character) for character in '<>"^`{|}\x7f']] = True
_PLAIN = np.zeros(256, np.bool_)  # in a host that no scheme introduces
_PLAIN[0x80:] = True
_PLAIN[[ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._%"]] = True
_SCHEME = np.zeros(256, np.bool_)
_SCHEME[[ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."]] = True
_SLASH, _BACKSLASH, _COLON, _AT, _DOT = (np.uint8(ord(character)) for character in "/\\:@.")
_QUERY, _FRAGMENT, _AND, _OPEN, _CLOSE = (np.uint8(ord(character)) for character in "?#&[]")
_A, _Z, _W, _CASE, _ZERO, _NINE, _SPACE = (np.uint8(value) for value in (65, 90, 119, 32, 48, 57, 32))


@njit(nogil=True, cache=True)
def find_hosts(data: Bytes, offsets: Offsets, spans: Spans, foreign: npt.NDArray[np.bool_]) -> None:
    """Fill the spans; ``foreign`` marks hosts with characters beyond ASCII or a percent sign."""
    for row in range(offsets.shape[0] - 1):
        i, end = offsets[row], offsets[row + 1]
        spans[row, :] = -1
        while i < end and data[i] <= _SPACE:
            i += 1
        while end > i and data[end - 1] <= _SPACE:
            end -= 1
        if i == end:
            continue
        # where user, host and port begin: after "scheme://", "//", or at once
        bare = False
        j = i
        while j < end and _SCHEME[data[j]]:
            j += 1
        if j < end and data[j] == _COLON and j > i:
            if j + 2 < end and _is_slash(data[j + 1]) and _is_slash(data[j + 2]):
                start = j + 3
            elif j + 1 < end and _ZERO <= data[j + 1] <= _NINE:
                start, bare = i, True  # a port
            else:
                continue  # a scheme without a host, such as mailto:
        elif i + 1 < end and _is_slash(data[i]) and _is_slash(data[i + 1]):
            start = i + 2
        else:
            start, bare = i, True
        stop = start
        after_user = start
        while stop < end and not (_is_slash(data[stop]) or data[stop] == _QUERY or data[stop] == _FRAGMENT):
            if data[stop] == _AT:
                after_user = stop + 1
            stop += 1
        first = last = after_user
        if first < stop and data[first] == _OPEN:  # IPv6
            while last < stop and data[last] != _CLOSE:
                last += 1
            last = min(last + 1, stop)
        else:
            while last < stop and data[last] != _COLON:
                last += 1
            while last > first and data[last - 1] == _DOT:
                last -= 1
            while first < last and data[first] == _DOT:
                first += 1
        good, dots, odd = first < last, 0, False
        for k in range(first, last):
            one = data[k]
            good = good and not _NEVER[one] and (not bare or _PLAIN[one])
            odd = odd or one >= 0x80 or one == 37  # %
            dots += one == _DOT
        if good and (dots or not bare):
            spans[row, 0], spans[row, 1], spans[row, 2], spans[row, 3] = first, last, stop, end
            foreign[row] = odd


@njit(nogil=True, cache=True)
def host_lengths(spans: Spans, offsets: Offsets) -> None:
    """Fill the offsets of an array of the hosts."""
    for row in range(spans.shape[0]):
        offsets[row + 1] = offsets[row] + max(0, spans[row, 1] - spans[row, 0])


@njit(nogil=True, cache=True)
def copy_hosts(data: Bytes, spans: Spans, offsets: Offsets, hosts: Bytes) -> None:
    """Write the hosts one after another, in lower case."""
    for row in range(spans.shape[0]):
        at = offsets[row]
        for k in range(spans[row, 0], spans[row, 1]):
            hosts[at] = _lower(data[k])
            at += 1


@njit(nogil=True, cache=True)
def hash_domains(data: Bytes, spans: Spans, hashes: Hashes) -> None:
    """The hash of each whole host, as a domain."""
    for row in range(spans.shape[0]):
        h = _BASIS
        k = spans[row, 1] - 1
        while k >= spans[row, 0]:
            h = (h ^ np.uint64(_lower(data[k]))) * _PRIME
            k -= 1
        hashes[row] = _mixed(h)


@njit(nogil=True, cache=True)
def hash_addresses(data: Bytes, spans: Spans, hashes: Hashes) -> None:
    """The hash of each host, less ``www.``, with all that follows it, less a slash at the end."""
    for row in range(spans.shape[0]):
        h = _BASIS
        for k in range(_after_www(data, spans[row, 0], spans[row, 1]), spans[row, 1]):
            h = (h ^ np.uint64(_lower(data[k]))) * _PRIME
        end = spans[row, 3]
        if end > spans[row, 2] and data[end - 1] == _SLASH:
            end -= 1
        for k in range(spans[row, 2], end):
            h = (h ^ np.uint64(data[k])) * _PRIME
        hashes[row] = _mixed(h)


@njit(nogil=True, cache=True)
def make_set(hashes: Hashes, table: Hashes) -> None:
    """Put hashes into an empty set at least twice as large."""
    mask = np.uint64(table.shape[0] - 1)
    for h in hashes:
        slot = h & mask
        while table[slot] != 0 and table[slot] != h:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = h


@njit(nogil=True, cache=True)
def is_listed(
    data: Bytes, spans: Spans, domains: Hashes, addresses: Hashes, listed: npt.NDArray[np.bool_]
) -> None:
    """Whether each URL's host is a listed domain or lies under one, or the URL is a listed address or under one."""
    domain_mask, address_mask = np.uint64(domains.shape[0] - 1), np.uint64(addresses.shape[0] - 1)
    any_address = False
    for h in addresses:
        if h != 0:
            any_address = True
            break
    for row in range(spans.shape[0]):
        first, last = spans[row, 0], spans[row, 1]
        if first < 0:
            continue
        found = False
        k = last - 1
        while k > first and _ZERO <= data[k] <= _NINE:
            k -= 1
        is_number = data[last - 1] == _CLOSE or (
            k < last - 1 and data[k] == _DOT
        )  # an IP address has no parents
        h = _BASIS
        k = last - 1
        while k >= first and not found:
            h = (h ^ np.uint64(_lower(data[k]))) * _PRIME
            if k == first or (data[k - 1] == _DOT and not is_number):
                mixed = _mixed(h)
                slot = mixed & domain_mask
                while domains[slot] != 0 and domains[slot] != mixed:
                    slot = (slot + np.uint64(1)) & domain_mask
                found = domains[slot] == mixed
            k -= 1
        if any_address and not found:
            h = _BASIS
            for k in range(_after_www(data, first, last), last):
                h = (h ^ np.uint64(_lower(data[k]))) * _PRIME
            start, end = spans[row, 2], spans[row, 3]
            for k in range(start, end + 1):
                edge = k == end
                if not edge:
                    one = data[k]
                    edge = k > start and one in (_SLASH, _QUERY, _FRAGMENT, _AND)
                if edge:
                    mixed = _mixed(h)
                    slot = mixed & address_mask
                    while addresses[slot] != 0 and addresses[slot] != mixed:
                        slot = (slot + np.uint64(1)) & address_mask
                    if addresses[slot] == mixed:
                        found = True
                        break
                if k < end:
                    h = (h ^ np.uint64(data[k])) * _PRIME
        listed[row] = found


@njit(nogil=True, cache=True)
def _is_slash(byte: int) -> bool:
    return byte in (_SLASH, _BACKSLASH)


@njit(nogil=True, cache=True)
def _lower(byte: np.uint8) -> np.uint8:
    return np.uint8(byte | _CASE) if _A <= byte <= _Z else byte


@njit(nogil=True, cache=True)
def _mixed(h: np.uint64) -> np.uint64:
    """Every bit of a hash in its low bits, and never 0."""
    h = (h ^ (h >> _SHIFT)) * _MIX
    h ^= h >> _SHIFT
    return h if h != 0 else np.uint64(1)


@njit(nogil=True, cache=True)
def _after_www(data: Bytes, first: int, last: int) -> int:
    """Where a host begins without ``www.``."""
    www = last - first > 4 and data[first + 3] == _DOT
    for k in range(first, first + 3):
        www = www and _lower(data[k]) == _W
    return first + 4 if www else first
