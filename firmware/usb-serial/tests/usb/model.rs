//! A USB device controller, the cable, a host, and the time in which they live.
//!
//! The controller is modelled as embassy's drivers show it: one packet in each direction of an endpoint, which waits there until the host takes
//! it, whoever has the port open by then; and a bus without a host is a suspended one, since the boards do not see its voltage.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embassy_usb::driver::{
    Bus, ControlPipe, Driver, Endpoint, EndpointAddress, EndpointAllocError, EndpointError, EndpointIn, EndpointInfo,
    EndpointOut, EndpointType, Event, Unsupported,
};
use embedded_hal_async::delay::DelayNs;

/// Simulated time, which passes when nothing else happens.
#[derive(Default)]
pub struct Time {
    nanoseconds: Cell<u64>,
    deadlines: RefCell<BTreeSet<u64>>,
    activity: Arc<Activity>,
}

/// That something has happened which others may wait for.
#[derive(Default)]
struct Activity(AtomicBool);

impl Wake for Activity {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Time {
    pub fn milliseconds(&self) -> u64 {
        self.nanoseconds.get() / 1_000_000
    }

    fn tell(&self) {
        self.activity.0.store(true, Ordering::Relaxed);
    }

    /// Runs `future` to its end.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let waker = Waker::from(self.activity.clone());
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            if !self.activity.0.swap(false, Ordering::Relaxed) {
                let next = self.deadlines.borrow_mut().pop_first();
                self.nanoseconds.set(next.expect("nothing happens any more"));
            }
        }
    }
}

pub struct Delay<'t>(pub &'t Time);

impl DelayNs for Delay<'_> {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        let deadline = self.0.nanoseconds.get() + u64::from(nanoseconds);
        self.0.deadlines.borrow_mut().insert(deadline);
        poll_fn(|_| if self.0.nanoseconds.get() >= deadline { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// What a controller does in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// embassy-usb-synopsys-otg: an endpoint that is switched off takes no packets, and a reset empties all.
    Synopsys,
    /// embassy-rp: an endpoint takes its packet even so, and is emptied when it is switched on.
    Rp2350,
}

/// What host and device see of each other.
pub struct Cable {
    time: &'static Time,
    kind: Kind,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    is_suspended: bool,
    setup: Option<[u8; 8]>,
    control_out: VecDeque<u8>,
    control_in: Vec<u8>,
    /// Whether the request was accepted.
    status: Option<bool>,
    /// By address.
    endpoints: BTreeMap<u8, Slot>,
}

#[derive(Default)]
struct Slot {
    is_enabled: bool,
    packet: Option<Vec<u8>>,
}

impl Cable {
    /// A controller without a host.
    pub fn new(time: &'static Time, kind: Kind) -> Rc<Self> {
        let state =
            State { events: [Event::PowerDetected, Event::Suspend].into(), is_suspended: true, ..State::default() };
        Rc::new(Self { time, kind, state: RefCell::new(state) })
    }

    pub fn is_suspended(&self) -> bool {
        self.state.borrow().is_suspended
    }

    /// Waits until `change` has something to give.
    async fn when<T>(&self, mut change: impl FnMut(&mut State) -> Option<T>) -> T {
        poll_fn(|_| match change(&mut self.state.borrow_mut()) {
            Some(output) => {
                self.time.tell();
                Poll::Ready(output)
            }
            None => Poll::Pending,
        })
        .await
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.borrow_mut());
        self.time.tell();
    }
}

/// The device's end.
pub struct Controller(pub Rc<Cable>);

pub struct Port {
    cable: Rc<Cable>,
    info: EndpointInfo,
}

impl Controller {
    fn port(&self, ep_type: EndpointType, max_packet_size: u16, interval_ms: u8, direction: u8) -> Port {
        let address = direction | (self.0.state.borrow().endpoints.len() as u8 + 1);
        self.0.state.borrow_mut().endpoints.insert(address, Slot::default());
        let info = EndpointInfo { addr: address.into(), ep_type, max_packet_size, interval_ms };
        Port { cable: self.0.clone(), info }
    }
}

