"""Devices: one vendor per file, all behind the contract in base.py."""
