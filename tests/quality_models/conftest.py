import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from made_up_texts import BAD, GOOD, SMALL, made_up, stream

from dataflow.store.storage import Storage
from quality_models.train import train, write

# A busy machine is no fault of the code under test.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def trained():
    return train(SMALL, stream(made_up(GOOD, 400, 1)), stream(made_up(BAD, 500, 2)), seed=1)


@pytest.fixture(scope="session")
def model(trained, tmp_path_factory) -> str:
    """Folder of a small trained model."""
    folder = tmp_path_factory.mktemp("models") / "quality"
    write(Storage(str(folder)), "", trained)
    return str(folder)


@pytest.fixture(scope="session")
def real() -> Callable[..., list[str]]:
    """Texts of one of the shared files, those whose field has a value."""

    def read(name: str, **wanted: object) -> list[str]:
        file = SHARED / name
        if not file.exists():
            pytest.skip(f"{file.name} is not on this machine")
        with gzip.open(file) as lines:
            rows = [json.loads(line) for line in lines]
        return [row["text"] for row in rows if all(row[key] == value for key, value in wanted.items())]

    return read
