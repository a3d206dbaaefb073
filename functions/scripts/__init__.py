"""Runs a user's Python script as AWS Glue's Python shell does, in a function that reaches nothing of the service's."""
