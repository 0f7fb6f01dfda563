"""The parts of a block: attention, FFNs, the Jumbo token's FFN, and the embedding of patches."""
