//! Why an emulator does not start, or one of its programs.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::arn;

/// The emulator cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A function cannot have this name: nobody could call it.
    Name(String),
    /// A function cannot be in a region of this name.
    Region {
        /// What names it.
        variable: &'static str,
        /// The name.
        region: String,
    },
    /// An address cannot be listened at.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The program cannot be started.
    Program {
        /// The program as it was named.
        name: String,
        /// Why not.
        error: io::Error,
    },
    /// An extension cannot be started.
    Extension {
        /// The extension as it was named.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// A file of variables cannot be read, or has none on one of its lines; says which.
    Variables(String),
    /// Events that have failed cannot be kept in this file.
    DeadLetters {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// There is no thread to be had.
    Thread(io::Error),
    /// The system refuses the emulator something else that it needs.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "{name:?} is no name of a function, which has letters, digits, hyphens and underscores, up to {}",
                arn::FUNCTION_NAME_BYTES
            ),
            Self::Region { variable, region } => write!(
                f,
                "{variable} is {region:?}, no name of a region, which has letters, digits and hyphens, up to {}",
                arn::REGION_BYTES
            ),
            Self::Listen { address, error } => write!(f, "cannot listen at {address}: {error}"),
            Self::Program { name, error } => write!(f, "cannot start {name}: {error}"),
            Self::Extension { path, error } => write!(f, "cannot start the extension {path}: {error}"),
            Self::Variables(reason) => f.write_str(reason),
            Self::DeadLetters { path, error } => write!(f, "cannot write dead letters to {}: {error}", path.display()),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { error, .. } | Self::Program { error, .. } | Self::Extension { error, .. } => Some(error),
            Self::DeadLetters { error, .. } | Self::Thread(error) | Self::System(error) => Some(error),
            Self::Name(_) | Self::Region { .. } | Self::Variables(_) => None,
        }
    }
}
