//! Faults at chosen transactions.

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
#[derive(Debug)]
pub struct Injector<K> {
    injection: Option<Injection<K>>,
    transactions: u32,
}

impl<K: Copy> Injector<K> {
    pub(crate) const fn new() -> Self {
        Self {
            injection: None,
            transactions: 0,
        }
    }

    /// Replaces what was injected before.
    pub const fn inject(&mut self, injection: Injection<K>) {
        self.injection = Some(injection);
    }

    /// Transactions so far.
    pub const fn transactions(&self) -> u32 {
        self.transactions
    }

    /// Whether no later transaction fails.
    pub fn is_over(&self) -> bool {
        self.injection.is_none_or(|injection| {
            self.transactions >= injection.first.saturating_add(injection.count)
        })
    }

    /// Begins a transaction, and gives its fault.
    pub(crate) fn begin(&mut self) -> Option<K> {
        let index = self.transactions;
        self.transactions += 1;
        let Injection {
            fault,
            first,
            count,
        } = self.injection?;
        (first..first.saturating_add(count))
            .contains(&index)
            .then_some(fault)
    }
}
