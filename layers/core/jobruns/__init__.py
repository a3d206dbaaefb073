"""Jobruns: one run ledger behind five job APIs."""
