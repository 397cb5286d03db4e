"""What counts as the same URL: one 128-bit key of its normal form, none where there is no URL.

Made alike is what RFC 3986 (section 6.2) says never matters: the case of scheme and host, the scheme's default
port, an empty path beside `/`, and the fragment, which no server sees. What may matter stays: `www.`, `http` beside
`https`, the query and its order, a slash at the end of a path. Keys are of URLs as stored, so two that differ only
in personal data that was replaced are the same.
"""

import re

import pyarrow as pa
import xxhash

VERSION = 1
"""Raise when the key of some URL changes."""

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?]*))?([^?]*)(\?.*)?", re.DOTALL)
_DEFAULT_PORT = {"http": ":80", "https": ":443", "ftp": ":21", "ws": ":80", "wss": ":443"}


def url_keys(urls: pa.StringArray) -> pa.FixedSizeBinaryArray:
    """XXH3-128 of every normalised URL; null for a missing or blank one."""
    normal = [normalise(url) if url else "" for url in urls.to_pylist()]
    keys = [xxhash.xxh3_128_digest(url.encode()) if url else None for url in normal]
    return pa.array(keys, pa.binary(16))


def normalise(url: str) -> str:
    """The URL that is hashed; blank where ``url`` is."""
    url = url.partition("#")[0].strip()
    if (found := _PARTS.match(url)) is None or found[2] is None:
        return url
    scheme, authority, path, query = found[1].lower(), found[2], found[3], found[4] or ""
    user, at, host = authority.rpartition("@")
    host, port = host.lower(), _DEFAULT_PORT.get(scheme, ":")
    while host.endswith((":", port)):
        host = host.removesuffix(":").removesuffix(port)
    return f"{scheme}://{user}{at}{host}{path or '/'}{query}"
