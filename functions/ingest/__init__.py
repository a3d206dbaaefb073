"""The functions of the state machine Ingest, and the one that starts runs for uploads."""
