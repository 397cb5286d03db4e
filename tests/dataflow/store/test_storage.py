"""A file exists whole or not at all."""

import os
import stat

import pyarrow as pa
import pytest

from dataflow.errors import DataflowError
from dataflow.store.storage import PARTIAL, Storage


@pytest.fixture
def store(tmp_path):
    return Storage(str(tmp_path))


def test_a_failed_write_leaves_nothing_under_either_name(store, tmp_path):
    with pytest.raises(RuntimeError), store.create("a/b.txt") as stream:
        stream.write(b"half")
        raise RuntimeError("killed in the middle")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_failed_write_leaves_the_old_file(store):
    store.write_bytes("a.txt", b"old")
    with pytest.raises(RuntimeError), store.create("a.txt") as stream:
        stream.write(b"new")
        raise RuntimeError
    assert store.read_bytes("a.txt") == b"old"


def test_partial_files_of_a_killed_run_are_not_listed(store, tmp_path):
    store.write_table("t/b.parquet", pa.table({"x": [1]}))
    store.write_table("t/sub/a.parquet", pa.table({"x": [1]}))
    (tmp_path / "t" / f"c.parquet.1-2{PARTIAL}").write_bytes(b"PAR1")
    assert store.list("t") == ["t/b.parquet", "t/sub/a.parquet"]
    assert store.list("nowhere") == []


def test_tables_come_back_as_they_were(store):
    table = pa.table({"text": pa.array(["a", None, "𝔘"], pa.large_string()), "n": [1, 2, 3]})
    store.write_table("t.parquet", table)
    assert store.read_table("t.parquet").equals(table)
    assert store.read_table("t.parquet", ["n"]).column_names == ["n"]


def test_the_same_table_gives_the_same_bytes(store):
    table = pa.table({"text": ["a", "b"] * 1000})
    store.write_table("1.parquet", table)
    store.write_table("2.parquet", table)
    assert store.read_bytes("1.parquet") == store.read_bytes("2.parquet")


def test_footer_metadata(store):
    with store.parquet_writer("t.parquet", pa.schema({"x": pa.int64()}), {"made by": "test"}) as writer:
        writer.write_table(pa.table({"x": [1]}))
    assert store.read_table("t.parquet").schema.metadata[b"made by"] == b"test"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_says_what_to_do(store, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DataflowError, match="permission denied"):
        store.write_bytes("a/b", b"")


def test_a_full_disk_is_one_clear_error_and_no_half_file():
    full = Storage("/dev/shm/dataflow-full-test")
    try:
        with pytest.raises(DataflowError, match="the disk is full") as caught, full.create("x") as stream:
            stream.write(b"x")
            raise OSError(28, "No space left on device")  # what write() raises on a full file system
        assert "continues" in caught.value.fix
        assert full.list("", "") == []
    finally:
        full.remove("")
