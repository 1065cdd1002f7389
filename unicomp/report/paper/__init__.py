"""The tables and figures of the paper, in its layout, from any measurements."""
