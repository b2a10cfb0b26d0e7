# Inner loops for 32-bit RISC-V with multiplications. Their contracts are those of InnerLoops in ../inner_loops.rs; mod.rs declares
# them to Rust and checks the lengths of the slices.

    .option push
    .option arch, +m

    .macro function name
    .section .text.\name, "ax", @progbits
    .balign 4
    .global \name
    .type \name, @function
\name:
    .endm

    .macro save_registers
    addi    sp, sp, -64
    sw      ra, 48(sp)
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sw      s\index, 4 * \index(sp)
    .endr
    .endm

    .macro restore_registers
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    lw      s\index, 4 * \index(sp)
    .endr
    lw      ra, 48(sp)
    addi    sp, sp, 64
    ret
    .endm

# products(u, v, m, m_end, pairs, u_skip): a 4×2 tile of accumulators in s0-s7. Two pairs of channels are unrolled; where their
# number is odd, the first round begins at the second pair.
    .macro  products_channel u, v
    lh      t0, \u(a0)
    lh      t1, \u + 4(a0)
    lh      t2, \v(a1)
    lh      t3, \v + 4(a1)
    lh      t4, \v + 8(a1)
    lh      t5, \v + 12(a1)
    mul     s8, t2, t0
    mul     s9, t3, t0
    mul     s10, t4, t0
    mul     s11, t5, t0
    add     s0, s0, s8
    add     s1, s1, s9
    add     s2, s2, s10
    add     s3, s3, s11
    mul     t2, t2, t1
    mul     t3, t3, t1
    mul     t4, t4, t1
    mul     t5, t5, t1
    add     s4, s4, t2
    add     s5, s5, t3
    add     s6, s6, t4
    add     s7, s7, t5
    .endm

    function shared_model_products
    save_registers
    slli    a6, a4, 3                   # bytes of u and
    slli    a7, a4, 4                   # of v at one position
    andi    a4, a4, 1
1:  add     t6, a0, a6                  # the end of u
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7
    lw      s\index, 4 * \index(a2)
    .endr
    beqz    a4, 2f
    addi    a0, a0, -8
    addi    a1, a1, -16
    j       3f
2:  products_channel 0, 0
    products_channel 2, 2
3:  products_channel 8, 16
    products_channel 10, 18
    addi    a0, a0, 16
    addi    a1, a1, 32
    bne     a0, t6, 2b
    .irp    index, 0, 1, 2, 3, 4, 5, 6, 7
    sw      s\index, 4 * \index(a2)
    .endr
    addi    a2, a2, 32
    add     a0, a0, a5
    bne     a2, a3, 1b
    restore_registers

# transform_filter(weights, stride, u, quads): two channels at a time; taps in s0-s8, their transformed columns in registers too.
    .equ    position, 128               # bytes between positions in u

    .macro  filter_column a, b, c, v1, v2, v3, v4   # the first value is a, the last one c
    add     \v1, \a, \c
    sub     \v2, \v1, \b
    add     \v1, \v1, \b
    slli    \v4, \c, 2
    add     \v4, \v4, \a
    slli    \b, \b, 1
    add     \v3, \v4, \b
    sub     \v4, \v4, \b
    .endm

    .macro  filter_row a, b, c          # s3 and s4 are overwritten
    sw      \a, (a2)
    sw      \c, 5 * position(a2)
    add     s3, \a, \c
    sub     s4, s3, \b
    add     s3, s3, \b
    sw      s3, position(a2)
    sw      s4, 2 * position(a2)
    slli    s3, \c, 2
    add     s3, s3, \a
    slli    \b, \b, 1
    add     s4, s3, \b
    sub     s3, s3, \b
    sw      s4, 3 * position(a2)
    sw      s3, 4 * position(a2)
    addi    a2, a2, 6 * position
    .endm

    .macro  filter_pair rotation
    mv      t6, a0
    .irp    tap, 0, 1, 2, 3, 4, 5, 6, 7
    lw      s\tap, (t6)
    add     t6, t6, a1
    .endr
    lw      s8, (t6)
    .irp    tap, 0, 1, 2, 3, 4, 5, 6, 7, 8
    xor     s\tap, s\tap, a6
    .if     \rotation
    srli    s\tap, s\tap, \rotation
    .endif
    and     s\tap, s\tap, a7
    add     s\tap, s\tap, ra
    .endr
    filter_column s0, s3, s6, s9, s10, s11, t0
    filter_column s1, s4, s7, t1, t2, t3, t4
    filter_column s2, s5, s8, t5, t6, a4, a5
    filter_row s0, s1, s2
    filter_row s9, t1, t5
    filter_row s10, t2, t6
    filter_row s11, t3, a4
    filter_row t0, t4, a5
    filter_row s6, s7, s8
    addi    a2, a2, -2 * 6 * position   # back, and on by a pair
    addi    a2, a2, -2 * 6 * position
    addi    a2, a2, 8 - 2 * 6 * position
    .endm

    function shared_model_transform_filter
    save_registers
    li      a6, 0x80808080
    li      a7, 0x00FF00FF
    li      ra, (1143 - 128) * 0x10001
1:  filter_pair 0
    filter_pair 8
    addi    a0, a0, 4
    addi    a3, a3, -1
    beqz    a3, 2f
    j       1b
2:  restore_registers

    .option pop
