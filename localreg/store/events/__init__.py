"""Events: record them in a transaction, and apply them to the state tables."""
