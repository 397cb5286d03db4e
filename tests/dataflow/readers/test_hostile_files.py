"""Hostile and unlucky files of every format: each record is kept or quarantined, memory stays bounded."""

import gzip
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import pieces, reasons, rows

from dataflow.readers.lines import LongLine, chunks, lines
from dataflow.readers.open import read
from dataflow.readers.source import Source
from dataflow.store.shards import plan_shards

EVERY = ["jsonl", "json", "parquet", "arrow", "csv", "tsv", "text", "html", "warc", "wet", "arc"]


@pytest.mark.parametrize("form", EVERY)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_an_empty_file_is_no_document_and_no_crash(tmp_path, form, pack):
    (tmp_path / "a").write_bytes(pack(b""))
    documents, rejects = rows(tmp_path, format=form)
    assert documents == []
    assert len(rejects) <= 1


@pytest.mark.parametrize("form", EVERY)
@settings(max_examples=25, deadline=None)
@given(
    content=st.binary(max_size=300),
    head=st.sampled_from([b"", b"\x1f\x8b\x08\0", b"(\xb5/\xfd", b"WARC/1.0\r\n"]),
)
def test_any_bytes_are_rows_with_numbers_from_zero(tmp_path_factory, form, content, head):
    file = tmp_path_factory.mktemp("any") / "a"
    file.write_bytes(head + content)
    documents, rejects = rows(file, format=form)
    numbers = sorted(row["record"] for row in documents + rejects)
    assert len(set(numbers)) == len(numbers)
    assert all(row["reason"] and row["fate"] in ("quarantined", "skipped") for row in rejects)
    assert rows(file, shard_bytes=1, format=form) == (documents, rejects)


UTF = pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])


