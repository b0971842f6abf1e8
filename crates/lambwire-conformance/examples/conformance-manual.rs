//! `manual DIRECTORY`: writes the manual page and the shells' completions of `lambwire-conformance`, from its own definition of
//! its command line.

use std::error::Error;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

#[path = "../src/cli.rs"]
mod cli;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: manual DIRECTORY")?);
    let command = cli::Cli::command();
    clap_mangen::generate_to(command.clone(), &directory)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command.clone(), "lambwire-conformance", &directory)?;
    }
    Ok(())
}
