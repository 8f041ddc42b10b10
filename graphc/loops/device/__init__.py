"""Loop programs for a GPU: which loops are blocks, threads of a group, or steps of one thread."""
