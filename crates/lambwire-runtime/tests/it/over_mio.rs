//! The tests of both adapters over lambwire-mio, where what waits blocks.

macro_rules! wait {
    ($value:expr) => {
        $value
    };
}
macro_rules! handler {
    ($($closure:tt)*) => { $($closure)* };
}
macro_rules! step {
    ($($act:tt)*) => { || $($act)* };
}
over!(lambwire_mio);

#[path = "both/answers.rs"]
mod answers;
#[path = "both/broken.rs"]
mod broken;
#[path = "both/serve.rs"]
pub(crate) mod serve;
#[path = "both/snapshot.rs"]
mod snapshot;
