//! What an inference takes in arenas of many sizes.

use std::thread;

use qemu_runner::Error;
use qemu_runner::qemu::Machine;
use serde_json::Value;

use crate::Subject;

/// Bytes of the arenas: from about the least to more than any board of this repository gives.
const ARENAS: [usize; 11] = [16_384, 20_480, 24_576, 28_672, 30_720, 32_768, 36_864, 45_056, 49_152, 65_536, 98_304];

/// The instructions of a core over the arena.
pub struct Sweep {
    /// The core, in lower case.
    pub core: &'static str,
    pub machine: Machine,
    /// Bytes that the interpreter is given, in rising order, and what an inference then takes; nothing if the network needs more.
    pub points: Vec<(usize, Option<Instructions>)>,
}

/// What an inference takes.
#[derive(Clone, Copy)]
pub struct Instructions {
    /// Counted in QEMU.
    pub executed: u64,
    /// By the plan, beforehand.
    pub estimated: u64,
}

impl Sweep {
    /// Measures every core in every arena, all cores at the same time.
    ///
    /// # Errors
    ///
    /// If a run fails.
    pub fn measure_all(subjects: &[Subject<'_>]) -> Result<Vec<Self>, Error> {
        thread::scope(|scope| {
            // An error has to be a text to pass from one thread to another.
            let measure = |subject| Self::measure(subject).map_err(|error| error.to_string());
            let threads: Vec<_> = subjects.iter().map(|subject| scope.spawn(move || measure(subject))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("no measurement panics");
            Ok(threads.into_iter().map(join).collect::<Result<_, String>>()?)
        })
    }

    fn measure(subject: &Subject<'_>) -> Result<Self, Error> {
        let point = |&arena_len| -> Result<_, Error> {
            let Some(plan) = subject.model.plan_on(subject.backend(), arena_len) else {
                return Ok((arena_len, None));
            };
            let executed = subject.run(arena_len, false)?.1.instructions;
            Ok((arena_len, Some(Instructions { executed, estimated: plan.instructions() })))
        };
        Ok(Self {
            core: subject.core,
            machine: subject.machine,
            points: ARENAS.iter().map(point).collect::<Result<_, _>>()?,
        })
    }

    /// An object from bytes of arena to executed instructions or null.
    pub fn to_json(&self) -> Value {
        let executed = |instructions: Instructions| instructions.executed;
        self.points.iter().map(|&(len, instructions)| (len.to_string(), instructions.map(executed))).collect()
    }
}
