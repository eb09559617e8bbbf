"""The handle of a task, its logger, and what watches a running script."""
