@ The inner loops of Arm's Cortex-M cores. Their contracts are those of InnerLoops in ../inner_loops.rs; mod.rs declares them to Rust
@ and checks the lengths of the slices.

    .syntax unified
    .thumb

    .macro function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm
