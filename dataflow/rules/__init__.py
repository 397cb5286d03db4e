"""Which documents stay, by SQL over their signals."""
