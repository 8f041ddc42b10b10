"""CUDA at run time: devices, of which one is emulated."""
