"""Source code from loop programs."""
