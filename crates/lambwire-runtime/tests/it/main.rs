//! Both adapters against a Runtime API on the other end of a socket, which does what a test says.
//!
//! The tests in `both` are the same for either: what waits in one blocks in the other.

#![expect(clippy::unwrap_used, clippy::duplicate_mod, reason = "these are tests, each for two adapters")]

mod cancelled;
mod concurrent;
mod lifecycle;
mod mio;
mod peer;
mod smol;

/// Makes the tests in `both` ones of an adapter, whose `wait!` and the closures it takes are these.
macro_rules! over {
    ($adapter:ident) => {
        pub(crate) use $adapter as adapter;

        /// A runtime, connected to a Runtime API that does as `script` says.
        pub(crate) fn with_peer<V: Send + 'static>(
            script: impl FnOnce(&std::net::TcpListener) -> V + Send + 'static,
        ) -> (adapter::Runtime, std::thread::JoinHandle<V>) {
            let (api, peer) = crate::peer::with_script(script);
            (wait!(adapter::Runtime::connect(&api)).expect("a listener"), peer)
        }

        /// A runtime, connected to a Runtime API that has nothing odd about it.
        pub(crate) fn with_api() -> (adapter::Runtime, lambwire_testing::Api) {
            let api = lambwire_testing::Api::start().expect("a port");
            (wait!(adapter::Runtime::connect(&api.address())).expect("a listener"), api)
        }
    };
}

mod over_mio;

mod over_smol;
