"""Arrow files, streams and saved datasets; columns of every kind of string; nested fields."""

import json

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import pieces, reasons, rows

from dataflow.errors import RecipeError
from dataflow.readers.files import find_files
from dataflow.readers.open import read_records
from dataflow.readers.source import Source


def write(path, table, rows_a_batch=100):
    """Write a table as the name of the file says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=rows_a_batch)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path, chunksize=rows_a_batch)
    else:
        new = pa.ipc.new_file if path.suffix == ".ipc" else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows_a_batch)
    return path


NAMES = ["a.arrow", "a.ipc", "a.feather"]


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_documents_whatever_the_layout(tmp_path, name):
    table = pa.table({"text": ["a", None, "", "ü"], "id": [1, 2, 3, 4], "m": [{"x": 1}] * 4})
    documents, rejects = rows(write(tmp_path / name, table))
    assert [(d["record"], d["text"], d["input_id"], d["metadata"]) for d in documents] == [
        (0, "a", "1", '{"m":{"x":1}}'),
        (3, "ü", "4", '{"m":{"x":1}}'),
    ]
    assert [(r["record"], r["fate"], r["reason"]) for r in rejects] == [
        (1, "quarantined", 'null_text: field "text"'),
        (2, "skipped", 'empty_text: field "text"'),
    ]


@pytest.mark.parametrize("name", [*NAMES, "a.parquet"])
@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), "dictionary"]
)
def test_every_kind_of_string_is_text_and_metadata(tmp_path, name, kind):
    column = pa.array(["a", "b", "a"])
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(kind)
    documents, rejects = rows(write(tmp_path / name, pa.table({"text": column, "other": column})))
    assert [(d["text"], d["metadata"]) for d in documents] == [
        ("a", '{"other":"a"}'),
        ("b", '{"other":"b"}'),
        ("a", '{"other":"a"}'),
    ]
    assert rejects == []


@pytest.mark.parametrize("name", [*NAMES, "a.parquet"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.string()])
def test_bytes_that_are_no_utf8_are_a_reject_by_themselves(tmp_path, name, kind):
    column = pa.Array.from_buffers(kind, 3, pa.array([b"a", b"\xff", b"c"]).buffers())
    nested = pa.StructArray.from_arrays([column], ["s"]) if kind == pa.string() else pa.array([1, 2, 3])
    documents, rejects = rows(write(tmp_path / name, pa.table({"text": column, "nested": nested})))
    assert [d["text"] for d in documents] == ["a", "c"]
    assert reasons(rejects) == [(1, "invalid_utf8")]


NESTED = {"meta": {"text": "t", "url": "u", "rest": [1]}, "id": 3}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.arrow"])
def test_dots_reach_into_nested_fields(tmp_path, name):
    if name.startswith("a.json"):
        (tmp_path / name).write_text(json.dumps([NESTED] if name == "a.json" else NESTED))
    else:
        write(tmp_path / name, pa.Table.from_pylist([NESTED]))
    (document,), _ = rows(tmp_path, fields={"text": "meta.text", "url": "meta.url"})
    found = [document[key] for key in ("text", "url", "input_id", "metadata")]
    assert found == ["t", "u", "3", '{"meta":{"rest":[1]}}']


def test_a_field_whose_name_has_dots_is_meant_first(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"meta.url": "literal", "meta": {"url": "nested"}, "text": "t"}')
    (document,), _ = rows(tmp_path, fields={"url": "meta.url"})
    assert (document["url"], document["metadata"]) == ("literal", '{"meta":{"url":"nested"}}')


def test_a_nested_text_that_is_not_there_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"meta": 5}')
    _, (reject,) = rows(tmp_path, fields={"text": "meta.text"})
    assert reject["reason"] == 'missing_field: text "meta.text" (fields: meta)'


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=60),
    rows_a_batch=st.integers(1, 20),
    shard=st.integers(1, 3000),
    name=st.sampled_from([*NAMES, "a.parquet"]),
)
def test_pieces_of_batches_give_the_rows_of_the_whole(tmp_path_factory, texts, rows_a_batch, shard, name):
    table = pa.table({"text": pa.array(texts, pa.string()), "id": range(len(texts))})
    file = write(tmp_path_factory.mktemp("arrow") / name, table, rows_a_batch)
    whole = rows(file)
    assert rows(file, shard) == whole
    assert sorted(row["record"] for part in whole for row in part) == list(range(len(texts)))


def test_a_large_arrow_file_is_many_pieces(tmp_path):
    file = write(tmp_path / "a.arrow", pa.table({"text": ["some text"] * 1000}))
    assert [piece.first_record for piece in pieces(file, 3000)] == [0, 300, 600, 900]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("fault", ["cut", "zeros", "noise"])
def test_damage_is_a_reject_and_no_crash(tmp_path, name, place, fault):
    file = write(tmp_path / name, pa.table({"text": [f"{n} text" for n in range(1000)]}))
    content = bytearray(file.read_bytes())
    at = int(len(content) * place)
    if fault == "cut":
        del content[at:]
    else:
        content[at : at + 64] = bytes(64) if fault == "zeros" else b"\xa5" * 64
    file.write_bytes(content)
    documents, rejects = rows(file)
    numbers = [row["record"] for row in documents + rejects]
    assert len(numbers) == len(set(numbers))
    assert rejects or len(documents) == 1000  # padding may be damaged without harm
    assert rows(file, shard_bytes=1000) == (documents, rejects)


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"FEA1" + bytes(100), b"no arrow at all", bytes(500)])
def test_a_file_that_is_no_arrow_is_one_row(tmp_path, content):
    (tmp_path / "a.arrow").write_bytes(content)
    documents, rejects = rows(tmp_path)
    assert documents == []
    assert reasons(rejects) == ([(0, "corrupt_arrow")])


def save(folder, texts, files=2, indices=False):
    """A folder as ``Dataset.save_to_disk`` of the library datasets (3.x) leaves it."""
    names = [f"data-{n:05d}-of-{files:05d}.arrow" for n in range(files)]
    for n, name in enumerate(names):
        write(folder / name, pa.table({"text": texts[n::files]}))
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": "1a",
        "_format_type": None,
    }
    state |= {"_format_columns": None, "_format_kwargs": {}, "_output_all_columns": False, "_split": None}
    if indices:
        state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text('{"features": {"text": {"dtype": "string", "_type": "Value"}}}')
    write(folder / "cache-0123.arrow", pa.table({"text": ["of an earlier map"]}))


@pytest.mark.parametrize("form", [None, "hf"])
def test_a_saved_dataset_is_its_data_files(tmp_path, form):
    save(tmp_path / "set", ["a", "b", "c"])
    documents, rejects = rows(tmp_path / "set", format=form)
    assert [(d["input"], d["record"], d["text"]) for d in documents] == [
        ("data-00000-of-00002.arrow", 0, "a"),
        ("data-00000-of-00002.arrow", 1, "c"),
        ("data-00001-of-00002.arrow", 0, "b"),
    ]
    assert rejects == []


def test_splits_of_a_saved_dataset_are_read_together_or_alone(tmp_path):
    for split in ("train", "test"):
        save(tmp_path / split, [split], files=1)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert [d["text"] for d in rows(tmp_path)[0]] == ["test", "train"]
    assert [d["text"] for d in rows(tmp_path / "train")[0]] == ["train"]


def test_saved_datasets_that_cannot_be_read_are_errors_that_say_what_to_do(tmp_path):
    save(tmp_path / "chosen", ["a"], files=1, indices=True)
    with pytest.raises(RecipeError, match="flatten_indices"):
        find_files(Source(name="s", path=str(tmp_path / "chosen")))
    save(tmp_path / "gone", ["a", "b"])
    (tmp_path / "gone" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(RecipeError, match="lists a file that is not there: data-00001"):
        find_files(Source(name="s", path=str(tmp_path / "gone")))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("a")
    with pytest.raises(RecipeError, match="no saved dataset"):
        find_files(Source(name="s", path=str(tmp_path / "other"), format="hf"))


@pytest.mark.parametrize("name", ["a.arrow", "a.csv"])
def test_records_are_rows_as_objects(tmp_path, name):
    file = tmp_path / name
    if name == "a.csv":
        file.write_text("instruction,n\ndo,1\n")
    else:
        write(file, pa.table({"instruction": ["do"], "n": ["1"]}))
    source = Source(name="s", path=str(file))
    ((record,),) = read_records(pieces(file)[0], source)
    assert record.value == {"instruction": "do", "n": "1"}
