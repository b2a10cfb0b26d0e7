//! What a person sees while a network trains: burn-train's terminal interface, or plain lines.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::train::Interrupter;
use burn::train::logger::TrainingProgressLogger;
use burn::train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};

use super::batch::EpochBatches;
use super::step::Statistics;
use crate::recipe::Recipe;
use crate::history::{Epoch, History, Validation};

/// How often a plain line reports inside an epoch.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows a run's progress.
pub struct Progress {
    view: View,
    epochs: usize,
    images_an_epoch: usize,
    begin: Instant,
    last_line: Instant,
    images: usize,
    images_left: usize,
}

enum View {
    Terminal {
        renderer: Box<TuiMetricsRendererWrapper>,
        interrupter: Interrupter,
    },
    Lines,
    Silent,
}

impl Progress {
    /// The terminal interface if standard output is a terminal, lines otherwise.
    pub fn automatic() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::new(View::Lines);
        }
        let interrupter = Interrupter::new();
        let mut renderer = Box::new(TuiMetricsRendererWrapper::new(interrupter.clone(), None));
        for (name, unit, higher_is_better) in METRICS {
            renderer.register_metric(MetricDefinition {
                metric_id: MetricId::new(Arc::new(name.to_owned())),
                name: Arc::new(name.to_owned()),
                description: None,
                attributes: NumericAttributes {
                    unit: unit.map(str::to_owned),
                    higher_is_better,
                }
                .into(),
            });
        }
        Self::new(View::Terminal {
            renderer,
            interrupter,
        })
    }

    /// Plain lines, also in a terminal.
    pub fn lines() -> Self {
        Self::new(View::Lines)
    }

    fn new(view: View) -> Self {
        let now = Instant::now();
        Self {
            view,
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
        if let View::Terminal { renderer, .. } = &mut self.view {
            renderer.start(recipe.epochs, epochs_done + 1, None, None);
        }
    }

    pub(super) fn should_stop(&self) -> bool {
        matches!(&self.view, View::Terminal { interrupter, .. } if interrupter.should_stop())
    }

    pub(super) fn step_done(&mut self, epoch: usize, step: Statistics, images_in_epoch: usize) {
        self.images += step.images;
        self.images_left -= step.images.min(self.images_left);
        match &mut self.view {
            View::Terminal { renderer, .. } => {
                if images_in_epoch == step.images {
                    renderer.start_split("train", self.images_an_epoch);
                }
                for (metric, value) in METRICS.iter().zip([step.loss(), step.accuracy()]) {
                    renderer.update_train(metric_state(metric, value));
                }
                renderer.update_split(images_in_epoch);
            }
            View::Lines if self.last_line.elapsed() > LINE_EVERY => {
                self.last_line = Instant::now();
                let total = self.images_an_epoch;
                let line = format!(
                    "epoch {epoch}/{}: {images_in_epoch} of {total} images, batch loss {:.3}, {:.0} images/s, {} left",
                    self.epochs,
                    step.loss(),
                    self.rate(),
                    self.time_left()
                );
                say(&line);
            }
            View::Lines | View::Silent => {}
        }
    }

    pub(super) fn epoch_done(&mut self, history: &History) {
        let Some(epoch) = history.epochs.last() else {
            return;
        };
        let line = self.epoch_line(epoch);
        match &mut self.view {
            View::Terminal { renderer, .. } => {
                renderer.end_split();
                renderer.start_split("valid", 1);
                if let Some(Validation { loss, accuracy }) = epoch.validation {
                    for (metric, value) in METRICS.iter().zip([loss, accuracy]) {
                        renderer.update_valid(metric_state(metric, value));
                    }
                }
                renderer.end_split();
                renderer.update_epoch(epoch.epoch);
            }
            View::Lines => {
                self.last_line = Instant::now();
                say(&line);
            }
            View::Silent => {}
        }
    }

    pub(super) fn finish(&mut self) {
        if let View::Terminal { renderer, .. } = &mut self.view {
            renderer.end();
            // The summary is ours to print; all that can fail here is the terminal, which is being left anyway.
            let _ = renderer.on_train_end(None);
        }
        self.view = View::Silent;
    }

    fn epoch_line(&self, epoch: &Epoch) -> String {
        let validation = epoch.validation.map_or(String::new(), |figures| {
            format!(
                " validation loss {:.4}, accuracy {:.2} %;",
                figures.loss, figures.accuracy
            )
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

/// Name, unit and direction of what is shown.
const METRICS: [(&str, Option<&str>, bool); 2] =
    [("Loss", None, false), ("Accuracy", Some("%"), true)];

fn metric_state((name, _, _): &(&str, Option<&str>, bool), value: f64) -> MetricState {
    let entry = SerializedEntry::new(format!("{value:.4}"), value.to_string());
    MetricState::Numeric(
        MetricEntry::new(MetricId::new(Arc::new((*name).to_owned())), entry),
        Some(NumericEntry::Value(value)),
    )
}

/// Prints a line; a closed pipe must not end a training run.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
