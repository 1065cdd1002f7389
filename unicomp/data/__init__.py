"""Input: rows of data sets, calibration text, and the folders of models."""
