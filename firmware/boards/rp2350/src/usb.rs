//! The USB device controller, on an executor of its own.

#![expect(unsafe_code, reason = "an executor trusts that it is called from its interrupt")]

use camera_board::UsbSerial;
use embassy_executor::InterruptExecutor;
use embassy_rp::interrupt;
use embassy_rp::interrupt::{InterruptExt, Priority};
use embassy_rp::peripherals::USB;
use embassy_rp::usb::{Driver, InterruptHandler};
use embassy_rp::{Peri, bind_interrupts};

bind_interrupts!(struct Interrupts {
    USBCTRL_IRQ => InterruptHandler<USB>;
});

/// Runs in an interrupt that software raises, above the thread that classifies.
static EXECUTOR: InterruptExecutor = InterruptExecutor::new();

#[interrupt]
unsafe fn SWI_IRQ_0() {
    // SAFETY: this is the handler of the interrupt that `start` gives to the executor.
    unsafe { EXECUTOR.on_interrupt() }
}

/// Starts `serial` on the board's USB socket; call it once.
pub fn start(peripheral: Peri<'static, USB>, serial: &'static UsbSerial) {
    // Below all other interrupts, which are short.
    interrupt::SWI_IRQ_0.set_priority(Priority::P3);
    let spawner = EXECUTOR.start(interrupt::SWI_IRQ_0);
    spawner.spawn(serve(peripheral, serial).expect("the task starts once"));
}

#[embassy_executor::task]
async fn serve(peripheral: Peri<'static, USB>, serial: &'static UsbSerial) {
    serial.serve(Driver::new(peripheral, Interrupts), "Image classifier (RP2350)").await
}
