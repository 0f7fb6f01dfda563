"""`jumbo benchmark-series`: forecasters side by side on panels of series."""
