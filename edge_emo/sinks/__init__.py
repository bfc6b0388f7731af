"""Where states go: one file per destination."""
