"""Sign every package below models/ as it is: ``python tools/sign_models.py --key FILE``.

To be run after each change of a package's files, whatever changed them. The private key stays
outside the checkout. Whoever has none makes a pair with ``edge-emo models keygen FILE`` and puts
the public half into ``edge_emo/assets/keys/``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_emo.cli.app import main as edge_emo

MODELS = Path(__file__).resolve().parents[1] / "models"


def main() -> int:
    """Sign, then verify against the public keys that ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", required=True, metavar="FILE", help="the private key")
    folders = [str(path.parent) for path in sorted(MODELS.glob("*/model.toml"))]
    failed = edge_emo(["models", "sign", *folders, "--key", parser.parse_args().key])
    return failed or edge_emo(["models", "verify", *folders])


if __name__ == "__main__":
    raise SystemExit(main())
