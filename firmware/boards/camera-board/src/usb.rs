//! The serial protocol over USB, as a CDC-ACM device: a serial port for the host, without a driver.
//!
//! Over USB, since each board has a socket that powers it anyway, and only some debug probes have a serial port.

use embassy_futures::join::join3;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::pipe::Pipe;
use embassy_usb::class::cdc_acm::{CdcAcmClass, Receiver, Sender, State};
use embassy_usb::driver::Driver;
use embassy_usb::{Builder, Config};
use firmware::report::Command;
use protocol::{Decoder, FRAME_LEN, Request};
use static_cell::{ConstStaticCell, StaticCell};

/// The longest packet of a bulk endpoint at full speed (USB 2.0, section 5.8.3), in both directions.
pub const PACKET_LEN: usize = 64;
/// A test identifier of pid.codes, for devices that are not sold.
const VENDOR_ID: u16 = 0x1209;
const PRODUCT_ID: u16 = 0x0001;
/// Further commands of the host are dropped; the pipeline takes as many after each frame.
const COMMANDS: usize = 4;

/// The port: the pipeline's end on one executor, the device on another of higher priority, because a host expects answers within
/// 50 ms (USB 2.0, section 9.2.6.3) and an inference takes longer and yields to nothing.
pub struct UsbSerial {
    to_host: Pipe<CriticalSectionRawMutex, FRAME_LEN>,
    commands: Channel<CriticalSectionRawMutex, Command, COMMANDS>,
}

impl UsbSerial {
    /// Nothing sent or received yet.
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self { to_host: Pipe::new(), commands: Channel::new() }
    }

    /// Where messages are written; waits while the longest message is still under way.
    pub(crate) const fn writer(&self) -> &Pipe<CriticalSectionRawMutex, FRAME_LEN> {
        &self.to_host
    }

    /// The host's next command.
    pub(crate) fn command(&self) -> Option<Command> {
        self.commands.try_receive().ok()
    }

    /// Runs the USB device for ever, `product` is the name that the host shows; call it once.
    ///
    /// # Panics
    ///
    /// The second time.
    pub async fn serve(&self, driver: impl Driver<'static>, product: &'static str) -> ! {
        static CONFIGURATION: ConstStaticCell<[u8; 128]> = ConstStaticCell::new([0; 128]);
        static CAPABILITIES: ConstStaticCell<[u8; 16]> = ConstStaticCell::new([0; 16]);
        static CONTROL: ConstStaticCell<[u8; PACKET_LEN]> = ConstStaticCell::new([0; PACKET_LEN]);
        static STATE: StaticCell<State> = StaticCell::new();

        let mut config = Config::new(VENDOR_ID, PRODUCT_ID);
        config.product = Some(product);
        let mut builder =
            Builder::new(driver, config, CONFIGURATION.take(), CAPABILITIES.take(), &mut [], CONTROL.take());
        let class = CdcAcmClass::new(&mut builder, STATE.init(State::new()), PACKET_LEN as u16);
        let (sender, receiver) = class.split();
        let mut device = builder.build();
        join3(device.run(), self.send(sender), self.receive(receiver)).await.0
    }

    /// A packet that is not full ends the host's transfer, so that it need not wait for more.
    async fn send<'d>(&self, mut sender: Sender<'d, impl Driver<'d>>) -> ! {
        let mut packet = [0; PACKET_LEN - 1];
        loop {
            let len = self.to_host.read(&mut packet).await;
            // Without a program that has opened the port, and when it goes, the bytes are lost: it asks for what it needs.
            if sender.dtr() {
                let _ = sender.write_packet(&packet[..len]).await;
            }
        }
    }

    async fn receive<'d>(&self, mut receiver: Receiver<'d, impl Driver<'d>>) -> ! {
        let mut decoder = Decoder::new();
        let mut packet = [0; PACKET_LEN];
        loop {
            receiver.wait_connection().await;
            while let Ok(len) = receiver.read_packet(&mut packet).await {
                for byte in &packet[..len] {
                    if let Some(received) = decoder.push::<Request<'_>>(*byte) {
                        // A host that asks faster than frames come asks again.
                        let _ = self.commands.try_send(received.into());
                    }
                }
            }
        }
    }
}
