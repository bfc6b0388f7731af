"""Corpora and the one table of clips that training, calibration and evaluation read."""
