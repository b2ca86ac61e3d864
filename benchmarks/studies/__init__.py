"""Questions that one table of the yardstick does not answer, a module each: `python -m benchmarks.studies.NAME`."""
