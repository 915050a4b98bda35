"""`python -m netechod` is the daemon."""

import sys

from netechod.cli.netechod import main

sys.exit(main())
