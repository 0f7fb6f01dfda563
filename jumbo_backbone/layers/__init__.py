"""The parts of a block: attention, FFNs, the Jumbo token's FFN, and the embedding of patches."""

from .fast.dropout import Dropout

__all__ = ["Dropout"]
