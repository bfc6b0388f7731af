"""Arithmetic between samples and tensors."""
