"""Session folders: writing them crash-safe, and reading them back."""
