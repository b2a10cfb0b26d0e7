//! The USB device controller.

#![expect(unsafe_code, reason = "an executor trusts that it is called from its interrupt")]

use crate::SETTINGS;
use camera_board::usb::{self, Confirmed, PACKET_LEN};
use embassy_stm32::interrupt;
use embassy_stm32::interrupt::{InterruptExt, Priority};
use embassy_stm32::peripherals::{PA11, PA12, USB_OTG_FS};
use embassy_stm32::usb::{Config, Driver, InterruptHandler};
use embassy_stm32::{Peri, bind_interrupts, pac};
use static_cell::ConstStaticCell;

bind_interrupts!(struct Interrupts {
    OTG_FS => InterruptHandler<USB_OTG_FS>;
});

/// The chip has no interrupt that is only software's: UART4 is not used.
#[interrupt]
unsafe fn UART4() {
    // SAFETY: this is the handler of the interrupt that `start` names.
    unsafe { usb::EXECUTOR.on_interrupt() }
}

/// Starts the serial port on the board's USB socket, with D+ and D-; call it once.
pub fn start(peripheral: Peri<'static, USB_OTG_FS>, positive: Peri<'static, PA12>, negative: Peri<'static, PA11>) {
    interrupt::UART4.set_priority(Priority::P15);
    usb::start(interrupt::UART4, serve(peripheral, positive, negative));
}

#[embassy_executor::task]
async fn serve(peripheral: Peri<'static, USB_OTG_FS>, positive: Peri<'static, PA12>, negative: Peri<'static, PA11>) {
    // Of all endpoints that receive: control, and the bulk endpoint of the port.
    static RECEIVED: ConstStaticCell<[u8; 2 * PACKET_LEN]> = ConstStaticCell::new([0; 2 * PACKET_LEN]);

    let mut config = Config::default();
    // The board has no pin that sees the bus voltage.
    config.vbus_detection = false;
    let driver = Driver::new_fs(peripheral, Interrupts, positive, negative, RECEIVED.take(), config);
    let driver = Confirmed::new(driver, || pac::USB_OTG_FS.dsts().read().suspsts());
    usb::serve(driver, "Image classifier (STM32H743)", SETTINGS.port).await
}
