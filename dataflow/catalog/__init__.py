"""Everything that asks about an output folder, nothing that changes it."""
