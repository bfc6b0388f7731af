"""From predictions to the fused state."""
