//! What a parent of processes asks of Linux, and what comes of it on other systems.

pub(crate) use system::{adopt_orphans, adopts_orphans, raise_file_limit, restore_file_limit};

#[cfg(target_os = "linux")]
mod system {
    use std::sync::OnceLock;

    use rustix::process::{
        Pid, Resource, Rlimit, child_subreaper, getpid, getrlimit, prlimit, set_child_subreaper, setrlimit,
    };

    /// Whether this process is given the children of those of its descendants that die.
    pub(crate) fn adopts_orphans() -> bool {
        getpid().is_init() || child_subreaper().is_ok_and(|subreaper| subreaper.is_some())
    }

    /// Has this process be given them. What runs programs for other processors, such as qemu, may not know of that.
    pub(crate) fn adopt_orphans() {
        if let Err(error) = set_child_subreaper(Some(getpid())) {
            log::info!("what a program leaves running goes to the system when the program ends: {error}");
        }
    }

    /// Lets this process hold as many files as it may ever: each connection is one.
    pub(crate) fn raise_file_limit() {
        let limit = *USUAL_FILES.get_or_init(|| getrlimit(Resource::Nofile));
        // With fewer, connections that are silent have to go.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }

    /// Gives a process that was started since the limit that there was before.
    pub(crate) fn restore_file_limit(pid: Pid) {
        if let Some(usual) = USUAL_FILES.get() {
            // Fails if it has ended.
            let _ = prlimit(Some(pid), Resource::Nofile, *usual);
        }
    }

    /// How many files this process could hold at first.
    static USUAL_FILES: OnceLock<Rlimit> = OnceLock::new();
}

/// Nobody is given orphans but the first process of all, which has to find and end them; and the limit of files stays,
/// for nobody can give a child another than its own.
#[cfg(not(target_os = "linux"))]
mod system {
    use rustix::process::{Pid, getpid};

    pub(crate) fn adopts_orphans() -> bool {
        getpid().is_init()
    }

    pub(crate) fn adopt_orphans() {}

    pub(crate) fn raise_file_limit() {}

    pub(crate) fn restore_file_limit(_: Pid) {}
}
