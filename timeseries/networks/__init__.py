"""The Jumbo encoder on patches of series, its heads, and fixed convolutions."""
