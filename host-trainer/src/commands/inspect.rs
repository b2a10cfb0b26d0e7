//! `inspect`: what is in a blob.

use std::path::PathBuf;

use clap::Args;
use host_trainer::quantize::{describe, size};
use host_trainer::report::model;
use shared_model::graph::Output;
use shared_model::{AlignedBytes, Model};

use super::CommandResult;

/// Flags of `inspect`.
#[derive(Args)]
pub struct Arguments {
    /// The blob.
    #[arg(default_value = "data/models/vgg3-full.blob")]
    blob: PathBuf,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs `inspect`.
pub fn run(arguments: Arguments) -> CommandResult {
    let bytes = AlignedBytes::from(&*model::read(&arguments.blob)?);
    let model = model::load(&bytes, &arguments.blob)?;
    if arguments.json {
        println!("{}", to_json(&model, bytes.len()));
    } else {
        print_table(&model, bytes.len());
    }
    Ok(())
}

fn to_json(model: &Model, bytes: usize) -> serde_json::Value {
    let graph = model.graph();
    let layers = graph.layers.iter().map(|layer| {
        let (scale, zero_point) = match layer.output {
            Output::Int8 { scale, zero_point } => (Some(scale), Some(zero_point)),
            Output::Logits => (None, None),
        };
        serde_json::json!({
            "layer": describe(&layer.kind),
            "relu": layer.relu,
            "output_shape": layer.kind.output_shape(),
            "multiply_accumulates": layer.kind.multiply_accumulates(),
            "bytes": size(layer),
            "scale": scale,
            "zero_point": zero_point,
        })
    });
    serde_json::json!({
        "name": graph.name,
        "crc32": format!("{:08x}", model.crc32()),
        "bytes": bytes,
        "arena_bytes": model.arena_len(),
        "labels": graph.labels,
        "logit_fraction_bits": graph.logit_fraction_bits,
        "accuracy": graph.accuracy,
        "provenance": graph.provenance,
        "padding": graph.input.padding,
        "layers": layers.collect::<Vec<_>>(),
    })
}

fn print_table(model: &Model, bytes: usize) {
    let graph = model.graph();
    let provenance = &graph.provenance;
    let accuracy = &graph.accuracy;
    println!(
        "{}: {bytes} bytes, CRC-32 {:08x}",
        graph.name,
        model.crc32()
    );
    println!(
        "trained {} epochs by host-trainer {}, seed {}",
        provenance.epochs, provenance.trainer, provenance.seed
    );
    println!(
        "float {:.2} %, int8 {:.2} %, agreement {:.2} % on {} test images",
        accuracy.float_top1, accuracy.int8_top1, accuracy.agreement, accuracy.images
    );
    println!(
        "working memory (arena): {} bytes; logits are integers / 2^{}",
        model.arena_len(),
        graph.logit_fraction_bits
    );
    println!("labels: {}\n", graph.labels.join(", "));
    println!(
        "{:36} {:>12} {:>9} {:>10} {:>10}",
        "layer", "MACs", "bytes", "scale", "zero point"
    );
    for layer in &graph.layers {
        let quantization = match layer.output {
            Output::Int8 { scale, zero_point } => format!("{scale:>10.5} {zero_point:>10}"),
            Output::Logits => format!("{:>10} {:>10}", "logits", ""),
        };
        let kind = describe(&layer.kind);
        println!(
            "{kind:36} {:>12} {:>9} {quantization}",
            layer.kind.multiply_accumulates(),
            size(layer)
        );
    }
}
