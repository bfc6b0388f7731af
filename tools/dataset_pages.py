"""Write docs/datasets from the catalogue: ``python tools/dataset_pages.py``."""

from __future__ import annotations

from pathlib import Path

from edge_emo.datasets.pages import write_pages

if __name__ == "__main__":
    count = write_pages(Path(__file__).resolve().parents[1] / "docs" / "datasets")
    print(f"{count} pages")
