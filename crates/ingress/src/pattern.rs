//! Sans-IO. The hosts of a list of rules, indexed so that a look-up costs the same for ten rules
//! and ten thousand.

use std::collections::HashMap;

use adit_config::HostPattern;

/// Which rules match which hosts.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    /// Rules for every host.
    any: Vec<usize>,
    exact: HashMap<Box<[u8]>, Vec<usize>>,
    /// Rules for every host with this ending, which starts with a dot.
    endings: HashMap<Box<[u8]>, Vec<usize>>,
    /// The lengths of the endings, ascending.
    lengths: Vec<usize>,
}

impl Hosts {
    /// Adds the rule at `index`, which comes behind all others.
    pub(crate) fn add(&mut self, index: usize, pattern: &HostPattern) {
        if pattern.is_any() {
            self.any.push(index);
            return;
        }
        match pattern.text.strip_prefix('*') {
            Some(ending) if ending.starts_with('.') => self.add_ending(index, ending.as_bytes()),
            Some(_) | None => push(&mut self.exact, pattern.text.as_bytes(), index),
        }
        let ascii = pattern.ascii.as_deref().filter(|ascii| *ascii != pattern.text);
        match ascii.map(|ascii| (ascii, ascii.strip_prefix('*'))) {
            Some((_, Some(ending))) if ending.starts_with('.') => self.add_ending(index, ending.as_bytes()),
            Some((ascii, _)) => push(&mut self.exact, ascii.as_bytes(), index),
            None => {}
        }
    }

    /// Returns the rules that match `host`, first to last.
    pub(crate) fn matches<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let mut lists: Vec<&[usize]> = self.lists(host).collect();
        std::iter::from_fn(move || {
            let next = *lists.iter().filter_map(|list| list.first()).min()?;
            for list in &mut lists {
                if list.first() == Some(&next) {
                    *list = &list[1..];
                }
            }
            Some(next)
        })
    }

    fn lists<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = &'a [usize]> {
        let endings = self.lengths.iter().filter_map(|length| {
            let ending = &host[host.len().checked_sub(*length)?..];
            self.endings.get(ending)
        });
        let lists = [&self.any].into_iter().chain(self.exact.get(host)).chain(endings);
        lists.map(Vec::as_slice)
    }

    fn add_ending(&mut self, index: usize, ending: &[u8]) {
        push(&mut self.endings, ending, index);
        if let Err(at) = self.lengths.binary_search(&ending.len()) {
            self.lengths.insert(at, ending.len());
        }
    }
}

fn push(map: &mut HashMap<Box<[u8]>, Vec<usize>>, text: &[u8], index: usize) {
    map.entry(text.into()).or_default().push(index);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the index must agree with: one pattern, byte by byte.
    fn matches(pattern: &HostPattern, host: &str) -> bool {
        let one = |text: &str| match text.strip_prefix('*') {
            Some(ending) if ending.starts_with('.') => host.ends_with(ending),
            Some(_) | None => text == host,
        };
        pattern.is_any() || one(&pattern.text) || pattern.ascii.as_deref().is_some_and(one)
    }

    #[test]
    fn the_index_agrees_with_the_list() {
        let texts = [
            "", "*", "a.b", "*.b", "*.a.b", "b", "*b", "*.", "x.a.b", "*.b", "a.b", ".b", "*.ü", "*..b",
        ];
        let patterns: Vec<HostPattern> = texts
            .iter()
            .map(|text| HostPattern {
                text: (*text).to_owned(),
                ascii: (*text == "*.ü").then(|| "*.xn--tda".to_owned()),
            })
            .collect();
        let mut hosts = Hosts::default();
        for (index, pattern) in patterns.iter().enumerate() {
            hosts.add(index, pattern);
        }
        let asked = [
            "",
            "a.b",
            "b",
            ".b",
            "x.a.b",
            "y.x.a.b",
            "B",
            "a.B",
            "*b",
            "*.b",
            "b.",
            "a.ü",
            "a.xn--tda",
            "..b",
        ];
        for host in asked {
            let listed: Vec<usize> = (0..patterns.len())
                .filter(|at| matches(&patterns[*at], host))
                .collect();
            let indexed: Vec<usize> = hosts.matches(host.as_bytes()).collect();
            assert_eq!(indexed, listed, "{host:?}");
        }
    }
}
