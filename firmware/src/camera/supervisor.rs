//! Keeps a camera running: looks at its frames, counts faults, and decides what to do about each.

use super::{Frame, FrameSource};
use crate::fault::{Fault, FaultCounters};
use crc::{CRC_32_ISO_HDLC, Crc};
use embedded_hal_async::delay::DelayNs;
use serde::{Deserialize, Serialize};

static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What to do about faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failures in a row after which a camera is no longer just asked for another frame, if the faults are
    /// [transient](Fault::is_transient), but initialized anew.
    pub retries: u8,
    /// The second initialization in a row waits for so long, each further one twice as long as the one before; the first
    /// does not wait.
    pub backoff_first_ms: u32,
    /// The longest wait.
    pub backoff_limit_ms: u32,
    /// Whether a frame equal to the one before is [`Fault::Frozen`]. False for test patterns, which stand still.
    pub expect_motion: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 1,
            backoff_first_ms: 50,
            backoff_limit_ms: 1_000,
            expect_motion: true,
        }
    }
}

impl Policy {
    fn backoff_after(&self, backoff_ms: u32) -> u32 {
        let doubled = backoff_ms.saturating_mul(2);
        doubled
            .max(self.backoff_first_ms)
            .min(self.backoff_limit_ms)
    }
}

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Remedy {
    /// The camera is asked for another frame.
    Retry,
    /// The camera is initialized anew.
    Initialize {
        /// But not before so many milliseconds have passed.
        after_ms: u32,
    },
}

/// A camera with a [`Policy`].
pub struct Supervisor<S, D> {
    source: S,
    delay: D,
    policy: Policy,
    counters: FaultCounters,
    /// What comes before the next frame.
    remedy: Remedy,
    /// Failures since the last good frame.
    failures: u8,
    /// The wait before the next initialization.
    backoff_ms: u32,
    last_crc32: Option<u32>,
}

impl<S: FrameSource, D: DelayNs> Supervisor<S, D> {
    /// A camera that is not initialized yet.
    pub const fn new(source: S, delay: D, policy: Policy) -> Self {
        Self {
            source,
            delay,
            policy,
            counters: FaultCounters::new(),
            remedy: Remedy::Initialize { after_ms: 0 },
            failures: 0,
            backoff_ms: 0,
            last_crc32: None,
        }
    }

    /// The camera.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Faults since boot.
    pub const fn counters(&self) -> &FaultCounters {
        &self.counters
    }

    /// Takes one frame, after what the last fault asks for; ends in bounded time. Without a good one, `frame` is empty.
    ///
    /// # Errors
    ///
    /// The fault, which is counted, and what the next attempt begins with.
    pub async fn attempt(&mut self, frame: &mut Frame<'_>) -> Result<(), (Fault, Remedy)> {
        match self.take(frame).await {
            Ok(()) => {
                self.failures = 0;
                self.backoff_ms = 0;
                Ok(())
            }
            Err(fault) => {
                frame.clear();
                self.counters.count(fault.kind());
                self.remedy = self.remedy_for(fault);
                Err((fault, self.remedy))
            }
        }
    }

    async fn take(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        if let Remedy::Initialize { after_ms } = self.remedy {
            self.delay.delay_ms(after_ms).await;
            self.source.initialize().await?;
            self.remedy = Remedy::Retry;
        }
        self.source.capture(frame).await?;
        self.inspect(frame)
    }

    /// A camera that is not configured stays so until [`FrameSource::initialize`] succeeds.
    fn remedy_for(&mut self, fault: Fault) -> Remedy {
        self.failures = self.failures.saturating_add(1);
        let is_configured = self.remedy == Remedy::Retry;
        if is_configured && fault.is_transient() && self.failures <= self.policy.retries {
            return Remedy::Retry;
        }
        let after_ms = self.backoff_ms;
        self.backoff_ms = self.policy.backoff_after(after_ms);
        Remedy::Initialize { after_ms }
    }

    fn inspect(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        if frame.is_blank() {
            return Err(Fault::Blank);
        }
        let crc32 = CRC32.checksum(frame.bytes());
        let is_repeated = self.last_crc32.replace(crc32) == Some(crc32);
        if is_repeated && self.policy.expect_motion {
            return Err(Fault::Frozen);
        }
        Ok(())
    }
}
