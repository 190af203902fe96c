"""Benchmarks of the whole server, beside others that do the same work. For development only."""
