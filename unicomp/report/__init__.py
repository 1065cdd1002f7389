"""The scorecard for people and for programs."""
