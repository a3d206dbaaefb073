"""What the use cases ask of AWS besides the ledger table."""
