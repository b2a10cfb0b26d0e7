//! What can go wrong between a camera and its picture, and what the protocol calls it.

use embedded_hal::i2c;
use heapless::String;
use protocol::{Deed, FAULT_TEXT_LEN, FaultClass, FaultCounters, FaultReport, Finding, Problem, Recovery, cut_off};
use thiserror::Error;

/// Why there is no usable frame. Each message says what is wrong and where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Nothing acknowledges the camera's address, or a byte was refused.
    #[error("the camera does not acknowledge on its I2C bus; check wiring, pull-ups and power")]
    Nack,
    /// The bus failed in another way: lost arbitration, a short to another line, a DMA error.
    #[error("the camera's bus failed; check wiring and clock rate")]
    Bus,
    /// Something did not happen in time.
    #[error("timeout: {0}")]
    Timeout(Wait),
    /// Another product answers than the driver is made for.
    #[error("the camera says that it is product {found:#06x}, which is not the {expected:#06x} of this driver")]
    WrongProduct {
        /// The driver's; where it knows several, the first.
        expected: u16,
        /// What was read.
        found: u16,
    },
    /// A register did not hold what was written to it, each time that the camera was configured; the camera is used as it is.
    #[error("register {address:#04x} holds {found:#04x} in place of {written:#04x}; does the supply break down?")]
    RegisterLost {
        /// The register's address in its bank.
        address: u8,
        /// What the driver wrote.
        written: u8,
        /// What was read later.
        found: u8,
    },
    /// The camera says that it has a picture, but its memory stays empty; or it never says so.
    #[error("the camera's picture memory does not fill")]
    StuckFifo,
    /// A frame has another number of bytes than its format takes.
    #[error("a frame of {found} bytes came in place of {expected}")]
    WrongLength {
        /// Bytes of the format.
        expected: u32,
        /// Bytes that came; of an endless frame, as many as were counted.
        found: u32,
    },
    /// A frame went on behind its last byte.
    #[error("a frame of more than {expected} bytes came; its size is set otherwise in the camera")]
    TooLong {
        /// Bytes of the format.
        expected: u32,
    },
    /// No frame began on the parallel port.
    #[error("no VSYNC comes on the parallel port; check VSYNC, PIXCLK and the camera's clock")]
    NoVsync,
    /// A frame began on the parallel port, and nothing came.
    #[error("VSYNC comes on the parallel port, but no data; check HREF and PIXCLK")]
    NoPixels,
    /// Pixels came faster than they were taken.
    #[error("pixels were lost after {found} of {expected} bytes; lower the pixel clock or give DMA a higher priority")]
    Overrun {
        /// Bytes that came before.
        found: u32,
        /// Bytes of the format.
        expected: u32,
    },
    /// All pixels are the same, which light and noise hardly ever give.
    #[error("the frame is blank; does the sensor see light and get its clock?")]
    Blank,
    /// The frame before or the one before that again, bit for bit, which noise hardly ever gives.
    #[error("the picture is frozen")]
    Frozen,
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Wait {
    /// The end of one transaction on the bus.
    #[error("a transaction on the camera's bus does not end")]
    Transaction,
    /// The camera's controller, busy with a command.
    #[error("the camera stays busy")]
    Idle,
    /// A whole frame on the parallel port.
    #[error("no frame comes on the parallel port")]
    Frame,
}

impl Fault {
    /// What the protocol calls it. A code is never given to another fault; a new camera's faults get new ones.
    pub const fn class_and_code(&self) -> (FaultClass, u16) {
        match self {
            Self::Nack => (FaultClass::Bus, 1),
            Self::Bus => (FaultClass::Bus, 2),
            Self::Timeout(Wait::Transaction) => (FaultClass::Timeout, 10),
            Self::Timeout(Wait::Idle) => (FaultClass::Timeout, 11),
            Self::Timeout(Wait::Frame) => (FaultClass::Timeout, 12),
            Self::NoVsync => (FaultClass::Timeout, 14),
            Self::NoPixels => (FaultClass::Timeout, 15),
            Self::StuckFifo => (FaultClass::Timeout, 13),
            Self::WrongProduct { .. } => (FaultClass::WrongDevice, 20),
            Self::RegisterLost { .. } => (FaultClass::Configuration, 30),
            Self::WrongLength { .. } => (FaultClass::Data, 40),
            Self::Overrun { .. } => (FaultClass::Data, 41),
            Self::TooLong { .. } => (FaultClass::Data, 42),
            Self::Blank => (FaultClass::Picture, 50),
            Self::Frozen => (FaultClass::Picture, 51),
        }
    }

    /// The fault as it is reported: in which attempt, what is done about it, and all faults since boot.
    pub fn report(&self, counter: u32, recovery: Recovery, faults: FaultCounters) -> FaultReport {
        let (class, code) = self.class_and_code();
        FaultReport { counter, class, code, text: FaultReport::text_of(self), recovery, faults }
    }

    /// Says how a deed ended that took so long, and why it failed if it did.
    pub async fn tell(outcome: Result<(), Self>, deed: Deed, time: u64, tell: &mut impl AsyncFnMut(Finding<'_>)) {
        let text: String<FAULT_TEXT_LEN>;
        let problem = match &outcome {
            Ok(()) => None,
            Err(fault) => {
                text = cut_off(fault);
                let (class, code) = fault.class_and_code();
                Some(Problem { class, code, text: &text })
            }
        };
        tell(Finding::Done { deed, time, problem }).await;
    }

    /// Whether only a camera that is still configured has this fault, so that another frame is worth a try before a reset.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Nack | Self::Bus | Self::Overrun { .. } | Self::Blank | Self::Frozen => true,
            Self::Timeout(_)
            | Self::NoVsync
            | Self::NoPixels
            | Self::TooLong { .. }
            | Self::WrongProduct { .. }
            | Self::RegisterLost { .. }
            | Self::StuckFifo
            | Self::WrongLength { .. } => false,
        }
    }

    /// The fault behind an error of an I²C bus.
    pub fn from_i2c(error: &impl i2c::Error) -> Self {
        match error.kind() {
            i2c::ErrorKind::NoAcknowledge(_) => Self::Nack,
            _ => Self::Bus,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::BTreeSet;
    use std::string::ToString;

    #[test]
    fn every_fault_has_its_own_code_and_its_whole_text_is_reported() {
        let faults = [
            Fault::Nack,
            Fault::Bus,
            Fault::Timeout(Wait::Transaction),
            Fault::Timeout(Wait::Idle),
            Fault::Timeout(Wait::Frame),
            Fault::WrongProduct { expected: u16::MAX, found: u16::MAX },
            Fault::RegisterLost { address: u8::MAX, written: u8::MAX, found: u8::MAX },
            Fault::StuckFifo,
            Fault::WrongLength { expected: u32::MAX, found: u32::MAX },
            Fault::Overrun { found: u32::MAX, expected: u32::MAX },
            Fault::TooLong { expected: u32::MAX },
            Fault::NoVsync,
            Fault::NoPixels,
            Fault::Blank,
            Fault::Frozen,
        ];
        let mut codes = BTreeSet::new();
        for fault in faults {
            let report = fault.report(7, Recovery::Retry, FaultCounters::new());
            assert_eq!(report.text, fault.to_string().as_str());
            assert!(codes.insert(report.code), "{fault:?}");
        }
    }
}
