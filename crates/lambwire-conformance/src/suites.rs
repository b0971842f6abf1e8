//! The files of requirements, as part of the program.

/// A file's name, and its text.
pub(crate) type File = (&'static str, &'static str);

/// What is required of runtimes.
pub(crate) const RUNTIME: &[File] = &[
    ("runtime-01-turns.toml", include_str!("../requirements/runtime-01-turns.toml")),
    ("runtime-02-context.toml", include_str!("../requirements/runtime-02-context.toml")),
    ("runtime-03-sizes.toml", include_str!("../requirements/runtime-03-sizes.toml")),
    ("runtime-04-errors.toml", include_str!("../requirements/runtime-04-errors.toml")),
    ("runtime-05-streaming.toml", include_str!("../requirements/runtime-05-streaming.toml")),
    ("runtime-06-init.toml", include_str!("../requirements/runtime-06-init.toml")),
    ("runtime-07-restore.toml", include_str!("../requirements/runtime-07-restore.toml")),
    ("runtime-08-concurrency.toml", include_str!("../requirements/runtime-08-concurrency.toml")),
    ("runtime-09-connections.toml", include_str!("../requirements/runtime-09-connections.toml")),
    ("runtime-10-refusals.toml", include_str!("../requirements/runtime-10-refusals.toml")),
    ("runtime-11-shutdown.toml", include_str!("../requirements/runtime-11-shutdown.toml")),
    ("runtime-12-connection-loss.toml", include_str!("../requirements/runtime-12-connection-loss.toml")),
    ("runtime-13-malformed.toml", include_str!("../requirements/runtime-13-malformed.toml")),
    ("runtime-14-odd-invocations.toml", include_str!("../requirements/runtime-14-odd-invocations.toml")),
];

/// What is required of servers.
pub(crate) const SERVER: &[File] = &[];
