"""EEG boards and signal files."""
