"""Which documents are hit by which items: examples, and the definition in plain Python."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow.dedup.contamination.config import Decontaminate, EvaluationSet
from dataflow.dedup.contamination.decontaminate import find_items
from dataflow.dedup.contamination.index import ITEMS_PATH, build_index, load_index
from dataflow.dedup.contamination.sets import find_sets
from dataflow.store.manifest import content_hash
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii

FARMER = "A farmer has seventeen sheep and all but nine of them run away during the storm tonight."
SHEEP = "Nine sheep are left in the field after the storm because all but nine ran away last night."


def indexed(folder, items, **settings):
    """The index of a set of ``(prompt, answer)``, and what became of each item."""
    folder = Path(folder)
    lines = (json.dumps({"question": prompt, "answer": answer}) for prompt, answer in items)
    (folder / "quiz.jsonl").write_text("\n".join(lines))
    config = Decontaminate(sets=[str(folder / "quiz.jsonl")], **settings)
    store = Storage(str(folder / "out"))
    build_index(store, find_sets(config), config, Pii())
    return load_index(store, content_hash(store, ITEMS_PATH) + repr(settings) + repr(items)), [
        row["fate"] for row in store.read_table(ITEMS_PATH).to_pylist()
    ]


def hits(index, *texts, min_overlap=0.2):
    """For each text the items found, with part, overlap and what was found as it stands."""
    found = find_items(pa.array(texts, pa.large_string()), index, min_overlap)
    answer = [{} for _ in texts]
    for n, row in enumerate(found.row.tolist()):
        data = texts[row].encode()
        spans = zip(
            found.spans.rows.tolist(), found.spans.starts.tolist(), found.spans.ends.tolist(), strict=True
        )
        answer[row][index.names[int(found.item[n])].as_py()] = (
            "prompt+answer" if found.whole[n] else "prompt",
            float(found.overlap[n]),
            int(found.n_grams[n]),
            [data[start:end].decode() for of, start, end in spans if of == n],
        )
    return answer


def test_a_document_is_hit_by_prompt_by_answer_and_by_both(tmp_path):
    index, _ = indexed(tmp_path, [(FARMER, SHEEP)])
    clean, by_prompt, by_answer, by_both = hits(
        index,
        "A farmer has sheep, and nine of them run away during the night.",
        f"Riddle: {FARMER.upper()} Who knows?",
        f"Solution: {SHEEP}",
        f"Riddle: {FARMER} {SHEEP}",
    )
    assert clean == {}
    # 17 words have 5 n-grams of 13, the 35 of both have 23
    assert by_prompt == {"0": ("prompt", 1.0, 5, [FARMER.upper()[:-1]])}
    assert by_answer == {"0": ("prompt+answer", pytest.approx(6 / 23), 6, [SHEEP[:-1]])}
    assert by_both == {"0": ("prompt+answer", 1.0, 23, [f"{FARMER} {SHEEP}"[:-1]])}


def test_a_part_of_an_item_counts_by_its_share(tmp_path):
    index, _ = indexed(tmp_path, [(FARMER, "")])
    beginning = " ".join(FARMER.split()[:13])
    assert hits(index, beginning) == [{"0": ("prompt", pytest.approx(0.2), 1, [beginning])}]
    assert hits(index, beginning, min_overlap=0.21) == [{}]
    assert hits(index, " ".join(FARMER.split()[:12])) == [{}]


def test_a_quotation_that_a_long_item_has_too_is_no_hit(tmp_path):
    long = f"{FARMER} " + " ".join(f"word{n}" for n in range(200))
    index, _ = indexed(tmp_path, [(long, "")])
    assert hits(index, FARMER, long) == [{}, {"0": ("prompt", 1.0, 205, [long])}]


@pytest.mark.parametrize(
    ("prompt", "answer", "fate", "text"),
    [
        ("What is the capital of all the Russias", "", "used", "Ask: what is the capital of ALL the Russias?"),
        ("What is the capital of France", "", "short", "What is the capital of France"),
        ("What is the capital of France", "Paris of course", "used", "What is the capital of France? Paris of course"),
        ("肉牛屠宰后，胴体的哪个部位肉质较好", "", "used", "问：肉牛屠宰后胴体的哪个部位肉质较好？"),
        ("肉牛屠宰后，胴体的哪个部", "", "short", "肉牛屠宰后，胴体的哪个部"),
        ("???", "!", "unreadable", "???"),
    ],
)  # fmt: skip
def test_a_short_item_is_looked_for_as_a_whole_or_not_at_all(tmp_path, prompt, answer, fate, text):
    index, fates = indexed(tmp_path, [(prompt, answer)])
    assert fates == [fate]
    assert bool(hits(index, f"Yes. {text} And so on.")[0]) == (fate == "used")


def test_a_long_item_in_a_script_without_spaces_has_longer_n_grams(tmp_path):
    text = "下列鸭品种中产蛋量最高的品种是哪一个请说明理由并举例说明之"
    index, _ = indexed(tmp_path, [(text, "")])
    n_grams = len(text) - 21 + 1  # 13 words of 1.6 characters
    assert hits(index, f"他说{text[:21]}吗", text[:20]) == [
        {"0": ("prompt", pytest.approx(1 / n_grams), 1, [text[:21]])} if 1 / n_grams >= 0.2 else {},
        {},
    ]
    assert hits(index, f"他说{text}吗")[0]["0"][1:] == (1.0, n_grams, [text])


def test_phrases_that_many_prompts_share_are_no_evidence(tmp_path):
    order = "Choose the correct answer to the following question and explain in detail how you found it:"
    prompts = [f"{order} number {n} of which kind and why would that be so" for n in range(11)]
    index, fates = indexed(tmp_path, [*((prompt, "") for prompt in prompts), (order, "")])
    assert fates == ["used"] * 11 + ["shared"]
    assert hits(index, f"Exam. {order} good luck") == [{}]
    assert list(hits(index, prompts[3])[0]) == ["3"]
    few, _ = indexed(tmp_path, [(prompt, "") for prompt in prompts[:10]])
    assert list(hits(few, f"Exam. {order} good luck")[0]) == [str(n) for n in range(10)]


def test_one_prompt_with_many_answers_is_no_shared_phrase(tmp_path):
    index, fates = indexed(tmp_path, [(FARMER, f"number {n}") for n in range(30)] + [(FARMER, "number 3")])
    assert fates == ["used"] * 30 + ["repeated"]
    assert len(hits(index, FARMER)[0]) == 30


def test_the_same_n_gram_many_times_counts_once(tmp_path):
    index, _ = indexed(tmp_path, [(FARMER + " " + SHEEP, "")])
    once = " ".join(FARMER.split()[:13])
    assert hits(index, f"{once}. " * 20) == [{}]


def test_personal_data_is_looked_for_as_it_is_stored(tmp_path):
    asked = "Please write to jane.doe@example.org before noon on the second day"
    index, fates = indexed(tmp_path, [(asked, "")])
    assert fates == ["used"]
    assert list(hits(index, asked.replace("jane.doe@example.org", "<EMAIL>"))[0]) == ["0"]


WORDS = st.lists(st.sampled_from("abc"), max_size=14)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5),
    st.lists(st.lists(st.sampled_from("abcd"), max_size=40), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([0.1, 0.2, 0.5, 1.0]),
    st.integers(1, 2),
)
@example([(list("abc"), [])], [list("abcabc")], 4, 3, 1.0, 2)
def test_found_if_and_only_if_the_definition_finds(
    tmp_path, items, documents, ngram, min_words, min_overlap, max_shared
):
    written = [(" ".join(prompt), " ".join(answer)) for prompt, answer in items]
    if not any(prompt for prompt, _ in written):
        return
    index, fates = indexed(tmp_path, written, ngram=ngram, min_words=min_words, max_shared=max_shared)
    answer = hits(index, *(" ".join(words) for words in documents), min_overlap=min_overlap)
    expected, expected_fates = _by_definition(items, documents, ngram, min_words, min_overlap, max_shared)
    assert [{name: hit[:3] for name, hit in one.items()} for one in answer] == expected
    assert fates == expected_fates


def _grams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _by_definition(items, documents, ngram, min_words, min_overlap, max_shared):
    """Hits of each document, and the fates of items, counted one n-gram at a time."""

    def n_grams(part):
        size = ngram if len(part) >= ngram else len(part)
        return set(_grams(part, size)) if part and len(part) >= min(ngram, min_words) else set()

    fates, parts = [], []
    for number, (prompt, reply) in enumerate(items):
        whole = prompt + reply if prompt and reply else []
        parts.append((n_grams(prompt), n_grams(whole)))
        earlier = [(one, two if one and two else []) for one, two in items[:number]]
        if not prompt:
            fates.append("unreadable")
        elif (prompt, reply) in earlier:
            fates.append("repeated")
        else:
            fates.append("used" if any(parts[-1]) else "short")
        if fates[-1] != "used":
            parts[-1] = set(), set()
    of = {}
    for (prompt, _), both in zip(items, parts, strict=True):
        for gram in set.union(*both):
            of.setdefault(gram, set()).add(tuple(prompt))
    shared = {gram for gram, prompts in of.items() if len(prompts) > max_shared}
    parts = [tuple(part - shared for part in both) for both in parts]
    fates = ["shared" if f == "used" and not any(p) else f for f, p in zip(fates, parts, strict=True)]
    answer = []
    for document in documents:
        here = {gram for n in range(1, 30) for gram in _grams(document, n)}
        hit = {}
        for number, both in enumerate(parts):
            asked, whole = (
                (len(part & here) / len(part) if part else 0.0, len(part & here)) for part in both
            )
            is_whole = bool(both[1]) and whole[0] >= asked[0]
            overlap, found = whole if is_whole else asked
            if found and overlap >= min_overlap:
                hit[str(number)] = ("prompt+answer" if is_whole else "prompt", overlap, found)
        answer.append(hit)
    return answer, fates


def test_settings_that_make_no_sense_are_refused():
    for settings_ in (
        {"ngram": 0},
        {"min_overlap": 0},
        {"min_overlap": 1.1},
        {"action": "burn"},
        {"max_shared": 0},
    ):
        with pytest.raises(ValueError):
            Decontaminate(sets=["x"], **settings_)
    assert Decontaminate(sets=[{"name": "a", "path": "x"}]).sets == [EvaluationSet(name="a", path="x")]
