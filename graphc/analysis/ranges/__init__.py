"""gc.range: which node can overflow, underflow, be NaN or lose its digits, for which inputs."""
