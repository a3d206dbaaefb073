"""The PostgREST door: tables of runs under ``/postgrest``."""
