"""The hotglue door: syncs of tenants, job by job, at ``/hotglue``."""
