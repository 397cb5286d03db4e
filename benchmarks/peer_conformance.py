"""What datatrove makes of documents: its words, the value of each of its measures, and every rule that fails.

Run by the Python that has datatrove and spaCy (``peer.py`` says how to make it), never by ours::

    peer/bin/python benchmarks/peer_conformance.py documents.jsonl answers.jsonl

reads one ``{"id": ..., "text": ...}`` a line and writes one answer a line; without arguments it prints the
characters that datatrove takes for punctuation. Its filters stop at the first rule that fails, so each rule is
asked alone, by a filter in which all others are off; the values come from its own helper functions where it
has them. Names are those of our signals and rules, for a join by name.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.c4_filters import CITATION_REGEX
from datatrove.pipeline.filters.gopher_quality_filter import STOP_WORDS
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION, split_into_sentences, split_into_words

QUALITY_OFF = dict.fromkeys(
    (
        "min_doc_words",
        "max_doc_words",
        "min_avg_word_length",
        "max_avg_word_length",
        "max_symbol_word_ratio",
        "max_bullet_lines_ratio",
        "max_ellipsis_lines_ratio",
        "max_non_alpha_words_ratio",
        "min_stop_words",
    )
)
REPETITION_OFF = {
    "dup_line_frac": None,
    "dup_para_frac": None,
    "dup_line_char_frac": None,
    "dup_para_char_frac": None,
    "top_n_grams": (),
    "dup_n_grams": (),
}
FINEWEB_OFF = {
    "line_punct_thr": -1.0,
    "short_line_thr": 2.0,
    "char_duplicates_ratio": 2.0,
    "new_line_ratio": 1e9,
}
C4_OFF = {"min_num_sentences": -1, "filter_lorem_ipsum": False, "filter_curly_bracket": False}


def quality(**on: object) -> GopherQualityFilter:
    return GopherQualityFilter(**(QUALITY_OFF | on))


def repetition(**on: object) -> GopherRepetitionFilter:
    return GopherRepetitionFilter(**(REPETITION_OFF | on))


RULES = {
    "gopher_quality": {
        "gopher_word_count": quality(min_doc_words=50, max_doc_words=100000),
        "gopher_mean_word_length": quality(min_avg_word_length=3, max_avg_word_length=10),
        # one threshold for both: the reason tells them apart
        "gopher_hash_to_word_ratio": quality(max_symbol_word_ratio=0.1),
        "gopher_ellipsis_to_word_ratio": quality(max_symbol_word_ratio=0.1),
        "gopher_bullet_lines": quality(max_bullet_lines_ratio=0.9),
        "gopher_ellipsis_lines": quality(max_ellipsis_lines_ratio=0.3),
        "gopher_alphabetic_words": quality(max_non_alpha_words_ratio=0.8),
        "gopher_stop_words": quality(min_stop_words=2),
    },
    "gopher_repetition": {
        "gopher_duplicate_lines": repetition(dup_line_frac=0.3),
        "gopher_duplicate_paragraphs": repetition(dup_para_frac=0.3),
        "gopher_duplicate_line_characters": repetition(dup_line_char_frac=0.2),
        "gopher_duplicate_paragraph_characters": repetition(dup_para_char_frac=0.2),
        **{
            f"gopher_top_{n}gram": repetition(top_n_grams=((n, most),))
            for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))
        },
        **{
            f"gopher_duplicate_{n}gram": repetition(dup_n_grams=((n, most),))
            for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
        },
    },
    "fineweb": {
        "fineweb_punctuation_lines": FineWebQualityFilter(**(FINEWEB_OFF | {"line_punct_thr": 0.12})),
        "fineweb_short_lines": FineWebQualityFilter(**(FINEWEB_OFF | {"short_line_thr": 0.67})),
        "fineweb_duplicate_line_characters": FineWebQualityFilter(
            **(FINEWEB_OFF | {"char_duplicates_ratio": 0.01})
        ),
        "fineweb_newlines": FineWebQualityFilter(**(FINEWEB_OFF | {"new_line_ratio": 0.3})),
    },
    "c4": {
        "c4_curly_bracket": C4QualityFilter(**(C4_OFF | {"filter_curly_bracket": True})),
        "c4_lorem_ipsum": C4QualityFilter(**(C4_OFF | {"filter_lorem_ipsum": True})),
        "c4_sentences": C4QualityFilter(**(C4_OFF | {"min_num_sentences": 5})),
    },
}
WHOLE = {
    "gopher_quality": GopherQualityFilter(),
    "gopher_repetition": GopherRepetitionFilter(),
    "fineweb": FineWebQualityFilter(),
    "c4": C4QualityFilter(),
}
OF_REASON = {
    "gopher_too_many_hashes": "gopher_hash_to_word_ratio",
    "gopher_too_many_ellipsis": "gopher_ellipsis_to_word_ratio",
}
C4_LINES = C4QualityFilter(**C4_OFF)


def dropped(rule: object, text: str) -> str:
    """The reason a filter gives for dropping a text; empty where it keeps it."""
    answer = rule.filter(Document(text=text, id="0"))
    return "" if answer is True else answer[1]


def failing(rules: dict[str, object], text: str) -> Iterator[str]:
    """Names of the rules that drop a text. Too many ellipses are not told where there are too many hashes."""
    for name, rule in rules.items():
        reason = dropped(rule, text)
        if reason and OF_REASON.get(reason, name) == name:
            yield name


def c4_text(text: str) -> str:
    """The lines that C4's line rules leave."""
    document = Document(text=text, id="0")
    C4_LINES.filter(document)
    return document.text


