//! Faults at chosen transactions.

use core::cell::Cell;

/// A fault, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection<K> {
    /// What goes wrong.
    pub fault: K,
    /// The first transaction at which it does, counted from 0 since the model was made.
    pub first: u32,
    /// The number of transactions that it lasts.
    pub count: u32,
}

/// Counts transactions and says which of them fail, and how.
pub struct Injector<K> {
    injection: Cell<Option<Injection<K>>>,
    transactions: Cell<u32>,
}

impl<K: Copy> Injector<K> {
    pub(crate) const fn new() -> Self {
        Self { injection: Cell::new(None), transactions: Cell::new(0) }
    }

    /// Replaces what was injected before.
    pub fn inject(&self, injection: Injection<K>) {
        self.injection.set(Some(injection));
    }

    /// Transactions so far.
    pub const fn transactions(&self) -> u32 {
        self.transactions.get()
    }

    /// Whether no later transaction fails.
    pub fn is_over(&self) -> bool {
        let injection = self.injection.get();
        injection.is_none_or(|Injection { first, count, .. }| self.transactions() >= first.saturating_add(count))
    }

    /// Begins a transaction, and gives its fault.
    pub(crate) fn begin(&self) -> Option<K> {
        let index = self.transactions();
        self.transactions.set(index + 1);
        let Injection { fault, first, count } = self.injection.get()?;
        let failing = first..first.saturating_add(count);
        failing.contains(&index).then_some(fault)
    }
}
