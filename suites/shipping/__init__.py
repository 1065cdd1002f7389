"""Shipping: what released models are used for, and what compression breaks first."""
