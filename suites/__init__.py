"""The benchmark suites: one folder for each dimension, one test file for each metric."""
