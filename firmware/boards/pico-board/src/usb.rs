//! The USB device controller.

#![expect(unsafe_code, reason = "an executor trusts that it is called from its interrupt")]

use camera_board::{Port, usb};
use embassy_rp::interrupt;
use embassy_rp::interrupt::{InterruptExt, Priority};
use embassy_rp::peripherals::USB;
use embassy_rp::usb::{Driver, InterruptHandler};
use embassy_rp::{Peri, bind_interrupts};

bind_interrupts!(struct Interrupts {
    USBCTRL_IRQ => InterruptHandler<USB>;
});

#[interrupt]
unsafe fn SWI_IRQ_0() {
    // SAFETY: this is the handler of the interrupt that `start` names.
    unsafe { usb::EXECUTOR.on_interrupt() }
}

/// Starts the serial port on the board's USB socket; call it once.
pub fn start(peripheral: Peri<'static, USB>, product: &'static str, port: Port) {
    interrupt::SWI_IRQ_0.set_priority(Priority::P3);
    usb::start(interrupt::SWI_IRQ_0, serve(peripheral, product, port));
}

#[embassy_executor::task]
async fn serve(peripheral: Peri<'static, USB>, product: &'static str, port: Port) {
    usb::serve(Driver::new(peripheral, Interrupts), product, port).await
}
