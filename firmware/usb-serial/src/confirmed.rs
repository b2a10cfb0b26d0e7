//! A suspend that is over by the time it is told.

use embassy_usb::driver::{Bus, Driver, EndpointAddress, EndpointAllocError, EndpointType, Event, Unsupported};

/// A driver whose word is not enough that the bus is suspended: the controller is asked whether it still is.
///
/// A controller that is looked at late has both latched, the suspend of a bus without a host and the reset by one that came. Told in this
/// order, reset and suspend, embassy-usb waits for a resume that never comes, and the host gets no answer. embassy-usb-synopsys-otg 0.3.3
/// tells it so (embassy's pull requests 6684 and 6687 are later than its last release, 0.4.0, which embassy-stm32 0.6 does not take). Linux asks
/// the same register (`dwc2_handle_usb_suspend_intr`).
pub struct Confirmed<T, F> {
    inner: T,
    is_suspended: F,
}

impl<T, F: Fn() -> bool> Confirmed<T, F> {
    /// `driver`, and the controller's answer.
    pub const fn new(driver: T, is_suspended: F) -> Self {
        Self { inner: driver, is_suspended }
    }
}

impl<'d, D: Driver<'d>, F: Fn() -> bool + 'd> Driver<'d> for Confirmed<D, F> {
    type EndpointOut = D::EndpointOut;
    type EndpointIn = D::EndpointIn;
    type ControlPipe = D::ControlPipe;
    type Bus = Confirmed<D::Bus, F>;

    fn alloc_endpoint_out(
        &mut self,
        kind: EndpointType,
        address: Option<EndpointAddress>,
        packet_len: u16,
        interval_ms: u8,
    ) -> Result<D::EndpointOut, EndpointAllocError> {
        self.inner.alloc_endpoint_out(kind, address, packet_len, interval_ms)
    }

    fn alloc_endpoint_in(
        &mut self,
        kind: EndpointType,
        address: Option<EndpointAddress>,
        packet_len: u16,
        interval_ms: u8,
    ) -> Result<D::EndpointIn, EndpointAllocError> {
        self.inner.alloc_endpoint_in(kind, address, packet_len, interval_ms)
    }

    fn start(self, control_packet_len: u16) -> (Self::Bus, D::ControlPipe) {
        let (bus, control) = self.inner.start(control_packet_len);
        (Confirmed { inner: bus, is_suspended: self.is_suspended }, control)
    }
}

impl<B: Bus, F: Fn() -> bool> Bus for Confirmed<B, F> {
    async fn poll(&mut self) -> Event {
        loop {
            match self.inner.poll().await {
                Event::Suspend if !(self.is_suspended)() => {}
                event => return event,
            }
        }
    }

    async fn enable(&mut self) {
        self.inner.enable().await;
    }

    async fn disable(&mut self) {
        self.inner.disable().await;
    }

    fn endpoint_set_enabled(&mut self, address: EndpointAddress, is_enabled: bool) {
        self.inner.endpoint_set_enabled(address, is_enabled);
    }

    fn endpoint_set_stalled(&mut self, address: EndpointAddress, is_stalled: bool) {
        self.inner.endpoint_set_stalled(address, is_stalled);
    }

    fn endpoint_is_stalled(&mut self, address: EndpointAddress) -> bool {
        self.inner.endpoint_is_stalled(address)
    }

    fn force_reset(&mut self) -> Result<(), Unsupported> {
        self.inner.force_reset()
    }

    async fn remote_wakeup(&mut self) -> Result<(), Unsupported> {
        self.inner.remote_wakeup().await
    }
}
