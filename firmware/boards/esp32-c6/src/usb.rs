//! The chip's own serial port over USB.

use camera_board::usb;
use embassy_executor::SendSpawner;
use esp_hal::interrupt::Priority;
use esp_hal::peripherals::{FROM_CPU_INTR1, USB_DEVICE};
use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;
use esp_rtos::embassy::InterruptExecutor;
use static_cell::StaticCell;

/// Starts the serial port on the board's USB socket, above the thread that classifies; call it once.
///
/// # Panics
///
/// The second time.
pub fn start(peripheral: USB_DEVICE<'static>, interrupt: FROM_CPU_INTR1<'static>) {
    static EXECUTOR: StaticCell<InterruptExecutor<1>> = StaticCell::new();

    let executor = EXECUTOR.init(InterruptExecutor::new(interrupt));
    // The lowest, which the other interrupts, which are short, have as well.
    let spawner: SendSpawner = executor.start(Priority::Priority1);
    spawner.spawn(serve(peripheral).expect("the task starts once"));
}

#[embassy_executor::task]
async fn serve(peripheral: USB_DEVICE<'static>) {
    let (reader, writer) = UsbSerialJtag::new(peripheral).into_async().split();
    usb::serve_fixed(reader, writer).await
}
