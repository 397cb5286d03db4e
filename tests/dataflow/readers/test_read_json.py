"""JSONL and JSON: every record is a document or a reject, whole or in pieces, damaged or not."""

import gzip
import json
import random

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.readers import jsonl
from dataflow.readers.open import find_files, read, read_records, split
from dataflow.readers.source import Source
from dataflow.readers.streams import compression, encoding


def rows(path, shard_bytes=1 << 26, **options):
    """(documents, rejects) of a path as lists of dicts."""
    source = Source(name="s", path=str(path), **options)
    documents, rejects = [], []
    for file in find_files(source):
        for piece in split(file, source, shard_bytes):
            for batch in read(piece, source):
                documents += batch.documents.to_pylist()
                rejects += batch.rejects.to_pylist()
    return documents, rejects


def write(path, content):
    path.write_bytes(content)
    return path


def test_fields_become_columns_and_the_rest_metadata(tmp_path):
    line = {
        "content": "A text.",
        "n": 7,
        "link": "http://a",
        "date": 2020,
        "z": [1],
        "b": {"y": 1, "x": None},
    }
    file = write(tmp_path / "a.jsonl", orjson.dumps(line))
    documents, rejects = rows(file, fields={"text": "content", "id": "n", "url": "link"})
    assert rejects == []
    assert documents == [
        {
            "record": 0,
            "input": "a.jsonl",
            "text": "A text.",
            "input_id": "7",
            "url": "http://a",
            "date": "2020",
            "metadata": '{"b":{"x":null,"y":1},"z":[1]}',
            "bytes_in": 7,
        }
    ]


