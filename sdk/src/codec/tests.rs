use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn topic() -> &'static str {
    "t"
}

proptest! {
    #[test]
    fn text_and_json_survive(text in ".*", map in prop::collection::btree_map(".*", any::<i64>(), 0..5)) {
        let bytes = Utf8.encode(topic(), &text).unwrap();
        prop_assert_eq!(Utf8.decode(topic(), &bytes).unwrap(), text);
        let json = Json::<BTreeMap<String, i64>>::new();
        let bytes = json.encode(topic(), &map).unwrap();
        prop_assert_eq!(json.decode(topic(), &bytes).unwrap(), map);
    }
}

#[test]
fn raw_shares_the_bytes() {
    let bytes = Bytes::from(vec![1, 2, 3]);
    assert_eq!(Raw.encode(topic(), &bytes).unwrap().as_ptr(), bytes.as_ptr());
    assert_eq!(Raw.decode(topic(), &bytes).unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn refusals_say_which_codec_and_why() {
    let bad = Bytes::from_static(&[0x61, 0xff]);
    assert!(Utf8.decode(topic(), &bad).unwrap_err().to_string().starts_with("Utf8: invalid utf-8"));
    let error = Json::<u8>::new().decode(topic(), &Bytes::from_static(b"300")).unwrap_err();
    assert!(error.to_string().starts_with("Json: invalid value"), "{error}");
    // A map whose keys are no strings cannot be JSON.
    let unencodable = BTreeMap::from([(vec![1_u8], 1_u8)]);
    let error = Json::new().encode(topic(), &unencodable).unwrap_err();
    assert_eq!(error.to_string(), "Json: key must be a string");
}
