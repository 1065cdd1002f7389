"""The instruments that need nothing: rules for refusals, words for similarity, and no judge."""

from __future__ import annotations

from unicomp.instruments import Instruments


def default_instruments() -> Instruments:
    """What answers are read with where `unicomp.toml` says nothing."""
    from unicomp.instruments.refusals import default_refusals
    from unicomp.instruments.similarity import LexicalSimilarity

    return Instruments(refusals=default_refusals(), similarity=LexicalSimilarity())
