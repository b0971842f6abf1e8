//! `manual DIRECTORY`: writes the manual page and the shells' completions of `lambwire-emulator`, from its own definition of
//! its command line.

use std::error::Error;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

#[expect(dead_code, unused_imports, reason = "the program has uses for all of it")]
#[path = "../src/bin/lambwire-emulator/args/mod.rs"]
mod args;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: manual DIRECTORY")?);
    let command = args::Args::command();
    clap_mangen::generate_to(command.clone(), &directory)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command.clone(), "lambwire-emulator", &directory)?;
    }
    Ok(())
}
