//! Tables and transactions, on every driver.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::{
    Durability, Error, KEY_BYTES_MAX, Key, NewMessage, Queue, Raw, Record, Scan, TX_WRITES_MAX, Table, VALUE_BYTES_MAX,
};

use crate::fixture::{Fixture, OTHERS, RAW, THINGS, key, thing};

crate::on_every_driver!(
    reads_what_was_written,
    a_transaction_sees_its_own_writes,
    an_error_changes_nothing,
    a_rehearsal_changes_nothing_and_says_what_would_be,
    a_panic_changes_nothing_and_hurts_nobody,
    scans_ranges,
    scans_through_own_writes_in_both_directions,
    pages_through_a_table,
    deletes_ranges,
    a_snapshot_stays_as_it_was,
    counts_exactly_under_concurrency,
    refuses_what_is_too_large,
    survives_reopening,
    migrates_old_records,
    refuses_unknown_versions_and_broken_records,
    closes,
    buffered_writes_survive_reopening,
    erases_everything,
);

async fn reads_what_was_written(fixture: &Fixture) {
    let store = fixture.open();
    assert_eq!(store.get(THINGS, &key("a")).await.unwrap(), None);
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    assert_eq!(store.get(THINGS, &key("a")).await.unwrap(), Some(thing(1)));
    assert_eq!(store.get(OTHERS, &key("a")).await.unwrap(), None, "tables are apart");
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(2))).await.unwrap();
    assert_eq!(store.get(THINGS, &key("a")).await.unwrap(), Some(thing(2)));
    store.transact(|tx| tx.delete(THINGS, &key("a"))).await.unwrap();
    assert_eq!(store.get(THINGS, &key("a")).await.unwrap(), None);
}

async fn a_rehearsal_changes_nothing_and_says_what_would_be(fixture: &Fixture) {
    let store = fixture.open();
    store.transact(|tx| tx.put(THINGS, &key("old"), &thing(1))).await.unwrap();
    let work = |tx: &mut store::Tx<'_>| {
        tx.delete(THINGS, &key("old"))?;
        tx.insert(THINGS, &key("new"), &thing(2))?;
        tx.get(THINGS, &key("new"))
    };
    assert_eq!(store.rehearse(work).await.unwrap(), Some(thing(2)), "it sees its own writes");
    assert_eq!(store.get(THINGS, &key("old")).await.unwrap(), Some(thing(1)));
    assert_eq!(store.get(THINGS, &key("new")).await.unwrap(), None);
    store.transact(work).await.unwrap();
    let again = store.rehearse(work).await;
    assert_eq!(again, Err(Error::Exists("test.things".into())), "what would fail fails");
}

async fn a_transaction_sees_its_own_writes(fixture: &Fixture) {
    let store = fixture.open();
    store.transact(|tx| tx.put(THINGS, &key("old"), &thing(1))).await.unwrap();
    let seen = store
        .transact(|tx| {
            tx.insert(THINGS, &key("new"), &thing(2))?;
            assert_eq!(tx.insert(THINGS, &key("new"), &thing(3)), Err(Error::Exists("test.things".into())));
            tx.delete(THINGS, &key("old"))?;
            assert!(!tx.exists(THINGS, &key("old"))?);
            tx.put(OTHERS, &key("other"), &thing(7))?;
            Ok::<_, Error>((tx.get(THINGS, &key("new"))?, tx.scan(THINGS, Scan::all())?.len()))
        })
        .await
        .unwrap();
    assert_eq!(seen, (Some(thing(2)), 1));
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("no")]
    No,
    #[error(transparent)]
    Store(#[from] Error),
}

