"""Bands and rows: given, or datasketch's best for a threshold; what they come to shows in the section itself."""

import subprocess
import sys

import pytest
from datasketch import MinHashLSH
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.dedup.config import Dedup, Near


def test_permutations_are_bands_times_rows_where_left_out():
    assert (Near().bands, Near().rows, Near().permutations) == (14, 8, 112)
    assert Near(bands=20, rows=13).permutations == 260
    assert Near(rows=4).permutations == 56
    assert Near(permutations=128).permutations == 128, "more than the bands take sharpen the estimate"


@pytest.mark.parametrize(("threshold", "permutations"), [(0.5, 128), (0.7, 112), (0.8, 128), (0.9, 256)])
def test_a_threshold_means_the_bands_and_rows_of_datasketch(threshold, permutations):
    theirs = MinHashLSH(threshold=threshold, num_perm=permutations)
    near = Near(threshold=threshold, permutations=permutations)
    assert (near.bands, near.rows, near.permutations) == (theirs.b, theirs.r, permutations)
    dumped = near.model_dump(mode="json")
    assert (dumped["bands"], dumped["rows"]) == (theirs.b, theirs.r), "a fingerprint sees them"
    assert Near(**dumped) == near


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"permutations": 100}, "14 bands of 8 rows need 112 permutations, not 100"),
        ({"threshold": 0.7, "bands": 3}, "means 12 bands of 9 rows, not 3 of 9"),
        ({"threshold": 1.5}, "near.threshold"),
        ({"bands": "many"}, "near.bands"),
        ({"bands": 300, "rows": 200}, "near.permutations: input should be less than or equal to 32767"),
    ],
)
def test_what_cannot_be_is_refused_in_words(given, message):
    with pytest.raises(ValidationError) as caught:
        Dedup(near=given)
    assert message in str(explain(caught.value, Dedup, "recipe"))


def test_the_section_is_light_to_import():
    heavy = (
        "import sys, dataflow.dedup.config as c; c.Near();"
        " print({'datasketch', 'scipy', 'numba'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout == "set()\n"
