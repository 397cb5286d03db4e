"""Web archives and HTML: every record of every real fixture has a row, pages are read in their charset."""

import gzip
import json
import re
import zlib
from collections import Counter
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from dataflow.readers import html, response
from dataflow.readers.batches import Reject
from dataflow.readers.open import find_files, read, split
from dataflow.readers.source import Extract, Source

WEB = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "web"
needs_fixtures = pytest.mark.skipif(not WEB.is_dir(), reason="the folder shared/data/web is not there")

PAGE = b"<html><body><main><p>A page of some words, long enough to be the content.</p></main></body></html>"


def rows(path, **options):
    """(documents, rejects) of a path as lists of dicts."""
    source = Source(name="s", path=str(path), **options)
    batches = [b for f in find_files(source) for p in split(f, source, 1 << 26) for b in read(p, source)]
    return [
        [row for b in batches for row in getattr(b, part).to_pylist()] for part in ("documents", "rejects")
    ]


def record(kind="response", block=b"", **headers):
    lines = {"WARC-Type": kind, "WARC-Target-URI": "http://a.example/", "WARC-Date": "2024-01-01T00:00:00Z"}
    lines |= {"WARC-Record-ID": "<urn:uuid:1>", "Content-Type": "application/http;msgtype=response"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"WARC/1.0\r\n{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def answer(body=PAGE, status="200 OK", **headers):
    lines = {"Content-Type": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def test_a_page_is_a_document_with_its_url_date_and_id(tmp_path):
    (tmp_path / "a.warc").write_bytes(record("warcinfo", b"x") + record(block=answer()))
    (document,), (reject,) = rows(tmp_path)
    assert document == {
        "record": 1,
        "input": "a.warc",
        "text": "A page of some words, long enough to be the content.",
        "input_id": "urn:uuid:1",
        "url": "http://a.example/",
        "date": "2024-01-01T00:00:00Z",
        "metadata": '{"charset":"utf-8","content_type":"text/html","extractor":"resiliparse"}',
        "bytes_in": len(PAGE),
    }
    assert (reject["record"], reject["fate"], reject["reason"]) == (0, "skipped", "record_type: warcinfo")


@pytest.mark.parametrize(
    ("made", "fate", "reason"),
    [
        (record("request", b"GET / HTTP/1.0\r\n\r\n"), "skipped", "record_type: request"),
        (record("revisit", answer()), "skipped", "record_type: revisit"),
        (record("metadata", b"{}"), "skipped", "record_type: metadata"),
        (record(block=answer(status="404 Not Found")), "skipped", "http_status: 404"),
        (record(block=answer(Content_Type="image/png")), "skipped", "media_type: image/png"),
        (record(block=answer(Content_Type="application/json")), "skipped", "media_type: application/json"),
        (record(block=answer(b"")), "skipped", "empty_payload"),
        (record(block=answer(b" \n ")), "skipped", "empty_payload"),
        (
            record(block=answer(b"\x89PNG\0\0\0")),
            "skipped",
            "media_type: text/html, and the content is no HTML",
        ),
        (record(block=answer(b"<html><body></body></html>")), "skipped", "no_text"),
        (record(block=b"what is this"), "quarantined", "malformed_http"),
        (
            record(block=answer(b"\x1f\x8b" + b"\xff" * 50, Content_Encoding="gzip")),
            "quarantined",
            "content_encoding",
        ),
        (record(block=answer(b"<div>" * 5000 + b"deep")), "quarantined", "deep_nesting"),
        (record("conversion", b"\xff\xfe\xfd"), "quarantined", "invalid_utf8"),
    ],
)
def test_what_is_no_page_has_a_row_that_says_why(tmp_path, made, fate, reason):
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(made, mtime=0) + gzip.compress(record(block=answer())))
    documents, (reject,) = rows(tmp_path)
    assert [d["record"] for d in documents] == [1]
    assert (reject["record"], reject["fate"]) == (0, fate)
    assert reject["reason"].startswith(reason)


DEFLATED = zlib.compress(PAGE)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(PAGE, mtime=0), {"Content_Encoding": "gzip"}),
        (DEFLATED, {"Content_Encoding": "deflate"}),
        (DEFLATED[2:-4], {"Content_Encoding": "deflate"}),
        (PAGE, {"Content_Encoding": "gzip"}),  # stored decoded
        (PAGE, {"Content_Encoding": "br"}),
        (b"%x;ext\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE), {"Transfer_Encoding": "chunked"}),
        (
            b"10\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (PAGE[:16], len(PAGE) - 16, PAGE[16:]),
            {"Transfer_Encoding": "chunked"},
        ),
        (b"fff\r\n" + PAGE, {"Transfer_Encoding": "chunked"}),  # cut off
        (PAGE, {"Transfer_Encoding": "chunked"}),  # stored decoded
        (PAGE, {"Content_Type": ""}),
    ],
)
def test_encodings_are_undone_and_lying_headers_forgiven(body, headers):
    assert response.payload(response.parse(answer(body, **headers)), 1 << 20) == PAGE