@UTF
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"text": "Wörter 😀"}\n{"text": "b"}\n'),
        ("a.json", '[{"text": "Wörter 😀"},\n {"text": "b"}]'),
        ("a.csv", "text,id\nWörter 😀,1\nb,2\n"),
        ("a.tsv", "text\tid\nWörter 😀\t1\nb\t2\n"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_tells_the_encoding(tmp_path, name, content, codec, pack):
    mark = "" if codec in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    (tmp_path / name).write_bytes(pack((mark + content).encode(codec)))
    documents, rejects = rows(tmp_path, shard_bytes=4)
    assert [(d["record"], d["text"]) for d in documents] == [(0, "Wörter 😀"), (1, "b")]
    assert rejects == []


def test_utf16_that_is_cut_or_holds_half_a_character_loses_that_record_alone(tmp_path):
    whole = '\ufeff{"text": "a"}\n{"text": "b"}\n'.encode("utf-16-le")
    (tmp_path / "cut.jsonl").write_bytes(whole + b"x")
    half = '\ufeff{"text": "a"}\n{"text": "\ud800"}\n{"text": "c"}\n'.encode("utf-16-le", "surrogatepass")
    (tmp_path / "half.jsonl").write_bytes(half)
    documents, rejects = rows(tmp_path)
    assert [(d["input"][:4], d["record"]) for d in documents] == [
        ("cut.", 0),
        ("cut.", 1),
        ("half", 0),
        ("half", 2),
    ]
    assert [(r["record"], r["reason"].split(":")[0]) for r in rejects] == [
        (2, "invalid_utf16le"),
        (1, "invalid_utf8"),
    ]


def test_nul_is_a_character(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a\\u0000b"}')
    (tmp_path / "b.txt").write_bytes(b"a\0b")
    assert [d["text"] for d in rows(tmp_path)[0]] == ["a\0b", "a\0b"]


BOMBS = {
    "gz": lambda content: gzip.compress(content, 9),
    "zst": lambda content: zstandard.ZstdCompressor(level=9).compress(content),
}


@pytest.mark.parametrize("how", BOMBS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.warc", "a.json"])
def test_a_bomb_ends_at_the_ratio_with_one_row(tmp_path, name, how):
    line = b'{"text":"' + b"a" * 50_000 + b'"}\n'
    (tmp_path / f"{name}.{how}").write_bytes(BOMBS[how](line * 400))  # 20 MB out of some 20 kB or less
    documents, rejects = rows(tmp_path, max_ratio=50)
    bombs = [word for _, word in reasons(rejects) if word == "decompression_bomb"]
    assert len(bombs) == 1
    assert len(documents) < 100
    assert name != "a.jsonl" or len(documents) > 10  # what came before the limit is kept


@pytest.mark.parametrize("how", BOMBS)
def test_a_megabyte_may_come_of_anything(tmp_path, how):
    (tmp_path / f"a.jsonl.{how}").write_bytes(BOMBS[how](b'{"text":"' + b"a" * 1_000_000 + b'"}'))
    documents, rejects = rows(tmp_path)
    assert (len(documents), rejects) == (1, [])


def memory(work):
    """Most bytes that Python held at once during ``work``."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_three_gigabytes_without_a_newline_are_not_held(tmp_path):
    found = []
    block = b"x" * (1 << 18)

    def work():
        found.extend(lines((block for _ in range(12_000)), limit=1 << 22))

    assert memory(work) < 20 << 20
    assert [(type(line), line.n_bytes) for line in found] == [(LongLine, 12_000 << 18)]


def test_a_record_beyond_the_limit_in_every_format_is_one_row(tmp_path):
    long = "x" * 3000
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a"}}\n{{"text": "{long}"}}\n{{"text": "c"}}\n')
    (tmp_path / "b.csv").write_text(f"text\na\n{long}\nc\n")
    (tmp_path / "c.txt").write_text(long)
    (tmp_path / "d.json").write_text(json.dumps([{"text": long}]))
    table = pa.table({"text": ["a", long, "c"]})
    pq.write_table(table, tmp_path / "e.parquet")
    with pa.ipc.new_stream(tmp_path / "f.arrow", table.schema) as writer:
        writer.write_table(table)
    documents, rejects = rows(tmp_path, max_record_bytes=2000)
    assert [d["record"] for d in documents] == [0, 2] * 4
    assert [(r["input"][0], r["record"], r["reason"].split(":")[0]) for r in rejects] == [
        ("a", 1, "line_too_long"),
        ("b", 1, "record_too_long"),
        ("c", 0, "too_large"),
        ("d", 0, "too_large"),
        ("e", 1, "record_too_long"),
        ("f", 1, "record_too_long"),
    ]


@settings(max_examples=200, deadline=None)
@given(
    content=st.lists(st.sampled_from([b"a", b"bb", b"\n", b"cccccccccc"]), max_size=60).map(b"".join),
    block=st.integers(1, 12),
    limit=st.integers(1, 15),
    size=st.integers(1, 20),
)
def test_chunks_hold_every_line_once(content, block, limit, size):
    blocks = [content[n : n + block] for n in range(0, len(content), block)]
    lengths = []
    for chunk in chunks(iter(blocks), limit, size):
        if isinstance(chunk, LongLine):
            lengths.append(chunk.n_bytes)
        else:
            lengths += [len(line) for line in chunk.removesuffix(b"\n").split(b"\n")]
    assert lengths == [len(line) for line in content.removesuffix(b"\n").split(b"\n") if content]


DEEP = "[" * 5000 + "]" * 5000


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (DEEP, "deep_nesting"),
        ("1" * 5000, "huge_number"),
        ("1e400", "huge_number"),
        ('"\\ud83d"', "lone_surrogate"),
    ],
)
def test_values_beyond_what_can_be_kept_are_rows(tmp_path, name, value, reason):
    (tmp_path / name).write_text(f'{{"text": "t", "x": {value}}}\n')
    documents, (reject,) = rows(tmp_path)
    assert documents == []
    assert reject["reason"].startswith(reason)


@pytest.mark.parametrize("n_files", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_of_many_tiny_files_every_record_is_counted(tmp_path, n_files):
    for n in range(n_files):
        folder = tmp_path / f"{n % 50}"
        folder.mkdir(exist_ok=True)
        (folder / f"{n}.jsonl").write_text(f'{{"text": "{n}"}}\n' if n % 10 else "broken\n")
    source = Source(name="s", path=str(tmp_path))
    shards = plan_shards(source, 1000)
    assert sum(len(shard.pieces) for shard in shards) == n_files
    batches = [batch for shard in shards for piece in shard.pieces for batch in read(piece, source)]
    texts = [text for batch in batches for text in batch.documents["text"].to_pylist()]
    assert sorted(map(int, texts)) == [n for n in range(n_files) if n % 10]
    assert sum(batch.rejects.num_rows for batch in batches) == n_files // 10


def test_the_rows_of_a_piece_are_those_of_its_range(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(f'{{"text": "{n}"}}\n' for n in range(1000)))
    source = Source(name="s", path=str(tmp_path))
    numbers = [
        [n for batch in read(piece, source) for n in batch.documents["record"].to_pylist()]
        for piece in pieces(tmp_path, shard_bytes=3000)
    ]
    assert len(numbers) > 4
    assert [n for some in numbers for n in some] == list(range(1000))
