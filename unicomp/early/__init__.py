"""Early decisions: asking stops where the verdict of the full run is known."""
