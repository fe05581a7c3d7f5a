//! Keys order as their tuples do, and read back.

use proptest::prelude::*;
use store::{Key, Scan, Table};

use crate::fixture::{Fixture, Thing, thing};

/// Texts that like to break encodings.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(prop_oneof![Just('\0'), Just('a'), Just('\u{1}'), Just('ÿ'), any::<char>()], 0..6)
            .prop_map(String::from_iter),
        Just(String::new()),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(255), any::<u8>()], 0..6)
}

proptest! {
    #[test]
    fn bytes_order_as_tuples(
        a in (text(), any::<u64>(), any::<i64>(), bytes()),
        b in (text(), any::<u64>(), any::<i64>(), bytes()),
    ) {
        let encode = |t: &(String, u64, i64, Vec<u8>)| Key::of((t.0.as_str(), t.1, t.2, &t.3));
        prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        prop_assert_eq!(encode(&a).parts::<(String, u64, i64, Vec<u8>)>(), Some(a.clone()));
        prop_assert_eq!(Key::from_bytes(encode(&a).as_bytes()), Ok(encode(&a)));
        // The same first part, so that the later ones decide.
        let same = |t: &(String, u64, i64, Vec<u8>)| Key::of(("same", &t.3, t.2, &t.0));
        prop_assert_eq!(same(&a).cmp(&same(&b)), (&a.3, a.2, &a.0).cmp(&(&b.3, b.2, &b.0)));
    }

    #[test]
    fn a_prefix_of_parts_is_a_prefix_of_bytes(a in text(), b in text(), c in text()) {
        let (short, long) = (Key::of((&a,)), Key::of((&a, &b)));
        prop_assert!(long.as_bytes().starts_with(short.as_bytes()));
        prop_assert_eq!(Key::of((&c, &b)).as_bytes().starts_with(short.as_bytes()), a == c);
        prop_assert_eq!(short.parts::<(String, String)>(), None);
        prop_assert_eq!(long.parts::<(String,)>(), None);
    }

    #[test]
    fn nonsense_is_no_key(mut raw in bytes()) {
        raw.insert(0, 9);
        prop_assert!(Key::from_bytes(&raw).is_err());
        let whole = Key::of(("a", 1_u64));
        prop_assert!(Key::from_bytes(&whole.as_bytes()[..whole.as_bytes().len() - 1]).is_err());
    }

    #[test]
    fn scans_by_text_find_what_starts_with_it(names in proptest::collection::btree_set(text(), 1..12), start in text()) {
        const NAMES: Table<Thing> = Table::new("test.names");
        let expected: Vec<_> = names.iter().filter(|name| name.starts_with(&start)).cloned().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(async {
            let store = Fixture::memory().open();
            store
                .transact(move |tx| names.iter().try_for_each(|name| tx.put(NAMES, &Key::of(("x", name)), &thing(0))))
                .await
                .unwrap();
            store.scan(NAMES, Scan::starting_with("x", &start)).await.unwrap()
        });
        let found: Vec<_> = found.iter().map(|(key, _)| key.parts::<(String, String)>().unwrap().1).collect();
        prop_assert_eq!(found, expected);
    }
}
