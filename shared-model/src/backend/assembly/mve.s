@ With Helium, the vector extension of Armv8.1-M, integers only.
@
@ A product of two vectors of 16 int8 is summed up into a general register, which must be an even one: so odd ones are pointers. Q0-Q3
@ are free in a function, D8-D15 (Q4-Q7) are saved.

@ copy(to, from, len)
    function shared_model_vector_copy
    push    {r4, lr}
    wlstp.8 lr, r2, 2f
1:  vldrb.u8 q0, [r1], #16
    vstrb.u8 q0, [r0], #16
    letp    lr, 1b
2:  pop     {r4, pc}

@ gather_patches(lines, line, starts, row, patches)
    function shared_model_gather_patches
    push    {r4-r11, lr}
    ldr     r4, [sp, #36]
    mov     r12, #4
    sub     r1, r3                      @ from the end of a row to the next one
    mov     r6, #48
    udiv    r5, r3, r6
    mls     r6, r5, r6, r3
    cmp     r6, #0
    bne     5f
1:  ldr     r7, [r2], #4                @ a patch of whole blocks, three at a time
    mov     r6, r4
    add     r7, r0
    .rept   3
    dls     lr, r5
2:  vldrb.u8 q0, [r7], #16
    vldrb.u8 q1, [r7], #16
    vldrb.u8 q2, [r7], #16
    vstrb.u8 q0, [r6], #64
    vstrb.u8 q1, [r6], #64
    vstrb.u8 q2, [r6], #64
    le      lr, 2b
    add     r7, r1
    .endr
    add     r4, #16
    subs    r12, #1
    bne     1b
    pop     {r4-r11, pc}
5:  ldr     r7, [r2], #4                @ a patch of any rows: as much as fits the block, or is left of the row
    mov     r6, r4
    add     r7, r0
    mov     r8, #3
    mov     r5, #16                     @ what is free in the block
6:  mov     r10, r3
7:  cmp     r5, r10
    csel    r11, r5, r10, ls
    vctp.8  r11
    vpstt
    vldrbt.u8 q0, [r7]
    vstrbt.u8 q0, [r6]
    add     r7, r11
    add     r6, r11
    subs    r5, r11
    itt     eq
    moveq   r5, #16
    addeq   r6, #48
    subs    r10, r11
    bne     7b
    add     r7, r1
    subs    r8, #1
    bne     6b
    add     r4, #16
    subs    r12, #1
    bne     5b
    pop     {r4-r11, pc}

@ patch_products(patches, weights, taps, accumulators, accumulators_end): the even registers are sums, two times four; r1 and r3 are two
@ filters, r5 the patches.
    .macro  products_of_patch offset, a, b
    .if     \offset
    vldrb.u8 q2, [r5, #\offset - 64]
    .else
    vldrb.u8 q2, [r5], #64
    .endif
    vmladava.s8 \a, q0, q2
    vmladava.s8 \b, q1, q2
    .endm

    .macro  products_of_block
    products_of_patch 0, r0, r8
    products_of_patch 16, r2, r10
    products_of_patch 32, r4, r12
    products_of_patch 48, r6, lr
    .endm

    function shared_model_patch_products
    push    {r4-r11, lr}
    ldr     r12, [sp, #36]
    push    {r2, r12}
    mov     r9, r0
    mov     r11, r3
    add     r3, r1, r2
    mov     r7, r2
    mov     r5, #0
    mov     r6, #0
    .rept   4
    push    {r5, r6}
    .endr
    sub     r5, r2, #17
    cmp     r5, #16
    bhs     1f
    sub     r5, r2, #16                 @ two blocks, the last one perhaps in part
    vctp.8  r5
6:  mov     r5, r9
    ldm     sp, {r0, r2, r4, r6, r8, r10, r12, lr}
    vldrb.u8 q0, [r1]
    vldrb.u8 q1, [r3]
    products_of_block
    vpstt
    vldrbt.u8 q0, [r1, #16]
    vldrbt.u8 q1, [r3, #16]
    products_of_block
    stm     r11!, {r0, r2, r4, r6, r8, r10, r12, lr}
    add     r1, r3, r7
    ldr     r0, [sp, #36]
    add     r3, r1, r7
    cmp     r11, r0
    bne     6b
    b       7f
1:  mov     r5, r9
    ldm     sp, {r0, r2, r4, r6, r8, r10, r12, lr}
    subs    r7, #144
    blo     3f
2:  .rept   9
    vldrb.u8 q0, [r1], #16
    vldrb.u8 q1, [r3], #16
    products_of_block
    .endr
    subs    r7, #144
    bhs     2b
3:  adds    r7, #144
    beq     5f
4:  vctp.8  r7
    vpstt
    vldrbt.u8 q0, [r1], #16
    vldrbt.u8 q1, [r3], #16
    products_of_block
    subs    r7, #16
    bhi     4b
5:  stm     r11!, {r0, r2, r4, r6, r8, r10, r12, lr}
    add     r1, r3, r7                  @ where the second one ends, before what it was rounded up by
    ldrd    r7, r0, [sp, #32]
    add     r3, r1, r7
    cmp     r11, r0
    bne     1b
7:  add     sp, #40
    pop     {r4-r11, pc}

@ Multiplier Q5, offset Q6 (low) and Q7 (high): four channels of a pixel. R10 is the least accumulator, R11 one.
    .macro  requantize pixel, output
    vdup.32 q4, r10
    vmax.s32 \pixel, \pixel, q4
    vmul.i32 q4, \pixel, q5
    vmulh.s32 \pixel, \pixel, q5
    vadd.i32 q4, q4, q6
    vpt.u32 hi, q6, q4                  @ the low words' sum wrapped around
    vaddt.i32 \pixel, \pixel, r11
    vadd.i32 \pixel, \pixel, q7
    vqmovnb.s32 \pixel, \pixel
    vqmovnb.s16 \pixel, \pixel
    vstrb.32 \pixel, [\output], #4
    .endm

    .macro  begin_requantization        @ (accumulators, output, channels, quads)
    push    {r4-r11, lr}
    vpush   {d8-d15}
    ldm     r2, {r2, r8, r9, r10}       @ biases, multipliers, offsets, least accumulator
    dls     lr, r3
    mov     r11, #1
    .endm

    .macro  load_accumulators
    vld40.32 {q0, q1, q2, q3}, [r0]
    vld41.32 {q0, q1, q2, q3}, [r0]
    vld42.32 {q0, q1, q2, q3}, [r0]
    vld43.32 {q0, q1, q2, q3}, [r0]!
    .endm

    .macro  load_offsets
    vld20.32 {q6, q7}, [r9]
    vld21.32 {q6, q7}, [r9]!
    .endm

@ requantize_fours(accumulators, output, channels, quads): the rows of output are four pixels.
    function shared_model_requantize_fours
    begin_requantization
    add     r4, r1, r3, lsl #2
    add     r5, r4, r3, lsl #2
    add     r6, r5, r3, lsl #2
1:  load_accumulators
    vldrw.u32 q4, [r2], #16
    vadd.i32 q0, q0, q4
    vadd.i32 q1, q1, q4
    vadd.i32 q2, q2, q4
    vadd.i32 q3, q3, q4
    vldrw.u32 q5, [r8], #16
    load_offsets
    requantize q0, r1
    requantize q1, r4
    requantize q2, r5
    requantize q3, r6
    le      lr, 1b
    vpop    {d8-d15}
    pop     {r4-r11, pc}

@ requantize_pooled(accumulators, output, channels, quads)
    function shared_model_requantize_pooled
    begin_requantization
1:  load_accumulators
    vmax.s32 q4, q0, q1
    vmax.s32 q5, q2, q3
    vmin.s32 q0, q0, q1
    vmin.s32 q2, q2, q3
    vmax.s32 q4, q4, q5
    vmin.s32 q0, q0, q2
    vldrw.u32 q5, [r8], #16
    vcmp.s32 ge, q5, zr
    vpsel   q0, q4, q0
    vldrw.u32 q4, [r2], #16
    vadd.i32 q0, q0, q4
    load_offsets
    requantize q0, r1
    le      lr, 1b
    vpop    {d8-d15}
    pop     {r4-r11, pc}

@ dot_products(weights, stride, input, sums, input_end): four rows of weights.
    function shared_model_vector_dot_products
    push    {r3-r11, lr}
    ldr     r11, [sp, #40]
    sub     r11, r2
    mov     r3, r0
    mov     r9, r2
    add     r5, r3, r1
    add     r7, r5, r1
    add     r1, r7
    mov     r0, #0
    mov     r2, #0
    mov     r4, #0
    mov     r6, #0
    dlstp.8 lr, r11
1:  vldrb.u8 q0, [r9], #16
    vldrb.u8 q1, [r3], #16
    vmladava.s8 r0, q0, q1
    vldrb.u8 q2, [r5], #16
    vmladava.s8 r2, q0, q2
    vldrb.u8 q1, [r7], #16
    vmladava.s8 r4, q0, q1
    vldrb.u8 q2, [r1], #16
    vmladava.s8 r6, q0, q2
    letp    lr, 1b
    pop     {r1}
    stm     r1, {r0, r2, r4, r6}
    pop     {r4-r11, pc}
