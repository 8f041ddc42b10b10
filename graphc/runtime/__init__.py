"""Generated modules on disk, loaded; and Programs, which users call."""
