"""Units of work on any concurrent.futures.Executor: a pool of processes that survives dead workers, checkpoints."""
