#![no_std]
//! The blob format, the integer arithmetic and the forward pass: no_std, no alloc.
