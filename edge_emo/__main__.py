"""``python -m edge_emo`` is ``edge-emo``."""

import sys

from edge_emo.cli.app import main

sys.exit(main())