impl Driver<'static> for Controller {
    type EndpointOut = Port;
    type EndpointIn = Port;
    type ControlPipe = Self;
    type Bus = Self;

    fn alloc_endpoint_out(
        &mut self,
        kind: EndpointType,
        _address: Option<EndpointAddress>,
        packet_len: u16,
        interval_ms: u8,
    ) -> Result<Port, EndpointAllocError> {
        Ok(self.port(kind, packet_len, interval_ms, 0))
    }

    fn alloc_endpoint_in(
        &mut self,
        kind: EndpointType,
        _address: Option<EndpointAddress>,
        packet_len: u16,
        interval_ms: u8,
    ) -> Result<Port, EndpointAllocError> {
        Ok(self.port(kind, packet_len, interval_ms, 0x80))
    }

    fn start(self, _control_packet_len: u16) -> (Self, Self) {
        (Self(self.0.clone()), self)
    }
}

impl Bus for Controller {
    async fn enable(&mut self) {}

    async fn disable(&mut self) {}

    async fn poll(&mut self) -> Event {
        self.0
            .when(|state| {
                let event = state.events.pop_front()?;
                if event == Event::Reset {
                    for slot in state.endpoints.values_mut() {
                        slot.is_enabled = false;
                    }
                    if self.0.kind == Kind::Synopsys {
                        state.endpoints.values_mut().for_each(|slot| slot.packet = None);
                    }
                }
                Some(event)
            })
            .await
    }

    fn endpoint_set_enabled(&mut self, address: EndpointAddress, is_enabled: bool) {
        self.0.change(|state| {
            state.endpoints.insert(address.into(), Slot { is_enabled, packet: None });
        });
    }

    fn endpoint_set_stalled(&mut self, _address: EndpointAddress, _is_stalled: bool) {}

    fn endpoint_is_stalled(&mut self, _address: EndpointAddress) -> bool {
        false
    }

    async fn remote_wakeup(&mut self) -> Result<(), Unsupported> {
        Err(Unsupported)
    }
}

impl ControlPipe for Controller {
    fn max_packet_size(&self) -> usize {
        64
    }

    async fn setup(&mut self) -> [u8; 8] {
        self.0.when(|state| state.setup.take()).await
    }

    async fn data_out(&mut self, bytes: &mut [u8], _first: bool, _last: bool) -> Result<usize, EndpointError> {
        let state = &mut self.0.state.borrow_mut();
        let len = bytes.len().min(state.control_out.len());
        bytes.iter_mut().zip(state.control_out.drain(..len)).for_each(|(byte, sent)| *byte = sent);
        Ok(len)
    }

    async fn data_in(&mut self, bytes: &[u8], _first: bool, last: bool) -> Result<(), EndpointError> {
        self.0.change(|state| {
            state.control_in.extend(bytes);
            state.status = last.then_some(true);
        });
        Ok(())
    }

    async fn accept(&mut self) {
        self.0.change(|state| state.status = Some(true));
    }

    async fn reject(&mut self) {
        self.0.change(|state| state.status = Some(false));
    }

    async fn accept_set_address(&mut self, _address: u8) {
        self.accept().await;
    }
}

impl Endpoint for Port {
    fn info(&self) -> &EndpointInfo {
        &self.info
    }

    async fn wait_enabled(&mut self) {
        let address = u8::from(self.info.addr);
        self.cable.when(|state| state.endpoints[&address].is_enabled.then_some(())).await;
    }
}

impl EndpointIn for Port {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), EndpointError> {
        let is_strict = self.cable.kind == Kind::Synopsys;
        let address = u8::from(self.info.addr);
        self.cable
            .when(|state| {
                let slot = state.endpoints.get_mut(&address)?;
                if is_strict && !slot.is_enabled {
                    return Some(Err(EndpointError::Disabled));
                }
                slot.packet.is_none().then(|| {
                    slot.packet = Some(bytes.to_vec());
                    Ok(())
                })
            })
            .await
    }
}

impl EndpointOut for Port {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, EndpointError> {
        let address = u8::from(self.info.addr);
        self.cable
            .when(|state| {
                let slot = state.endpoints.get_mut(&address)?;
                if !slot.is_enabled {
                    return Some(Err(EndpointError::Disabled));
                }
                let packet = slot.packet.take()?;
                bytes[..packet.len()].copy_from_slice(&packet);
                Some(Ok(packet.len()))
            })
            .await
    }
}

/// A computer at the other end, with the driver of a serial port.
pub struct Host {
    cable: Rc<Cable>,
    bulk_in: u8,
    bulk_out: u8,
}

