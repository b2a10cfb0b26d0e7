#![no_std]
#![deny(missing_docs)]
//! The serial protocol over USB, as a CDC-ACM device: a serial port for the host, without a driver.
//!
//! Over USB, since each board has a socket that powers it anyway, and only some debug probes have a serial port. The host may be missing,
//! come late, sleep, open the port and never read, or close it in the middle of a message: none of that holds the pipeline up for longer than
//! [`LIMIT_MS`] once, and whoever reads gets whole messages.

mod confirmed;

use core::convert::Infallible;
use core::mem::replace;
use core::sync::atomic::{AtomicBool, Ordering};
use embassy_futures::join::{join, join3};
use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::pipe::Pipe;
use embassy_usb::class::cdc_acm::{CdcAcmClass, ControlChanged, Receiver, Sender, State};
use embassy_usb::driver::Driver;
use embassy_usb::{Builder, Config};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use firmware::report::Command;
use protocol::{Decoder, FRAME_LEN, Received, Request, UpdateRequest};

pub use confirmed::Confirmed;

/// The longest packet of a bulk endpoint at full speed (USB 2.0, section 5.8.3), in both directions.
pub const PACKET_LEN: usize = 64;
/// A message that the port has not taken after so long is to be dropped. Those behind it then fail at once, until the host takes bytes again.
pub const LIMIT_MS: u32 = 100;
/// A test identifier of pid.codes, for devices that are not sold.
const VENDOR_ID: u16 = 0x1209;
const PRODUCT_ID: u16 = 0x0001;
/// Further commands of the host are dropped; the pipeline takes as many after each frame.
const COMMANDS: usize = 4;

/// The port: the pipeline's end on one executor, the device on another of higher priority, because a host expects answers within
/// 50 ms (USB 2.0, section 9.2.6.3) and an inference takes longer and yields to nothing.
///
/// A reference is where messages are written. A write waits while the longest message is still under way.
pub struct UsbSerial {
    to_host: Pipe<CriticalSectionRawMutex, FRAME_LEN>,
    commands: Channel<CriticalSectionRawMutex, Command, COMMANDS>,
    /// One, since a host waits for the answer.
    updates: Channel<CriticalSectionRawMutex, UpdateRequest, 1>,
    /// The last write is waiting, or was given up.
    is_stuck: AtomicBool,
}

/// Memory that the device needs.
pub struct Buffers<'d> {
    configuration: [u8; 128],
    capabilities: [u8; 16],
    control: [u8; PACKET_LEN],
    state: State<'d>,
}

impl Buffers<'_> {
    /// For one call of [`UsbSerial::serve`].
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self { configuration: [0; 128], capabilities: [0; 16], control: [0; PACKET_LEN], state: State::new() }
    }
}

