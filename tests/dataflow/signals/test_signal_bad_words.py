"""Bad words by the list of the document's language; examples are mild, and the real lists are only counted."""

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.errors import DataflowError
from dataflow.kernels.scan import analyse
from dataflow.rules.evaluate import Rules, active_rules, apply
from dataflow.signals import bad_words
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents

LISTS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "quality" / "bad_words.jsonl.gz"


def signals(documents: list[tuple[str, str | None]], lists: dict[str, str]) -> pa.Table:
    texts = pa.array([text for text, _ in documents], pa.large_string())
    before = {
        "language": pa.array([language for _, language in documents], pa.string()),
        "n_words": pa.array([len(text.split()) for text, _ in documents], pa.int64()),
    }
    seen = Documents(texts, pa.nulls(len(texts), pa.string()), "web", analyse(texts, 0, 5))
    columns = bad_words.compute(seen, before, SignalOptions(bad_words=lists))
    assert [(name, column.type) for name, column in columns.items()] == [
        (s.name, s.type) for s in bad_words.SIGNALS
    ]
    return pa.table(columns)


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, str]:
    for language, words in {"en": "darn\nblasted fool\n", "de": "verflixt\n", "zh": "笨蛋\n"}.items():
        (tmp_path / language).write_text(words, encoding="utf-8")
    return {language: str(tmp_path / language) for language in ("en", "de", "zh")}


def test_words_of_the_list_for_the_documents_language(lists):
    found = signals(
        [
            ("Darn it, darn the blasted\nfool verflixt", "en"),
            ("Darn, das ist verflixt.", "de"),
            ("你是笨蛋吗笨蛋", "zh"),
            ("darned", "en"),
            ("darn", "fr"),
            ("darn", None),
            ("", "en"),
        ],
        lists,
    )
    assert found["n_bad_words"].to_pylist() == [3, 1, 2, 0, None, None, 0]
    assert found["n_distinct_bad_words"].to_pylist() == [2, 1, 1, 0, None, None, 0]
    shares = [3 / 7, 1 / 4, 1, 0, None, None, 0]
    assert found["bad_word_share"].to_pylist() == [share and pytest.approx(share) for share in shares]


def test_the_set_drops_any_page_with_a_bad_word_and_no_page_of_a_language_without_a_list(lists):
    table = signals([("darn", "en"), ("good", "en"), ("darn", "fr")], lists)
    table = table.append_column("id", pa.array("abc")).append_column("kind", pa.array(["web"] * 3))
    rules = active_rules(Rules(sets=("c4_bad_words",)), table.schema)
    assert apply(table, rules)["passed"].to_pylist() == [False, True, True]
    tenth = Rules(sets=(), custom={"kept": "n_bad_words = 0 OR md5_number_lower(id) % 10 = 0"})
    assert active_rules(tenth, table.schema)


def test_an_entry_with_nothing_to_find_is_refused(tmp_path: Path):
    (tmp_path / "en").write_text("darn\n\u00ad\n", encoding="utf-8")
    with pytest.raises(DataflowError, match="nothing to look for"):
        signals([("a", "en")], {"en": str(tmp_path / "en")})


def test_the_real_lists_find_what_a_plain_search_finds(tmp_path: Path):
    if not LISTS.is_file():
        pytest.skip("needs the bad-word lists beside the project")
    with gzip.open(LISTS, "rt", encoding="utf-8") as stream:
        words = {one["lang"]: [word for word in one["words"] if word] for one in map(json.loads, stream)}
    for language, entries in words.items():
        (tmp_path / language).write_text("\n".join(entries), encoding="utf-8")
    # each entry between words of its script's neighbours: found as a whole, not inside a longer word
    for language in ("en", "fr", "ru", "zh", "ja", "th"):
        texts = [
            f"xy {entry.upper() if entry.upper().lower() == entry else entry} xy" for entry in words[language]
        ]
        found = signals([(text, language) for text in texts], {language: str(tmp_path / language)})
        assert all(count >= 1 for count in found["n_bad_words"].to_pylist()), language
        spaced = [entry for entry in words[language] if re.fullmatch(r"[a-zа-я]+", entry)]
        inside = signals([(f"x{entry}x", language) for entry in spaced], {language: str(tmp_path / language)})
        assert not any(inside["n_bad_words"].to_pylist())
