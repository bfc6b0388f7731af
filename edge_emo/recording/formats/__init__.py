"""One file per format that a recorded stream is stored in."""
