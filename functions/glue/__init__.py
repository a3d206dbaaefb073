"""The glue door: AWS Glue's jobs, runs, bookmarks and triggers under ``/glue``, for unmodified Glue clients."""
