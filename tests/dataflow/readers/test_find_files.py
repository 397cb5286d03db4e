"""Which files a source is made of, what they are called; text files and real instruction files."""

from pathlib import Path

import fsspec
import pytest

from dataflow.errors import DataflowError
from dataflow.readers.files import guess_format
from dataflow.readers.open import InputFile, find_files, read, read_records, split
from dataflow.readers.source import Source

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path):
    """A folder with some files, on disk and on another filesystem."""
    place = str(tmp_path) if request.param == "disk" else f"memory://{tmp_path.name}"
    fs, path = fsspec.core.url_to_fs(place)
    for name in ("b.jsonl", "a/c.jsonl", "a/d/e.jsonl", "a/notes.txt", ".hidden/f.jsonl", "a/.g.jsonl"):
        fs.makedirs(f"{path}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe(f"{path}/{name}", b'{"text": "x"}\n')
    return place


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", ["a/c.jsonl", "a/d/e.jsonl", "a/notes.txt", "b.jsonl"]),
        ("/", ["a/c.jsonl", "a/d/e.jsonl", "a/notes.txt", "b.jsonl"]),
        ("/a", ["c.jsonl", "d/e.jsonl", "notes.txt"]),
        ("/a/c.jsonl", ["c.jsonl"]),
        ("/*.jsonl", ["b.jsonl"]),
        ("/**/*.jsonl", ["a/c.jsonl", "a/d/e.jsonl", "b.jsonl"]),
        ("/a/**", ["c.jsonl", "d/e.jsonl", "notes.txt"]),
        ("/*/c.jsonl", ["a/c.jsonl"]),
        ("/a/[a-c].jsonl", ["c.jsonl"]),
    ],
)
def test_files_folders_and_globs(root, path, names):
    files = find_files(Source(name="s", path=root + path))
    assert [file.relative for file in files] == names
    assert all(file.size == 14 for file in files)


def test_files_open_wherever_they_are(root):
    source = Source(name="s", path=root + "/*.jsonl")
    (piece,) = split(find_files(source)[0], source, 100)
    assert [d["text"] for batch in read(piece, source) for d in batch.documents.to_pylist()] == ["x"]


def test_a_list_is_read_once_and_sorted(root):
    files = find_files(Source(name="s", path=[root + "/b.jsonl", root + "/a", root + "/a/c.jsonl"]))
    assert [file.relative for file in files] == ["b.jsonl", "c.jsonl", "d/e.jsonl", "notes.txt"]


def test_two_files_of_one_name_are_an_error(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("a")
    with pytest.raises(DataflowError, match=r'source "s": two files would both be called "a\.txt"'):
        find_files(Source(name="s", path=[str(tmp_path / "x"), str(tmp_path / "y")]))


@pytest.mark.parametrize("pattern", ["nothing-here", "nothing/*.jsonl", "none.jsonl"])
def test_no_match_names_source_and_pattern(tmp_path, pattern):
    with pytest.raises(DataflowError, match=r'source "web": no .*(nothing|none)') as caught:
        find_files(Source(name="web", path=f"{tmp_path}/{pattern}"))
    assert pattern in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.ndjson.zst", "jsonl"),
        ("a.json", "json"),
        ("a.JSON.GZ", "json"),
        ("a.parquet", "parquet"),
        ("a.txt", "text"),
        ("a.md", "text"),
        ("a.html", "html"),
        ("a.b.warc.gz", "warc"),
        ("a.warc.wet.gz", "wet"),
        ("a.wet.gz", "wet"),
        ("a.warc.wat.gz", "warc"),
        ("a.arc", "arc"),
        ("a.arc.gz", "arc"),
    ],
)
def test_formats_are_guessed_by_suffix(name, kind):
    assert guess_format(InputFile(name, name, 0), Source(name="s", path=name)) == kind


def test_an_unknown_suffix_is_an_error_and_a_given_format_helps():
    file = InputFile("/x/a.py", "a.py", 0)
    with pytest.raises(DataflowError, match=r'"a\.py" is of no format known here .*jsonl'):
        guess_format(file, Source(name="s", path="/x"))
    assert guess_format(file, Source(name="s", path="/x", format="text")) == "text"


@pytest.mark.parametrize(
    ("content", "text", "reason"),
    [
        ("Wörter\n".encode(), "Wörter\n", None),
        ("\ufeffWörter".encode(), "Wörter", None),
        ("Wörter".encode("utf-16"), "Wörter", None),
        ("Wörter".encode("latin-1"), None, "invalid_utf8"),
        (b"", None, "empty_text"),
    ],
)
def test_a_text_file_is_one_document(tmp_path, content, text, reason):
    (tmp_path / "a.txt").write_bytes(content)
    source = Source(name="s", path=str(tmp_path))
    (batch,) = read(split(find_files(source)[0], source, 100)[0], source)
    assert [d["text"] for d in batch.documents.to_pylist()] == ([text] if text else [])
    assert [r["reason"].split(":")[0] for r in batch.rejects.to_pylist()] == ([reason] if reason else [])


def test_a_file_that_is_gone_is_an_error_and_not_a_fact_about_its_text(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}")
    source = Source(name="s", path=str(tmp_path))
    (piece,) = split(find_files(source)[0], source, 100)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DataflowError, match=r"a\.jsonl: cannot read the file: no such file"):
        list(read(piece, source))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data is not there")
def test_real_instructions_read_as_records():
    source = Source(name="s", path=str(SHARED / "instruct" / "alpaca_52k_en.jsonl.gz"))
    (piece,) = split(find_files(source)[0], source, 1 << 20)
    groups = list(read_records(piece, source))
    numbers = [record.number for group in groups for record in group]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 40_000
    assert all(record.value and "instruction" in record.value for group in groups for record in group)
