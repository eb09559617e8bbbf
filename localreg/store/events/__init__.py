"""Events: recorded in a transaction, and folded into the rows."""
