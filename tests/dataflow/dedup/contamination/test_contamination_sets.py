"""Evaluation sets in the fields that their authors chose: prompts and answers by guess, or as the recipe names them."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dataflow.dedup.contamination.config import Decontaminate, EvaluationSet
from dataflow.dedup.contamination.sets import described, find_sets, read_items
from dataflow.errors import DataflowError, RecipeError

EVAL = Path(__file__).resolve().parents[4] / ".." / "shared" / "data" / "eval"


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def items_of(*sets):
    (found,) = find_sets(Decontaminate(sets=list(sets)))
    return read_items(found)


def one(tmp_path, record, **fields):
    """Prompt and answer of a set of one record."""
    path = write(tmp_path / "set.jsonl", record)
    (item,), _ = items_of(EvaluationSet(name="set", path=path, **fields))
    return item.prompt, item.answer


@pytest.mark.parametrize(
    ("record", "prompt", "answer"),
    [
        ({"question": "Why?", "answer": "Because."}, "Why?", "Because."),
        ({"Question": "Why?", "Best Answer": "So.", "Source": "x"}, "Why?", "So."),
        ({"query": "Question: Why?\n", "choices": ["a1", "b2"], "gold": 1}, "Why?", "b2"),
        ({"question": "Why?\nAnswer:", "choices": ["a1", "b2"], "answer": 0}, "Why?", "a1"),
        ({"ctx": "He", "endings": ["ran", "sat"], "label": "1"}, "He", "sat"),
        ({"Question": "为何", "A": "甲", "B": "乙", "Answer": "B", "subject": "x"}, "为何", "乙"),
        (
            {"question": "Why?", "choices": {"text": ["a1", "b2"], "label": ["1", "2"]}, "answerKey": "2"},
            "Why?",
            "b2",
        ),
        ({"sentence": "Why _?", "option1": "a1", "option2": "b2", "answer": "2"}, "Why _?", "b2"),
        ({"goal": "Do it", "sol1": "a1", "sol2": "b2", "label": 0}, "Do it", "a1"),
        ({"context_options": ["He", "She"], "continuation": "ran", "gold": 1}, "She", "ran"),
        ({"premise": "It rained.", "choice1": "a1", "choice2": "b2", "label": 1}, "It rained.", "b2"),
        ({"context": "Once.", "question": "When?", "answers": {"text": ["now", "then"]}}, "Once.\nWhen?", "now"),
        ({"passage": "A long one.", "question": "When?", "answer": True}, "When?", ""),
        ({"problem": "1+1", "solution": "2"}, "1+1", "2"),
        ({"task_id": 1, "prompt": "def f():", "canonical_solution": "  pass", "test": "x"}, "def f():", "  pass"),
        ({"instruction": "Sum", "input": "1 2", "output": 3}, "Sum\n1 2", "3"),
        ({"turns": ["First?", "Second?"]}, "First?\nSecond?", ""),
        ({"question": "Hidden", "choices": ["a1", "b2"], "answer": -1}, "Hidden", ""),
        ({"question": "Hidden", "choices": ["a1", "b2"], "answer": None}, "Hidden", ""),
        ({"question": "Beyond", "choices": ["a1", "b2"], "answer": 5}, "Beyond", ""),
    ],
)  # fmt: skip
def test_fields_are_guessed_from_the_names_that_benchmarks_use(tmp_path, record, prompt, answer):
    assert one(tmp_path, record) == (prompt, answer)


def test_fields_are_those_that_are_named(tmp_path):
    record = {"a": "Which?", "b": {"c": ["x", "y"]}, "k": "B", "question": "no"}
    assert one(tmp_path, record, prompt=["a"], choices=["b.c"], right="k") == ("Which?", "y")
    assert one(tmp_path, record, prompt=["a", "k"], answer=["b.c"]) == ("Which?\nB", "x")


def test_what_is_taken_is_told(tmp_path):
    path = write(tmp_path / "mmlu.jsonl", {"question": "Why?", "choices": ["a", "b"], "answer": 0})
    assert described(items_of(path)[1]) == "prompt question; answer choices[answer]"


def test_every_file_of_a_glob_is_a_set_named_after_it(tmp_path):
    write(tmp_path / "b.jsonl", {"question": "b"})
    (tmp_path / "a.json").write_text(json.dumps([{"question": "a1"}, {"question": "a2"}]))
    with gzip.open(tmp_path / "c.d.jsonl.gz", "wt") as file:
        file.write(json.dumps({"question": "c"}))
    pq.write_table(
        pa.table({"question": ["e"], "choices": [["x", "y"]], "answer": [1]}), tmp_path / "e.parquet"
    )
    found = {one.name: read_items(one)[0] for one in find_sets(Decontaminate(sets=[f"{tmp_path}/*"]))}
    assert {name: [item.prompt for item in items] for name, items in found.items()} == {
        "a": ["a1", "a2"],
        "b": ["b"],
        "c.d": ["c"],
        "e": ["e"],
    }
    assert found["e"][0].answer == "y"


def test_items_are_named_by_their_own_ids_where_these_differ(tmp_path):
    own = write(tmp_path / "own.jsonl", {"id": "x/1", "question": "a"}, {"id": "x/2", "question": "b"})
    same = write(tmp_path / "same.jsonl", {"id": 1, "question": "a"}, {"id": 1, "question": "b"})
    assert [item.name for item in items_of(own)[0]] == ["x/1", "x/2"]
    assert [item.name for item in items_of(same)[0]] == ["0", "1"]
    both = EvaluationSet(name="both", path=[own, same])
    assert [item.name for item in items_of(both)[0]] == [
        "own.jsonl#0", "own.jsonl#1", "same.jsonl#0", "same.jsonl#1",
    ]  # fmt: skip


def test_a_record_that_is_no_item_has_no_prompt(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "a"}\n{"question": null}\n{"other": 1}\n{"question": \n["a"]\n')
    assert [item.prompt for item in items_of(str(path))[0]] == ["a", "", "", "", ""]


@pytest.mark.parametrize(
    ("content", "fields", "says"),
    [
        ("", {}, "it holds no records"),
        ("{\n", {}, "none of its 1 records could be read"),
        ('{"foo": "a", "bar": "b"}\n', {}, "no field looks like a prompt (fields found: foo, bar)"),
        ('{"foo": "a", "bar": "b"}\n', {"prompt": ["foe"]}, 'no field "foe" (fields found: foo, bar)'),
        ('{"foo": "a"}\n', {"prompt": ["foo"], "right": "k"}, 'no field "k"'),
        ('{"question": 7.5, "x": 1}\n{"question": ""}\n', {"prompt": ["x"], "answer": ["x"]}, ""),
        ('{"question": " "}\n{"question": null}\n', {}, "no record has text in question"),
    ],
)
def test_a_set_that_cannot_be_read_is_an_error_that_names_what_was_found(tmp_path, content, fields, says):
    path = tmp_path / "set.jsonl"
    path.write_text(content)
    chosen = EvaluationSet(name="mine", path=str(path), **fields)
    if not says:
        assert items_of(chosen)[0][0].prompt == "1"
        return
    with pytest.raises(DataflowError) as error:
        items_of(chosen)
    assert says in error.value.what
    assert error.value.where == 'evaluation set "mine"'
    assert error.value.fix


def test_a_path_without_files_and_two_sets_of_one_name_are_errors(tmp_path):
    with pytest.raises(RecipeError, match=r'evaluation set ".*nothing\.jsonl".*no such file'):
        find_sets(Decontaminate(sets=[str(tmp_path / "nothing.jsonl")]))
    first = write(tmp_path / "a.jsonl", {"question": "a"})
    second = write(tmp_path / "a.json", {"question": "a"})
    with pytest.raises(RecipeError, match='two evaluation sets are named "a"'):
        find_sets(Decontaminate(sets=[first, second]))


@pytest.mark.parametrize("sets", [[], "", [""], [{"name": "a", "path": []}], [{"name": "a/b", "path": "x"}]])
def test_a_recipe_names_at_least_one_set(sets):
    with pytest.raises(ValidationError):
        Decontaminate(sets=sets)


@pytest.mark.skipif(not EVAL.exists(), reason="no evaluation sets: ../shared/data/eval is not here")
def test_real_sets_are_read_by_guess():
    sets = {one.name: read_items(one) for one in find_sets(Decontaminate(sets=[f"{EVAL}/*.jsonl*"]))}
    assert {name: described(fields) for name, (_, fields) in sets.items()} == {
        "HumanEval": "prompt prompt; answer canonical_solution",
        "arc_easy": "prompt query; answer choices[gold]",
        "cmmlu_dev": "prompt Question; answer A, B, C, D[Answer]",
        "gsm8k_test": "prompt question; answer answer",
        "hellaswag_val_2000": "prompt ctx; answer endings[label]",
        "ifeval_prompts": "prompt prompt; no answer",
        "mmlu_sample": "prompt query; answer choices[gold]",
        "openbook_qa": "prompt query; answer choices[gold]",
        "svamp": "prompt context; answer answer",
        "truthfulqa": "prompt Question; answer Best Answer",
        "winogrande": "prompt context_options[gold]; answer continuation",
    }
    assert {name: len(items) for name, (items, _) in sets.items()}["gsm8k_test"] == 1319
    unanswered = {name: sum(not item.answer for item in items) for name, (items, _) in sets.items()}
    assert {name: n for name, n in unanswered.items() if n} == {"ifeval_prompts": 541}
    assert all(item.prompt for items, _ in sets.values() for item in items)
