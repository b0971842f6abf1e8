//! The time that is left.

use std::time::{Duration, SystemTime};

use lambwire_runtime::remaining;

use crate::peer::context;

#[test]
fn what_remains_of_the_time_is_counted_from_now() {
    let mut context = context();
    assert_eq!(remaining(&context), None);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    for (deadline, least, most) in [(now + Duration::from_secs(3600), 1, 3600), (now - Duration::from_secs(1), 0, 0)] {
        context.deadline_ms = Some(u64::try_from(deadline.as_millis()).unwrap());
        let left = remaining(&context).unwrap();
        assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&left), "{left:?}");
    }
}
