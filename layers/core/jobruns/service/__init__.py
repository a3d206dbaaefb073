"""Use cases: what can be done with jobs and runs, whatever the door."""
