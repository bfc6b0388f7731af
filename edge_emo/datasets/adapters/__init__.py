"""One file per corpus: how its official layout becomes clips."""