async fn an_error_changes_nothing(fixture: &Fixture) {
    let store = fixture.open();
    let queue = Queue::new("outbox");
    let revision = store.revision();
    let refused: Result<(), Refusal> = store
        .transact(|tx| {
            tx.put(THINGS, &key("a"), &thing(1))?;
            tx.enqueue(&Queue::new("outbox"), NewMessage::new("x"))?;
            Err(Refusal::No)
        })
        .await;
    assert_eq!(refused, Err(Refusal::No));
    assert_eq!(store.get(THINGS, &key("a")).await.unwrap(), None);
    assert_eq!(store.queue_counts(&queue).await.unwrap().visible, 0);
    assert_eq!(store.revision(), revision);
}

async fn a_panic_changes_nothing_and_hurts_nobody(fixture: &Fixture) {
    let store = fixture.open();
    let panicked = store
        .transact(|tx| {
            tx.put(THINGS, &key("a"), &thing(1))?;
            if tx.exists(THINGS, &key("a"))? {
                panic!("as the test wants");
            }
            Ok::<_, Error>(())
        })
        .await;
    assert_eq!(panicked, Err(Error::Panicked("as the test wants".into())));
    assert_eq!(store.get(THINGS, &key("a")).await.unwrap(), None);
    store.transact(|tx| tx.put(THINGS, &key("b"), &thing(1))).await.unwrap();
}

async fn fill(store: &store::Store) {
    store
        .transact(|tx| {
            for (region, name) in [("eu", "a"), ("eu", "b"), ("eu", "bc"), ("eu", "c"), ("eu-1", "a"), ("us", "a")] {
                tx.put(THINGS, &Key::of((region, name)), &thing(0))?;
            }
            tx.put(OTHERS, &Key::of(("eu", "z")), &thing(0))
        })
        .await
        .unwrap();
}

fn names(found: Vec<(Key, crate::fixture::Thing)>) -> Vec<String> {
    let names = found.iter().map(|(key, _)| key.parts::<(String, String)>().unwrap());
    names.map(|(region, name)| format!("{region}/{name}")).collect()
}

async fn scans_ranges(fixture: &Fixture) {
    let store = fixture.open();
    fill(&store).await;
    let scan = async |scan| names(store.scan(THINGS, scan).await.unwrap());
    assert_eq!(scan(Scan::all()).await, ["eu/a", "eu/b", "eu/bc", "eu/c", "eu-1/a", "us/a"]);
    assert_eq!(scan(Scan::under("eu")).await, ["eu/a", "eu/b", "eu/bc", "eu/c"]);
    assert_eq!(scan(Scan::starting_with("eu", "b")).await, ["eu/b", "eu/bc"]);
    assert_eq!(scan(Scan::under("eu").reverse().limit(2)).await, ["eu/c", "eu/bc"]);
    let (b, c) = (Key::of(("eu", "b")), Key::of(("eu", "c")));
    assert_eq!(scan(Scan::under("eu").from(b.clone()).until(c.clone())).await, ["eu/b", "eu/bc"]);
    assert_eq!(scan(Scan::under("eu").after(b.clone())).await, ["eu/bc", "eu/c"]);
    assert_eq!(scan(Scan::under("eu").reverse().after(b.clone())).await, ["eu/a"]);
    assert_eq!(scan(Scan::under("eu").from(c).until(b)).await, [""; 0]);
    assert_eq!(scan(Scan::under("xx")).await, [""; 0]);
    assert_eq!(scan(Scan::all().limit(0)).await, [""; 0]);
}

