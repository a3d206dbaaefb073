"""Runs a Singer tap and target in processes of their own, and keeps what they leave among the files of the run."""
