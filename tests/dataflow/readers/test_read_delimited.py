"""CSV and TSV: cells become fields, a broken row costs itself alone."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import reasons, rows


def texts(path, content, name="a.csv", **options):
    (path / name).write_bytes(content)
    documents, rejects = rows(path / name, **options)
    return [(d["record"], d["text"]) for d in documents], rejects


def test_cells_become_columns_and_the_others_metadata(tmp_path):
    content = '\ufefftext,id,url,date,lang,n\r\n"a, ""b""\r\nc",7,http://a,2020-01-01,en,1\r\n'
    (tmp_path / "a.csv").write_bytes(content.encode())
    (document,), rejects = rows(tmp_path)
    assert rejects == []
    assert document == {
        "record": 0,
        "input": "a.csv",
        "text": 'a, "b"\r\nc',
        "input_id": "7",
        "url": "http://a",
        "date": "2020-01-01",
        "metadata": '{"lang":"en","n":"1"}',
        "bytes_in": 9,
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"only one", "malformed_csv: 1 cells, and the header has 2"),
        (b"1,2,3", "malformed_csv: 3 cells, and the header has 2"),
        (b'1,"a" b', "malformed_csv: ',' expected after '\"'"),
        (b'1,"open', "malformed_csv: unexpected end of data"),
        (b'"open,1', "malformed_csv: unexpected end of data"),
        (b'1,"two\nlines",3', "malformed_csv: 3 cells, and the header has 2"),
        (b"1,\xff", "invalid_utf8: invalid start byte at byte 2 of the row"),
        (b"1,", 'empty_text: field "text"'),
    ],
)
@pytest.mark.parametrize("after", [b'2,"b"\n3,c\n', b"2,b\n3,c", b"2,b\r\n3,c\r\n"])
def test_a_broken_row_is_a_reject_and_the_rest_goes_on(tmp_path, broken, reason, after):
    found, (reject,) = texts(tmp_path, b"id,text\n0,a\n" + broken + b"\n" + after)
    assert found == [(0, "a"), (2, "b"), (3, "c")]
    assert (reject["record"], reject["reason"], reject["raw"]) == (1, reason, broken)


def test_a_quote_inside_a_cell_is_a_character(tmp_path):
    found, rejects = texts(tmp_path, b'id,text\n1,a 5" disk\n2,a 3" disk\n')
    assert (found, rejects) == ([(0, 'a 5" disk'), (1, 'a 3" disk')], [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"text;id\na,b;1\n"),
        ("a.csv", b"text|id\na,b|1\n"),
        ("a.tsv", b"text\tid\na,b\t1\n"),
        ("a.csv", b"text\tid\na,b\t1\n"),
    ],
)
def test_the_delimiter_is_the_headers(tmp_path, name, content):
    assert texts(tmp_path, content, name) == ([(0, "a,b")], [])


def test_blank_lines_are_no_records_and_nul_is_a_character(tmp_path):
    found, rejects = texts(tmp_path, b"\ntext,id\n\na\0b,1\n  \nc,2\n\n")
    assert (found, rejects) == ([(0, "a\0b"), (1, "c")], [])


def test_columns_of_one_name_or_none_are_all_kept(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,a,a,\nx,1,2,3\n")
    (document,), _ = rows(tmp_path)
    assert document["metadata"] == '{"a":"1","a.3":"2","column.4":"3"}'


@pytest.mark.parametrize("content", [b"", b"\n \n", b"text,id\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_has_none(tmp_path, content):
    assert texts(tmp_path, content) == ([], [])


def test_a_header_that_cannot_be_read_ends_the_file_with_one_row(tmp_path):
    found, (reject,) = texts(tmp_path, b'text,"id" x\na,1\nb,2\n')
    assert found == []
    assert reject["reason"].endswith("in the header; the rest of the file is not read")


def test_a_row_beyond_the_limit_is_a_reject_of_its_own(tmp_path):
    long = b'1,"' + b"x\n" * 500 + b'"'
    content = b"id,text\n0,a\n" + long + b"\n2," + b"y" * 2000 + b"\n3,c\n"
    found, rejects = texts(tmp_path, content, max_record_bytes=900)
    assert found[0] == (0, "a")
    assert found[-1][1] == "c"
    assert {"record_too_long", "malformed_csv"} == {reason for _, reason in reasons(rejects)}
    assert sorted([n for n, _ in found] + [r["record"] for r in rejects]) == list(
        range(len(found) + len(rejects))
    )


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(table=st.lists(st.tuples(CELL, CELL), max_size=20), ending=st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_is_read(tmp_path_factory, table, ending):
    content = io.StringIO(newline="")
    csv.writer(content, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows([("text", "id"), *table])
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    file.write_bytes(content.getvalue().encode())
    documents, rejects = rows(file)
    assert {d["record"]: (d["text"], d["input_id"]) for d in documents} == {
        n: row for n, row in enumerate(table) if row[0]
    }
    assert [r["record"] for r in rejects] == [n for n, row in enumerate(table) if not row[0]]


@settings(max_examples=150, deadline=None)
@given(content=st.text(st.sampled_from('ab,"\n\r;'), max_size=60))
def test_every_line_of_anything_is_in_some_row(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    file.write_bytes(b"text,id\n" + content.encode())
    documents, rejects = rows(file)
    numbers = sorted(row["record"] for row in documents + rejects)
    assert numbers == list(range(len(numbers)))
    assert (not numbers) == (not content.strip())
