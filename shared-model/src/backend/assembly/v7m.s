@ Inner loops for the instruction set of Armv7-M, with what dsp.s or mla.s defines before: the macros products_pair, row_products_pair,
@ filter_tap, input_pixel, input_vector, input_column and input_value.

@ products(u, v, m, m_end, pairs, u_skip): a 4×2 tile of accumulators in r4-r11 takes, for each pair of channels, four words of v
@ and two of u. The sixteen pairs are unrolled; fewer are entered behind the start.
    function shared_model_products
    push    {r4-r11, lr}
    sub     sp, #20
    ldr     r4, [sp, #56]               @ pairs
    ldr     r5, [sp, #60]               @ u_skip
    adr.w   r6, 2f
    mov     r7, #products_pair_len
    mls     r6, r4, r7, r6
    orr     r6, r6, #1                  @ Thumb
    strd    r3, r5, [sp]
    str     r6, [sp, #12]
    str     r2, [sp, #8]
    mov     r12, r2
1:  ldm     r12, {r4-r11}
    ldr     pc, [sp, #12]
    .balign 4
    .rept   16
    products_pair
    .endr
2:  ldm     sp, {r2, r3, r12}           @ m_end, u_skip, m
    stm     r12!, {r4-r11}
    str     r12, [sp, #8]
    add     r0, r0, r3
    cmp     r12, r2
    bne     1b
    add     sp, #20
    pop     {r4-r11, pc}

@ row_products(filter, windows, accumulators, pairs, accumulators_end): four accumulators in r4-r7 take, for each pair of channels,
@ three words of the filter and six of the window.
    function shared_model_row_products
    push    {r4-r11, lr}
    ldr     r4, [sp, #36]
    sub     sp, #12
    strd    r0, r3, [sp]
    str     r4, [sp, #8]
1:  ldm     r2, {r4-r7}
2:  row_products_pair
    row_products_pair
    subs    r3, #2
    bne     2b
    ldrd    r0, r3, [sp]
    ldr     r8, [sp, #8]
    stm     r2!, {r4-r7}
    cmp     r2, r8
    bne     1b
    add     sp, #12
    pop     {r4-r11, pc}

@ transform_filter(weights, stride, u, quads): the nine taps in r4-r11 and lr, two channels at a time. The stack holds nine words of
@ taps, then the offset and the end.
    .macro  filter_row a, b, c, t, s, row, position
    str     \a, [r2, #(6 * \row) * \position]
    str     \c, [r2, #(6 * \row + 5) * \position]
    add     \t, \a, \c
    add     \s, \t, \b
    str     \s, [r2, #(6 * \row + 1) * \position]
    sub     \s, \t, \b
    str     \s, [r2, #(6 * \row + 2) * \position]
    add     \t, \a, \c, lsl #2
    add     \s, \t, \b, lsl #1
    str     \s, [r2, #(6 * \row + 3) * \position]
    sub     \s, \t, \b, lsl #1
    str     \s, [r2, #(6 * \row + 4) * \position]
    .endm

    .macro  filter_words
    add     r3, r0, r1
    add     r3, r3, r1, lsl #2
    ldr     r9, [r3]
    ldr     r10, [r3, r1]
    ldr     r11, [r3, r1, lsl #1]
    sub     r3, r3, r1, lsl #1
    ldr     r7, [r3]
    ldr     r8, [r0, r1, lsl #2]
    ldr     lr, [r0, r1, lsl #3]
    ldr     r5, [r0, r1]
    ldr     r6, [r0, r1, lsl #1]
    ldr     r4, [r0], #4
    .endm

    .macro  filter_taps rotation
    ldr     r12, [sp, #36]
    .irp    tap, r4, r5, r6, r7, r8, r9, r10, r11, lr
    filter_tap \tap, r12, \rotation
    .endr
    .endm

    .macro  filter_pair position, pair
    filter_row r4, r5, r6, r12, r3, 0, \position
    add     r2, r2, #30 * \position
    filter_row r10, r11, lr, r12, r3, 0, \position
    sub     r2, r2, #30 * \position
    add     r12, r4, r10                @ taps 0 + 2 in r12, r10, r11; taps 0 + 4 · 2 in r4, r5, r6
    add     r4, r4, r10, lsl #2
    add     r10, r5, r11
    add     r5, r5, r11, lsl #2
    add     r11, r6, lr
    add     r6, r6, lr, lsl #2
    add     r12, r12, r7
    add     r10, r10, r8
    add     r11, r11, r9
    filter_row r12, r10, r11, lr, r3, 1, \position
    sub     r12, r12, r7, lsl #1
    sub     r10, r10, r8, lsl #1
    sub     r11, r11, r9, lsl #1
    filter_row r12, r10, r11, lr, r3, 2, \position
    add     r4, r4, r7, lsl #1
    add     r5, r5, r8, lsl #1
    add     r6, r6, r9, lsl #1
    filter_row r4, r5, r6, lr, r3, 3, \position
    sub     r4, r4, r7, lsl #2
    sub     r5, r5, r8, lsl #2
    sub     r6, r6, r9, lsl #2
    filter_row r4, r5, r6, lr, r3, 4, \position
    add     r2, #\pair
    .endm

    .macro  filter_prologue words
    push    {r4-r11, lr}
    sub     sp, #4 * \words
    movw    r12, #filter_offset
    movt    r12, #filter_offset
    .endm

    function shared_model_transform_filter
    filter_prologue 11
    add     r3, r2, r3, lsl #4
    strd    r12, r3, [sp, #36]
1:  filter_words
    stm     sp, {r4-r11, lr}
    filter_taps 0
    filter_pair 128, 8
    ldm     sp, {r4-r11, lr}
    filter_taps 8
    filter_pair 128, 8
    ldr     r3, [sp, #40]
    cmp     r2, r3
    bne     1b
    add     sp, #44
    pop     {r4-r11, pc}

@ stream_filters(weights, stride, stream, m, filter_len, filters): the taps and the products as above. The stack holds nine words of taps,
@ then the offset, a return address or the end of m, weights, stride, stream, m and the end of a filter's two pairs; and, of the caller,
@ filter_len and filters.
    function shared_model_stream_filters
    filter_prologue 17
    str     r12, [sp, #36]
    add     r12, sp, #44
    stm     r12, {r0-r3}
1:  add     r12, sp, #44
    ldm     r12, {r0-r2}
    bl      4f
    ldrd    r5, r4, [sp, #104]          @ filter_len, filters
    cmp     r4, #1
    beq     2f
    ldr     r0, [sp, #44]
    ldr     r2, [sp, #52]
    add     r0, r0, r5
    str     r0, [sp, #44]
    add     r2, #4
    bl      4f
2:  ldrd    r0, r1, [sp, #52]
    add     r2, r1, #36 * 32
    str     r2, [sp, #40]
3:  ldm     r1, {r4-r11}
    stream_pair
    stream_pair
    ldr     r2, [sp, #40]
    stm     r1!, {r4-r11}
    cmp     r1, r2
    bne     3b
    str     r1, [sp, #56]
    ldrd    r5, r4, [sp, #104]
    ldr     r0, [sp, #44]
    add     r0, r0, r5
    str     r0, [sp, #44]
    subs    r4, #2
    str     r4, [sp, #108]
    bgt     1b
    add     sp, #68
    pop     {r4-r11, pc}
4:  str     lr, [sp, #40]
    add     r3, r2, #48
    str     r3, [sp, #60]
    filter_words
    stm     sp, {r4-r11, lr}
    filter_taps 0
5:  filter_pair 48, 24
    ldr     r3, [sp, #60]
    cmp     r2, r3
    it      eq
    ldreq   pc, [sp, #40]
    ldm     sp, {r4-r11, lr}
    filter_taps 8
    b       5b

@ transform_input(map, offsets, v, position_len, v_end, pair_len). The stack holds 6 columns of 6 values, the place of a pair, what
@ leads to the next one, the end, the offsets and the bytes of six positions.
    .macro  input_pair rotation
    ldr     r1, [sp, #156]
    str     r2, [sp, #144]
    add     r2, sp, #144
    mov     lr, sp
2:  ldm     r1!, {r4-r9}
    .irp    pixel, r4, r5, r6, r7, r8, r9
    ldr     \pixel, [r0, \pixel]
    .endr
    .irp    pixel, r4, r5, r6, r7, r8, r9
    input_pixel \pixel, \rotation
    .endr
    input_vector
    input_column
    stm     lr!, {r4-r9}
    cmp     lr, r2
    bne     2b
    ldr     r1, [sp, #160]
    ldr     r2, [sp, #144]
    add     lr, r2, r3
    add     lr, lr, r3, lsl #1
    .irp    row, 0, 4, 8, 12, 16, 20
    ldr     r4, [sp, #\row]
    ldr     r5, [sp, #\row + 24]
    ldr     r6, [sp, #\row + 48]
    ldr     r7, [sp, #\row + 72]
    ldr     r8, [sp, #\row + 96]
    ldr     r9, [sp, #\row + 120]
    input_vector
    .irp    value, r4, r5, r6, r7, r8, r9
    input_value \value
    .endr
    str     r4, [r2]
    str     r5, [r2, r3]
    str     r6, [r2, r3, lsl #1]
    str     r7, [lr]
    str     r8, [lr, r3]
    str     r9, [lr, r3, lsl #1]
    .if     \row < 20
    add     r2, r1
    add     lr, r1
    .endif
    .endr
    ldrd    r2, r4, [sp, #144]
    add     r2, r4
    .endm

    function shared_model_transform_input
    push    {r4-r11, lr}
    sub     sp, #164
    ldrd    r5, r4, [sp, #200]          @ v_end, pair_len
    strd    r4, r5, [sp, #148]
    add     r4, r3, r3, lsl #1
    lsl     r4, r4, #1
    strd    r1, r4, [sp, #156]
1:  input_pair 0
    input_pair 8
    ldr     r4, [sp, #152]
    add     r0, #4
    cmp     r2, r4
    bne     1b
    add     sp, #164
    pop     {r4-r11, pc}

@ transform_output(m, output, channel, row_step, tiles, tile_step, pixel_step) and its variant with a pool. The stack holds 6 columns of
@ 4 values, then row_step, the sign of the pool, m, output, channel and the channel's offset; and, of the caller, tiles, tile_step and
@ pixel_step. The first function is a part of these two, and uses their stack.
    .macro  output_vector six, free     @ m0 r4, m1 r8, m2 r9, m3 r6, m4 r5, m5 r7 become z0-z3 in r4-r7
    add     r8, r8, r9                  @ m1 + m2
    sub     r9, r8, r9, lsl #1          @ m1 - m2
    add     r6, r6, r5                  @ m3 + m4
    sub     r5, r6, r5, lsl #1          @ m3 - m4
    mla     r4, r4, \six, r6
    sub     r4, r4, r8, lsl #2          @ 6 m0 - 4 (m1 + m2) + (m3 + m4)
    rsb     \free, r9, r5, lsl #1
    mla     r7, r7, \six, \free         @ 2 (m3 - m4) - (m1 - m2) + 6 m5
    sub     r5, r5, r9, lsl #1          @ (m3 - m4) - 2 (m1 - m2)
    sub     r6, r6, r8                  @ (m3 + m4) - (m1 + m2)
    .endm

    function shared_model_output_columns
    mov     r10, sp
    add     r11, sp, #96
    mov     r12, #6
1:  .irp    column, 0, 1, 2
    ldr     r4, [r0, #32 * \column]
    ldr     r8, [r0, #32 * (6 + \column)]
    ldr     r9, [r0, #32 * (12 + \column)]
    ldr     r6, [r0, #32 * (18 + \column)]
    ldr     r5, [r0, #32 * (24 + \column)]
    ldr     r7, [r0, #32 * (30 + \column)]
    output_vector r12, r3
    stm     r10!, {r4-r7}
    .endr
    add     r0, #96
    cmp     r10, r11
    bne     1b
    bx      lr

    .macro  output_prologue
    push    {r4-r11, lr}
    sub     sp, #124
    ldrd    r4, r5, [r2]                @ offset
    str     r3, [sp, #96]
    str     r2, [sp, #112]
    strd    r4, r5, [sp, #116]
1:  strd    r0, r1, [sp, #104]
    bl      shared_model_output_columns
    ldr     r4, [r2, #24]               @ sign
    str     r4, [sp, #100]
    ldrd    r3, r12, [r2, #16]          @ multiplier, ReLU's mask
    ldr     lr, [sp, #168]              @ pixel_step
    ldrd    r0, r2, [r2, #8]            @ inverse, bias
    mov     r10, #6
    .endm

    .macro  output_epilogue             @ to the next tile
    ldrd    r3, r4, [sp, #160]          @ tiles, tile_step
    ldrd    r0, r1, [sp, #104]
    ldr     r2, [sp, #112]
    subs    r3, #1
    str     r3, [sp, #160]
    add     r0, r0, #4
    add     r1, r1, r4
    bne     1b
    add     sp, #124
    pop     {r4-r11, pc}
    .endm

    .macro  output_row row
    ldr     r4, [sp, #4 * \row]
    ldr     r8, [sp, #4 * \row + 16]
    ldr     r9, [sp, #4 * \row + 32]
    ldr     r6, [sp, #4 * \row + 48]
    ldr     r5, [sp, #4 * \row + 64]
    ldr     r7, [sp, #4 * \row + 80]
    output_vector r10, r11
    mul     r4, r4, r0
    mul     r5, r5, r0
    mul     r6, r6, r0
    mul     r7, r7, r0
    .endm

    .macro  activation x, shift         @ in r9; r8 is overwritten
    add     \x, r2, \x, asr #\shift
    and     r8, r12, \x, asr #31
    bic     \x, \x, r8
    ldrd    r8, r9, [sp, #116]
    smlal   r8, r9, \x, r3
    ssat    r9, #8, r9
    .endm

    .macro  activation_row row, shift
    output_row \row
    activation r4, (\shift + 3)
    strb    r9, [r1]
    activation r5, (\shift + 2)
    strb    r9, [r1, lr]
    activation r6, (\shift + 1)
    add     r1, lr
    strb    r9, [r1, lr]
    activation r7, (\shift + 1)
    strb    r9, [r1, lr, lsl #1]
    ldr     r8, [sp, #96]
    add     r1, r8
    .endm

    function shared_model_transform_output
    output_prologue
    activation_row 0, 3
    activation_row 1, 2
    activation_row 2, 1
    activation_row 3, 1
    output_epilogue

    .macro  pooled_pair row             @ the larger of columns 0 and 1 in r4, of 2 and 3 in r6
    output_row \row
    cmp     r4, r5, lsl #1
    it      lt
    lsllt   r4, r5, #1
    cmp     r6, r7
    it      lt
    movlt   r6, r7
    .endm

    .macro  pooled_finish shift
    ldr     r5, [sp, #100]
    mul     r4, r4, r5
    mul     r6, r6, r5
    activation r4, (\shift + 3)
    strb    r9, [r1]
    activation r6, (\shift + 1)
    strb    r9, [r1, lr]
    ldr     r8, [sp, #96]
    add     r1, r8
    .endm

    function shared_model_transform_pooled_output
    output_prologue
    pooled_pair 0
    str     r4, [sp]
    str     r6, [sp, #16]
    pooled_pair 1
    ldr     r5, [sp]
    ldr     r7, [sp, #16]
    lsl     r4, r4, #1
    lsl     r6, r6, #1
    cmp     r4, r5
    it      lt
    movlt   r4, r5
    cmp     r6, r7
    it      lt
    movlt   r6, r7
    pooled_finish 3
    pooled_pair 2
    str     r4, [sp, #8]
    str     r6, [sp, #24]
    pooled_pair 3
    ldr     r5, [sp, #8]
    ldr     r7, [sp, #24]
    cmp     r4, r5
    it      lt
    movlt   r4, r5
    cmp     r6, r7
    it      lt
    movlt   r6, r7
    pooled_finish 1
    output_epilogue

    .macro  requantize_channel channel
    ldr     r4, [r0, #4 * \channel]
    ldr     r5, [r0, #4 * \channel + 16]
    ldr     r6, [r2, #4 * \channel]
    ldrd    r7, r8, [r3, #8 * \channel]
    itt     ne
    usatne  r4, #31, r4
    usatne  r5, #31, r5
    mov     r9, r7
    mov     r10, r8
    smlal   r9, r10, r4, r6
    smlal   r7, r8, r5, r6
    ssat    r10, #8, r10
    ssat    r8, #8, r8
    strb    r8, [r1, r12]
    strb    r10, [r1], #1
    .endm

@ requantize_pairs(accumulators, output, multipliers, offsets, accumulators_end, channels, relu)
    function shared_model_requantize_pairs
    push    {r4-r11, lr}
    ldr     lr, [sp, #36]
    ldr     r12, [sp, #40]
    ldr     r11, [sp, #44]
1:  cmp     r11, #0
    requantize_channel 0
    requantize_channel 1
    requantize_channel 2
    requantize_channel 3
    add     r0, #32
    add     r2, #16
    add     r3, #32
    cmp     r0, lr
    bne     1b
    pop     {r4-r11, pc}

@ spread(quads, tiles, quads_end): each four words twice; of four of them at a time, then of what is left.
    .macro  spread_two
    ldm     r0!, {r3-r10}
    stm     r1!, {r3-r6}
    stm     r1!, {r3-r6}
    stm     r1!, {r7-r10}
    stm     r1!, {r7-r10}
    .endm

    function shared_model_spread
    push    {r4-r10, lr}
    sub     r12, r2, #64
    b       2f
1:  spread_two
    spread_two
2:  cmp     r0, r12
    bls     1b
    b       4f
3:  ldm     r0!, {r3-r6}
    stm     r1!, {r3-r6}
    stm     r1!, {r3-r6}
4:  cmp     r0, r2
    bne     3b
    pop     {r4-r10, pc}

@ copy(to, from, len)
    function shared_model_copy
    subs    r2, #4
    blo     2f
1:  ldr     r3, [r1], #4
    subs    r2, #4
    str     r3, [r0], #4
    bhs     1b
2:  adds    r2, #4
    beq     4f
3:  ldrb    r3, [r1], #1
    subs    r2, #1
    strb    r3, [r0], #1
    bne     3b
4:  bx      lr
