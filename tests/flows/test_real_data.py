"""A recipe over real files of many kinds: it ends well, and every record of the input has exactly one fate.

What should come out is counted here by simple means: lines of JSON Lines, headers of web archives.
"""

import dataclasses
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from command_line import CommandLine

from dataflow import connect

RECIPE = Path(__file__).with_name("real_data.yaml")
DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="needs the developer data, in ../shared/data beside the project"
    ),
]

LINES = {
    "manuals": "lang/debian_docs_multilingual.jsonl.gz",
    "brown": "text/brown.jsonl.gz",
    "news": "text/abc_news.jsonl.gz",
    "moby_dick": "text/moby_dick.jsonl.gz",
    "speeches": "text/sotu.jsonl.gz",
    "english_docs": "tech/english_docs.jsonl.gz",
    "dictionaries": "tech/dictionaries.jsonl.gz",
    "source_code": "tech/source_code.jsonl.gz",
    "mail": "quality/spam_assassin.jsonl.gz",
    "copyrights": "neardup/debian_copyright_files.jsonl.gz",
    "alpaca": "instruct/alpaca_52k_en.jsonl.gz",
}
WARC_RECORD = re.compile(rb"^WARC/\d\.\d+\r?\n(?=[A-Za-z-]+:)", re.MULTILINE)
ARC_RECORD = re.compile(rb"^[a-z]+:.* \d+\.\d+\.\d+\.\d+ \d{8,18} \S+ \S+\r?$", re.MULTILINE)

EMAIL = re.compile(r"\b[A-Za-z0-9_%+-]+(?:\.[A-Za-z0-9_%+-]+)*@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}\b")
NO_ADDRESS = re.compile(r"\.(?:invalid|gif|jpe?g|png|css|js|html?|php|pdf)$", re.IGNORECASE)
"""Names kept free by RFC 2606, and file names such as ``logo@2x.png``."""


@pytest.fixture(scope="module")
def out(dataflow: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("real")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.read_text().replace("DATA", str(DATA.resolve())))
    dataclasses.replace(dataflow, seconds=1800)("run", recipe, "--out", folder / "out")
    return folder / "out"


