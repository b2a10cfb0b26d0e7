//! The serial port: UART0 of the MPS2, a CMSDK APB UART.
//!
//! Registers: Arm's Cortex-M System Design Kit, technical reference manual (DDI 0479), APB UART. Addresses: the memory maps
//! of Arm's application notes AN386, AN500 and AN505.

#![expect(unsafe_code, reason = "the registers of a peripheral have fixed addresses")]

use core::convert::Infallible;
use core::ptr::{read_volatile, write_volatile};

use embassy_futures::yield_now;
use embedded_io_async::{ErrorType, Write};
use firmware::report::Command;
use protocol::{Decoder, END, Received, Request, UpdateRequest};
use qemu_mps2::clock;

/// On the AN505 the alias that secure code uses.
const BASE: usize = if cfg!(armv8m) { 0x5020_0000 } else { 0x4000_4000 };

/// Offsets of the registers.
#[derive(Clone, Copy)]
enum Register {
    Data = 0x00,
    State = 0x04,
    Control = 0x08,
    BaudDivider = 0x10,
}

const TRANSMIT_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;
const TRANSMIT_ENABLE: u32 = 1 << 0;
const RECEIVE_ENABLE: u32 = 1 << 1;
/// The least that the UART takes. An emulated line has no rate.
const BAUD_DIVIDER: u32 = 16;

/// Between two bytes of a request; more than the emulator needs to bring the next one.
const REQUEST_GAP: u64 = 200_000;

/// Switches the UART on.
pub fn open() -> (Transmitter, Receiver) {
    write(Register::BaudDivider, BAUD_DIVIDER);
    write(Register::Control, TRANSMIT_ENABLE | RECEIVE_ENABLE);
    let receiver = Receiver { decoder: Decoder::new(), is_within_frame: false, command: None, update: None };
    (Transmitter(()), receiver)
}

/// The direction to the host.
pub struct Transmitter(());

impl ErrorType for Transmitter {
    type Error = Infallible;
}

impl Write for Transmitter {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            self.flush().await?;
            write(Register::Data, u32::from(*byte));
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        while read(Register::State) & TRANSMIT_FULL != 0 {
            yield_now().await;
        }
        Ok(())
    }
}

/// The direction from the host.
pub struct Receiver {
    decoder: Decoder,
    is_within_frame: bool,
    command: Option<Command>,
    update: Option<UpdateRequest>,
}

impl Receiver {
    /// The next command that the host has sent; what comes of one later is kept for the next call.
    pub fn command(&mut self) -> Option<Command> {
        self.receive();
        self.command.take()
    }

    /// What the host has asked about models.
    pub fn update_request(&mut self) -> Option<UpdateRequest> {
        self.receive();
        self.update.take()
    }

    /// Takes what has come, until there is one of either.
    fn receive(&mut self) {
        let mut last = clock::instructions();
        while self.command.is_none() && self.update.is_none() {
            if read(Register::State) & RECEIVE_FULL != 0 {
                let byte = read(Register::Data) as u8;
                self.is_within_frame = byte != END;
                last = clock::instructions();
                let Some(received) = self.decoder.push::<Request<'_>>(byte) else {
                    continue;
                };
                if let Received::Message(request) = &received {
                    self.update = UpdateRequest::new(request);
                }
                if self.update.is_none() {
                    self.command = Some(received.into());
                }
            } else if !self.is_within_frame || clock::instructions() - last > REQUEST_GAP {
                // The UART keeps one byte, so that a frame is waited for, but not for ever.
                return;
            }
        }
    }
}

fn read(register: Register) -> u32 {
    // SAFETY: this is a register of the UART, which is always there; reading one changes no memory.
    unsafe { read_volatile((BASE + register as usize) as *const u32) }
}

fn write(register: Register, value: u32) {
    // SAFETY: this is a register of the UART, which is always there and does no DMA.
    unsafe { write_volatile((BASE + register as usize) as *mut u32, value) }
}
