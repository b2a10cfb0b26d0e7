//! The two frames in AXI SRAM, and the caches.
//!
//! Why the processor sees what DMA wrote: the frames are the only memory that both use (memory.x), and the memory protection
//! unit makes their region normal memory that is not cached. So no line of the data cache ever holds a part of a frame, neither
//! an old one that would be read instead of the new pixels nor a dirty one whose eviction would overwrite them. A frame is read
//! once or twice a picture, so that the cache is no loss; all else (flash with weights and code) is cached.

#![expect(
    unsafe_code,
    reason = "memory for DMA has a place that the linker knows, and registers of the processor have no safe interface"
)]

use core::sync::atomic::{AtomicBool, Ordering};
use core::{mem::MaybeUninit, ptr};
use cortex_m::Peripherals;
use cortex_m::asm::{dsb, isb};
use cortex_m::peripheral::MPU;
use firmware::camera::ov2640;

const FRAME_LEN: usize = ov2640::FORMAT.len();

/// DMA writes words.
#[repr(align(4))]
struct Frame([u8; FRAME_LEN]);

// SAFETY: memory.x places the section in RAM that nothing else uses. Nothing initializes it before `take`.
#[unsafe(link_section = ".frames")]
static mut FRAMES: MaybeUninit<[Frame; 2]> = MaybeUninit::uninit();

unsafe extern "C" {
    // By memory.x: the region of the frames.
    static _frames_start: u8;
    static _frames_end: u8;
}

/// Keeps the frames out of the cache, switches the caches on, and gives the frames; call it once.
///
/// # Panics
///
/// The second time.
pub fn take(core: &mut Peripherals) -> [&'static mut [u8]; 2] {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    defmt::assert!(!TAKEN.swap(true, Ordering::Relaxed));
    bypass_cache(&mut core.MPU);
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
    let frames = &raw mut FRAMES;
    // SAFETY: nobody else has a reference, since this is the only place that makes one and it is passed once; all bytes zero
    // are two frames.
    let [one, other] = unsafe {
        ptr::write_bytes(frames, 0, 1);
        (*frames).assume_init_mut()
    };
    [&mut one.0, &mut other.0]
}

/// Makes the region of the frames normal memory that is not cached (Armv7-M Architecture Reference Manual, section B3.5).
fn bypass_cache(mpu: &mut MPU) {
    const PRIVILEGED_DEFAULT: u32 = 1 << 2;
    const ENABLE: u32 = 1;
    const EXECUTE_NEVER: u32 = 1 << 28;
    const READ_WRITE: u32 = 0b011 << 24;
    // TEX = 1, C = 0, B = 0.
    const NORMAL_NOT_CACHED: u32 = 0b001 << 19;
    let start = (&raw const _frames_start).addr();
    let len = (&raw const _frames_end).addr() - start;
    // The region has 2^(SIZE + 1) bytes.
    let size = (len.ilog2() - 1) << 1;
    dsb();
    // SAFETY: the region is of RAM that only the frames use, its length is a power of two and its start a multiple of it
    // (memory.x); all other memory keeps its default attributes.
    unsafe {
        mpu.rnr.write(0);
        mpu.rbar.write(start as u32);
        mpu.rasr.write(EXECUTE_NEVER | READ_WRITE | NORMAL_NOT_CACHED | size | ENABLE);
        mpu.ctrl.write(PRIVILEGED_DEFAULT | ENABLE);
    }
    dsb();
    isb();
}
