"""Backends: compiled models, tensors in, tensors out."""
