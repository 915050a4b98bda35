"""Floor 3: argument parsing for the programs people run."""
