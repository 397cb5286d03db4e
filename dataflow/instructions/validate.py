"""Whether a conversation can teach: every failing rule is named, none hides another.

A rule is a name, a definition and a predicate that says *fails*. Dropped conversations stay on disk with
their reasons; only records that are no conversation at all go to quarantine (see ``forms``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from dataflow.instructions.forms import Message

Turns = tuple[Message, ...]


@dataclass(frozen=True)
class Rule:
    """One requirement on a conversation."""

    name: str
    definition: str
    fails: Callable[[Turns, int], bool]  # turns, and the most characters allowed


RULES: tuple[Rule, ...] = (
    Rule("no_user_turn", "nobody asks", lambda turns, _: not _of(turns, "user")),
    Rule("no_assistant_turn", "nobody answers", lambda turns, _: not _of(turns, "assistant")),
    Rule("empty_prompt", "a user turn is blank", lambda turns, _: any(_blank(t) for t in _of(turns, "user"))),
    Rule(
        "empty_answer",
        "an assistant turn is blank",
        lambda turns, _: any(_blank(turn) for turn in _of(turns, "assistant")),
    ),
    Rule(
        "unsupported_role",
        "a role is none of system, user, assistant",
        lambda turns, _: any(turn.role not in ("system", "user", "assistant") for turn in turns),
    ),
    Rule(
        "roles_out_of_order",
        "after an optional system turn, user and assistant do not alternate beginning with user",
        lambda turns, _: _out_of_order(turns),
    ),
    Rule(
        "no_final_answer",
        "the last turn is not the assistant's",
        lambda turns, _: not turns or turns[-1].role != "assistant",
    ),
    Rule(
        "too_long",
        "more characters than the source's max_characters",
        lambda turns, most: sum(len(turn.content) for turn in turns) > most,
    ),
)


def failing_rules(turns: Turns, max_characters: int) -> list[str]:
    """Names of all rules that a conversation fails, in the order of ``RULES``; empty where it passes."""
    return [rule.name for rule in RULES if rule.fails(turns, max_characters)]


def _of(turns: Turns, role: str) -> list[Message]:
    return [turn for turn in turns if turn.role == role]


def _blank(turn: Message) -> bool:
    return not turn.content.strip()


def _out_of_order(turns: Turns) -> bool:
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    if not spoken:
        return False  # nobody asks: another rule says so
    follows = {("user", "assistant"), ("assistant", "user")}
    return spoken[0].role != "user" or any((a.role, b.role) not in follows for a, b in pairwise(spoken))
