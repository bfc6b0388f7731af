"""``python -m edge_emo.cli`` is ``edge-emo``."""

import sys

from edge_emo.cli.app import main

sys.exit(main())
