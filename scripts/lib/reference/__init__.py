"""Files that are generated from the sources: a manual page, and completions for the shells.

Both are committed, because a package is built from the checkout alone and reviews should show what users get.
Each program takes `--check`, with which it writes nothing and exits with 1 when a committed file is stale.
"""
