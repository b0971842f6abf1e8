//! Where this is not Lambda: the emulator, with this program in it.

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsString};
use std::io;
use std::path::PathBuf;
use std::process;

use nix::unistd::execv;

use crate::args::Options;
use crate::handler;
use crate::language::find_program;
use crate::program::c_strings;

const EMULATOR: &str = "lambwire-emulator";

/// Becomes the emulator, to which a handler has to be named. Returns what is to be said if that is not possible.
pub(crate) fn run(options: &Options) -> Result<Infallible, String> {
    let handler = options.handler();
    let this = this();
    let beside = this.as_ref().map(|this| this.with_file_name(EMULATOR)).filter(|path| path.is_file());
    let Some(emulator) = beside.or_else(|| find_program(EMULATOR)) else {
        let handler = Some(handler).filter(|handler| !handler.is_empty());
        let handler = handler.as_deref().unwrap_or("app.handler");
        return Err(format!(
            "AWS_LAMBDA_RUNTIME_API is not set, so this is not Lambda; nor is {EMULATOR} beside this file or in PATH\n\
             bootstrap: put it there to have {handler} served on port 8080, or try: bootstrap invoke {handler} '{{}}'"
        ));
    };
    handler::check(&handler)?;
    let this = this.ok_or("cannot find out where this file is")?;
    // A container's ports are published from outside, which loopback would not see.
    let usual = (process::id() == 1).then(|| "0.0.0.0:8080".into());
    let mut arguments = vec![emulator.as_os_str().to_owned()];
    if let Some(address) = options.listen.clone().or(usual) {
        arguments.extend(["--listen".into(), address]);
    }
    if let Some(count) = options.workers.max(options.in_process).filter(|count| count.get() > 1) {
        arguments.extend(["--concurrency".into(), count.to_string().into()]);
    }
    arguments.extend(["--".into(), this.into_os_string()]);
    arguments.extend(env::args_os().skip(1));
    exec(arguments).map_err(|error| format!("cannot run {}: {error}", emulator.display()))
}

/// Becomes the program that stands before its arguments.
fn exec(arguments: Vec<OsString>) -> io::Result<Infallible> {
    let arguments = c_strings(arguments)?;
    let program = arguments.first().map(CString::as_c_str).unwrap_or_default();
    Ok(execv(program, &arguments)?)
}

/// Where this file is. One that has unpacked itself in memory is found as it was called, as is one without `/proc`.
pub(crate) fn this() -> Option<PathBuf> {
    let this = env::current_exe().ok().filter(|this| this.is_file());
    this.or_else(|| {
        let called = PathBuf::from(env::args_os().next()?);
        if called.components().count() == 1 {
            return find_program(called.to_str()?);
        }
        Some(env::current_dir().ok()?.join(called)).filter(|this| this.is_file())
    })
}