def values(text: str) -> dict[str, float]:
    """Each measure, by the arithmetic of datatrove 0.10.0's filters."""
    words = split_into_words(text)
    written = [word for word in words if any(c not in PUNCTUATION_SET for c in word)]
    lines = text.splitlines()
    found = {
        "n_words": len(written),
        "mean_word_length": sum(map(len, written)) / len(written),
        "hash_to_word_ratio": text.count("#") / len(words),
        "ellipsis_to_word_ratio": (text.count("...") + text.count("…")) / len(words),
        "bullet_line_share": sum(line.lstrip().startswith(("•", "-")) for line in lines) / len(lines),
        "ellipsis_line_share": sum(line.rstrip().endswith(("...", "…")) for line in lines) / len(lines),
        "alphabetic_word_share": sum(any(c.isalpha() for c in word) for word in words) / len(words),
        "n_stop_words": len(set(STOP_WORDS) & set(words)),
    }

    paragraphs = re.split(r"\n{2,}", text.strip())
    elements, characters = find_duplicates(paragraphs)
    found["duplicate_paragraph_share"] = elements / len(paragraphs)
    found["duplicate_paragraph_character_share"] = characters / len(text)
    lines = re.split(r"\n+", text)
    elements, characters = find_duplicates(lines)
    found["duplicate_line_share"] = elements / len(lines)
    found["duplicate_line_character_share"] = characters / len(text)
    for n in (2, 3, 4):
        grams = get_n_grams(words, n)
        found[f"top_{n}gram_character_share"] = find_top_duplicate(grams) / len(text) if grams else 0.0
    for n in range(5, 11):
        found[f"duplicate_{n}gram_character_share"] = find_all_duplicate(words, n) / len(text)

    lines = [line for line in text.split("\n") if line.strip()]
    ends = tuple(TERMINAL_PUNCTUATION)
    found["punctuation_line_share"] = sum(line.endswith(ends) for line in lines) / len(lines)
    found["short_line_share"] = sum(len(line) <= 30 for line in lines) / len(lines)
    found["fineweb_duplicate_line_character_share"] = find_duplicates(lines)[1] / len(text.replace("\n", ""))
    found["newline_to_word_ratio"] = text.count("\n") / len(words)

    kept = [line for line in c4_text(text).split("\n") if line.strip()]
    found["n_sentences"] = sum(len(split_into_sentences(line)) for line in kept)
    return found


def lines_without_citations(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line := CITATION_REGEX.sub("", line.strip()):
            yield line


def answer(record: dict[str, str]) -> dict[str, object]:
    text = record["text"]
    return {
        "id": record["id"],
        "words": split_into_words(text),
        "values": values(text),
        "failing": {name: list(failing(rules, text)) for name, rules in RULES.items()},
        "first": {name: dropped(rule, text) for name, rule in WHOLE.items()},
        "c4_text": c4_text(text),
        "sentences_of_lines": {
            line: len(split_into_sentences(line)) for line in lines_without_citations(text)
        },
    }


def main() -> None:
    if len(sys.argv) == 1:
        print(json.dumps({"punctuation": sorted(PUNCTUATION_SET), "terminal": sorted(TERMINAL_PUNCTUATION)}))
        return
    source, target = sys.argv[1:]
    with (
        open(source, encoding="utf-8") as documents,
        open(target + ".part", "w", encoding="utf-8") as answers,
    ):
        for line in documents:
            answers.write(json.dumps(answer(json.loads(line)), ensure_ascii=False) + "\n")
    Path(target + ".part").replace(target)


if __name__ == "__main__":
    main()
