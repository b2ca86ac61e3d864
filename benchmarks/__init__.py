"""Benchmarks: the yardstick's data, our tasks, the peers, and the table that compares them."""
