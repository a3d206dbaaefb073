"""Queries in SQL over rows that are given, and over nothing else. The part of the service that needs DuckDB."""
