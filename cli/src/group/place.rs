//! Which partitions, on the command line.

use std::collections::BTreeSet;
use std::str::FromStr;

use ottla::TopicName;

/// A topic, or some of its partitions: `orders`, `orders:0,3-5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic: TopicName,
    /// None for all of them.
    pub(super) partitions: Option<BTreeSet<i32>>,
}

/// More than a topic can have; keeps a typing error from taking all the memory.
const MOST: i32 = 1 << 20;

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (topic, list) = match text.split_once(':') {
            Some((topic, list)) => (topic, Some(list)),
            None => (text, None),
        };
        let topic = TopicName::new(topic).map_err(|error| error.to_string())?;
        let Some(list) = list else { return Ok(Self { topic, partitions: None }) };
        let wrong = || format!("`{list}` names no partitions: write for example `{topic}:0,3-5`");
        let number = |text: &str| text.trim().parse().ok().filter(|n| (0..MOST).contains(n)).ok_or_else(wrong);
        let mut partitions = BTreeSet::new();
        for part in list.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if last < first {
                return Err(wrong());
            }
            partitions.extend(first..=last);
        }
        Ok(Self { topic, partitions: Some(partitions) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(text: &str) -> Result<Option<Vec<i32>>, String> {
        let place: Place = text.parse()?;
        assert_eq!(place.topic.as_str(), "orders");
        Ok(place.partitions.map(|partitions| partitions.into_iter().collect()))
    }

    #[test]
    fn partitions_are_listed() {
        assert_eq!(partitions("orders"), Ok(None));
        assert_eq!(partitions("orders:3"), Ok(Some(vec![3])));
        assert_eq!(partitions("orders:5, 0,2-4,3"), Ok(Some(vec![0, 2, 3, 4, 5])));
        for wrong in
            ["orders:", "orders:x", "orders:-1", "orders:3-1", "orders:1-", "orders:0-2000000000", "orders:1,,2"]
        {
            assert!(partitions(wrong).unwrap_err().contains("orders:0,3-5"), "{wrong}");
        }
        assert!("a b".parse::<Place>().is_err());
    }
}
