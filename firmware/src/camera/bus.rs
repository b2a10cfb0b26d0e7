//! An I²C bus whose data line a device does not let go.

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{InputPin, OutputPin};

/// Half a clock at 100 kHz.
const HALF_CLOCK_US: u32 = 5;
/// A device that was interrupted in the middle of a byte has at most eight bits to send, and one clock is for the acknowledgement that
/// it does not get.
const CLOCKS: usize = 9;

/// Clocks a bus until its data line is free, and ends with a stop: a processor that was reset, or a clock that was lost, in the middle of
/// a read leaves a device that waits for its next clock (NXP's UM10204, *I²C-bus specification and user manual*, 3.1.16: bus clear).
///
/// Both lines are open-drain outputs that are low when set low and otherwise let go. Says whether the data line is free at the end.
///
/// # Errors
///
/// What a pin gives.
pub fn free_bus<E>(
    clock: &mut impl OutputPin<Error = E>,
    data: &mut (impl InputPin<Error = E> + OutputPin<Error = E>),
    delay: &mut impl DelayNs,
) -> Result<bool, E> {
    data.set_high()?;
    for _ in 0..CLOCKS {
        clock.set_low()?;
        delay.delay_us(HALF_CLOCK_US);
        clock.set_high()?;
        delay.delay_us(HALF_CLOCK_US);
        if data.is_high()? {
            break;
        }
    }
    clock.set_low()?;
    data.set_low()?;
    delay.delay_us(HALF_CLOCK_US);
    clock.set_high()?;
    delay.delay_us(HALF_CLOCK_US);
    data.set_high()?;
    delay.delay_us(HALF_CLOCK_US);
    data.is_high()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use core::cell::RefCell;
    use core::convert::Infallible;
    use embedded_hal::digital::ErrorType;
    use std::vec;

    /// A bus with a device that holds the data line low for some clocks more.
    struct Wires {
        is_clock_high: bool,
        is_data_released: bool,
        held_for: usize,
        clocks: usize,
        stops: usize,
    }

    struct Clock<'w>(&'w RefCell<Wires>);
    struct Data<'w>(&'w RefCell<Wires>);

    impl ErrorType for Clock<'_> {
        type Error = Infallible;
    }

    impl ErrorType for Data<'_> {
        type Error = Infallible;
    }

    impl OutputPin for Clock<'_> {
        fn set_low(&mut self) -> Result<(), Infallible> {
            let mut wires = self.0.borrow_mut();
            // The device puts its next bit on the line while the clock is low.
            wires.held_for -= usize::from(wires.is_clock_high && wires.held_for > 0);
            wires.clocks += usize::from(wires.is_clock_high);
            wires.is_clock_high = false;
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Infallible> {
            self.0.borrow_mut().is_clock_high = true;
            Ok(())
        }
    }

    impl OutputPin for Data<'_> {
        fn set_low(&mut self) -> Result<(), Infallible> {
            self.0.borrow_mut().is_data_released = false;
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Infallible> {
            let mut wires = self.0.borrow_mut();
            let rises = !wires.is_data_released && wires.held_for == 0;
            wires.stops += usize::from(rises && wires.is_clock_high);
            wires.is_data_released = true;
            Ok(())
        }
    }

    impl InputPin for Data<'_> {
        fn is_high(&mut self) -> Result<bool, Infallible> {
            let wires = self.0.borrow();
            Ok(wires.is_data_released && wires.held_for == 0)
        }

        fn is_low(&mut self) -> Result<bool, Infallible> {
            self.is_high().map(|is_high| !is_high)
        }
    }

    struct NoWait;

    impl DelayNs for NoWait {
        fn delay_ns(&mut self, _nanoseconds: u32) {}
    }

    #[test]
    fn a_device_in_the_middle_of_a_byte_lets_go_and_sees_a_stop() {
        // In front of any of its bits; one that never lets go.
        let cases = (0..=9).map(|clocks| (clocks, true)).chain(vec![(usize::MAX, false)]);
        for (held_for, is_freed) in cases {
            let wires = Wires { is_clock_high: true, is_data_released: true, held_for, clocks: 0, stops: 0 };
            let wires = RefCell::new(wires);
            let found = free_bus(&mut Clock(&wires), &mut Data(&wires), &mut NoWait);
            assert_eq!(found, Ok(is_freed), "{held_for}");
            assert_eq!(wires.borrow().stops, usize::from(is_freed), "{held_for}");
            // Of those, one is the stop's.
            assert_eq!(wires.borrow().clocks, 1 + held_for.clamp(1, 9), "{held_for}");
            assert!(wires.borrow().is_clock_high && wires.borrow().is_data_released, "{held_for}");
        }
    }
}
