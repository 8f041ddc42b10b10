"""Which nodes share which loops, which contractions are library calls, what is kept in memory."""