@pytest.mark.parametrize(
    ("line", "fate", "reason"),
    [
        (b'{"text": "cut', "quarantined", "malformed_json"),
        (b'{"text": NaN}', "quarantined", "malformed_json"),
        (b"[1]", "quarantined", "not_an_object"),
        (b"null", "quarantined", "not_an_object"),
        (b'{"a": 1, "b": 2}', "quarantined", 'missing_field: text "text" (fields: a, b)'),
        (b'{"text": null}', "quarantined", "null_text"),
        (b'{"text": 5}', "quarantined", 'not_a_string: text "text" is a number'),
        (b'{"text": ["a"]}', "quarantined", 'not_a_string: text "text" is a list'),
        (b'{"text": ""}', "skipped", "empty_text"),
        (b'{"text": "\xff"}', "quarantined", "invalid_utf8"),
        (b'{"text": "\\ud800"}', "quarantined", "lone_surrogate"),
        (b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}", "quarantined", "deep_nesting"),
        (b'{"text": "a", "id": 123456789012345678901234567890}', "quarantined", "huge_number"),
        (b'{"text": "a", "n": 1e999}', "quarantined", "huge_number"),
    ],
)
def test_a_bad_line_is_a_row_with_its_reason(tmp_path, line, fate, reason):
    file = write(tmp_path / "a.jsonl", b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    documents, rejects = rows(file)
    assert [(d["record"], d["text"]) for d in documents] == [(0, "before"), (2, "after")]
    (reject,) = rejects
    assert (reject["record"], reject["fate"], reject["raw"], reject["bytes_in"]) == (
        1,
        fate,
        line[:4096],
        len(line),
    )
    assert reject["reason"].startswith(reason)


def test_metadata_deeper_than_the_writer_likes_is_kept(tmp_path):
    file = write(tmp_path / "a.jsonl", b'{"text": "a", "deep": ' + b"[" * 500 + b"]" * 500 + b"}")
    documents, _ = rows(file)
    assert documents[0]["metadata"] == '{"deep":' + "[" * 500 + "]" * 500 + "}"


def test_a_line_of_fifty_megabytes_passes_and_one_above_the_limit_is_a_row(tmp_path):
    long = b'{"text": "' + b"x" * 50_000_000 + b'"}\n'
    file = write(tmp_path / "a.jsonl", long + b'{"text": "after"}')
    documents, _ = rows(file)
    assert [d["bytes_in"] for d in documents] == [50_000_000, 5]
    documents, (reject,) = rows(file, max_record_bytes="1M")
    assert [(d["record"], d["text"]) for d in documents] == [(1, "after")]
    assert reject["reason"] == "line_too_long: 50000012 bytes, at most 1000000 are read"
    assert (reject["record"], reject["bytes_in"], reject["raw"]) == (0, 50_000_012, long[:4096])


def test_line_numbers_count_blank_lines(tmp_path):
    file = write(tmp_path / "a.jsonl", b'\xef\xbb\xbf\n{"text": "b"}\r\n  \r\n\n{"text": "c"}')
    assert [(d["record"], d["text"]) for d in rows(file)[0]] == [(1, "b"), (4, "c")]


LINE = st.one_of(
    st.text(max_size=30).map(lambda text: orjson.dumps({"text": text, "id": len(text)})),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b" ")),
    st.sampled_from([b"", b" ", b"\r", b"\t ", b"{}"]),
)


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(LINE, max_size=30),
    ending=st.sampled_from([b"\n", b"\r\n"]),
    final=st.booleans(),
    shard=st.integers(1, 200),
)
def test_pieces_give_the_rows_of_the_whole_and_lose_none(tmp_path_factory, lines, ending, final, shard):
    file = tmp_path_factory.mktemp("lines") / "a.jsonl"
    file.write_bytes(ending.join(lines) + (ending if final else b""))
    whole, pieces = rows(file), rows(file, shard)
    assert pieces == whole
    content = file.read_bytes().split(b"\n")
    content[0] = content[0].removeprefix(b"\xef\xbb\xbf")
    if compression(content[0]) or encoding(file.read_bytes()[:4]):
        return  # told by its first bytes to be compressed, or UTF-16
    expected = [number for number, line in enumerate(content) if line and not line.isspace()]
    assert sorted(row["record"] for part in whole for row in part) == expected


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(LINE, max_size=30), more=st.lists(LINE, max_size=30), final=st.booleans())
def test_the_kernel_gives_the_rows_that_parsing_lines_whole_gives(tmp_path_factory, lines, more, final):
    fixed = [b'{"text": "a\\nb", "id": 1, "x": [2]}', b'{"text": "a", "text": "b"}', b'{"text": "\\ud800"}']
    file = tmp_path_factory.mktemp("kernel") / "a.jsonl"
    file.write_bytes(b"\n".join([b'{"text": "first"}', *lines, *fixed, *more]) + (b"\n" if final else b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "KERNEL_BYTES", 0)
        by_kernel = rows(file)
    assert by_kernel == rows(file)


def sample(n=3000):
    chance = random.Random(1)
    letters = "abcdefghij   \n"
    return [{"text": "".join(chance.choices(letters, k=chance.randint(1, 200)))} for _ in range(n)]


def pack(records, how):
    lines = [orjson.dumps(record) + b"\n" for record in records]
    third = len(lines) // 3
    parts = [b"".join(lines[:third]), b"".join(lines[third:])]
    if how == "gzip":
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)


