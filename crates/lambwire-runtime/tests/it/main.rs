//! Both transports against a Runtime API on the other end of a socket, which does what a test tells it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "these are tests, of which a macro makes two each")]

/// Makes a test for either transport of each function.
macro_rules! over_both {
    ($($test:ident),* $(,)?) => {
        mod over_mio {
            $(#[test]
            fn $test() {
                super::$test::<lambwire_mio::Transport>();
            })*
        }
        mod over_smol {
            $(#[test]
            fn $test() {
                super::$test::<lambwire_smol::Transport>();
            })*
        }
    };
}

mod answers;
mod broken;
mod cancelled;
mod concurrent;
mod lifecycle;
mod mio;
mod peer;
mod serve;
mod smol;
