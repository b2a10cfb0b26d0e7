//! The USB device controller, on an executor of its own.

#![expect(unsafe_code, reason = "an executor trusts that it is called from its interrupt")]

use camera_board::{PACKET_LEN, UsbSerial};
use embassy_executor::InterruptExecutor;
use embassy_stm32::interrupt;
use embassy_stm32::interrupt::{InterruptExt, Priority};
use embassy_stm32::peripherals::{PA11, PA12, USB_OTG_FS};
use embassy_stm32::usb::{Config, Driver, InterruptHandler};
use embassy_stm32::{Peri, bind_interrupts};
use static_cell::ConstStaticCell;

bind_interrupts!(struct Interrupts {
    OTG_FS => InterruptHandler<USB_OTG_FS>;
});

/// Runs in an interrupt that software raises, above the thread that classifies. The chip has none of its own for that: UART4 is
/// not used.
static EXECUTOR: InterruptExecutor = InterruptExecutor::new();

#[interrupt]
unsafe fn UART4() {
    // SAFETY: this is the handler of the interrupt that `start` gives to the executor.
    unsafe { EXECUTOR.on_interrupt() }
}

/// Starts `serial` on the board's USB socket, with D+ and D-; call it once.
pub fn start(
    peripheral: Peri<'static, USB_OTG_FS>,
    positive: Peri<'static, PA12>,
    negative: Peri<'static, PA11>,
    serial: &'static UsbSerial,
) {
    // Below all other interrupts, which are short.
    interrupt::UART4.set_priority(Priority::P15);
    let spawner = EXECUTOR.start(interrupt::UART4);
    spawner.spawn(serve(peripheral, positive, negative, serial).expect("the task starts once"));
}

#[embassy_executor::task]
async fn serve(
    peripheral: Peri<'static, USB_OTG_FS>,
    positive: Peri<'static, PA12>,
    negative: Peri<'static, PA11>,
    serial: &'static UsbSerial,
) {
    // Of all endpoints that receive: control, and the bulk endpoint of the port.
    static RECEIVED: ConstStaticCell<[u8; 2 * PACKET_LEN]> = ConstStaticCell::new([0; 2 * PACKET_LEN]);

    let mut config = Config::default();
    // The board has no pin that sees the bus voltage; without it there is no power either.
    config.vbus_detection = false;
    let driver = Driver::new_fs(peripheral, Interrupts, positive, negative, RECEIVED.take(), config);
    serial.serve(driver, "Image classifier (STM32H743)").await
}
