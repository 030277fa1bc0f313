"""These are the benchmarks: they measure what musterd costs, and what others cost."""
