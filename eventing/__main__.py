"""`python -m eventing` is the command `eventing`."""

import sys

from eventing.cli import main

sys.exit(main())
