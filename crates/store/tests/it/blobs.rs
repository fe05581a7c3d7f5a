//! Blobs.

use std::{fs, os::unix::fs::MetadataExt};

use store::{BlobId, Error};

use crate::fixture::Fixture;

crate::on_every_driver!(puts_and_gets, writes_by_pieces, is_collected_by_age, refuses_bad_ids, forgets_the_unfinished);

async fn puts_and_gets(fixture: &Fixture) {
    let store = fixture.open();
    let blobs = store.blobs();
    let id = blobs.put("hello").await.unwrap();
    assert_eq!(id.to_string(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!(blobs.get(id).await.unwrap(), "hello");
    assert_eq!(fs::read(blobs.path(id).unwrap()).unwrap(), b"hello");
    assert_eq!(blobs.put("hello").await.unwrap(), id);
    let empty = blobs.put("").await.unwrap();
    assert_eq!(blobs.get(empty).await.unwrap(), "");
    assert!(blobs.delete(id).await.unwrap());
    assert!(!blobs.delete(id).await.unwrap());
    assert!(!blobs.exists(id).unwrap());
    assert_eq!(blobs.get(id).await, Err(Error::NoSuchBlob(id)));
    assert_eq!(blobs.path(id), Err(Error::NoSuchBlob(id)));
    assert!(blobs.exists(empty).unwrap());
}

async fn writes_by_pieces(fixture: &Fixture) {
    let store = fixture.open();
    let mut writer = store.blobs().writer(10).unwrap();
    writer.append(b"hel").unwrap();
    writer.append(b"lo").unwrap();
    let too_much = writer.append(b"and more");
    assert_eq!(too_much, Err(Error::TooLarge { what: "blob bytes", actual: 13, limit: 10 }));
    assert_eq!(writer.bytes(), 5);
    let id = writer.finish().await.unwrap();
    assert_eq!(id, BlobId::of(b"hello"));
    assert_eq!(store.blobs().get(id).await.unwrap(), "hello");
    let inode = |id| fs::metadata(store.blobs().path(id).unwrap()).unwrap().ino();
    let before = inode(id);
    let mut again = store.blobs().writer(10).unwrap();
    again.append(b"hello").unwrap();
    assert_eq!(again.finish().await.unwrap(), id);
    assert_eq!(inode(id), before, "content that is there is not written again");
}

async fn is_collected_by_age(fixture: &Fixture) {
    let store = fixture.open();
    let blobs = store.blobs();
    let (old, kept) = (blobs.put("old").await.unwrap(), blobs.put("kept").await.unwrap());
    fixture.advance(1_000_000);
    blobs.put("kept").await.unwrap();
    let mut listed = blobs.list().await.unwrap();
    listed.sort_by_key(|info| info.put_at_ms);
    assert_eq!((listed[0].id, listed[0].bytes, listed[0].put_at_ms), (old, 3, fixture.now() - 1_000_000));
    assert_eq!((listed[1].id, listed[1].put_at_ms), (kept, fixture.now()));
    assert!(blobs.delete_older_than(old, 500_000).await.unwrap());
    assert!(!blobs.delete_older_than(kept, 500_000).await.unwrap());
    assert_eq!(blobs.list().await.unwrap().len(), 1);
}

async fn refuses_bad_ids(_fixture: &Fixture) {
    let id = BlobId::of(b"x");
    assert_eq!(id.to_string().parse(), Ok(id));
    for bad in ["", "zz", "../../etc/passwd", &id.to_string().to_uppercase(), &"é".repeat(32)] {
        assert_eq!(bad.parse::<BlobId>(), Err(Error::Malformed("blob id")));
    }
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(serde_json::from_str::<BlobId>(&json).unwrap(), id);
}

async fn forgets_the_unfinished(fixture: &Fixture) {
    let store = fixture.open();
    let kept = store.blobs().put("kept").await.unwrap();
    let mut writer = store.blobs().writer(10).unwrap();
    writer.append(b"half").unwrap();
    drop(writer);
    std::mem::forget(store.blobs().writer(10).unwrap()); // as if the process had died
    drop(store);
    let store = fixture.open();
    assert_eq!(store.blobs().list().await.unwrap().len(), 1);
    assert!(store.blobs().exists(kept).unwrap());
}
