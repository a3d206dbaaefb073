"""What is told outside of runs: how far each is, as a document, and as events in the formats that receivers read."""
