"""The subcommands; each module is imported when its command is called."""
