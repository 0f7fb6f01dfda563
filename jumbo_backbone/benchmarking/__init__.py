"""Fair timing and memory of models on this machine, for `jumbo benchmark` and the programs of tools/research."""
