"""What the subcommands of `jumbo` do with series; their arguments are in jumbo_cli."""
