"""The tables that lie on disk, as Arrow schemas: the words that all steps share.

``READ`` is what a reader yields before anything is computed; the others are files under the output folder, one
Parquet part for each shard. Rows of ``documents``, ``signals`` and ``decisions/filter`` stand in the same order; the
other decisions have rows for the documents they say something of, in that order too.
"""

import pyarrow as pa

READ = pa.schema(
    {
        "record": pa.int64(),  # number of the record in its file, from 0
        "input": pa.string(),  # path of the file below the source's root
        "text": pa.large_string(),  # as read or extracted, before transforms
        "input_id": pa.string(),
        "url": pa.string(),
        "date": pa.string(),
        "metadata": pa.string(),  # JSON object of every other field
        "bytes_in": pa.int64(),  # bytes of the record's own text or payload as it came
    }
)

DOCUMENTS = pa.schema(
    {
        "id": pa.string(),  # source/relative/path#record
        "input_id": pa.string(),
        "source": pa.string(),
        "text": pa.large_string(),  # as stored: after extraction, transforms and PII
        "url": pa.string(),
        "date": pa.string(),
        "licence": pa.string(),
        "metadata": pa.string(),
        "n_bytes": pa.int64(),  # UTF-8 bytes of text
        "bytes_in": pa.int64(),
        "exact_hash": pa.binary(16),
        "signature": pa.binary(),  # MinHash: the same number of little-endian uint64 in every row
    }
)

SIGNALS = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "kind": pa.string(),  # of the source: which rule sets are about it
        "url": pa.string(),
        "date": pa.string(),
        "n_bytes": pa.int64(),
    }
)
"""What filter and mix need to know of a document without its text; a column for each signal follows."""

QUARANTINE = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "input": pa.string(),
        "record": pa.int64(),
        "fate": pa.string(),  # quarantined (unreadable) or skipped (not a document)
        "reason": pa.string(),
        "raw": pa.binary(),  # the first bytes of what could not be read, unscrubbed: sensitive
        "bytes_in": pa.int64(),
    }
)

PII = pa.schema(
    {
        "id": pa.string(),
        "kind": pa.string(),
        "start": pa.int64(),  # characters, in the text before scrubbing
        "length": pa.int64(),
        "new_start": pa.int64(),  # characters, in the stored text
        "new_length": pa.int64(),
        "hash": pa.string(),  # salted
        "action": pa.string(),
    }
)

FILTER = pa.schema({"id": pa.string(), "passed": pa.bool_(), "reasons": pa.list_(pa.string())})

DEDUP = pa.schema(
    {
        "id": pa.string(),
        "survivor": pa.string(),  # what the document repeats; equals id where it stays
        "cluster": pa.string(),  # id of the first survivor of the cluster
        "cluster_size": pa.int64(),  # own documents in it
        "similarity": pa.float32(),  # to the survivor; 1 for the survivor itself, null where not measured
        "kind": pa.string(),  # exact (the text of the survivor, or of one that goes for it), url, near, semantic
        "removed": pa.bool_(),  # never where duplicates are only annotated
        "earlier": pa.string(),  # the earlier corpus that the survivor is of; null: this one
        "levels": pa.int64(),  # bit k: removed if the similarity asked for were k hundredths higher
    }
)

CUTS = pa.schema(
    {
        "id": pa.string(),
        "spans": pa.list_(  # bytes in the stored text, in order, disjoint
            pa.struct({"start": pa.int64(), "length": pa.int64(), "kind": pa.string()})
        ),
        "bytes_cut": pa.int64(),
        "bytes_left": pa.int64(),
        "survivor": pa.string(),  # the document that keeps most of what is cut
        "removed": pa.bool_(),  # too little was left
        "applied": pa.bool_(),  # not where duplicates are only annotated
    }
)

CONTAMINATION = pa.schema(
    {
        "id": pa.string(),
        "set": pa.string(),
        "item": pa.string(),
        "part": pa.string(),  # prompt, or prompt+answer
        "overlap": pa.float32(),  # share of the item's n-grams that the document has
        "n_grams": pa.int64(),  # of them found
        "action": pa.string(),  # drop, cut or annotate
        "spans": pa.list_(  # bytes in the stored text, in order, disjoint
            pa.struct({"start": pa.int64(), "length": pa.int64()})
        ),
    }
)

PLAN = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "phase": pa.string(),  # a phase of the mixture, or validation
        "position": pa.int64(),  # in the phase, from 0
        "epoch": pa.int32(),  # how often the document was read before
        "n_bytes": pa.int64(),
        "n_tokens": pa.int64(),  # exact, or null
    }
)

CORPUS = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "text": pa.large_string(),
        "n_bytes": pa.int64(),
        "phase": pa.string(),
        "position": pa.int64(),
        "epoch": pa.int32(),
    }
)

MESSAGES = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))

INSTRUCTIONS = pa.schema(
    {
        "id": pa.string(),
        "input_id": pa.string(),
        "source": pa.string(),
        "messages": MESSAGES,
        "task": pa.string(),
        "metadata": pa.string(),
        "n_bytes": pa.int64(),
        "bytes_in": pa.int64(),
        "exact_hash": pa.binary(16),
    }
)


def tokens_schema(wide: bool, spans: bool) -> pa.Schema:
    """Schema of token shards: uint16 ids (or uint32 where ``wide``), with ``loss_spans`` for instructions."""
    fields = {
        "id": pa.string(),
        "source": pa.dictionary(pa.int32(), pa.string()),
        "tokens": pa.list_(pa.uint32() if wide else pa.uint16()),
        "n_bytes": pa.int32(),
    }
    if spans:
        fields["loss_spans"] = pa.list_(pa.struct({"start": pa.int32(), "end": pa.int32()}))
    return pa.schema(fields)