impl UsbSerial {
    /// Nothing sent or received yet.
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self {
            to_host: Pipe::new(),
            commands: Channel::new(),
            updates: Channel::new(),
            is_stuck: AtomicBool::new(false),
        }
    }

    /// The host's next command.
    pub fn command(&self) -> Option<Command> {
        self.commands.try_receive().ok()
    }

    /// What the host asks about models, which is no command of the pipeline's.
    pub fn update_request(&self) -> Option<UpdateRequest> {
        self.updates.try_receive().ok()
    }

    /// Runs the USB device for ever. The host shows `product`; a message ends with the byte `end`, which is nowhere else in one.
    pub async fn serve<'d>(
        &self,
        driver: impl Driver<'d>,
        product: &'d str,
        end: u8,
        buffers: &'d mut Buffers<'d>,
    ) -> ! {
        let mut config = Config::new(VENDOR_ID, PRODUCT_ID);
        config.product = Some(product);
        let Buffers { configuration, capabilities, control, state } = buffers;
        let mut builder = Builder::new(driver, config, configuration, capabilities, &mut [], control);
        let class = CdcAcmClass::new(&mut builder, state, PACKET_LEN as u16);
        let (sender, receiver, control) = class.split_with_control();
        let mut device = builder.build();
        join3(device.run(), self.send(sender, control, end), self.receive(receiver)).await.0
    }

    /// Runs the port for ever over a controller that is a serial port by itself, such as an ESP32-C6's, and tells no program that has opened it from
    /// none.
    ///
    /// Without one, what was written first stays where it is, and further messages are dropped; one that opens the port gets the beginning of an old
    /// message, its end, and then whole messages.
    pub async fn serve_fixed(
        &self,
        mut reader: impl Read<Error = Infallible>,
        mut writer: impl Write<Error = Infallible>,
    ) -> ! {
        let send = async {
            let mut packet = [0; PACKET_LEN - 1];
            loop {
                let len = self.to_host.read(&mut packet).await;
                let Ok(()) = writer.write_all(&packet[..len]).await;
            }
        };
        let receive = async {
            let mut decoder = Decoder::new();
            let mut packet = [0; PACKET_LEN];
            loop {
                let Ok(len) = reader.read(&mut packet).await;
                self.accept(&mut decoder, &packet[..len]);
            }
        };
        join(send, receive).await.0
    }

    /// Without a program that has opened the port the bytes are lost: it asks for what it needs. One that opens it gets whole messages.
    async fn send<'d>(&self, mut sender: Sender<'d, impl Driver<'d>>, control: ControlChanged<'d>, end: u8) -> ! {
        // A packet that is not full ends the host's transfer, so that it need not wait for more.
        let mut packet = [0; PACKET_LEN - 1];
        // What was read last ended a message; so did what the host was given last; the host has been given the message from its start.
        let (mut is_between, mut is_whole, mut is_followed) = (true, true, false);
        loop {
            let len = self.to_host.read(&mut packet).await;
            // Of no more than one message, since the controller keeps a packet that the host has not read, for whoever opens the port next.
            for part in packet[..len].split_inclusive(|byte| *byte == end) {
                let begins = replace(&mut is_between, part.ends_with(&[end]));
                if !is_followed && begins {
                    is_followed = is_whole || write(&mut sender, &control, &[end]).await;
                }
                is_followed = is_followed && write(&mut sender, &control, part).await;
                if is_followed {
                    is_whole = is_between;
                }
            }
        }
    }

    async fn receive<'d>(&self, mut receiver: Receiver<'d, impl Driver<'d>>) -> ! {
        let mut decoder = Decoder::new();
        let mut packet = [0; PACKET_LEN];
        loop {
            receiver.wait_connection().await;
            while let Ok(len) = receiver.read_packet(&mut packet).await {
                self.accept(&mut decoder, &packet[..len]);
            }
        }
    }

    fn accept(&self, decoder: &mut Decoder, bytes: &[u8]) {
        for byte in bytes {
            let Some(received) = decoder.push::<Request<'_>>(*byte) else {
                continue;
            };
            let update = match &received {
                Received::Message(request) => UpdateRequest::new(request),
                Received::UnknownKind(_) | Received::OtherVersion(_) => None,
            };
            // A host that asks faster than frames come asks again.
            let _ = match update {
                Some(update) => self.updates.try_send(update).is_ok(),
                None => self.commands.try_send(received.into()).is_ok(),
            };
        }
    }
}

/// Gives the controller a packet, as soon as it has no other; `false` if the port is closed.
async fn write<'d>(sender: &mut Sender<'d, impl Driver<'d>>, control: &ControlChanged<'d>, packet: &[u8]) -> bool {
    while sender.dtr() {
        match select(sender.write_packet(packet), control.control_changed()).await {
            Either::First(result) => return result.is_ok(),
            Either::Second(()) => {}
        }
    }
    false
}

impl ErrorType for &UsbSerial {
    type Error = ErrorKind;
}

impl Write for &UsbSerial {
    /// Waits for a host that reads. If the last write was dropped while it waited, and the host has taken nothing since, fails at once.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let len = if self.is_stuck.load(Ordering::Relaxed) {
            self.to_host.try_write(bytes).map_err(|_| ErrorKind::TimedOut)?
        } else {
            self.is_stuck.store(true, Ordering::Relaxed);
            self.to_host.write(bytes).await
        };
        self.is_stuck.store(false, Ordering::Relaxed);
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