/// The device has answered nothing for five seconds (USB 2.0, section 9.2.6.1).
#[derive(Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl Host {
    /// Plugs in, and does all that a host does until the port can be opened.
    pub async fn plug(cable: &Rc<Cable>) -> Result<Self, NoAnswer> {
        cable.change(|state| {
            state.is_suspended = false;
            state.events.push_back(Event::Reset);
        });
        Self::enumerate(cable).await
    }

    /// As the drivers of the Synopsys core tell it whose events are looked at late.
    pub async fn plug_while_the_device_is_busy(cable: &Rc<Cable>) -> Result<Self, NoAnswer> {
        cable.change(|state| {
            state.is_suspended = false;
            state.events.extend([Event::Reset, Event::Suspend]);
        });
        Self::enumerate(cable).await
    }

    async fn enumerate(cable: &Rc<Cable>) -> Result<Self, NoAnswer> {
        let mut host = Self { cable: cable.clone(), bulk_in: 0, bulk_out: 0 };
        let device = host.control([0x80, 6, 0, 1, 0, 0, 18, 0], &[]).await?;
        assert_eq!((device.len(), device[1]), (18, 1), "the device's descriptor");
        host.control([0, 5, 7, 0, 0, 0, 0, 0], &[]).await?;
        let configuration = host.control([0x80, 6, 0, 2, 0, 0, 255, 0], &[]).await?;
        assert_eq!(usize::from(configuration[2]), configuration.len());
        let mut rest = configuration.as_slice();
        while let Some(len) = rest.first().map(|len| usize::from(*len)) {
            let (descriptor, behind) = rest.split_at(len);
            rest = behind;
            match descriptor {
                [_, 5, address, 2, ..] if address & 0x80 != 0 => host.bulk_in = *address,
                [_, 5, address, 2, ..] => host.bulk_out = *address,
                _ => {}
            }
        }
        host.control([0, 9, 1, 0, 0, 0, 0, 0], &[]).await?;
        Ok(host)
    }

    /// A request that the device accepts, and what it gives.
    async fn control(&self, setup: [u8; 8], data: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        self.cable.change(|state| {
            state.setup = Some(setup);
            state.control_out = data.iter().copied().collect();
            state.control_in.clear();
            state.status = None;
        });
        let answer = self.within(5_000, |state| state.status.take().map(|status| (status, state.control_in.clone())));
        let (is_accepted, data) = answer.await.ok_or(NoAnswer)?;
        assert!(is_accepted, "{setup:?}");
        Ok(data)
    }

    async fn within<T>(&self, limit_ms: u32, change: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        use embassy_futures::select::{Either, select};
        match select(self.cable.when(change), Delay(self.cable.time).delay_ms(limit_ms)).await {
            Either::First(output) => Some(output),
            Either::Second(()) => None,
        }
    }

    /// Opens the port, as Linux and Windows do for a program.
    pub async fn open(&self) {
        let coding = [0, 0xC2, 1, 0, 0, 0, 8];
        self.control([0x21, 0x20, 0, 0, 0, 0, 7, 0], &coding).await.expect("the coding is taken");
        self.control([0x21, 0x22, 3, 0, 0, 0, 0, 0], &[]).await.expect("the lines are taken");
    }

    /// Closes it.
    pub async fn close(&self) {
        self.control([0x21, 0x22, 0, 0, 0, 0, 0, 0], &[]).await.expect("the lines are taken");
    }

    /// The next packet, if one comes in so many milliseconds.
    pub async fn read(&self, limit_ms: u32) -> Option<Vec<u8>> {
        let address = self.bulk_in;
        self.within(limit_ms, |state| {
            let slot = state.endpoints.get_mut(&address)?;
            if slot.is_enabled { slot.packet.take() } else { None }
        })
        .await
    }

    pub async fn write(&self, bytes: &[u8]) {
        let address = self.bulk_out;
        for packet in bytes.chunks(64) {
            self.cable
                .when(|state| {
                    let slot = state.endpoints.get_mut(&address)?;
                    slot.packet.is_none().then(|| slot.packet = Some(packet.to_vec()))
                })
                .await;
        }
    }

    pub fn suspend(&self) {
        self.cable.change(|state| {
            state.is_suspended = true;
            state.events.push_back(Event::Suspend);
        });
    }

    pub fn resume(&self) {
        self.cable.change(|state| {
            state.is_suspended = false;
            state.events.push_back(Event::Resume);
        });
    }

    /// Of which a device that does not see the bus's voltage sees that it falls silent.
    pub fn unplug(self) {
        self.suspend();
    }
}
