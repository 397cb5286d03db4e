"""Conversion and validation: which record becomes which turns, and why a conversation is dropped."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.instructions.forms import InstructionFields, InstructionSource, Message, NotConvertible, convert
from dataflow.instructions.validate import RULES, failing_rules

SOURCE = InstructionSource(name="s", path="x.jsonl")
U, A, S = "user", "assistant", "system"

CONVERTED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"instruction": "Add.", "input": "1 2", "output": "3"}, [(U, "Add.\n\n1 2"), (A, "3")]),
    ({"instruction": "Hi", "input": "", "output": "Ho"}, [(U, "Hi"), (A, "Ho")]),
    ({"instruction": "", "input": "Hi", "output": "Ho"}, [(U, "Hi"), (A, "Ho")]),
    ({"prompt": "Hi", "response": "Ho"}, [(U, "Hi"), (A, "Ho")]),
    ({"instruction": "Hi", "context": "c", "response": "Ho"}, [(U, "Hi\n\nc"), (A, "Ho")]),
    (
        {"system": "Be kind.", "history": [["a", "b"]], "instruction": "c", "output": "d"},
        [(S, "Be kind."), (U, "a"), (A, "b"), (U, "c"), (A, "d")],
    ),
    (
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
        [(U, "Hi"), (A, "Ho")],
    ),
    (
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
        [(U, "Hi"), (A, "Ho")],
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "a"}, {"type": "text", "text": "b"}]}
            ]
        },
        [(U, "a\nb")],
    ),
    ({"conversations": [{"from": "observation", "value": "{}"}]}, [("observation", "{}")]),
    ({"messages": []}, []),
]
REFUSED: list[tuple[object, str]] = [
    ([1, 2], "not_an_object: the record is a list"),
    ({"text": "x"}, "unknown_form: .*fields: text"),
    ({"instruction": "x"}, "unknown_form"),
    ({"instruction": 5, "output": "x"}, 'wrong_type: "instruction" is a number'),
    ({"instruction": "x", "output": None}, 'wrong_type: "output" is null'),
    ({"messages": "Hi"}, 'wrong_type: "messages" is a string, not a list'),
    ({"messages": ["Hi"]}, r'wrong_type: "messages\[0\]" is a string'),
    ({"messages": [{"content": "Hi"}]}, "wrong_type: role"),
    ({"messages": [{"role": "user", "content": None}]}, "wrong_type: content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "unsupported_content: .*image_url",
    ),
    ({"instruction": "a", "output": "b", "history": [["only one"]]}, "wrong_type: .*no pair"),
]
JUDGED: list[tuple[list[tuple[str, str]], list[str]]] = [
    ([(U, "Hi"), (A, "Ho")], []),
    ([(S, "s"), (U, "a"), (A, "b"), (U, "c"), (A, "d")], []),
    ([], ["no_user_turn", "no_assistant_turn", "no_final_answer"]),
    ([(U, "Hi"), (A, " \n")], ["empty_answer"]),
    ([(U, ""), (A, "")], ["empty_prompt", "empty_answer"]),
    ([(A, "Ho")], ["no_user_turn", "roles_out_of_order"]),
    ([(U, "a"), (U, "b"), (A, "c")], ["roles_out_of_order"]),
    ([(U, "a"), (S, "b"), (A, "c")], ["roles_out_of_order"]),
    ([(U, "a"), (A, "b"), (U, "c")], ["no_final_answer"]),
    ([(U, "a"), ("tool", "b"), (A, "c")], ["unsupported_role", "roles_out_of_order"]),
    ([(U, "a"), (A, "b" * 100)], ["too_long"]),
]


@pytest.mark.parametrize(("record", "turns"), CONVERTED)
def test_records_become_turns(record: dict[str, Any], turns: list[tuple[str, str]]) -> None:
    before = json.dumps(record)
    assert list(convert(record, SOURCE).messages) == turns
    assert json.dumps(record) == before


@pytest.mark.parametrize(("record", "reason"), REFUSED)
def test_records_that_are_no_conversation(record: object, reason: str) -> None:
    with pytest.raises(NotConvertible, match=reason):
        convert(record, SOURCE)


@pytest.mark.parametrize(("turns", "rules"), JUDGED)
def test_every_failing_rule_is_named(turns: list[tuple[str, str]], rules: list[str]) -> None:
    assert failing_rules(tuple(Message(*turn) for turn in turns), 100) == rules


def test_every_rule_can_fire() -> None:
    assert {rule for _, rules in JUDGED for rule in rules} == {rule.name for rule in RULES}


def test_named_fields_are_used_and_all_others_are_kept() -> None:
    source = InstructionSource(
        name="s", path="x", form="alpaca", fields=InstructionFields(instruction="q", output="a")
    )
    found = convert({"q": "Hi", "a": "Ho", "id": 7, "task": "greet", "more": [1]}, source)
    assert found.messages == ((U, "Hi"), (A, "Ho"))
    assert (found.input_id, found.task, found.extra) == (7, "greet", {"more": [1]})
    with pytest.raises(NotConvertible, match='missing_field: "q"'):
        convert({"instruction": "Hi", "a": "Ho"}, source)


@given(st.text(), st.text(), st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_no_text_is_lost_in_alpaca(
    asked: str, given_text: str, answer: str, history: list[tuple[str, str]]
) -> None:
    record = {
        "instruction": asked,
        "input": given_text,
        "output": answer,
        "history": [list(pair) for pair in history],
    }
    turns = convert(record, SOURCE).messages
    assert turns[-1].content == answer
    assert turns[-2].content in (asked + given_text, f"{asked}\n\n{given_text}")
    assert [turn.content for turn in turns[:-2]] == [text for pair in history for text in pair]


@given(st.lists(st.tuples(st.sampled_from(["human", "gpt", "system", "tool"]), st.text()), max_size=5))
def test_no_text_is_lost_in_messages(turns: list[tuple[str, str]]) -> None:
    sharegpt = {"conversations": [{"from": role, "value": text} for role, text in turns]}
    parts = {
        "messages": [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
    }
    for record in (sharegpt, parts):
        assert [turn.content for turn in convert(record, SOURCE).messages] == [text for _, text in turns]
