"""Small valid inputs for every target, from which mutations start; some packed, some with awkward content."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

TEXTS = [
    "To be, or not to be, that is the question.\nWhether 'tis nobler in the mind to suffer...",
    "人人生而自由，在尊严和权利上一律平等。",
    "e\u0301te\u0301 𝒜𝒷 𠮷野家 ❤\ufe0f mail me@example.org or +1 212 555 0123, 4111 1111 1111 1111\n\n\n- a\n- a",
    "Ã©tÃ© schÃ¶n [3] \u00a0 {lorem ipsum} javascript",
]
PAGE = (
    b"<html lang=en><head><meta charset=utf-8><title>t</title></head><body><main><p>"
    + b"A page of words. " * 20
)
PAGE += b"</p><script>x()</script><ul><li>one<li>two</ul></main></body></html>"


def seeds() -> dict[str, list[bytes]]:
    """Inputs by target."""
    rows = [
        {"text": text, "id": n, "url": "http://a.example/", "n": {"a": [1, None]}}
        for n, text in enumerate(TEXTS)
    ]
    lines = "\n".join(json.dumps(row, ensure_ascii=n % 2 == 0) for n, row in enumerate(rows)).encode()
    separated = {
        mark: "\n".join([f"id{mark}text", *(f'{n}{mark}"{text}"' for n, text in enumerate(TEXTS))]).encode()
        for mark in ",\t"
    }
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"%x\r\n" % len(PAGE) + PAGE + b"\r\n0\r\n\r\n"
    warc = b"".join(
        _record(kind, block)
        for kind, block in (
            ("warcinfo", b"x: y\r\n"),
            ("response", answer),
            ("revisit", b""),
            ("response", chunked),
        )
    )
    wet = b"".join(_record("conversion", text.encode(), "text/plain") for text in TEXTS)
    arc_page = answer[:]
    arc = b"filedesc://a.arc 0.0.0.0 20240101000000 text/plain 8\n1 0 test\n\n"
    arc += b"http://a.example/ 1.2.3.4 20240101000000 text/html %d\n" % len(arc_page) + arc_page + b"\n"
    plain = {
        "jsonl": [lines],
        "json": [b"[" + lines.replace(b"\n", b",\n") + b"]", json.dumps(rows[0]).encode()],
        "csv": [separated[","]],
        "tsv": [separated["\t"]],
        "text": ["\n\n".join(TEXTS).encode(), "\ufeffBOM".encode("utf-16")],
        "html": [PAGE, b"<p>" * 50 + b"deep" + b"</p>" * 50],
        "warc": [warc],
        "wet": [wet],
        "arc": [arc],
    }
    packed = {
        kind: [
            *files,
            *(gzip.compress(file, mtime=0) for file in files),
            _members(files[0]),
            _frames(files[0]),
        ]
        for kind, files in plain.items()
    }
    return {
        **packed,
        "parquet": _columns(pq.write_table),
        "arrow": _columns(_write_arrow_file) + _columns(_write_arrow_stream),
        "text-of-documents": ["\n".join(TEXTS).encode(), b"\xff\xfe".join(text.encode() for text in TEXTS)],
        "raw-bytes": ["".join(TEXTS).encode(), bytes(range(256))],
    }


def _record(kind: str, block: bytes, media: str = "application/http") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Target-URI: http://a.example/\r\n"
    head += (
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nContent-Type: {media}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def _members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)


def _frames(data: bytes) -> bytes:
    half = len(data) // 2
    return zstandard.compress(data[:half]) + zstandard.compress(data[half:])


def _columns(write) -> list[bytes]:
    files = []
    for kind in (pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())):
        texts = [text.encode() for text in TEXTS] if pa.types.is_binary(kind) else TEXTS
        column = (
            pa.array(texts, pa.string()).dictionary_encode()
            if pa.types.is_dictionary(kind)
            else pa.array(texts, kind)
        )
        sink = io.BytesIO()
        write(pa.table({"text": column, "id": range(len(TEXTS)), "n": [{"a": [1]}] * len(TEXTS)}), sink)
        files.append(sink.getvalue())
    return files


def _write_arrow_file(table: pa.Table, sink: io.BytesIO) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def _write_arrow_stream(table: pa.Table, sink: io.BytesIO) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