@pytest.fixture
def con(out: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(str(out)) as connection:
        yield connection


def test_every_record_of_the_input_is_in_the_ledger(con: duckdb.DuckDBPyConnection) -> None:
    expected = {source: _n_lines(DATA / path) for source, path in LINES.items()}
    expected["plain"] = len(list((DATA / "text").glob("*.txt")))
    expected["web_manuals"] = _n_captures(DATA / "web" / "manuals_multilingual.warc.gz")
    fixtures = [path for path in (DATA / "web" / "fixtures").rglob("*") if path.is_file()]
    stretches = 1  # example-trunc.warc: a damaged stretch between two records is a row of its own
    expected["crawls"] = sum(map(_n_captures, fixtures)) + stretches
    found = con.execute("SELECT source, count(*) FROM ledger GROUP BY source").fetchall()
    assert dict(found) == expected


def test_every_record_has_one_fate_and_an_id_of_its_own(con: duckdb.DuckDBPyConnection) -> None:
    records, ids, without = con.execute(
        "SELECT count(*), count(DISTINCT id), count(*) FILTER (fate IS NULL) FROM ledger"
    ).fetchall()[0]
    assert (ids, without) == (records, 0)
    fates = _one(con, "SELECT array_agg(DISTINCT fate ORDER BY fate) FROM ledger")
    assert fates == ["dropped", "duplicate", "quarantined", "skipped", "train", "unused", "validation"]
    assert _one(con, "SELECT count(*) FROM ledger WHERE fate = 'dropped' AND len(reasons) = 0") == 0


def test_damaged_and_empty_web_records_are_told(con: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT input, min(split_part(reason, ':', 1)) FROM quarantine
        WHERE fate = 'quarantined' GROUP BY input
    """
    damage = dict(con.execute(sql).fetchall())
    assert damage == {
        "resiliparse/clipped.warc.gz": "truncated_gzip",
        "warcio/bad.arc": "malformed_arc",
        "warcio/example-space-in-url.arc": "truncated_record",
        "warcio/example-trunc.warc": "malformed_warc",
    }
    revisits = "SELECT DISTINCT fate FROM quarantine WHERE reason = 'record_type: revisit'"
    assert con.execute(revisits).fetchall() == [("skipped",)]
    manuals = "SELECT count(*) FROM documents WHERE source = 'web_manuals'"
    assert _one(con, manuals) == 599  # pages that the file's description names; 6 answers hold none


def test_licences_that_resemble_each_other_are_found(con: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT count(*) FILTER (similarity = 1), count(*) FILTER (similarity < 1), count(*) FILTER (kind = 'near')
        FROM duplicates WHERE id <> survivor AND starts_with(id, 'copyrights/')
    """
    same_text, alike, near = con.execute(sql).fetchall()[0]
    assert same_text >= 50
    assert alike >= 30
    assert alike > near >= 20  # the others of them are copies of such
    assert _one(con, "SELECT min(similarity) FROM duplicates WHERE id <> survivor") >= 0.7
    same = """
        SELECT count(*) - count(DISTINCT text) FROM documents JOIN plan USING (id)
        WHERE phase = 'main' AND epoch = 0
    """
    assert _one(con, same) == 0


@pytest.mark.parametrize("language", ["zh", "ja", "km", "bo", "ko", "de", "ta"])
def test_rules_for_english_do_not_drop_other_languages(con: duckdb.DuckDBPyConnection, language: str) -> None:
    sql = """
        SELECT count(*) FILTER (fate <> 'dropped') / count(*) FROM ledger JOIN signals USING (id)
        WHERE signals.language = ? AND signals.source = 'manuals' AND language_score > 0.9
    """
    assert con.execute(sql, [language]).fetchall()[0][0] > 0.6
    english_only = [
        "gopher_stop_words",
        "fineweb_punctuation_lines",
        "fineweb_short_lines",
        "fineweb_newlines",
    ]
    dropped = """
        SELECT count(*) FROM ledger JOIN signals USING (id)
        WHERE signals.language = ? AND list_has_any(reasons, ?)
    """
    assert con.execute(dropped, [language, english_only]).fetchall() == [(0,)]


def test_no_mail_address_is_left_in_the_mails(con: duckdb.DuckDBPyConnection) -> None:
    left = [
        address
        for (text,) in con.execute("SELECT text FROM documents WHERE source = 'mail'").fetchall()
        for address in EMAIL.findall(text)
        if not NO_ADDRESS.search(address)
    ]
    assert left == []
    assert _one(con, "SELECT count(*) FROM pii WHERE kind = 'email' AND starts_with(id, 'mail/')") > 40_000


def test_no_colours_of_a_terminal_are_left(con: duckdb.DuckDBPyConnection) -> None:
    sequence = r"(^|[^\[])\[[0-9;]+m"  # one poem has `^[[32m` written out
    left = f"SELECT count(*) FROM documents WHERE source = 'manuals' AND regexp_matches(text, '{sequence}')"
    assert _one(con, left) == 0


def test_the_last_phase_is_what_the_recipe_asked_for(con: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT source, position, quality, n_words FROM plan JOIN signals USING (id, source)
        WHERE phase = 'anneal' ORDER BY source, position
    """
    rows = con.execute(sql).fetchall()
    assert {row[0] for row in rows} == {"brown", "speeches", "english_docs"}
    assert all(quality > 0.8 and words >= 100 for _, _, quality, words in rows)
    for source in {row[0] for row in rows}:
        qualities = [quality for name, _, quality, _ in rows if name == source]
        assert qualities == sorted(qualities)


def test_a_run_can_be_looked_at(dataflow: CommandLine, out: Path, con: duckdb.DuckDBPyConnection) -> None:
    assert "All is well" in dataflow("check", out).stdout
    stats = dataflow("stats", out).stdout
    assert re.search(r"(?m)^\s*other .*%", stats)
    assert len(stats.split("Documents by language")[1].split("Documents that fail")[0].splitlines()) < 32
    duplicate, survivor = con.execute(
        "SELECT id, duplicate_of FROM ledger WHERE fate = 'duplicate' AND source = 'copyrights' ORDER BY id"
    ).fetchall()[0]
    story = dataflow("explain", out, duplicate).stdout
    assert survivor in story
    shown = dataflow("sample", out, "--rule", "gopher_stop_words", "-n", 2).stdout
    assert shown.count("keep n_stop_words >= 2") == 2
    changed = dataflow("whatif", out, "--set", "language_score=language_score >= 0.3").stdout
    assert "Newly kept" in changed


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    return con.execute(sql).fetchall()[0][0]


def _n_lines(path: Path) -> int:
    with gzip.open(path, "rb") as stream:
        return sum(1 for line in stream if line.strip())


def _n_captures(path: Path) -> int:
    """Records of a web archive, also of one cut off or not well formed."""
    data = path.read_bytes() if path.suffix != ".gz" else b"".join(_members(path.read_bytes()))
    return len((ARC_RECORD if ".arc" in path.suffixes else WARC_RECORD).findall(data))


def _members(data: bytes) -> Iterator[bytes]:
    while data:
        unpacked = zlib.decompressobj(wbits=31)
        yield unpacked.decompress(data)
        data = unpacked.unused_data
