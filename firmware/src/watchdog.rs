//! The watchdog.

/// A timer that resets the chip unless it is fed in time.
///
/// The pipeline feeds it after each completed frame and nothing else does, so that a program that runs but gives no results is
/// reset too. It should take several of the camera's longest back-offs
/// ([`Policy::backoff_limit_ms`](crate::camera::Policy)), or a camera that is being plugged in again never gets the time; and the starts
/// that it takes to believe a dark scene ([`Policy::doubtful_starts`](crate::camera::Policy)), each with twice the quiet of the one before.
pub trait Watchdog {
    /// Starts the time anew.
    fn feed(&mut self);
}

/// No watchdog.
impl Watchdog for () {
    fn feed(&mut self) {}
}

/// One that is started later.
impl<W: Watchdog> Watchdog for Option<W> {
    fn feed(&mut self) {
        if let Some(watchdog) = self {
            watchdog.feed();
        }
    }
}
