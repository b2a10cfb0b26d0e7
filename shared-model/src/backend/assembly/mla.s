@ Without Arm's DSP extension (Armv7-M): products of one pair of int16 at a time.
@
@ A word that holds two int16 lanes is added and subtracted as one integer. The lower lane of a filter is proved not to borrow
@ (NUMERICS.md); that of an input may, and what it took is given back at the end.

    .macro  products_channel u_step, v_step
    ldrsh   r12, [r0, #4]
    ldrsh   lr, [r0], #\u_step
    ldrsh   r2, [r1, #4]
    ldrsh   r3, [r1, #8]
    mla     r5, r2, lr, r5
    mla     r9, r2, r12, r9
    mla     r6, r3, lr, r6
    mla     r10, r3, r12, r10
    ldrsh   r2, [r1, #12]
    ldrsh   r3, [r1], #\v_step
    mla     r7, r2, lr, r7
    mla     r11, r2, r12, r11
    mla     r4, r3, lr, r4
    mla     r8, r3, r12, r8
    .endm

    .macro  products_pair               @ to the upper lanes, then to the next pair
    products_channel 2, 2
    products_channel 6, 14
    .endm

    .equ    products_pair_len, 112

    .macro  stream_channel lane
    ldrsh   r12, [r0, #\lane]
    ldrsh   lr, [r0, #\lane + 4]
    ldrsh   r2, [r0, #\lane + 8]
    ldrsh   r3, [r0, #\lane + 12]
    mla     r4, r2, r12, r4
    mla     r8, r2, lr, r8
    mla     r5, r3, r12, r5
    mla     r9, r3, lr, r9
    ldrsh   r2, [r0, #\lane + 16]
    ldrsh   r3, [r0, #\lane + 20]
    mla     r6, r2, r12, r6
    mla     r10, r2, lr, r10
    mla     r7, r3, r12, r7
    mla     r11, r3, lr, r11
    .endm

    .macro  stream_pair
    stream_channel 0
    stream_channel 2
    add     r0, #24
    .endm

    .macro  row_products_lane filter_step, window_step
    ldrsh   r10, [r0, #8]
    ldrsh   r9, [r0, #4]
    ldrsh   r8, [r0], #\filter_step
    ldrsh   r11, [r1, #20]
    ldrsh   r12, [r1, #16]
    ldrsh   lr, [r1, #12]
    mla     r7, r10, r11, r7
    mla     r7, r9, r12, r7
    mla     r6, r10, r12, r6
    mla     r7, r8, lr, r7
    mla     r6, r9, lr, r6
    mla     r5, r10, lr, r5
    ldrsh   r11, [r1, #8]
    ldrsh   r12, [r1, #4]
    ldrsh   lr, [r1], #\window_step
    mla     r6, r8, r11, r6
    mla     r5, r9, r11, r5
    mla     r4, r10, r11, r4
    mla     r5, r8, r12, r5
    mla     r4, r9, r12, r4
    mla     r4, r8, lr, r4
    .endm

    .macro  row_products_pair
    row_products_lane 2, 2
    row_products_lane 10, 22
    .endm

    .equ    filter_offset, 1143 - 128

    .macro  filter_tap tap, offset, rotation
    input_pixel \tap, \rotation
    add     \tap, \tap, \offset
    .endm

    .macro  input_pixel pixel, rotation @ plus 128
    eor     \pixel, \pixel, #0x80808080
    .if     \rotation
    lsr     \pixel, \pixel, #\rotation
    .endif
    and     \pixel, \pixel, #0x00FF00FF
    .endm

    .macro  input_vector                @ r4-r9 in place; r10-r12 are overwritten
    sub     r10, r8, r6, lsl #2         @ d4 - 4 d2
    sub     r11, r7, r5, lsl #2         @ d3 - 4 d1
    sub     r12, r8, r6                 @ d4 - d2
    sub     r4, r4, r6
    add     r4, r12, r4, lsl #2         @ 4 d0 - 5 d2 + d4
    sub     r9, r9, r7
    sub     r7, r7, r5                  @ d3 - d1
    sub     r9, r9, r7, lsl #2          @ 4 d1 - 5 d3 + d5
    add     r5, r10, r11                @ d4 - 4 d2 + (d3 - 4 d1)
    sub     r6, r10, r11                @ d4 - 4 d2 - (d3 - 4 d1)
    sub     r8, r12, r7, lsl #1         @ d4 - d2 - 2 (d3 - d1)
    add     r7, r12, r7, lsl #1         @ d4 - d2 + 2 (d3 - d1)
    .endm

    .macro  input_column                @ takes away what is left of the 128: the second row of B sums to -6, all others to zero
    add     r5, r5, #0x03000300
    .endm

    .macro  input_value value
    and     r10, \value, #0x8000
    add     \value, \value, r10, lsl #1
    .endm
