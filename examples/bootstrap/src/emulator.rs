//! Where this is not Lambda: the emulator, with this program in it.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command};

use crate::args::Options;
use crate::language::find_program;

const EMULATOR: &str = "lambwire-emulator";

/// Becomes the emulator. Returns what is to be said if that is not possible.
pub(crate) fn run(options: &Options) -> String {
    let Some(emulator) = find() else {
        let handler = Some(options.handler()).filter(|handler| !handler.is_empty());
        let handler = handler.as_deref().unwrap_or("app.handler");
        return format!(
            "AWS_LAMBDA_RUNTIME_API is not set, so this is not Lambda; nor is {EMULATOR} beside this file or in PATH\n\
             bootstrap: put it there to have {handler} served on port 8080, or try: bootstrap invoke {handler} '{{}}'"
        );
    };
    let this = match env::current_exe() {
        Ok(this) => this,
        Err(error) => return format!("cannot tell where this file is: {error}"),
    };
    let mut command = Command::new(&emulator);
    if let Some(address) = &options.listen {
        command.arg("--listen").arg(address);
    } else if process::id() == 1 {
        // A container's ports are published from outside, which loopback would not see.
        command.args(["--listen", "0.0.0.0:8080"]);
    }
    let error = command.arg("--").arg(this).args(env::args_os().skip(1)).exec();
    format!("cannot run {}: {error}", emulator.display())
}

fn find() -> Option<PathBuf> {
    let beside = env::current_exe().ok().map(|this| this.with_file_name(EMULATOR));
    beside.filter(|path| path.is_file()).or_else(|| find_program(EMULATOR))
}
