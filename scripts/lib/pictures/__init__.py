"""Pictures of terminals for the README: real programs, in tmux, drawn as SVG."""