def test_a_bomb_is_cut_at_the_limit():
    bomb = answer(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")
    assert len(response.payload(response.parse(bomb), 1000)) == 1001


RUSSIAN = "<html><body><p>Широкая электрификация южных губерний</p></body></html>"


@pytest.mark.parametrize(
    ("content", "declared", "charset"),
    [
        (RUSSIAN.encode(), "iso-8859-1", "utf-8"),  # the most common lie
        (RUSSIAN.encode() + b"\xd0", None, "utf-8"),  # cut inside a character
        (RUSSIAN.encode("koi8-r"), "koi8-r", "koi8-r"),
        (RUSSIAN.replace("<html>", "<html><meta charset=windows-1251>").encode("cp1251"), None, "cp1251"),
        ("日本語のページです。".encode("shift_jis"), "x-sjis", "cp932"),
        (("도움말을 보려면 여기를 누르십시오. 日本語의 " * 9).encode("euc-kr"), None, "cp949"),
        ("\ufeff" + RUSSIAN, None, "utf-16-le"),
    ],
)
def test_the_charset_that_fits_is_found(content, declared, charset):
    if isinstance(content, str):
        content = content.encode("utf-16-le")
    text, found = html.decode(content, declared)
    assert found == charset
    assert "губерний" in text or "日本語" in text


@needs_fixtures
def test_charsets_of_real_pages_are_right_in_99_of_100(capsys):
    truth = {m["url"]: m for m in map(json.loads, (WEB / "manuals_multilingual.meta.jsonl").open())}
    right, wrong = 0, []
    with gzip.open(WEB / "manuals_multilingual.warc.gz") as stream:
        for found in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=False):
            url = found.headers.get("WARC-Target-URI")
            page = response.parse(found.reader.read())
            if page.status != 200 or page.media_type != "text/html" or not page.body or url not in truth:
                continue
            body = response.payload(page, 1 << 26)
            if html.decode(body, page.charset)[0] == body.decode(truth[url]["charset"]).removeprefix(
                "\ufeff"
            ):
                right += 1
            else:
                wrong.append((url, truth[url]["charset"], html.decode(body, page.charset)[1]))
    with capsys.disabled():
        print(f"\ncharset right: {right} of {right + len(wrong)}; wrong: {wrong[:5]}")
    assert right + len(wrong) > 590
    assert right >= 0.99 * (right + len(wrong))


FIXTURES = sorted(p.relative_to(WEB).as_posix() for p in WEB.glob("fixtures/**/*") if p.is_file())
DOCUMENTS = {
    "dolma/sample-0000.warc.gz": 22,
    "resiliparse/clueweb-quirk.warc.gz": 29,
    "warcio/example.arc.gz": 1,
}


@needs_fixtures
@pytest.mark.parametrize("name", FIXTURES)
def test_every_record_of_a_real_archive_has_one_row(name):
    documents, rejects = rows(WEB / name)
    numbers = sorted(row["record"] for row in documents + rejects)
    assert numbers == list(range(len(numbers)))
    content = (WEB / name).read_bytes()
    if name.endswith(".gz") and "clipped" not in name:
        content = gzip.decompress(content)
    if name.endswith((".warc", ".warc.gz")) and "clipped" not in name:
        between = [r for r in rejects if "no version line" in r["reason"]]  # bytes that no record claims
        assert len(numbers) - len(between) == len(re.findall(rb"WARC/[0-9.]+\r?\n", content))
    expected = DOCUMENTS.get(name.removeprefix("fixtures/"))
    assert expected is None or len(documents) == expected
    assert all(document["text"].strip() for document in documents)


def test_damage_ends_a_file_after_the_records_before_it(tmp_path):
    whole = b"".join(gzip.compress(record(block=answer())) for _ in range(5))
    (tmp_path / "a.warc.gz").write_bytes(whole[: int(len(whole) * 0.7)])
    documents, (reject,) = rows(tmp_path)
    assert [d["record"] for d in documents] == [0, 1, 2]
    assert (reject["record"], reject["reason"].split(":")[0]) == (3, "truncated_gzip")


@pytest.mark.parametrize(
    "length", ["Content-Length: abc", "Content-Length: -5", "X: y", "Content-Length: 99999999"]
)
def test_a_false_length_is_a_row_and_no_crash(tmp_path, length):
    broken = record(block=answer()).replace(f"Content-Length: {len(answer())}".encode(), length.encode())
    (tmp_path / "a.warc").write_bytes(record(block=answer()) + broken)
    documents, rejects = rows(tmp_path)
    assert [d["record"] for d in documents] == [0]
    assert Counter(r["fate"] for r in rejects)["quarantined"] == len(rejects) >= 1
    assert [r["record"] for r in rejects] == list(range(1, len(rejects) + 1))


def test_arc_records_with_bad_lengths_do_not_hide_the_next(tmp_path):
    body = answer()
    good = f"http://a.example/a b 1.2.3.4 20140101000000 text/html {len(body)}\n".encode() + body + b"\n"
    bad = b"http://a.example/ 1.2.3.4 20140101000000 text/html -1\nrest of it\n\n"
    (tmp_path / "a.arc").write_bytes(b"filedesc://a 0.0.0.0 20140101000000 text/plain 3\n1 0\n" + bad + good)
    (document,), rejects = rows(tmp_path)
    assert (document["record"], document["url"]) == (2, "http://a.example/a b")
    assert [r["reason"] for r in rejects] == ["record_type: filedesc", 'malformed_arc: length "-1"']


def test_an_html_file_is_one_document(tmp_path):
    (tmp_path / "a.html").write_bytes(PAGE)
    (document,), rejects = rows(tmp_path)
    assert (document["record"], document["bytes_in"], rejects) == (0, len(PAGE), [])


def test_navigation_is_left_out_and_paragraphs_stay():
    page = "<body><nav><a href=/>Home</a></nav><main><p>One.</p><p>Two.</p></main><footer>End</footer></body>"
    assert html.extract_text(page, Extract()) == ("One.\n\nTwo.", "resiliparse")
    with pytest.raises(Reject):
        html.extract_text("<body><nav>Home</nav></body>", Extract())
