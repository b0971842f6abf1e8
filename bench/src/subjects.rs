//! What is measured. One more subject is one more line; the first of each list is what the others are compared with.

/// A program, and how it is started.
#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    /// File name in the directory of programs.
    pub program: &'static str,
    /// What `_HANDLER` says.
    pub handler: &'static str,
}

const fn subject(name: &'static str, program: &'static str, handler: &'static str) -> Subject {
    Subject { name, program, handler }
}

/// Those of a list whose names have one of these parts, beside the first and the peer; all, if there are none.
pub fn chosen(subjects: &[Subject], parts: &[String]) -> Vec<Subject> {
    let is_chosen = |index: usize, name: &str| {
        parts.is_empty() || index == 0 || name == PEER || parts.iter().any(|part| name.contains(part))
    };
    subjects
        .iter()
        .enumerate()
        .filter(|(index, subject)| is_chosen(*index, subject.name))
        .map(|(_, each)| *each)
        .collect()
}

/// Every list has it, in the build that suits it best: musl starts sooner, and the allocator of glibc is quicker.
pub const PEER: &str = "lambda_runtime";

/// Started, as far as the first `next`.
pub const STARTED: &[Subject] = &[
    subject("floor", "floor", "echo"),
    subject("tiny", "tiny", "echo"),
    subject("hello", "hello", "echo"),
    subject("lambwire-mio", "echo", "echo"),
    subject("lambwire-smol", "echo-smol", "echo"),
    subject("examples/tokio", "echo-tokio", "serve"),
    subject(PEER, "lambda-runtime", "raw"),
    subject("lambda_runtime, as templates have it", "lambda-runtime", "template"),
    subject("lambda_runtime, glibc", "lambda-runtime-glibc", "raw"),
];

/// Given one event after the other.
pub const ECHOING: &[Subject] = &[
    subject("floor", "floor", "echo"),
    subject("floor, pipelined", "floor-pipelined", "echo"),
    subject("tiny", "tiny", "echo"),
    subject("lambwire-mio", "echo", "echo"),
    subject("lambwire-mio, `serve`", "echo", "serve"),
    subject("lambwire-smol", "echo-smol", "echo"),
    subject("lambwire-smol, `serve`", "echo-smol", "serve"),
    subject("examples/tokio, not pipelined", "echo-tokio", "echo"),
    subject("examples/tokio, `serve`", "echo-tokio", "serve"),
    subject("lambda_runtime, musl", "lambda-runtime", "raw"),
    subject("lambda_runtime, as templates have it", "lambda-runtime-glibc", "template"),
    subject(PEER, "lambda-runtime-glibc", "raw"),
];

/// Given events in chunks, and events of known length.
pub const FRAMED: &[Subject] = &[
    subject("tiny", "tiny", "echo"),
    subject("lambwire-mio", "echo", "echo"),
    subject("lambwire-smol", "echo-smol", "echo"),
    subject(PEER, "lambda-runtime-glibc", "raw"),
];

/// Given several events at a time.
pub const MANY: &[Subject] = &[
    subject("floor", "floor-many", "echo"),
    subject("lambwire-smol, `serve_concurrent`", "smol-many", "echo"),
    subject("lambda_runtime, musl", "lambda-runtime", "many"),
    subject(PEER, "lambda-runtime-glibc", "many"),
];

/// Connections of the subjects in [`MANY`]. `floor.c` learns the most at its build.
pub const AT_ONCE: [usize; 2] = [8, 64];
