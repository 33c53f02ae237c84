use super::*;

fn env() -> Env {
    Env::seeded(7)
}

fn choice<'a>(topic: &'a TopicName, env: &'a Env, key: Option<&'a [u8]>, available: &'a [i32]) -> Choice<'a> {
    Choice { topic, key, value_size: 0, partitions: 8, available, sticky: 5, ordinal: 0, env }
}

#[test]
fn murmur2_agrees_with_java() {
    // The vectors of Kafka's own `UtilsTest.testMurmur2`.
    for (key, expected) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2::hash(key.as_bytes()), expected, "{key}");
    }
}

#[test]
fn crc32_agrees_with_the_check_value() {
    assert_eq!(crc32::checksum(b"123456789"), 0xCBF4_3926);
    assert_eq!(crc32::checksum(b""), 0);
}

#[test]
fn keys_choose_among_all_partitions_and_no_key_is_sticky() {
    let (topic, env) = (TopicName::new("t").unwrap(), env());
    let at = |hash: KeyHash, key| hash.partition(&choice(&topic, &env, key, &[5]));
    assert_eq!(at(KeyHash::murmur2(), Some(b"foobar")), (-790_332_482 & i32::MAX) % 8);
    assert_eq!(at(KeyHash::crc32(), Some(b"123456789")), (0xCBF4_3926_u32 % 8) as i32);
    assert_eq!(at(KeyHash::murmur2(), None), 5);
    assert_eq!(at(KeyHash::crc32(), Some(b"")), 5, "librdkafka takes an empty key for none");
    assert_ne!(at(KeyHash::murmur2(), Some(b"")), 5, "Java does not");
}

#[test]
fn spreaders_stay_on_what_is_available() {
    let (topic, env) = (TopicName::new("t").unwrap(), env());
    let mut seen = [0; 8];
    for ordinal in 0..400 {
        let choice = Choice { ordinal, ..choice(&topic, &env, None, &[1, 4, 6]) };
        let expected = [1, 4, 6][ordinal as usize % 3];
        assert_eq!(RoundRobin.partition(&choice), expected);
        seen[Random.partition(&choice) as usize] += 1;
        assert_eq!(Sticky.partition(&choice), 5);
    }
    assert_eq!(seen.iter().sum::<i32>(), seen[1] + seen[4] + seen[6]);
    assert!(seen[1] > 80 && seen[4] > 80 && seen[6] > 80, "{seen:?}");
}

#[test]
fn a_closure_is_a_partitioner() {
    let (topic, env) = (TopicName::new("t").unwrap(), env());
    let by_length = |choice: &Choice<'_>| choice.key().map_or(0, |key| key.len() as i32);
    assert_eq!(by_length.partition(&choice(&topic, &env, Some(b"abc"), &[0])), 3);
}
