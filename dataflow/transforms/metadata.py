"""PII in the other fields of a record: the strings inside its ``metadata`` JSON, scrubbed without breaking the JSON."""

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.transforms.pii import Pii, scrub_strings


def scrub_metadata(metadata: pa.StringArray, config: Pii) -> pa.StringArray:
    """JSON objects with every string value (and every number that is a card or phone number) scrubbed.

    Scrubbing the raw JSON tells which rows hold anything; only those few are parsed.
    """
    suspected = pc.fill_null(pc.not_equal(scrub_strings(metadata, config), metadata), False)
    rows = pc.indices_nonzero(suspected)
    if len(rows) == 0:
        return metadata
    repaired = [
        orjson.dumps(
            _scrub(orjson.loads(metadata[row.as_py()].as_py()), config), option=orjson.OPT_SORT_KEYS
        ).decode()
        for row in rows
    ]
    return pc.replace_with_mask(metadata, suspected, pa.array(repaired, pa.string()))


def _scrub(value: object, config: Pii) -> object:
    if isinstance(value, dict):
        return {key: _scrub(inner, config) for key, inner in value.items()}
    if isinstance(value, list):
        return [_scrub(inner, config) for inner in value]
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        text = str(value)
        clean = str(scrub_strings(pa.array([text]), config)[0])
        return value if clean == text else clean
    return value
