"""Microphones and sound files."""
