"""PTX executed on the CPU, in NumPy: a device for machines that have none, which checks what a card takes on trust.

    parse        PTX text -> a program: functions, registers, shared and constant data
    operands     what an instruction reads and writes, decoded once
    reals, integers, moves, conversions, warps, accesses      the instructions, a table each
    memory       the spaces of addresses, their bounds, alignment, and what was written
    races        accesses of different threads that nothing orders
    machine      threads as lanes of NumPy vectors; divergence and barriers
    device       an emulated device with the methods that host programs call

All threads of a launch are lanes of one vector; those that diverge wait for the ones that are behind. Arithmetic is IEEE's, fma included; `.approx`
instructions are rounded exactly, where the hardware is off by an ulp or two. Not modelled: time, caches, weak memory order, tensor cores.

Checked, an error otherwise (KernelFault): bounds and alignment of each access; reads of shared memory that nothing wrote; races in shared and
global memory; barriers that part of a block reaches; warp instructions whose mask names absent lanes.
"""
