"""A package of messages."""
