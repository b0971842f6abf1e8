//! What happens to invocations, for the page: made only once somebody has looked at it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::broadcast;

use crate::limits;

/// The page itself, which needs nothing from elsewhere.
pub(crate) const HTML: &str = include_str!("page.html");

/// What is shown of invocations, as JSON, for all who look.
#[derive(Debug)]
pub(crate) struct Feed {
    is_on: AtomicBool,
    recent: Mutex<VecDeque<Arc<str>>>,
    sender: broadcast::Sender<Arc<str>>,
}

impl Default for Feed {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(limits::PAGE_INVOCATIONS);
        Self { is_on: AtomicBool::default(), recent: Mutex::default(), sender }
    }
}

impl Feed {
    /// Whether anybody has looked.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Somebody looks: gives the invocations that are over, the oldest first, and those that follow.
    pub(crate) fn look(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Arc<str>>) {
        self.is_on.store(true, Ordering::Relaxed);
        let recent = self.recent();
        (recent.iter().cloned().collect(), self.sender.subscribe())
    }

    /// Shows an invocation that has begun.
    pub(crate) fn begin(&self, shown: &Value) {
        // Nobody may look just now.
        let _ = self.sender.send(shown.to_string().into());
    }

    /// Shows an invocation that is over.
    pub(crate) fn end(&self, shown: &Value) {
        let shown: Arc<str> = shown.to_string().into();
        let mut recent = self.recent();
        recent.push_back(Arc::clone(&shown));
        if recent.len() > limits::PAGE_INVOCATIONS {
            recent.pop_front();
        }
        let _ = self.sender.send(shown);
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Arc<str>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A payload as it is shown: text, cut where it is long.
pub(crate) fn shown(payload: &[u8]) -> Value {
    let text = String::from_utf8_lossy(payload.get(..limits::PAGE_PAYLOAD_BYTES).unwrap_or(payload));
    if payload.len() > limits::PAGE_PAYLOAD_BYTES {
        return format!("{text}… ({} bytes)", payload.len()).into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_looks_has_what_is_over_and_what_follows() {
        let feed = Feed::default();
        assert!(!feed.is_on());
        for number in 0..=limits::PAGE_INVOCATIONS {
            feed.end(&json!(number));
        }
        let (recent, mut following) = feed.look();
        assert!(feed.is_on());
        assert_eq!((recent.len(), &*recent[0]), (limits::PAGE_INVOCATIONS, "1"));
        feed.begin(&json!("next"));
        assert_eq!(&*following.try_recv().unwrap(), "\"next\"");
    }

    #[test]
    fn a_payload_at_the_limit_is_shown_whole_and_one_byte_more_is_cut() {
        for len in [limits::PAGE_PAYLOAD_BYTES - 1, limits::PAGE_PAYLOAD_BYTES] {
            assert_eq!(shown(&vec![b'x'; len]).as_str().unwrap().len(), len);
        }
        let cut = shown(&vec![b'x'; limits::PAGE_PAYLOAD_BYTES + 1]);
        assert!(cut.as_str().unwrap().ends_with("… (65537 bytes)"));
    }
}
