"""Recipe sections: sizes as people write them, and errors that name the nearest key."""

import pickle

import pytest
from pydantic import ValidationError

from dataflow.config import Config, Size, explain, nearest, parse_size
from dataflow.errors import DataflowError, RecipeError


class Near(Config):
    bands: int = 14


class Section(Config):
    budget: Size = 0
    near: Near = Near()
    items: list[Near] = []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("64M", 64_000_000), ("1.5G", 1_500_000_000), ("20 MB", 20_000_000), ("7", 7), ("2k", 2_000), (5, 5)],
)
def test_sizes_are_decimal(written, meant):
    assert parse_size(written) == meant
    assert Section(budget=written).budget == meant


@pytest.mark.parametrize("written", ["", "M", "12X", "-3M", "1e6M"])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(ValidationError):
        Section(budget=written)


@pytest.mark.parametrize(
    ("values", "where", "suggestion"),
    [
        ({"buget": 1}, "r.yaml, buget", "budget"),
        ({"near": {"band": 1}}, "r.yaml, near.band", "bands"),
        ({"items": [{}, {"bandz": 1}]}, "r.yaml, items.1.bandz", "bands"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(values, where, suggestion):
    with pytest.raises(ValidationError) as caught:
        Section.model_validate(values)
    error = explain(caught.value, Section, "r.yaml")
    assert error.where == where
    assert error.fix == f'Did you mean "{suggestion}"?'
    assert error.exit_status == 2


def test_a_section_cannot_be_changed():
    with pytest.raises(ValidationError):
        Section().budget = 3


def test_nearest_lists_what_there_is_when_nothing_is_close():
    assert nearest("zzz", ["beta", "alpha"]) == "Known here: alpha, beta."


def test_errors_survive_the_way_between_processes():
    error = RecipeError("what", "where", "Fix.")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.exit_status) == ("where: what. Fix.", 2)
    assert str(DataflowError("only what")) == "only what"
