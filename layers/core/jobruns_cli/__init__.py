"""The command line: access keys and runs of a deployment, under the caller's own AWS credentials."""
