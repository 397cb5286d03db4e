"""Mixture: how much of which source, in which order, written as a corpus."""
