//! A bound for every wait.

use crate::fault::{Fault, Wait};
use core::pin::pin;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;

/// Gives `operation` as many milliseconds as `limit_ms`, and drops it then.
///
/// An operation that is complete when it is looked at is in time, even if the processor was busy elsewhere until later than that.
///
/// # Errors
///
/// [`Fault::Timeout`] with `wait`, or the operation's own fault.
pub async fn timeout<T>(
    delay: &mut impl DelayNs,
    limit_ms: u32,
    wait: Wait,
    operation: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match select(pin!(operation), pin!(delay.delay_ms(limit_ms))).await {
        Either::First(result) => result,
        Either::Second(()) => Err(Fault::Timeout(wait)),
    }
}
