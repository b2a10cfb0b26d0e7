//! What a person sees while a network trains: a line an epoch, and in a terminal a bar that fills with the epoch's images.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::batch::EpochBatches;
use super::step::Statistics;
use crate::history::{Epoch, History};
use crate::recipe::Recipe;
use crate::say;

/// How often a plain line reports inside an epoch.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Whether Ctrl-C was pressed in the training (a program has one at a time), or the system asked to end it. Where this holds, either
/// ends the program at once: after a training, and the second time.
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, interrupted.clone())
            .and_then(|_| flag::register(signal, interrupted.clone()))
            .expect("every system has these signals");
    }
    interrupted
});

/// Shows a run's progress.
pub struct Progress {
    /// Hidden where there are lines in its place.
    bar: ProgressBar,
    epochs: usize,
    images_an_epoch: usize,
    begin: Instant,
    last_line: Instant,
    images: usize,
    images_left: usize,
}

impl Progress {
    /// A bar if standard output is a terminal, lines otherwise.
    pub fn automatic() -> Self {
        Self::new(ProgressDrawTarget::stdout())
    }

    /// Plain lines, also in a terminal.
    pub fn lines() -> Self {
        Self::new(ProgressDrawTarget::hidden())
    }

    fn new(target: ProgressDrawTarget) -> Self {
        let style = "{prefix} {wide_bar} {pos} of {len} images\n{msg}";
        let style = ProgressStyle::with_template(style).expect("the template is a constant");
        let now = Instant::now();
        Self {
            bar: ProgressBar::with_draw_target(None, target).with_style(style),
            epochs: 0,
            images_an_epoch: 0,
            begin: now,
            last_line: now,
            images: 0,
            images_left: 0,
        }
    }

    pub(super) fn start(&mut self, recipe: &Recipe, images: usize, epochs_done: usize) {
        let batch = recipe.batch_size.min(images);
        self.epochs = recipe.epochs;
        self.images_an_epoch = EpochBatches::count(images, batch) * batch;
        self.images_left = (recipe.epochs - epochs_done.min(recipe.epochs)) * self.images_an_epoch;
        self.begin = Instant::now();
        self.bar.set_length(self.images_an_epoch as u64);
        INTERRUPTED.store(false, Ordering::Relaxed);
    }

    pub(super) fn should_stop(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }

    pub(super) fn step_done(&mut self, epoch: usize, step: Statistics, images_in_epoch: usize) {
        self.images += step.images;
        self.images_left -= step.images.min(self.images_left);
        let (epochs, images) = (self.epochs, self.images_an_epoch);
        let figures = format!(
            "batch loss {:.3}, accuracy {:.1} %, {:.0} images/s, {} left",
            step.loss(),
            step.accuracy(),
            self.rate(),
            self.time_left()
        );
        if !self.bar.is_hidden() {
            self.bar.set_position(images_in_epoch as u64);
            self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
            self.bar.set_message(figures);
        } else if self.last_line.elapsed() > LINE_EVERY {
            self.last_line = Instant::now();
            say!("epoch {epoch}/{epochs}: {images_in_epoch} of {images} images, {figures}");
        }
    }

    pub(super) fn epoch_done(&mut self, history: &History) {
        if let Some(epoch) = history.epochs.last() {
            self.last_line = Instant::now();
            self.bar.suspend(|| say!("{}", self.epoch_line(epoch)));
        }
    }

    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
        INTERRUPTED.store(true, Ordering::Relaxed);
    }

    fn epoch_line(&self, epoch: &Epoch) -> String {
        let validation = epoch.validation.map_or(String::new(), |figures| {
            format!(" validation loss {:.4}, accuracy {:.2} %;", figures.loss, figures.accuracy)
        });
        format!(
            "epoch {}/{}: loss {:.4}, accuracy {:.2} %;{validation} {:.0} s, {} left",
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            epoch.train_accuracy,
            epoch.seconds,
            self.time_left()
        )
    }

    fn rate(&self) -> f64 {
        self.images as f64 / self.begin.elapsed().as_secs_f64()
    }

    fn time_left(&self) -> String {
        let seconds = (self.images_left as f64 / self.rate()) as u64;
        match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        }
    }
}
