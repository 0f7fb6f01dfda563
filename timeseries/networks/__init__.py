"""Networks: the Jumbo encoder on patches of series, its heads, the weigher of experts, and fixed convolutions."""