async fn scans_through_own_writes_in_both_directions(fixture: &Fixture) {
    let store = fixture.open();
    fill(&store).await;
    let (forward, backward) = store
        .transact(|tx| {
            tx.put(THINGS, &Key::of(("eu", "aa")), &thing(0))?;
            tx.put(THINGS, &Key::of(("eu", "b")), &thing(9))?;
            tx.delete(THINGS, &Key::of(("eu", "bc")))?;
            tx.put(THINGS, &Key::of(("eu", "zz")), &thing(0))?;
            Ok::<_, Error>((
                tx.scan(THINGS, Scan::under("eu"))?,
                tx.scan(THINGS, Scan::under("eu").reverse().limit(3))?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(forward[2].1, thing(9));
    assert_eq!(names(forward), ["eu/a", "eu/aa", "eu/b", "eu/c", "eu/zz"]);
    assert_eq!(names(backward), ["eu/zz", "eu/c", "eu/b"]);
}

async fn pages_through_a_table(fixture: &Fixture) {
    let store = fixture.open();
    store.transact(|tx| (0..250_u64).try_for_each(|n| tx.put(THINGS, &Key::of(n), &thing(n)))).await.unwrap();
    let mut seen = Vec::new();
    let mut scan = Scan::all().limit(100);
    loop {
        let page = store.scan(THINGS, scan).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        let token = last.as_bytes().to_vec();
        seen.extend(page.iter().map(|(_, thing)| thing.count));
        scan = Scan::all().limit(100).after(Key::from_bytes(&token).unwrap());
    }
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
    assert_eq!(Key::from_bytes(b"nonsense"), Err(Error::Malformed("key")));
}

async fn deletes_ranges(fixture: &Fixture) {
    let store = fixture.open();
    fill(&store).await;
    let count = store.transact(|tx| tx.delete_range(THINGS, Scan::under("eu").limit(3))).await.unwrap();
    assert_eq!(count, 3);
    assert_eq!(names(store.scan(THINGS, Scan::all()).await.unwrap()), ["eu/c", "eu-1/a", "us/a"]);
}

async fn a_snapshot_stays_as_it_was(fixture: &Fixture) {
    let store = fixture.open();
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    let before = store.snapshot().unwrap();
    store
        .transact(|tx| {
            tx.put(THINGS, &key("a"), &thing(2))?;
            tx.put(THINGS, &key("b"), &thing(2))
        })
        .await
        .unwrap();
    assert_eq!(before.get(THINGS, &key("a")).await.unwrap(), Some(thing(1)));
    assert_eq!(before.scan(THINGS, Scan::all()).await.unwrap().len(), 1);
    assert_eq!(before.revision().unwrap() + 1, store.snapshot().unwrap().revision().unwrap());
}

async fn counts_exactly_under_concurrency(fixture: &Fixture) {
    let store = fixture.open();
    let clients = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                store
                    .transact(|tx| {
                        let count = tx.get(THINGS, &key("n"))?.map_or(0, |thing| thing.count);
                        tx.put(THINGS, &key("n"), &thing(count + 1))
                    })
                    .await
                    .unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(store.get(THINGS, &key("n")).await.unwrap(), Some(thing(400)));
}

async fn refuses_what_is_too_large(fixture: &Fixture) {
    let store = fixture.open();
    let too_large = |result: Result<(), Error>| assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    let long = "k".repeat(KEY_BYTES_MAX);
    too_large(store.transact(move |tx| tx.put(THINGS, &key(&long), &thing(1))).await);
    let large = Arc::new(Raw(vec![0; VALUE_BYTES_MAX]));
    too_large(store.transact(move |tx| tx.put(RAW, &key("a"), &large)).await);
    let many = |tx: &mut store::Tx<'_>| {
        (0..=TX_WRITES_MAX as u64).try_for_each(|n| tx.put(RAW, &Key::of(n), &Raw(Vec::new())))
    };
    too_large(store.transact(many).await);
    // Not even if the closure looks away.
    let swallowed = move |tx: &mut store::Tx<'_>| {
        let _ = many(tx);
        Ok(())
    };
    too_large(store.transact(swallowed).await);
    assert!(store.scan(RAW, Scan::all()).await.unwrap().is_empty());
    let fits = Arc::new(Raw(vec![7; VALUE_BYTES_MAX - 2]));
    let stored = Arc::clone(&fits);
    store.transact(move |tx| tx.put(RAW, &key("a"), &stored)).await.unwrap();
    assert_eq!(store.get(RAW, &key("a")).await.unwrap().as_ref(), Some(fits.as_ref()));
}

async fn survives_reopening(fixture: &Fixture) {
    for round in 0..5_u64 {
        let store = fixture.open();
        assert_eq!(store.revision(), round * 40);
        assert_eq!(store.scan(THINGS, Scan::all()).await.unwrap().len() as u64, round * 40);
        for n in 0..40 {
            let record = crate::fixture::Thing { count: n, note: "x".repeat(2_000) };
            store.transact(move |tx| tx.put(THINGS, &Key::of((round, n)), &record)).await.unwrap();
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Old {
    name: String,
}
impl Record for Old {}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct New {
    first: String,
    last: String,
}
impl Record for New {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, Error> {
        if version != 1 {
            return Err(Error::UnknownVersion(version));
        }
        let old = Old::decode(bytes)?;
        let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
        Ok(Self { first: first.into(), last: last.into() })
    }
}

async fn migrates_old_records(fixture: &Fixture) {
    const OLD: Table<Old> = Table::new("test.people");
    const NEW: Table<New> = Table::new("test.people");
    let store = fixture.open();
    store.transact(|tx| tx.put(OLD, &key("a"), &Old { name: "Ada Lovelace".into() })).await.unwrap();
    let ada = New { first: "Ada".into(), last: "Lovelace".into() };
    assert_eq!(store.get(NEW, &key("a")).await.unwrap(), Some(ada));
}

async fn refuses_unknown_versions_and_broken_records(fixture: &Fixture) {
    const OLD: Table<Old> = Table::new("test.people");
    const NEW: Table<New> = Table::new("test.people");
    const BYTES: Table<Raw> = Table::new("test.people");
    let store = fixture.open();
    store.transact(|tx| tx.put(NEW, &key("a"), &New { first: String::new(), last: String::new() })).await.unwrap();
    assert!(matches!(store.get(OLD, &key("a")).await, Err(Error::UnknownVersion(2))));
    store.transact(|tx| tx.put(BYTES, &key("a"), &Raw(b"{".to_vec()))).await.unwrap();
    assert!(matches!(store.get(OLD, &key("a")).await, Err(Error::Corrupt { table, .. }) if table == "test.people"));
    assert!(matches!(store.scan(OLD, Scan::all()).await, Err(Error::Corrupt { .. })));
}

async fn closes(fixture: &Fixture) {
    let store = fixture.open();
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.get(THINGS, &key("a")).await, Err(Error::Closed));
    assert_eq!(store.transact(|tx| tx.put(THINGS, &key("a"), &thing(2))).await, Err(Error::Closed));
    let again = fixture.open();
    assert_eq!(again.get(THINGS, &key("a")).await.unwrap(), Some(thing(1)));
}

async fn buffered_writes_survive_reopening(fixture: &Fixture) {
    let store = fixture.open();
    store.transact_with(Durability::Buffered, |tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    drop(store);
    assert_eq!(fixture.open().get(THINGS, &key("a")).await.unwrap(), Some(thing(1)));
}

async fn erases_everything(fixture: &Fixture) {
    let store = fixture.open();
    fill(&store).await;
    let queue = Queue::new("outbox");
    store.transact(|tx| (0..6_000_u64).try_for_each(|n| tx.put(RAW, &Key::of(n), &Raw(Vec::new())))).await.unwrap();
    store.enqueue(&queue, NewMessage::new("x")).await.unwrap();
    let revision = store.revision();
    store.erase().await.unwrap();
    assert!(store.scan(RAW, Scan::all()).await.unwrap().is_empty());
    assert!(store.scan(THINGS, Scan::all()).await.unwrap().is_empty());
    assert_eq!(store.queue_counts(&queue).await.unwrap(), store::QueueCounts::default());
    assert!(store.revision() > revision, "caches hear of it");
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
    assert_eq!(fixture.open_again(store).get(THINGS, &key("a")).await.unwrap(), Some(thing(1)));
}
