//! A map of few entries.

use std::borrow::Borrow;

/// A map of few entries, mostly of one: to compare a key with each of them takes less than to keep them in an order.
#[derive(Debug)]
pub(crate) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> Few<K, V> {
    /// Adds an entry. Of several with one key, the first counts.
    pub(crate) fn add(&mut self, key: K, value: V) {
        self.0.push((key, value));
    }

    pub(crate) fn get<Q: PartialEq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.iter().find(|(own, _)| own.borrow() == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut<Q: PartialEq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.iter_mut().find(|(own, _)| (*own).borrow() == key).map(|(_, value)| value)
    }

    pub(crate) fn remove<Q: PartialEq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.0.iter().position(|(own, _)| own.borrow() == key)?;
        Some(self.0.remove(at).1)
    }

    /// The key, if there is one alone.
    pub(crate) fn only_key(&self) -> Option<&K> {
        match &*self.0 {
            [(key, _)] => Some(key),
            _ => None,
        }
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_and_removed_by_their_keys() {
        let mut few = Few::default();
        assert_eq!(few.only_key(), None);
        few.add("a".to_owned(), 1);
        assert_eq!(few.only_key().map(String::as_str), Some("a"));
        few.add("b".to_owned(), 2);
        assert_eq!(few.only_key(), None);
        if let Some(value) = few.get_mut("a") {
            *value += 2;
        }
        assert_eq!((few.get("a"), few.get("b"), few.get("c")), (Some(&3), Some(&2), None));
        assert_eq!((few.remove("a"), few.remove("a")), (Some(3), None));
        few.values_mut().for_each(|value| *value *= 2);
        assert_eq!(few.get("b"), Some(&4));
        few.clear();
        assert_eq!(few.get("b"), None);
    }
}