@pytest.mark.parametrize(("how", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
def test_compressed_files_of_several_members_read_as_one(tmp_path, how, suffix):
    records = sample()
    documents, rejects = rows(write(tmp_path / f"a.jsonl{suffix}", pack(records, how)))
    assert [d["text"] for d in documents] == [record["text"] for record in records]
    assert rejects == []


@pytest.mark.parametrize(("how", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
@pytest.mark.parametrize("fault", ["truncated", "corrupt"])
@pytest.mark.parametrize("place", [0.05, 0.5, 0.95])
def test_records_before_the_damage_are_kept_and_one_row_tells(tmp_path, how, suffix, fault, place):
    records = sample()
    packed = bytearray(pack(records, how))
    at = int(len(packed) * place)
    if fault == "truncated":
        del packed[at:]
    else:
        packed[at : at + 200] = bytes(200)
    documents, rejects = rows(write(tmp_path / f"a.jsonl{suffix}", bytes(packed)))
    damage = [reject for reject in rejects if how in reject["reason"]]
    assert len(damage) == 1
    assert damage[0] == rejects[-1]
    assert all(row["record"] < damage[0]["record"] for row in documents + rejects[:-1])
    # zstd gives out whole blocks of 128 kB, here some 1,300 records; deflate all that came before the damage
    n_sure = max(0, int(place * len(records)) - (300 if how == "gzip" else 1500))
    assert [d["text"] for d in documents[:n_sure]] == [record["text"] for record in records[:n_sure]]


def test_a_bad_checksum_at_the_end_costs_no_record(tmp_path):
    records = sample(50)
    packed = bytearray(gzip.compress(b"".join(orjson.dumps(r) + b"\n" for r in records)))
    packed[-8] ^= 1
    documents, rejects = rows(write(tmp_path / "a.jsonl.gz", bytes(packed)))
    assert len(documents) == 50
    assert [(r["record"], r["reason"].split(":")[0]) for r in rejects] == [(50, "corrupt_gzip")]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.json.gz"])
@pytest.mark.parametrize("content", [b"", b"no archive at all\n"])
def test_a_file_that_is_not_what_its_name_says_is_one_row(tmp_path, name, content):
    documents, rejects = rows(write(tmp_path / name, content))
    assert documents == []
    assert len(rejects) == 1
    assert rejects[0]["reason"].startswith("corrupt_")


@pytest.mark.parametrize(
    "content",
    [
        b'[{"text": "a"}, {"text": "b"}]',
        b'{"text": "a"}\n{"text": "b"}\n',
        b' [\n{"text": "a"},\n{"text": "b"}\n]',
    ],
)
def test_json_files_hold_an_array_or_lines(tmp_path, content):
    documents, _ = rows(write(tmp_path / "a.json", content))
    assert [(d["record"], d["text"]) for d in documents] == [(0, "a"), (1, "b")]


def test_a_json_file_may_be_one_object_over_many_lines(tmp_path):
    documents, _ = rows(write(tmp_path / "a.json", json.dumps({"text": "a"}, indent=2).encode()))
    assert [d["text"] for d in documents] == ["a"]


def test_a_broken_array_and_odd_items_are_rows(tmp_path):
    assert rows(write(tmp_path / "a.json", b'[{"text": "a"}, 5]'))[1][0]["reason"].startswith("not_an_object")
    assert rows(write(tmp_path / "a.json", b'[{"text": "a"}, '))[1][0]["reason"].startswith("malformed_json")


def test_batches_are_bounded_and_cut_by_the_input_alone(tmp_path):
    file = write(
        tmp_path / "a.jsonl", b"".join(orjson.dumps({"text": "x" * 1_000_000}) + b"\n" for _ in range(40))
    )
    source = Source(name="s", path=str(file))
    (piece,) = split(find_files(source)[0], source, 1 << 30)
    sizes = [batch.documents.num_rows for batch in read(piece, source)]
    assert sizes == [17, 17, 6]


def test_records_keep_their_raw_beginning_for_those_who_refuse_them_later(tmp_path):
    file = write(tmp_path / "a.jsonl", b'{"q": 1}\n{"q": \n')
    source = Source(name="s", path=str(file))
    (piece,) = split(find_files(source)[0], source, 1 << 20)
    ((good, bad),) = read_records(piece, source)
    assert (good.number, good.value, good.reason, good.raw, good.bytes_in) == (
        0,
        {"q": 1},
        "",
        b'{"q": 1}',
        8,
    )
    assert (bad.number, bad.value, bad.raw) == (1, None, b'{"q": ')
    assert bad.reason.startswith("malformed_json")
