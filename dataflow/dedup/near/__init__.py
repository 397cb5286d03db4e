"""Near-duplicates in five rounds: ``bands``, ``join``, ``candidates``, ``gather``, ``verify``.

Signatures become entries of bands, equal entries become buckets, documents that share one come together in groups that
fit in memory, and of each group the pairs are compared. ``flows/dedup_near.py`` runs the rounds as jobs,
``dataflow/dedup/whole.py`` in one process.
"""
