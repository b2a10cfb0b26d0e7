@ With Arm's DSP extension (Armv7E-M, Armv8-M Mainline).
@
@ A word holds two int16 lanes, of two channels. Lanes that are proved not to overflow (NUMERICS.md) are added with SADD16, or
@ as one 32-bit integer where the lower lane is proved not to borrow from the upper one.

    .macro products_pair
    ldm     r1!, {r2, r3}
    ldm     r0!, {r12, lr}
    smlad   r4, r2, r12, r4
    smlad   r5, r3, r12, r5
    smlad   r8, r2, lr, r8
    smlad   r9, r3, lr, r9
    ldm     r1!, {r2, r3}
    smlad   r6, r2, r12, r6
    smlad   r7, r3, r12, r7
    smlad   r10, r2, lr, r10
    smlad   r11, r3, lr, r11
    .endm

    .equ    products_pair_len, 40

    .macro  stream_pair
    ldm     r0!, {r2, r3, r12, lr}
    smlad   r4, r12, r2, r4
    smlad   r5, lr, r2, r5
    smlad   r8, r12, r3, r8
    smlad   r9, lr, r3, r9
    ldm     r0!, {r12, lr}
    smlad   r6, r12, r2, r6
    smlad   r7, lr, r2, r7
    smlad   r10, r12, r3, r10
    smlad   r11, lr, r3, r11
    .endm

    .macro  row_products_pair
    ldm     r0!, {r8, r9, r10}
    ldm     r1!, {r11, r12, lr}
    smlad   r4, r8, r11, r4
    smlad   r5, r8, r12, r5
    smlad   r6, r8, lr, r6
    smlad   r4, r9, r12, r4
    smlad   r5, r9, lr, r5
    smlad   r4, r10, lr, r4
    ldm     r1!, {r11, r12, lr}
    smlad   r7, r8, r11, r7
    smlad   r6, r9, r11, r6
    smlad   r7, r9, r12, r7
    smlad   r5, r10, r11, r5
    smlad   r6, r10, r12, r6
    smlad   r7, r10, lr, r7
    .endm

    .equ    filter_offset, 1143

    .macro  filter_tap tap, offset, rotation
    sxtab16 \tap, \offset, \tap, ror #\rotation
    .endm

    .macro  input_pixel pixel, rotation
    sxtb16  \pixel, \pixel, ror #\rotation
    .endm

    .macro  input_vector                @ r4-r9 in place; r10-r12 are overwritten
    ssub16  r10, r8, r6
    ssub16  r11, r7, r5
    ssub16  r4, r4, r6
    sadd16  r4, r4, r4
    sadd16  r4, r4, r4
    sadd16  r4, r4, r10                 @ 4 d0 - 5 d2 + d4
    ssub16  r9, r9, r7
    sadd16  r12, r11, r11
    ssub16  r9, r9, r12
    ssub16  r9, r9, r12                 @ 4 d1 - 5 d3 + d5
    sadd16  r6, r6, r6
    sadd16  r6, r6, r6
    ssub16  r8, r8, r6
    sadd16  r5, r5, r5
    sadd16  r5, r5, r5
    ssub16  r7, r7, r5
    sadd16  r5, r8, r7                  @ d4 - 4 d2 + (d3 - 4 d1)
    ssub16  r6, r8, r7                  @ d4 - 4 d2 - (d3 - 4 d1)
    sadd16  r7, r10, r12                @ d4 - d2 + 2 (d3 - d1)
    ssub16  r8, r10, r12                @ d4 - d2 - 2 (d3 - d1)
    .endm

    .macro  input_column
    .endm

    .macro  input_value value
    .endm

@ offset_corrections(v, init, pairs, factors): 36 times four sums in r4-r7.
    function shared_model_offset_corrections
    push    {r4-r11, lr}
    sub     sp, #12
    mov     lr, #36
1:  ldm     r1, {r4-r7}
    ldr     r12, [r3], #4
    str     r3, [sp]
    mov     r3, r2
2:  ldm     r0!, {r8-r11}
    smlad   r4, r8, r12, r4
    smlad   r5, r9, r12, r5
    smlad   r6, r10, r12, r6
    smlad   r7, r11, r12, r7
    ldm     r0!, {r8-r11}
    subs    r3, #2
    smlad   r4, r8, r12, r4
    smlad   r5, r9, r12, r5
    smlad   r6, r10, r12, r6
    smlad   r7, r11, r12, r7
    bne     2b
    ldr     r3, [sp]
    stm     r1!, {r4-r7}
    subs    lr, #1
    bne     1b
    add     sp, #12
    pop     {r4-r11, pc}

@ stream_corrections(stream, corrections, factors): the same with the words of a stream.
    .macro  correct_stream_pair
    add     r0, #8
    ldm     r0!, {r8-r11}
    smlad   r4, r8, r12, r4
    smlad   r5, r9, r12, r5
    smlad   r6, r10, r12, r6
    smlad   r7, r11, r12, r7
    .endm

    function shared_model_stream_corrections
    push    {r4-r11, lr}
    mov     lr, #36
