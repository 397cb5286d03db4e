"""Running again does only what is missing or changed."""

import pytest

from dataflow.store.manifest import Made, Part, current, ensure, manifests, prune
from dataflow.store.storage import Storage


@pytest.fixture
def store(tmp_path):
    return Storage(str(tmp_path))


class Step:
    """A step that writes one file and counts how often it ran."""

    def __init__(self, store, content=b"result", path="out/a"):
        self.store, self.content, self.path, self.runs = store, content, path, 0

    def __call__(self):
        self.runs += 1
        self.store.write_bytes(self.path, self.content)
        return Made((self.path,), {"records": 3})


def part(**changes):
    values = {"step": "curate", "name": "web/a", "version": 1, "config": {"x": 1}, "inputs": {"f": "hash"}}
    return Part(**{**values, **changes})


def test_the_same_part_is_made_once(store):
    step = Step(store)
    first, made = ensure(store, part(), step)
    again, made_again = ensure(store, part(), step)
    assert (made, made_again, step.runs) == (True, False, 1)
    assert first == again
    assert first.counts == {"records": 3}


@pytest.mark.parametrize("change", [{"version": 2}, {"config": {"x": 2}}, {"inputs": {"f": "other"}}])
def test_whatever_it_depends_on_makes_it_again(store, change):
    step = Step(store)
    ensure(store, part(), step)
    ensure(store, part(**change), step)
    assert step.runs == 2


@pytest.mark.parametrize("damage", ["removed", "truncated"])
def test_a_lost_or_shortened_output_is_made_again(store, damage):
    step = Step(store)
    ensure(store, part(), step)
    if damage == "removed":
        store.remove("out/a")
    else:
        store.write_bytes("out/a", b"res")
    assert current(store, part()) is None
    ensure(store, part(), step)
    assert store.read_bytes("out/a") == b"result"


def test_a_part_that_fails_has_no_manifest(store):
    ensure(store, part(), Step(store))

    def fails():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        ensure(store, part(version=2), fails)
    assert manifests(store, "curate") == []


def test_outputs_that_are_no_longer_made_are_removed(store):
    ensure(store, part(), Step(store, path="out/old"))
    ensure(store, part(version=2), Step(store, path="out/new"))
    assert store.list("out", "") == ["out/new"]


def test_prune_removes_parts_whose_input_is_gone(store):
    ensure(store, part(), Step(store, path="out/a"))
    ensure(store, part(name="web/b"), Step(store, path="out/b"))
    assert prune(store, "curate", ["web/b"]) == ["web/a"]
    assert store.list("out", "") == ["out/b"]
    assert [manifest.part for manifest in manifests(store, "curate")] == ["web/b"]


def test_the_fingerprint_is_pinned():
    """It lies on users' disks: a change of how it is computed makes everybody's corpus again."""
    assert part().fingerprint == "ce650f37fa3ecd96ea5e5e6d4fcd38dee2f0ecbca22914b505797e711f75d565"
