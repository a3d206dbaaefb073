"""The hydrolix door: projects, tables, transforms and batch jobs under ``/config/v1``."""
