"""The benchmark suites: a folder for each dimension, a test file for each metric."""
