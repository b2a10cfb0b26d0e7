//! `inspect`: what is in a blob, and whether it computes what it should.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use host_trainer::files;
use host_trainer::model_files::ModelFiles;
use host_trainer::operations::{or_dash, shape, summaries};
use host_trainer::{output, say};
use shared_model::graph::KnownImage;
use shared_model::{ArenaTooSmall, Backend, Interpreter, Model};

use super::CommandResult;

/// What a microcontroller can usually spare for the arena.
const USUAL_ARENA: usize = 48 * 1024;

/// Flags of `inspect`.
#[derive(Args)]
pub struct Arguments {
    /// The blob.
    #[arg(default_value_os_t = files::in_repository("data/models/vgg3-full.blob"))]
    blob: PathBuf,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Only how the network is computed in an arena of so many bytes: kernels, memory, fetches of weights.
    #[arg(long, value_name = "BYTES", conflicts_with = "json")]
    plan: Option<usize>,
    /// The core that computes it; `host` is this computer.
    #[arg(long, requires = "plan", default_value = "cortex-m4", value_parser = core())]
    core: &'static Backend,
}

/// A core by its name, as its backend.
fn core() -> impl TypedValueParser<Value = &'static Backend> {
    let cores = Backend::ALL.into_iter().flat_map(Backend::cores);
    PossibleValuesParser::new(cores.copied())
        .map(|core| Backend::of_core(&core).expect("only cores of backends are possible"))
}

/// Runs `inspect`.
pub fn run(arguments: Arguments) -> CommandResult {
    let files = ModelFiles::of_blob(arguments.blob);
    let bytes = files.read_blob()?;
    let model = files.load(&bytes)?;
    if let Some(given) = arguments.plan {
        let needed = model.arena_len_on(arguments.core);
        let plan = model.plan_on(arguments.core, given);
        say!("{}", plan.ok_or(ArenaTooSmall { needed, given })?);
        return Ok(());
    }
    let memory = Backend::ALL.map(|backend| Memory::of(&model, backend));
    if arguments.json {
        output::write_json(&to_json(&model, bytes.len(), &memory));
    } else {
        print_tables(&model, bytes.len(), &memory);
    }
    match memory.iter().find(|memory| !memory.known_answer_holds) {
        Some(Memory { backend, .. }) => Err(format!(
            "the known answer does not hold: the {} backend computes other logits than the blob says",
            backend.name()
        )
        .into()),
        None => Ok(()),
    }
}

/// What a backend makes of a network.
struct Memory {
    backend: &'static Backend,
    /// Bytes of the smallest arena.
    least: usize,
    /// Bytes and estimated instructions of the fastest plan in the usual arena, if there is any.
    fast: Option<(usize, u64)>,
    known_answer_holds: bool,
}

impl Memory {
    fn of(model: &Model, backend: &'static Backend) -> Self {
        let least = model.arena_len_on(backend);
        let plan = model.plan_on(backend, USUAL_ARENA);
        let mut arena = vec![0; least.max(USUAL_ARENA)];
        let interpreter = Interpreter::on(backend, model, &mut arena);
        Self {
            backend,
            least,
            fast: plan.map(|plan| (plan.arena_len(), plan.instructions())),
            known_answer_holds: interpreter.is_ok_and(|mut it| it.known_answer_holds()),
        }
    }
}

fn known_image(model: &Model) -> &'static str {
    match model.graph().known_answer.image {
        KnownImage::Pattern => "pattern",
        KnownImage::Pixels(_) => "picture",
    }
}

fn to_json(model: &Model, bytes: usize, memory: &[Memory]) -> serde_json::Value {
    let graph = model.graph();
    let extensions = graph.extensions.iter();
    let extensions =
        extensions.map(|extension| serde_json::json!({ "kind": extension.kind, "bytes": extension.range.len }));
    let backends = memory.iter().map(|memory| {
        serde_json::json!({
            "backend": memory.backend.name(),
            "cores": memory.backend.cores(),
            "arena_bytes": memory.least,
            "fast_arena_bytes": memory.fast.map(|(bytes, _)| bytes),
            "fast_instructions": memory.fast.map(|(_, instructions)| instructions),
            "known_answer_holds": memory.known_answer_holds,
        })
    });
    serde_json::json!({
        "name": graph.name,
        "crc32": format!("{:08x}", model.crc32()),
        "bytes": bytes,
        "arena_bytes": model.arena_len(),
        "input_shape": model.input_shape().dimensions(),
        "labels": graph.labels.iter().collect::<Vec<_>>(),
        "logit_fraction_bits": graph.logit_fraction_bits,
        "decision": graph.decision,
        "accuracy": graph.accuracy,
        "provenance": graph.provenance,
        "padding": graph.input.padding.iter().collect::<Vec<_>>(),
        "operations": summaries(model),
        "backends": backends.collect::<Vec<_>>(),
        "known_image": known_image(model),
        "extensions": extensions.collect::<Vec<_>>(),
    })
}

