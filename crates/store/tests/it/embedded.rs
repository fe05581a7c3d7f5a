//! What is particular to the embedded driver.

use std::{fs, os::unix::fs::MetadataExt, time::Duration};

use store::{Embedded, Error, Key, Raw, Scan, Store, system_clock};

use crate::fixture::{RAW, THINGS, key, thing};

#[tokio::test]
async fn a_directory_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), system_clock()).unwrap();
    let second = Store::open(directory.path(), system_clock());
    assert_eq!(second.err(), Some(Error::InUse(directory.path().to_owned())));
    let snapshot = store.snapshot().unwrap();
    drop(store);
    assert!(Store::open(directory.path(), system_clock()).is_err(), "a snapshot still reads it");
    drop(snapshot);
    Store::open(directory.path(), system_clock()).unwrap();
}

#[tokio::test]
async fn a_creation_that_was_cut_short_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("db.new/keyspaces")).unwrap();
    fs::write(directory.path().join("db.new/0.jnl"), "half").unwrap();
    let store = Store::open(directory.path(), system_clock()).unwrap();
    store.transact(|tx| tx.put(THINGS, &key("a"), &thing(1))).await.unwrap();
}

/// Many times the memtable, so that tables, compaction and a rotated journal are behind what is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_memtable_survives() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Embedded { memtable_bytes: 256 * 1024, ..Embedded::default() };
    {
        let store = settings.open(directory.path(), system_clock()).unwrap();
        for n in 0..60_u64 {
            store
                .transact(move |tx| {
                    (0..200_u64).try_for_each(|m| tx.put(RAW, &Key::of((m, n)), &Raw(vec![n as u8; 500])))
                })
                .await
                .unwrap();
        }
        store.transact(|tx| tx.delete_range(RAW, Scan::under(7_u64)).map(drop)).await.unwrap();
    }
    let store = settings.open(directory.path(), system_clock()).unwrap();
    let all = store.scan(RAW, Scan::all()).await.unwrap();
    assert_eq!(all.len(), 199 * 60);
    assert!(all.iter().all(|(key, raw)| raw.0 == vec![key.parts::<(u64, u64)>().unwrap().1 as u8; 500]));
}

fn journal_bytes(directory: &std::path::Path) -> u64 {
    let files = fs::read_dir(directory.join("db")).unwrap().map(|entry| entry.unwrap());
    let journals = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "jnl"));
    journals.map(|file| file.metadata().unwrap().blocks() * 512).sum()
}

async fn write_three_mebibytes(store: &Store) {
    for n in 0..30_u64 {
        store
            .transact(move |tx| {
                (0..100_u64).try_for_each(|m| tx.put(RAW, &Key::of((n, m)), &Raw(vec![n as u8; 1_000])))
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn closing_leaves_an_empty_journal_and_everything_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), system_clock()).unwrap();
    write_three_mebibytes(&store).await;
    let revision = store.revision();
    assert!(journal_bytes(directory.path()) > 3_000_000);
    drop(store);
    assert_eq!(journal_bytes(directory.path()), 0);
    for round in 0..3 {
        let store = Store::open(directory.path(), system_clock()).unwrap();
        assert_eq!(store.revision(), revision + round);
        assert_eq!(store.scan(RAW, Scan::all()).await.unwrap().len(), 3_000);
        store.transact(move |tx| tx.put(THINGS, &key("round"), &thing(round))).await.unwrap();
        assert_eq!(store.get(THINGS, &key("round")).await.unwrap(), Some(thing(round)));
    }
}

#[tokio::test]
async fn settles_while_idle_unless_somebody_reads() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), system_clock()).unwrap();
    write_three_mebibytes(&store).await;
    let snapshot = store.snapshot().unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(journal_bytes(directory.path()) > 3_000_000, "a snapshot reads the database as it was");
    assert_eq!(snapshot.scan(RAW, Scan::all()).await.unwrap().len(), 3_000);
    drop(snapshot);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if journal_bytes(directory.path()) == 0 {
            break;
        }
    }
    assert_eq!(journal_bytes(directory.path()), 0);
    assert_eq!(store.scan(RAW, Scan::all()).await.unwrap().len(), 3_000);
    store.transact(|tx| tx.put(THINGS, &key("after"), &thing(1))).await.unwrap();
    drop(store);
    let store = Store::open(directory.path(), system_clock()).unwrap();
    assert_eq!(store.get(THINGS, &key("after")).await.unwrap(), Some(thing(1)));
    assert_eq!(store.scan(RAW, Scan::all()).await.unwrap().len(), 3_000);
}
