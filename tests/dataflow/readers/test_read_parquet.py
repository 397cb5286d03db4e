"""Parquet: columns of every string type, rows that are no text, row groups as pieces, damage."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.readers.open import find_files, read, read_records, split
from dataflow.readers.source import Source


def rows(path, shard_bytes=1 << 26, **options):
    """(documents, rejects) of a path as lists of dicts."""
    source = Source(name="s", path=str(path), **options)
    pieces = [p for f in find_files(source) for p in split(f, source, shard_bytes)]
    batches = [batch for piece in pieces for batch in read(piece, source)]
    return [
        [row for b in batches for row in getattr(b, part).to_pylist()] for part in ("documents", "rejects")
    ]


def write(path, columns, row_group_size=None):
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def test_the_text_column_moves_and_the_others_become_strings_and_json(tmp_path):
    date = datetime.datetime(2024, 1, 2, 3)
    columns = {
        "text": ["Ä"],
        "id": [7],
        "date": [date],
        "n": [1.5],
        "b": [b"x"],
        "l": [{"z": 1, "a": [None]}],
    }
    documents, rejects = rows(write(tmp_path / "a.parquet", columns))
    assert rejects == []
    assert documents == [
        {
            "record": 0,
            "input": "a.parquet",
            "text": "Ä",
            "input_id": "7",
            "url": None,
            "date": "2024-01-02T03:00:00",
            "metadata": '{"b":"x","l":{"a":[null],"z":1},"n":1.5}',
            "bytes_in": 2,
        }
    ]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
)
def test_every_string_type_is_read_and_bad_rows_have_reasons(tmp_path, kind):
    texts = pa.array(["a", None, "", "ü"], pa.string())
    column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    documents, rejects = rows(write(tmp_path / "a.parquet", {"text": column, "id": [1, 2, 3, 4]}))
    assert [(d["record"], d["text"], d["input_id"]) for d in documents] == [(0, "a", "1"), (3, "ü", "4")]
    assert [(r["record"], r["fate"], r["reason"]) for r in rejects] == [
        (1, "quarantined", 'null_text: field "text"'),
        (2, "skipped", 'empty_text: field "text"'),
    ]


def test_invalid_utf8_is_a_row(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"fine", b"\xff"]).buffers())
    documents, rejects = rows(write(tmp_path / "text.parquet", {"text": bad}))
    assert [d["text"] for d in documents] == ["fine"]
    assert [r["reason"] for r in rejects] == ['invalid_utf8: field "text": invalid start byte at byte 0']
    documents, rejects = rows(write(tmp_path / "other.parquet", {"text": ["a", "b"], "other": bad}))
    assert [d["text"] for d in documents] == ["a"]
    assert [r["reason"] for r in rejects] == ['invalid_utf8: field "other": invalid start byte at byte 0']


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"a": [1, 2], "b": ["x", "y"]}, 'missing_field: text "text" (fields: a, b)'),
        ({"text": [1, 2]}, 'not_a_string: text "text" is int64'),
        ({"text": [["a"], ["b"]]}, 'not_a_string: text "text" is list<element: string>'),
    ],
)
def test_a_wrong_schema_is_a_row_for_each_record(tmp_path, columns, reason):
    documents, rejects = rows(write(tmp_path / "a.parquet", columns))
    assert documents == []
    assert [(r["record"], r["reason"]) for r in rejects] == [(0, reason), (1, reason)]


def test_pieces_of_row_groups_give_the_rows_of_the_whole(tmp_path):
    texts = [f"text {i} " * (i % 50) for i in range(1000)]
    file = write(tmp_path / "a.parquet", {"text": texts, "id": list(range(1000))}, row_group_size=90)
    source = Source(name="s", path=str(file))
    assert len(split(find_files(source)[0], source, 2000)) > 3
    assert rows(file, 2000) == rows(file)
    assert sorted(r["record"] for part in rows(file) for r in part) == list(range(1000))


def test_a_source_with_a_limit_is_one_piece(tmp_path):
    file = write(tmp_path / "a.parquet", {"text": ["a"] * 1000}, row_group_size=100)
    source = Source(name="s", path=str(file), limit=5)
    assert len(split(find_files(source)[0], source, 10)) == 1


def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path):
    texts = [f"{i} text" for i in range(300)]
    file = write(tmp_path / "a.parquet", {"text": texts}, row_group_size=100)
    column = pq.ParquetFile(file).metadata.row_group(1).column(0)
    content = bytearray(file.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    file.write_bytes(content)
    documents, (reject,) = rows(file)
    assert [d["record"] for d in documents] == [*range(100), *range(200, 300)]
    assert reject["record"] == 100
    assert reject["reason"].startswith("corrupt_parquet: rows 100 to 199 in row group 1")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_no_parquet_is_one_row(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    documents, (reject,) = rows(tmp_path, shard_bytes=1)
    assert documents == []
    assert (reject["record"], reject["reason"].split(":")[0]) == (0, "corrupt_parquet")


def test_records_are_rows_as_objects(tmp_path):
    file = write(tmp_path / "a.parquet", {"instruction": ["do"], "n": [1]})
    source = Source(name="s", path=str(file))
    ((record,),) = read_records(split(find_files(source)[0], source, 1 << 20)[0], source)
    assert (record.number, record.value, record.raw) == (
        0,
        {"instruction": "do", "n": 1},
        b'{"instruction":"do","n":1}',
    )
