@ Inner loops for the instruction set of Armv6-M, without the DSP extension.

@ products(u, v, m, m_end, pairs, u_skip): a 4×2 tile of accumulators in r8-r12, lr, r6 and r7. Four pairs of channels are unrolled;
@ the first round is entered behind those that are too many. The stack holds m, m_end, rounds, the entry, rounds that are left, u_skip
@ and what leads v back, both less the pairs that are left out.
    .macro  low word
    sxth    \word, \word
    .endm

    .macro  high word
    asrs    \word, \word, #16
    .endm

    .macro  products_lane lane, pair
    ldr     r2, [r0, #8 * \pair]
    ldr     r3, [r0, #8 * \pair + 4]
    \lane  r2
    \lane  r3
    ldr     r4, [r1, #16 * \pair]
    \lane  r4
    mov     r5, r4
    muls    r5, r2, r5
    add     r8, r5
    muls    r4, r3, r4
    add     r12, r4
    ldr     r4, [r1, #16 * \pair + 4]
    \lane  r4
    mov     r5, r4
    muls    r5, r2, r5
    add     r9, r5
    muls    r4, r3, r4
    add     lr, r4
    ldr     r4, [r1, #16 * \pair + 8]
    \lane  r4
    mov     r5, r4
    muls    r5, r2, r5
    add     r10, r5
    muls    r4, r3, r4
    adds    r6, r6, r4
    ldr     r4, [r1, #16 * \pair + 12]
    \lane  r4
    muls    r2, r4, r2
    add     r11, r2
    muls    r4, r3, r4
    adds    r7, r7, r4
    .endm

    .equ    products_pair_len, 124

    function shared_model_products
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    sub     sp, #28
    str     r2, [sp]
    str     r3, [sp, #4]
    ldr     r2, [sp, #64]               @ pairs
    adds    r4, r2, #3
    lsrs    r4, r4, #2
    str     r4, [sp, #8]
    lsls    r4, r4, #2
    subs    r4, r4, r2                  @ pairs that are left out
    movs    r2, #products_pair_len
    muls    r2, r4, r2
    adr     r3, 2f
    adds    r2, r2, r3
    adds    r2, r2, #1                  @ Thumb
    str     r2, [sp, #12]
    lsls    r2, r4, #3
    subs    r0, r0, r2
    ldr     r3, [sp, #68]               @ u_skip
    subs    r3, r3, r2
    str     r3, [sp, #20]
    lsls    r2, r4, #4
    subs    r1, r1, r2
    str     r2, [sp, #24]
1:  ldr     r2, [sp]
    ldm     r2!, {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    ldm     r2!, {r4-r7}
    mov     r12, r4
    mov     lr, r5
    ldr     r2, [sp, #8]
    str     r2, [sp, #16]
    ldr     r2, [sp, #12]
    bx      r2
    .balign 4
2:  .irp    pair, 0, 1, 2, 3
    products_lane low, \pair
    products_lane high, \pair
    .endr
    adds    r0, #32
    adds    r1, #64
    ldr     r2, [sp, #16]
    subs    r2, #1
    str     r2, [sp, #16]
    beq     3f
    b       2b
3:  ldr     r2, [sp]
    adds    r2, #16
    mov     r4, r12
    mov     r5, lr
    stm     r2!, {r4-r7}
    subs    r2, #32
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    stm     r2!, {r4-r7}
    adds    r2, #16
    str     r2, [sp]
    ldr     r3, [sp, #20]
    adds    r0, r0, r3
    ldr     r3, [sp, #24]
    subs    r1, r1, r3
    ldr     r3, [sp, #4]
    cmp     r2, r3
    beq     4f
    b       1b
4:  add     sp, #28
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}

@ row_products(filter, windows, accumulators, pairs, accumulators_end): four accumulators in r8-r11 take, for each pair of channels,
@ three words of the filter and six of the window.
    .macro  row_word lane, word
    ldr     r5, [r1, #4 * \word]
    \lane  r5
    .endm

    .macro  row_product tap, accumulator
    mov     r6, r5
    muls    r6, \tap, r6
    add     \accumulator, r6
    .endm

    .macro  row_last_product tap, accumulator
    muls    r5, \tap, r5
    add     \accumulator, r5
    .endm

    .macro  row_products_lane lane
    ldr     r2, [r0]
    ldr     r3, [r0, #4]
    ldr     r4, [r0, #8]
    \lane  r2
    \lane  r3
    \lane  r4
    row_word \lane, 0
    row_last_product r2, r8
    row_word \lane, 1
    row_product r3, r8
    row_last_product r2, r9
    row_word \lane, 2
    row_product r4, r8
    row_product r3, r9
    row_last_product r2, r10
    row_word \lane, 3
    row_product r4, r9
    row_product r3, r10
    row_last_product r2, r11
    row_word \lane, 4
    row_product r4, r10
    row_last_product r3, r11
    row_word \lane, 5
    row_last_product r4, r11
    .endm

    function shared_model_row_products
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    ldr     r4, [sp, #36]
    sub     sp, #20
    str     r2, [sp]
    str     r0, [sp, #4]
    str     r3, [sp, #8]
    str     r4, [sp, #12]
1:  ldr     r2, [sp]
    ldm     r2!, {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    ldr     r0, [sp, #4]
    ldr     r7, [sp, #8]
2:  row_products_lane low
    row_products_lane high
    adds    r0, #12
    adds    r1, #24
    subs    r7, #1
    bne     2b
    ldr     r2, [sp]
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    stm     r2!, {r4-r7}
    str     r2, [sp]
    ldr     r3, [sp, #12]
    cmp     r2, r3
    bne     1b
    add     sp, #20
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}

@ transform_filter(weights, stride, u, quads): two channels at a time, first the three columns of taps to the stack, [row][3], then its
@ six rows. In r8 6 · stride, in r9 the offset of taps, in r10 the stride, in r11 u, in r12 the weights, in lr the distance of three
@ positions; behind the stack's rows the quads that are left.
    .equ    position, 128               @ bytes between positions in u

    .macro  filter_tap tap, rotation
    eors    \tap, \tap, r7
    .if     \rotation
    lsrs    \tap, \tap, #\rotation
    .endif
    ands    \tap, \tap, r6
    add     \tap, r9
    .endm

    .macro  filter_column rotation, column
    ldr     r3, [r0]
    ldr     r4, [r0, r1]
    mov     r2, r8
    ldr     r5, [r0, r2]
    add     r0, r10
    filter_tap r3, \rotation
    filter_tap r4, \rotation
    filter_tap r5, \rotation
    str     r3, [sp, #4 * \column]
    str     r5, [sp, #4 * \column + 60]
    adds    r2, r3, r5
    lsls    r5, r5, #2
    adds    r5, r5, r3
    adds    r3, r2, r4
    str     r3, [sp, #4 * \column + 12]
    subs    r2, r2, r4
    str     r2, [sp, #4 * \column + 24]
    lsls    r4, r4, #1
    adds    r3, r5, r4
    str     r3, [sp, #4 * \column + 36]
    subs    r5, r5, r4
    str     r5, [sp, #4 * \column + 48]
    .endm

    .macro  filter_pair rotation
    ldr     r6, 8f
    ldr     r7, 9f
    ldr     r1, [sp, #72]
    mov     r0, r12
    filter_column \rotation, 0
    filter_column \rotation, 1
    filter_column \rotation, 2
    mov     r0, sp
    mov     r1, r11
    movs    r6, #position
    lsls    r7, r6, #1
    .rept   6
    ldm     r0!, {r2, r3, r4}
    str     r2, [r1]
    adds    r5, r2, r4
    adds    r5, r5, r3
    str     r5, [r1, r6]
    lsls    r3, r3, #1
    subs    r5, r5, r3
    str     r5, [r1, r7]
    add     r1, lr
    lsls    r5, r4, #2
    adds    r5, r5, r2
    adds    r2, r5, r3
    str     r2, [r1]
    subs    r5, r5, r3
    str     r5, [r1, r6]
    str     r4, [r1, r7]
    add     r1, lr
    .endr
    movs    r1, #8
    add     r11, r1
    .endm

    function shared_model_transform_filter
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    sub     sp, #84
    mov     r12, r0
    mov     r10, r1
    mov     r11, r2
    lsls    r2, r1, #1
    adds    r1, r1, r2                  @ 3 · stride
    lsls    r2, r1, #1
    mov     r8, r2
    ldr     r2, 7f
    mov     r9, r2
    movs    r2, #3
    lsls    r2, r2, #7
    mov     lr, r2
    str     r1, [sp, #72]
    str     r3, [sp, #76]
1:  filter_pair 0
    filter_pair 8
    movs    r1, #4
    add     r12, r1
    ldr     r3, [sp, #76]
    subs    r3, #1
    str     r3, [sp, #76]
    beq     2f
    b       1b
2:  add     sp, #84
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .balign 4
7:  .word   (1143 - 128) * 0x10001
8:  .word   0x00FF00FF
9:  .word   0x80808080

@ transform_output(m, output, channel, row_step, _, _, pixel_step) and its variant with a pool. The stack holds 4 rows of 6 values, then what the
@ channel is multiplied by: its inverse, halves of the multiplier, halves of the offset; then the next output and the sign of the
@ pool. In r8 the bias, in r9 ReLU's mask, in r10 the bytes between pixels, in r11 what leads from the end of a row to the next one.
@ The three functions between use the stack and the registers of these two.
    .equ    inverse, 96
    .equ    multiplier_low, 100
    .equ    multiplier_high, 104
    .equ    offset_low, 108
    .equ    offset_high, 112
    .equ    output, 116
    .equ    sign, 120

    .macro  output_vector               @ m0-m5 in r2-r7 become z0 in r2, z1 in r6, z2 in r5, z3 in r7; r1 is overwritten
    adds    r3, r3, r4                  @ m1 + m2
    lsls    r4, r4, #1
    subs    r4, r3, r4                  @ m1 - m2
    adds    r5, r5, r6                  @ m3 + m4
    lsls    r6, r6, #1
    subs    r6, r5, r6                  @ m3 - m4
    lsls    r1, r2, #1
    adds    r2, r2, r1
    lsls    r2, r2, #1
    adds    r2, r2, r5
    lsls    r1, r3, #2
    subs    r2, r2, r1                  @ 6 m0 - 4 (m1 + m2) + (m3 + m4)
    lsls    r1, r7, #1
    adds    r7, r7, r1
    adds    r7, r7, r6
    lsls    r7, r7, #1
    subs    r7, r7, r4                  @ 2 (m3 - m4) - (m1 - m2) + 6 m5
    lsls    r4, r4, #1
    subs    r6, r6, r4                  @ (m3 - m4) - 2 (m1 - m2)
    subs    r5, r5, r3                  @ (m3 + m4) - (m1 + m2)
    .endm

    function shared_model_output_columns
    movs    r2, #192                    @ bytes between rows of m
    mov     r8, r2
    ldr     r2, 1f
    mov     r9, r2
    .irp    column, 0, 1, 2, 3, 4, 5
    .irp    value, r2, r3, r4, r5, r6
    ldr     \value, [r0]
    add     r0, r8
    .endr
    ldr     r7, [r0]
    add     r0, r9
    output_vector
    str     r2, [sp, #4 * \column]
    str     r6, [sp, #4 * \column + 24]
    str     r5, [sp, #4 * \column + 48]
    str     r7, [sp, #4 * \column + 72]
    .endr
    bx      lr
    .balign 4
1:  .word   32 - 5 * 192                @ to the next column

    function shared_model_output_row
    ldm     r0!, {r2-r7}
    output_vector
    ldr     r1, [sp, #inverse]
    muls    r2, r1, r2
    muls    r6, r1, r6
    muls    r5, r1, r5
    muls    r7, r1, r7
    bx      lr

    function shared_model_activation    @ of r2, to [r7], which goes on by a pixel; r3-r6 are overwritten
    add     r2, r8
    asrs    r3, r2, #31
    mov     r4, r9
    ands    r3, r3, r4
    bics    r2, r2, r3
    uxth    r3, r2
    asrs    r2, r2, #16
    ldr     r4, [sp, #multiplier_low]
    ldr     r5, [sp, #multiplier_high]
    mov     r6, r3
    muls    r6, r4, r6
    muls    r4, r2, r4
    muls    r3, r5, r3
    muls    r2, r5, r2
    .irp    middle, r4, r3
    lsls    r5, \middle, #16
    asrs    \middle, \middle, #16
    adds    r6, r6, r5
    adcs    r2, r2, \middle
    .endr
    ldr     r3, [sp, #offset_low]
    ldr     r4, [sp, #offset_high]
    adds    r6, r6, r3
    adcs    r2, r2, r4
    sxtb    r3, r2
    cmp     r3, r2
    beq     1f
    asrs    r2, r2, #31
    movs    r3, #127
    eors    r2, r2, r3
1:  strb    r2, [r7]
    add     r7, r10
    bx      lr

    .macro  output_prologue side
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    sub     sp, #124
    str     r1, [sp, #output]
    mov     r12, r2
    mov     r11, r3
    bl      shared_model_output_columns
    mov     r0, r12
    ldm     r0!, {r1-r6}                @ offset, inverse, bias, multiplier, ReLU's mask
    str     r1, [sp, #offset_low]
    str     r2, [sp, #offset_high]
    str     r3, [sp, #inverse]
    mov     r8, r4
    uxth    r1, r5
    str     r1, [sp, #multiplier_low]
    asrs    r5, r5, #16
    str     r5, [sp, #multiplier_high]
    mov     r9, r6
    ldr     r2, [r0]
    str     r2, [sp, #sign]
    ldr     r1, [sp, #168]              @ pixel_step
    mov     r10, r1
    mov     r2, r11
    .rept   \side
    subs    r2, r2, r1
    .endr
    mov     r11, r2
    mov     r0, sp
    .endm

    .macro  output_epilogue
    add     sp, #124
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .endm

    .macro  stored_activation value, shift
    ldr     r2, [sp, #4 * \value]
    asrs    r2, r2, #\shift
    bl      shared_model_activation
    .endm

    .macro  activation_row shift
    bl      shared_model_output_row
    str     r6, [sp]                    @ where the first row was
    str     r5, [sp, #4]
    str     r7, [sp, #8]
    ldr     r7, [sp, #output]
    asrs    r2, r2, #(\shift + 3)
    bl      shared_model_activation
    stored_activation 0, (\shift + 2)
    stored_activation 1, (\shift + 1)
    stored_activation 2, (\shift + 1)
    add     r7, r11
    str     r7, [sp, #output]
    .endm

    function shared_model_transform_output
    output_prologue 3                   @ row_step is counted from the last pixel of a row
    activation_row 3
    activation_row 2
    activation_row 1
    activation_row 1
    output_epilogue

    .macro  larger x, y
    cmp     \x, \y
    bge     1f
    mov     \x, \y
1:
    .endm

    .macro  pooled_pair                 @ the larger of columns 0 and 1 in r2, of 2 and 3 in r5
    bl      shared_model_output_row
    lsls    r6, r6, #1
    larger  r2, r6
    larger  r5, r7
    .endm

    .macro  pooled_row shift, double
    pooled_pair
    str     r2, [sp]
    str     r5, [sp, #4]
    pooled_pair
    .if     \double
    lsls    r2, r2, #1
    lsls    r5, r5, #1
    .endif
    ldr     r3, [sp]
    ldr     r4, [sp, #4]
    larger  r2, r3
    larger  r5, r4
    ldr     r3, [sp, #sign]
    muls    r2, r3, r2
    muls    r5, r3, r5
    str     r5, [sp]
    ldr     r7, [sp, #output]
    asrs    r2, r2, #(\shift + 3)
    bl      shared_model_activation
    stored_activation 0, (\shift + 1)
    add     r7, r11
    str     r7, [sp, #output]
    .endm

    function shared_model_transform_pooled_output
    output_prologue 2
    pooled_row 3, 1
    pooled_row 1, 0
    output_epilogue
