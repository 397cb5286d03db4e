"""Instruction data: records of several forms become conversations, are checked, deduplicated and split."""
