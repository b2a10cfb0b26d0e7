//! What the card and the page say: how a model was trained, and what it cannot do.

use super::ModelReport;
use crate::dataset::Description;
use crate::evaluate::Temperature;
use crate::evaluate::confusion::{precision, recall, share};
use crate::format::list;
use crate::recipe::{Augmentation, Border, LayerConfig, Normalization, Optimizer, Recipe, Schedule};

/// How the model was trained: names and values.
pub fn training(report: &ModelReport) -> Vec<(&'static str, String)> {
    let recipe = &report.recipe;
    let layers = recipe.layers(report.dataset.labels.len());
    let mut facts = vec![
        ("preset", recipe.preset.clone()),
        ("data set", report.dataset.name.clone()),
        ("network", network(&layers)),
        ("images", images(report)),
        ("epochs", epochs(report)),
        ("batch size", recipe.batch_size.to_string()),
        ("optimizer", optimizer(recipe.optimizer).to_owned()),
        ("learning rate", learning_rate(recipe)),
        ("weight decay", recipe.weight_decay.to_string()),
        ("classes", if recipe.class_weights { "learnt alike" } else { "learnt as often as they come" }.to_owned()),
        ("label smoothing", recipe.label_smoothing.to_string()),
        ("dropout", dropout(&layers)),
        ("augmentation", augmentation(recipe.augmentation)),
        ("pixels", normalization(recipe.normalization).to_owned()),
    ];
    if let Some(decay) = recipe.ema {
        facts.push(("weights", format!("exponential moving average, decay {decay} a step")));
    }
    if let Some(patience) = recipe.patience {
        facts.push(("early stopping", format!("after {patience} epochs without a better validation loss")));
    }
    if let Some(source) = &recipe.transfer {
        let frozen = match recipe.frozen_epochs {
            0 => String::new(),
            epochs => format!(", unchanged for {} epochs", epochs.min(report.history.epochs.len())),
        };
        facts.push(("convolutions", format!("first those of {}{frozen}", source.display())));
    }
    facts.push(("seed", recipe.seed.to_string()));
    facts.push(("time", format!("{:.0} minutes", report.history.seconds() / 60.0)));
    facts
}

fn network(layers: &[LayerConfig]) -> String {
    let mut parts = Vec::new();
    let mut normalized = false;
    for layer in layers {
        match layer {
            LayerConfig::Convolution { filters, batch_norm } => {
                normalized |= batch_norm;
                parts.push(format!("convolution {filters}"));
            }
            LayerConfig::MaxPool => parts.push("pool".to_owned()),
            LayerConfig::Dropout { .. } => {}
            LayerConfig::GlobalAverage => parts.push("global average".to_owned()),
            LayerConfig::Dense { outputs, batch_norm } => {
                normalized |= batch_norm;
                parts.push(format!("dense {outputs}"));
            }
            LayerConfig::Logits { classes } => parts.push(format!("dense {classes}")),
        }
    }
    let norm = if normalized { "batch normalization after every ReLU" } else { "no batch normalization" };
    format!("{} (3×3 convolutions and 2×2 maximum pools), {norm}", parts.join(", "))
}

fn images(report: &ModelReport) -> String {
    let count = report.train_images;
    if report.recipe.all_images {
        format!("{count}: all training images, none for validation")
    } else {
        format!("{count} training images, others for validation")
    }
}

fn epochs(report: &ModelReport) -> String {
    let trained = report.history.epochs.len();
    let Some(best) = report.history.best() else {
        return trained.to_string();
    };
    match best.validation {
        Some(validation) => {
            format!("{trained}, kept: epoch {} with a validation accuracy of {:.2} %", best.epoch, validation.accuracy)
        }
        None => format!("{trained}, kept: the last"),
    }
}

fn optimizer(optimizer: Optimizer) -> String {
    match optimizer {
        Optimizer::Sgd { momentum, nesterov: false } => format!("SGD, momentum {momentum}"),
        Optimizer::Sgd { momentum, nesterov: true } => format!("SGD, Nesterov momentum {momentum}"),
        Optimizer::Adam => "Adam".to_owned(),
        Optimizer::AdamW => "AdamW".to_owned(),
        Optimizer::Muon { momentum, rest_rate, rest_momentum } => format!(
            "Muon, momentum {momentum}, for the weights of convolutions and of the hidden layer; for the rest SGD, \
             Nesterov momentum {rest_momentum}, with {rest_rate} times the learning rate"
        ),
    }
}

fn learning_rate(recipe: &Recipe) -> String {
    let rate = recipe.learning_rate;
    match recipe.schedule {
        Schedule::Constant => format!("{rate}, constant"),
        Schedule::OneCycle { warm_up } => {
            format!("one cycle: up to {rate} in the first {:.0} % of the run, then down to zero", 100.0 * warm_up)
        }
        Schedule::Cosine => format!("half a cosine from {rate} to zero"),
        Schedule::ReduceOnPlateau { factor, patience } => {
            format!("{rate}, times {factor} after {patience} epochs without a better validation loss")
        }
    }
}

fn dropout(layers: &[LayerConfig]) -> String {
    let rates = layers.iter().filter_map(|layer| match layer {
        LayerConfig::Dropout { rate } => Some(rate),
        LayerConfig::Convolution { .. }
        | LayerConfig::MaxPool
        | LayerConfig::GlobalAverage
        | LayerConfig::Dense { .. }
        | LayerConfig::Logits { .. } => None,
    });
    let rates = list(rates);
    if rates.is_empty() { "none".to_owned() } else { format!("{rates}, behind pools and before the logits") }
}

