"""`python -m netechod` is the daemon."""

import sys

from netechod.cli.daemon import main

sys.exit(main())