fn print_tables(model: &Model, bytes: usize, memory: &[Memory]) {
    print_facts(model, bytes);
    print_operations(model);
    print_memory(memory);
    let holds = if memory.iter().all(|memory| memory.known_answer_holds) { "holds" } else { "does not hold" };
    say!("\nknown answer, for a {}: {holds}", known_image(model));
}

fn print_facts(model: &Model, bytes: usize) {
    let graph = model.graph();
    let provenance = &graph.provenance;
    let accuracy = &graph.accuracy;
    say!("{}: {bytes} bytes, CRC-32 {:08x}", graph.name, model.crc32());
    say!(
        "trained {} epochs with preset {} by host-trainer {}, seed {}",
        provenance.epochs,
        provenance.preset,
        provenance.trainer,
        provenance.seed
    );
    match accuracy.images {
        0 => say!("accuracy not measured"),
        images => say!(
            "float {:.2} %, int8 {:.2} %, agreement {:.2} % on {images} test images",
            accuracy.float_top1,
            accuracy.int8_top1,
            accuracy.agreement
        ),
    }
    let kind = match model.input_shape().channels {
        1 => "grey",
        _ => "colour",
    };
    say!("input: {kind}, {}", shape(model.input_shape().dimensions()));
    let labels: Vec<&str> = graph.labels.iter().collect();
    say!("{} classes: {}", labels.len(), labels.join(", "));
    say!("logits are integers / 2^{}; {}", graph.logit_fraction_bits, decision(model));
    if graph.extensions.is_empty() {
        say!("no extensions");
    }
    for extension in graph.extensions.iter() {
        let bytes = extension.range.len;
        say!("extension of kind {}: {bytes} bytes", extension.kind);
    }
}

/// When a class is believed, in words.
fn decision(model: &Model) -> String {
    let decision = &model.graph().decision;
    let percent = 100.0 * f64::from(decision.threshold) / 65535.0;
    let mut text = match decision.threshold {
        0 => "a class is believed whatever its probability".to_owned(),
        _ => format!("a class is believed from a probability of {percent:.2} % on"),
    };
    if let Some(class) = decision.none_class {
        text += &format!(", but {} stands for pictures of none of the others", model.label(class.into()));
    }
    text
}

fn print_operations(model: &Model) {
    say!(
        "\nstep  {:24} {:>11} {:>11} {:>10} {:>7} {:>8} {:>10}",
        "operation",
        "input",
        "output",
        "MACs",
        "bytes",
        "scale",
        "zero point"
    );
    for operation in summaries(model) {
        say!(
            "{:4}  {:24} {:>11} {:>11} {:>10} {:>7} {:>8} {:>10}",
            operation.step,
            operation.title(),
            shape(operation.input_shape),
            shape(operation.output_shape),
            operation.multiply_accumulates,
            operation.bytes,
            or_dash(operation.scale.map(|scale| format!("{scale:.5}"))),
            or_dash(operation.zero_point)
        );
    }
}

fn print_memory(memory: &[Memory]) {
    say!("\n{:9} {:>12} {:>18} {:>21}  cores", "backend", "least memory", "fastest in 48 KiB", "million instructions");
    for memory in memory {
        let millions = |(_, instructions): (_, u64)| instructions.div_ceil(1_000_000);
        say!(
            "{:9} {:>12} {:>18} {:>21}  {}",
            memory.backend.name(),
            memory.least,
            or_dash(memory.fast.map(|(bytes, _)| bytes)),
            or_dash(memory.fast.map(millions)),
            memory.backend.cores().join(", ")
        );
    }
}
