"""Fuzz for some minutes: mutated seeds through every target, each finding kept as a case that the tests replay.

    python tests/fuzz/run.py --minutes 10
    python tests/fuzz/run.py --minutes 10 --target jsonl --engine atheris      # coverage-guided, pip install atheris

A hang ends the run with a traceback of where it hung. The input at hand is always on disk, for what kills the
process. Same seed, same inputs.
"""

import argparse
import faulthandler
import hashlib
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

CASES = Path(__file__).with_name("cases")
SLOW_SECONDS = 20
INTERESTING = (
    b"\0",
    b"\xff",
    b"\n",
    b"\r\n\r\n",
    b'"',
    b"{",
    b"[" * 50,
    b"\\ud800",
    b"9" * 40,
    b"\xef\xbb\xbf",
    b"<p>" * 30,
)


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few random changes: bits, bytes, runs cut out, repeated, moved, awkward pieces, parts of another seed."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(changed) + 1)
        length = min(rng.choice((1, 1, 2, 8, 64, 512)), len(changed) - at)
        kind = rng.randrange(8)
        if kind == 0 and length:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and length:
            changed[at] = rng.randrange(256)
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 20))
        elif kind == 4:
            changed[at:at] = rng.choice(INTERESTING)
        elif kind == 5:
            del changed[at:]
        elif kind == 6:
            begin = rng.randrange(len(other) + 1)
            changed[at:at] = other[begin : begin + 200]
        else:
            changed[at : at + length] = rng.randbytes(length)
    return bytes(changed)


def keep(target: str, data: bytes) -> Path:
    """Write a finding down as a case."""
    CASES.mkdir(exist_ok=True)
    path = CASES / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def by_mutation(names: list[str], minutes: float, seed: int) -> int:
    """Mutate seeds until the time is over; how many findings there were."""
    from fuzz_seeds import seeds
    from fuzz_targets import TARGETS

    rng = random.Random(seed)
    material = seeds()
    runs, findings = Counter[str](), Counter[str]()
    last = Path(tempfile.gettempdir()) / "fuzz-last-input"
    end = time.monotonic() + 60 * minutes
    reported = time.monotonic()
    while time.monotonic() < end:
        name = rng.choice(names)
        data = mutate(rng.choice(material[name]), rng.choice(material[rng.choice(names)]), rng)
        last.write_bytes(data)
        faulthandler.dump_traceback_later(3 * SLOW_SECONDS, exit=True)
        begun = time.process_time()
        try:
            TARGETS[name](data)
            if time.process_time() - begun > SLOW_SECONDS:
                raise TimeoutError(f"{time.process_time() - begun:.0f} CPU s for {len(data)} bytes")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(
                f"{name}: {error!r:.200} at {where.filename}:{where.lineno}; kept as {keep(name, data)}",
                flush=True,
            )
            findings[name] += 1
        faulthandler.cancel_dump_traceback_later()
        runs[name] += 1
        if time.monotonic() > reported + 60:
            reported = time.monotonic()
            print(f"{runs.total():,} inputs, {findings.total()} findings", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{runs.total():,} inputs in {minutes:g} minutes, {findings.total()} findings, peak {peak:,.0f} MB")
    for name in names:
        print(f"  {name:20} {runs[name]:8,} inputs {findings[name]:4} findings")
    return findings.total()


def by_coverage(name: str, minutes: float, seed: int) -> None:
    """Let atheris search for inputs that reach new code; it ends the process, with 0 where nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["dataflow.readers", "dataflow.transforms"]):
        from fuzz_targets import TARGETS
    from fuzz_seeds import seeds

    def one_input(data: bytes) -> None:
        try:
            TARGETS[name](data)
        except Exception:
            print(f"kept as {keep(name, data)}")
            raise

    corpus = Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    for number, data in enumerate(seeds()[name]):
        (corpus / str(number)).write_bytes(data)
    options = [
        f"-max_total_time={int(60 * minutes)}",
        f"-seed={seed}",
        f"-timeout={SLOW_SECONDS}",
        "-max_len=65536",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input)
    atheris.Fuzz()


def main() -> None:
    """Fuzz, print what was found, and fail if there was anything."""
    from fuzz_seeds import seeds

    names = list(seeds())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--target", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--engine", choices=("mutation", "atheris"), default="mutation")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chosen = arguments.target or names
    if arguments.engine == "atheris":
        by_coverage(chosen[0], arguments.minutes, arguments.seed)
    sys.exit(1 if by_mutation(chosen, arguments.minutes, arguments.seed) else 0)


if __name__ == "__main__":
    main()
