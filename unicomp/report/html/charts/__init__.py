"""The charts of a report, each a function from the scorecard or its findings to inline SVG."""
