"""Drivers of body signals: pulse, skin conductance, skin temperature."""
