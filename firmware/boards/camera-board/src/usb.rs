//! The serial port over USB, on an executor of its own.

use crate::Port;
use core::convert::Infallible;
#[cfg(target_arch = "arm")]
use cortex_m::interrupt::InterruptNumber;
#[cfg(target_arch = "arm")]
use embassy_executor::{InterruptExecutor, SpawnError, SpawnToken};
use embassy_usb::driver::Driver;
use embedded_io_async::{Read, Write};
use static_cell::StaticCell;
use usb_serial::{Buffers, UsbSerial};

pub use usb_serial::{Confirmed, PACKET_LEN};

/// Runs the port in an interrupt that only software raises, above the thread that classifies; the board's handler of that interrupt calls it.
#[cfg(target_arch = "arm")]
pub static EXECUTOR: InterruptExecutor = InterruptExecutor::new();
pub(crate) static SERIAL: UsbSerial = UsbSerial::new();

/// Starts the board's task, which calls [`serve`], in `interrupt`; call it once. The interrupt's priority is below that of all others,
/// which are short.
///
/// # Panics
///
/// The second time.
#[cfg(target_arch = "arm")]
pub fn start<S: Send>(interrupt: impl InterruptNumber, task: Result<SpawnToken<S>, SpawnError>) {
    EXECUTOR.start(interrupt).spawn(task.expect("the task starts once"));
}

/// Runs the board's USB device for ever; the host shows `product`.
///
/// # Panics
///
/// The second time.
pub async fn serve(driver: impl Driver<'static>, product: &'static str, port: Port) -> ! {
    static BUFFERS: StaticCell<Buffers<'static>> = StaticCell::new();

    SERIAL.serve(driver, product, port.end(), BUFFERS.init(Buffers::new())).await
}

/// Runs the port for ever over a controller that is a serial port by itself: see [`UsbSerial::serve_fixed`].
pub async fn serve_fixed(reader: impl Read<Error = Infallible>, writer: impl Write<Error = Infallible>) -> ! {
    SERIAL.serve_fixed(reader, writer).await
}
