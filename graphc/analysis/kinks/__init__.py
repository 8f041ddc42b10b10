"""gc.kinks: where a loss is not smooth, and what is chosen there."""
