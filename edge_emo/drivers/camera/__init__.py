"""Cameras and video files."""
