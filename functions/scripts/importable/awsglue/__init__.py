"""What of AWS Glue's own package works without Spark, for scripts that import it."""
