"""Metrics of an exported model on a manifest of clips."""
