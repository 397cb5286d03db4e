"""The laws of the readers and kernels on the seeds, on what fuzzing once found, and on a few new mutations."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_seeds import seeds
from fuzz_targets import TARGETS
from run import mutate

CASES = sorted(path for path in Path(__file__).with_name("cases").iterdir() if not path.name.startswith("."))


def test_every_target_has_seeds():
    assert set(seeds()) == set(TARGETS)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_what_was_found_once_holds_now(path):
    TARGETS[path.name.rpartition("-")[0]](path.read_bytes())


@pytest.mark.parametrize("target", list(TARGETS))
def test_seeds_and_a_few_mutations_of_them_break_no_law(target):
    rng = random.Random(target)
    for seed in seeds()[target]:
        TARGETS[target](seed)
        for _ in range(3):
            TARGETS[target](mutate(seed, b"", rng))
