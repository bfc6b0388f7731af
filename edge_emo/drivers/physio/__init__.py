"""Sensors of the body other than EEG: pulse, skin, temperature."""