fn augmentation(augmentation: Augmentation) -> String {
    let mut parts = Vec::new();
    if augmentation.shift > 0 {
        let border = match augmentation.border {
            Border::Nearest => "repeated edges",
            Border::Reflect => "reflected borders",
        };
        parts.push(format!("shifts of up to {} pixels with {border}", augmentation.shift));
    }
    if augmentation.flip {
        parts.push("horizontal flips".to_owned());
    }
    if augmentation.zoom > 0 {
        parts.push(format!("zoom by up to {} %", augmentation.zoom));
    }
    if let Some(camera) = augmentation.camera {
        parts.push(format!("what {} does to a picture", camera.name()));
    }
    if augmentation.cutout > 0 {
        parts.push(format!("a grey square of {0}×{0} pixels", augmentation.cutout));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn normalization(normalization: Normalization) -> &'static str {
    match normalization {
        Normalization::Unit => "scaled to 0…1",
        Normalization::Centred => "scaled to 0…1, minus the channel's mean",
        Normalization::Standardized => "minus the channel's mean, divided by its standard deviation",
    }
}

/// What the model cannot do, in plain words, a paragraph each.
pub fn limits(report: &ModelReport) -> Vec<String> {
    let labels = report.labels();
    let evaluation = &report.evaluation;
    let [height, width, _] = report.size.input_shape;
    let mut limits = vec![
        format!("It knows {} classes: {}. {}", labels.len(), labels.join(", "), doubt(report)),
        format!(
            "It sees {height}×{width} pixels, and it learned from pictures that one object fills. An object that is small, at \
             the edge, or one of several is likely to be missed."
        ),
        format!(
            "It names {:.1} % of the test images of {} rightly. Pictures from elsewhere (a camera's, at night, drawings) \
             differ more from what it learned than those do, and nothing was measured on them.",
            evaluation.int8_top1, report.dataset.name
        ),
    ];
    limits.extend(weakest_class(report, &labels));
    limits.push(confidence(report));
    let known = if report.dataset.name == Description::cifar10().name {
        "CIFAR-10 was collected from the web before 2009: what was rare there, or did not exist, it does not know. "
    } else {
        ""
    };
    limits.push(format!("{known}Do not let it decide anything where a mistake can harm someone."));
    limits
}

/// When it says that it is not sure.
fn doubt(report: &ModelReport) -> String {
    let Some(answers) = report.evaluation.answers else {
        return "Whatever it is shown, it names one of them; “none of these” is not among its answers.".to_owned();
    };
    let threshold = report.threshold.map_or_else(|| " where it sees none of these".to_owned(), |threshold| {
        if threshold.probability == 0.0 {
            let images = threshold.measured.images;
            return format!(
                " only where it sees none of these: whatever its probability, it was right as often as wished on {images} validation images"
            );
        }
        let missed = threshold.shortfall().map_or_else(String::new, |sentence| format!(" ({sentence})"));
        format!(
            " below a probability of {:.1} %, chosen on {} validation images for {} right answers of 100{missed}",
            100.0 * threshold.probability,
            threshold.measured.images,
            threshold.wanted
        )
    });
    let precision = answers.precision.map_or_else(String::new, |right| format!(", and {right:.1} % of these rightly"));
    let rejection = report.evaluation.rejection.map_or_else(String::new, |rejection| {
        format!(
            " Of {} test images of none of the classes, {:.1} % would be named where 95 % of the others are (AUROC {:.1} %).",
            rejection.images, rejection.false_alarms_at_95, rejection.auroc
        )
    });
    format!(
        "It says “not sure”{threshold}: of the test images it names {:.1} %{precision}.{rejection}",
        answers.answered
    )
}

/// The class that is recognized least, and what it is taken for.
fn weakest_class(report: &ModelReport, labels: &[&str]) -> Option<String> {
    let matrix = &report.evaluation.int8_confusion;
    let weakest = (0..labels.len()).min_by(|&a, &b| recall(matrix, a).total_cmp(&recall(matrix, b)))?;
    if recall(matrix, weakest) == 100.0 {
        return None;
    }
    let taken_for = (0..labels.len()).filter(|&class| class != weakest).max_by_key(|&class| matrix[weakest][class])?;
    Some(format!(
        "It is weakest with the class {}: it recognizes {:.1} % of its images, and takes {:.1} % for {}. When it says {}, \
         it is right in {:.1} % of the cases.",
        labels[weakest],
        recall(matrix, weakest),
        share(matrix, weakest, taken_for),
        labels[taken_for],
        labels[weakest],
        precision(matrix, weakest)
    ))
}

/// What its probability is worth.
fn confidence(report: &ModelReport) -> String {
    let reliability = &report.evaluation.int8_reliability;
    let images: usize = reliability.bins.iter().map(|bin| bin.images).sum();
    let sum: f64 = reliability.bins.iter().map(|bin| bin.images as f64 * (bin.confidence - bin.accuracy)).sum();
    let excess = sum / images.max(1) as f64;
    let direction = if excess > 0.0 { "more" } else { "less" };
    let surest = report.evaluation.mistakes.first().map_or_else(String::new, |mistake| {
        format!(" A high one is no proof: its surest mistake has {:.1} %.", 100.0 * mistake.int8.probability)
    });
    format!(
        "Its probability is on average {:.1} points {direction} than how often it is right (expected calibration error \
         {:.1} points{}).{surest}",
        excess.abs(),
        reliability.error,
        report.temperature.map_or_else(String::new, calibration)
    )
}

fn calibration(temperature: Temperature) -> String {
    let source = temperature.images.map_or_else(
        || "as another run of the recipe asks for".to_owned(),
        |images| format!("fitted on {images} validation images"),
    );
    format!(
        "; before the logits were divided by {:.3}, {source}, it was {:.1} points in float",
        temperature.value, temperature.error_before
    )
}
