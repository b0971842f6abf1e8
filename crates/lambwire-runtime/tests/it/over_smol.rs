//! The tests of both adapters over lambwire-smol.

macro_rules! wait {
    ($future:expr) => {
        ::smol::block_on($future)
    };
}
macro_rules! handler {
    ($($closure:tt)*) => { async $($closure)* };
}
macro_rules! step {
    ($($act:tt)*) => { async { $($act)* } };
}
over!(lambwire_smol);

#[path = "both/answers.rs"]
mod answers;
#[path = "both/broken.rs"]
mod broken;
#[path = "both/serve.rs"]
pub(crate) mod serve;
#[path = "both/snapshot.rs"]
mod snapshot;
