"""What the subcommands of `jumbo` do that need torch and timm alone; their arguments are in jumbo_cli."""
