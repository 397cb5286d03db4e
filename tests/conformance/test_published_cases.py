"""Every recorded decision of another tool agrees with ours or stands in the table of differences, and only then."""

from functools import cache
from pathlib import Path

import pytest
import yaml
from switched_definitions import MEASURES
from tool_cases import FILES, FOLDER, agrees, answer, cases

TABLE = yaml.safe_load((Path(__file__).parent / "differences.yaml").read_text(encoding="utf-8"))
DIFFERENCES: dict[str, str] = TABLE["cases"]

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no cases: ../shared/conformance is not here")
CASES = [case for file in FILES for case in cases(file)] if FOLDER.exists() else []


@cache
def our_answer(name):
    return answer(next(case for case in CASES if case["id"] == name))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_case_agrees_or_is_listed_with_its_reason(case):
    ours = our_answer(case["id"])
    if case["id"] in DIFFERENCES:
        assert not agrees(case, ours), "agrees: take it out of differences.yaml"
    else:
        assert agrees(case, ours), f"expected {case['expect']}, ours {ours}: list it with its reason"


def test_every_case_is_there():
    assert {file: len(cases(file)) for file in FILES} == {
        "datatrove_boundary_oracle": 96,
        "datatrove_filters": 34,
        "datatrove_url": 8,
        "datamap_rs_filters": 47,
    }


def test_every_listed_case_exists_and_every_reason_is_defined_and_used():
    assert set(DIFFERENCES) <= {case["id"] for case in CASES}
    switches = {switch for _, switches in MEASURES.values() for switch in switches}
    assert set(DIFFERENCES.values()) | switches == set(TABLE["reasons"])


def test_only_what_has_no_counterpart_is_not_ours():
    without = {case["id"] for case in CASES if our_answer(case["id"]) is None}
    assert without == {name for name, reason in DIFFERENCES.items() if reason.startswith("not_ours")}
