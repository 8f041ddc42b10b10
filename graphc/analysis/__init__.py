"""Questions about a formula: is it right, can it overflow, where is it not smooth."""