1:  ldm     r1, {r4-r7}
    ldr     r12, [r2], #4
    correct_stream_pair
    correct_stream_pair
    stm     r1!, {r4-r7}
    subs    lr, #1
    bne     1b
    pop     {r4-r11, pc}

@ widen_pixels(map, offsets, window, quads)
    .macro  widen_pixel offset, column
    ldr     r10, [r0, \offset]
    sxtb16  r11, r10
    sxtb16  r10, r10, ror #8
    str     r11, [r2, #\column]
    str     r10, [r2, #\column + 24]
    .endm

    function shared_model_widen_pixels
    push    {r4-r11, lr}
    ldm     r1, {r4-r9}
1:  widen_pixel r4, 0
    widen_pixel r5, 4
    widen_pixel r6, 8
    widen_pixel r7, 12
    widen_pixel r8, 16
    widen_pixel r9, 20
    add     r0, #4
    add     r2, #48
    subs    r3, #1
    bne     1b
    pop     {r4-r11, pc}

@ widen_taps(taps, line, row, step, pairs): of each four taps the words of both patches, then what is left. The last tap of an odd number
@ is half of a pair behind all others in the first two rows; in r12 is where it goes.
    function shared_model_widen_taps
    push    {r4-r11, lr}
    ldr     r4, [sp, #36]
    lsr     r12, r2, #1
    add     r12, r12, r12, lsl #1
    add     r12, r4, r12, lsl #3
    add     r12, #8
    mov     r5, #3
1:  mov     r6, r0
    subs    r7, r2, #4
    blo     3f
2:  ldr     r9, [r6, r3]
    ldr     r8, [r6], #4
    sxtb16  r11, r9, ror #8
    sxtb16  r10, r8, ror #8
    sxtb16  r9, r9
    sxtb16  r8, r8
    stm     r4!, {r8-r11}
    subs    r7, #4
    bhs     2b
3:  adds    r7, #4
    beq     6f
    cmp     r7, #1
    beq     4f
    ldrsb   r9, [r6, r3]
    ldrsb   r8, [r6], #1
    ldrsb   r11, [r6, r3]
    ldrsb   r10, [r6], #1
    pkhbt   r9, r9, r11, lsl #16
    pkhbt   r8, r8, r10, lsl #16
    stm     r4!, {r8, r9}
    cmp     r7, #2
    beq     6f
4:  ldrsb   r9, [r6, r3]
    ldrsb   r8, [r6]
    cmp     r5, #1
    beq     5f
    strh    r9, [r12, #4]
    strh    r8, [r12], #2
    b       6f
5:  uxth    r9, r9
    uxth    r8, r8
    stm     r4, {r8, r9}
6:  add     r0, r1
    subs    r5, #1
    bne     1b
    pop     {r4-r11, pc}

@ widen_filter_row(weights, stride, filter, quads)
    function shared_model_widen_filter_row
    push    {r4-r11, lr}
1:  ldr     r4, [r0]
    ldr     r5, [r0, r1]
    ldr     r6, [r0, r1, lsl #1]
    sxtb16  r7, r4
    sxtb16  r8, r5
    sxtb16  r9, r6
    sxtb16  r10, r4, ror #8
    sxtb16  r11, r5, ror #8
    sxtb16  r12, r6, ror #8
    stm     r2!, {r7-r12}
    add     r0, #4
    subs    r3, #1
    bne     1b
    pop     {r4-r11, pc}

@ dot_products(weights, stride, input, sums, input_end): four rows of weights, two words of each at a time; of an odd number the first
@ by itself.
    .macro  dot_products_word
    ldr     r8, [r2], #4
    ldr     r10, [r0, r1]
    ldr     lr, [r3], #4
    sxtb16  r9, r8
    sxtb16  r8, r8, ror #8
    sxtb16  r12, r10
    sxtb16  r10, r10, ror #8
    smlad   r5, r9, r12, r5
    smlad   r5, r8, r10, r5
    ldr     r10, [r0, r1, lsl #1]
    sxtb16  r12, lr
    sxtb16  lr, lr, ror #8
    smlad   r7, r9, r12, r7
    smlad   r7, r8, lr, r7
    ldr     r12, [r0], #4
    sxtb16  lr, r10
    sxtb16  r10, r10, ror #8
    smlad   r6, r9, lr, r6
    smlad   r6, r8, r10, r6
    sxtb16  lr, r12
    sxtb16  r12, r12, ror #8
    smlad   r4, r9, lr, r4
    smlad   r4, r8, r12, r4
    .endm

    function shared_model_dot_products
    push    {r3-r11, lr}
    add     r3, r0, r1
    add     r3, r3, r1, lsl #1
    ldr     r11, [sp, #40]
    mov     r4, #0
    mov     r5, #0
    mov     r6, #0
    mov     r7, #0
    tst     r1, #4
    bne     2f
1:  dot_products_word
2:  dot_products_word
    cmp     r2, r11
    bne     1b
    pop     {r0}
    stm     r0, {r4-r7}
    pop     {r4-r11, pc}
