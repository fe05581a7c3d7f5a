//! The change feed, on every driver.

use std::time::Duration;

use store::{CHANGES_PAGE_MAX, CHANGES_RETAINED_MAX, Change, ChangeKind, Changes, Key, NewMessage, Queue};

use crate::fixture::{Fixture, OTHERS, THINGS, key, thing};

crate::on_every_driver!(
    tells_what_changed_in_order,
    filters_by_table,
    pages_without_cutting_a_transaction,
    says_when_one_is_too_late,
    waits_for_the_next,
    starts_over_after_reopening,
);

fn page(changes: Changes) -> (Vec<Change>, u64) {
    match changes {
        Changes::Page { changes, through } => (changes, through),
        Changes::TooOld { oldest } => panic!("too old, oldest is {oldest}"),
    }
}

async fn tells_what_changed_in_order(fixture: &Fixture) {
    let store = fixture.open();
    let start = store.revision();
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    store
        .transact(|tx| {
            tx.delete(THINGS, &key("a"))?;
            tx.put(OTHERS, &key("b"), &thing(1))
        })
        .await
        .unwrap();
    store.transact(|tx| tx.get(THINGS, &key("a"))).await.unwrap(); // reads make no revision
    let (changes, through) = page(store.changes(start, &[]));
    let told: Vec<_> = changes.iter().map(|c| (c.revision - start, c.table.as_str(), c.key.clone(), c.kind)).collect();
    let expected = [
        (1, "test.things", key("a"), ChangeKind::Put),
        (2, "test.others", key("b"), ChangeKind::Put),
        (2, "test.things", key("a"), ChangeKind::Delete),
    ];
    assert_eq!(told, expected);
    assert_eq!((through, store.revision()), (start + 2, start + 2));
    assert_eq!(store.snapshot().unwrap().revision().unwrap(), start + 2);
    assert_eq!(page(store.changes(through, &[])), (vec![], through));
}

async fn filters_by_table(fixture: &Fixture) {
    let store = fixture.open();
    let start = store.revision();
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    store.transact(|tx| tx.put(OTHERS, &key("b"), &thing(1))).await.unwrap();
    store.transact(|tx| tx.enqueue(&Queue::new("q"), NewMessage::new("x"))).await.unwrap();
    let (changes, through) = page(store.changes(start, &["test.things"]));
    assert_eq!(changes.len(), 1);
    assert_eq!(through, start + 3, "also what was filtered out has been told");
}

async fn pages_without_cutting_a_transaction(fixture: &Fixture) {
    let store = fixture.open();
    let mut from = store.revision();
    for round in 0..3_u64 {
        let each = CHANGES_PAGE_MAX as u64 / 2 + 1;
        store
            .transact(move |tx| (0..each).try_for_each(|n| tx.put(THINGS, &Key::of((round, n)), &thing(n))))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let (changes, through) = page(store.changes(from, &[]));
        if changes.is_empty() {
            break;
        }
        assert_eq!(changes.last().unwrap().revision, through);
        seen.push(changes.len());
        from = through;
    }
    assert_eq!(seen, [1_002, 501]);
}

async fn says_when_one_is_too_late(fixture: &Fixture) {
    let store = fixture.open();
    let start = store.revision();
    for _ in 0..3 {
        let half = CHANGES_RETAINED_MAX as u64 / 2;
        store.transact(move |tx| (0..half).try_for_each(|n| tx.put(THINGS, &Key::of(n), &thing(n)))).await.unwrap();
    }
    assert_eq!(store.changes(start, &[]), Changes::TooOld { oldest: start + 1 });
    assert!(matches!(store.changes(start + 1, &[]), Changes::Page { .. }));
}

async fn waits_for_the_next(fixture: &Fixture) {
    let store = fixture.open();
    let start = store.revision();
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { page(store.await_changes(start, &["test.things"]).await) }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    store.transact(|tx| tx.put(OTHERS, &key("not this"), &thing(1))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!waiter.is_finished());
    store.transact(|tx| tx.put(THINGS, &key("this"), &thing(1))).await.unwrap();
    let (changes, through) = waiter.await.unwrap();
    assert_eq!((changes[0].key.clone(), through), (key("this"), start + 2));
}

async fn starts_over_after_reopening(fixture: &Fixture) {
    let store = fixture.open();
    let start = store.revision();
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    drop(store);
    let store = fixture.open();
    assert_eq!(store.revision(), start + 1);
    assert_eq!(store.changes(start, &[]), Changes::TooOld { oldest: start + 1 });
    store.transact(|tx| tx.put(THINGS, &key("b"), &thing(1))).await.unwrap();
    assert_eq!(page(store.changes(start + 1, &[])).0.len(), 1);
}
