//! What a handler has registered for a snapshot, and what is said if it fails.

use lambwire_mio::lambwire::ErrorReport;
use lambwire_mio::{Error, Runtime};

use crate::failure::Failure;

/// What a worker is asked to do around a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    BeforeSnapshot,
    AfterRestore,
}

impl Hook {
    /// The kind of its frame.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BeforeSnapshot => "before-snapshot",
            Self::AfterRestore => "after-restore",
        }
    }

    /// What this program ends with if one fails (awslambdaric 4.2.2, `bootstrap.py`).
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::BeforeSnapshot => 64,
            Self::AfterRestore => 65,
        }
    }

    /// Reports that one has failed as AWS's client does: whose hook it was is the type in the header, and that of the error
    /// is in the body.
    pub(crate) fn report(self, failure: &Failure, runtime: &mut Runtime) -> Result<(), Error> {
        failure.report(|report| {
            let mut json = vec![0; report.json_len()];
            let written = report.write(&mut json).ok().and_then(|_| str::from_utf8(&json).ok());
            let report = ErrorReport { error_type: self.error_type(), written, ..*report };
            match self {
                Self::BeforeSnapshot => runtime.init_error(&report),
                Self::AfterRestore => runtime.restore_error(&report),
            }
        })
    }

    /// As Lambda has it (AWS, "Runtime hooks for Lambda SnapStart").
    fn error_type(self) -> &'static str {
        match self {
            Self::BeforeSnapshot => "Runtime.BeforeSnapshotError",
            Self::AfterRestore => "Runtime.AfterRestoreError",
        }
    }
}
