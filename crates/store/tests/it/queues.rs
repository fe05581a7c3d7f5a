//! Leased queues, on every driver.

use std::time::Duration;

use store::{Enqueued, Error, Leased, MessageId, NewMessage, PAYLOAD_BYTES_MAX, Queue, QueueCounts, Receipt, Store};

use crate::fixture::{Fixture, THINGS, key, thing};

crate::on_every_driver!(
    leases_in_order_and_acknowledges,
    an_expired_lease_goes_to_the_next,
    a_stale_receipt_is_refused,
    gives_back_with_delay,
    gives_back_all_that_is_leased,
    extends_only_running_leases,
    delays_and_counts,
    deduplicates_within_the_window,
    a_group_goes_in_order_one_at_a_time,
    a_group_is_leased_in_one_call_and_other_groups_meanwhile,
    a_group_stays_in_order_when_leases_end_differently,
    moves_to_a_dead_letter_queue_with_the_rest_or_not_at_all,
    waits_for_commit_and_for_time,
    purges,
    queues_are_apart_and_names_are_checked,
    survives_reopening_with_leases,
    a_long_queue_drains_once,
);

const Q: Queue = Queue::new("test.queue");
const LEASE_MS: i64 = 30_000;

async fn send(store: &Store, payload: &str) -> MessageId {
    store.enqueue(&Q, NewMessage::new(payload)).await.unwrap().id
}

async fn send_group(store: &Store, group: &str, payload: &str) {
    store.enqueue(&Q, NewMessage::new(payload).group(group)).await.unwrap();
}

async fn take(store: &Store, max: usize) -> Vec<Leased> {
    store.lease(&Q, max, LEASE_MS).await.unwrap()
}

fn texts(leased: &[Leased]) -> Vec<&str> {
    leased.iter().map(|message| std::str::from_utf8(&message.payload).unwrap()).collect()
}

async fn leases_in_order_and_acknowledges(fixture: &Fixture) {
    let store = fixture.open();
    assert_eq!(take(&store, 10).await, []);
    for payload in ["a", "b", "c"] {
        send(&store, payload).await;
    }
    let first = take(&store, 2).await;
    assert_eq!(texts(&first), ["a", "b"]);
    assert_eq!((first[0].receive_count, first[0].lease_until_ms), (1, fixture.now() + LEASE_MS));
    assert_eq!(texts(&take(&store, 10).await), ["c"]);
    assert_eq!(take(&store, 10).await, []);
    store.ack(&Q, first[0].receipt).await.unwrap();
    fixture.advance(LEASE_MS);
    assert_eq!(texts(&take(&store, 10).await), ["b", "c"]);
}

async fn an_expired_lease_goes_to_the_next(fixture: &Fixture) {
    let store = fixture.open();
    send(&store, "a").await;
    let first = take(&store, 1).await;
    let started = fixture.now();
    fixture.advance(LEASE_MS - 1);
    assert_eq!(take(&store, 1).await, []);
    fixture.advance(1);
    let second = take(&store, 1).await;
    assert_eq!((second[0].receive_count, second[0].first_leased_at_ms), (2, started));
    assert_ne!(first[0].receipt, second[0].receipt);
    store.ack(&Q, second[0].receipt).await.unwrap();
}

async fn a_stale_receipt_is_refused(fixture: &Fixture) {
    let store = fixture.open();
    let id = send(&store, "a").await;
    let stale = Err(Error::StaleReceipt { queue: "test.queue".into(), id });
    assert_eq!(store.ack(&Q, Receipt { id, epoch: 0 }).await, stale, "never leased");
    let old = take(&store, 1).await[0].receipt;
    fixture.advance(LEASE_MS);
    let new = take(&store, 1).await[0].receipt;
    assert_eq!(store.ack(&Q, old).await, stale);
    assert_eq!(store.nack(&Q, old, 0).await, stale);
    assert_eq!(store.extend(&Q, old, 1).await, stale);
    assert_eq!(store.move_message(&Q, old, &Queue::new("dlq")).await.map(drop), stale);
    store.ack(&Q, new).await.unwrap();
    assert_eq!(store.ack(&Q, new).await, stale, "gone");
    assert_eq!("5.2".parse(), Ok(Receipt { id: MessageId(5), epoch: 2 }));
    assert_eq!("5".parse::<Receipt>(), Err(Error::Malformed("receipt")));
    // An expired lease that nobody else got may still be acknowledged: the work was done.
    send(&store, "b").await;
    let late = take(&store, 1).await[0].receipt;
    fixture.advance(LEASE_MS * 2);
    store.ack(&Q, late).await.unwrap();
}

async fn gives_back_with_delay(fixture: &Fixture) {
    let store = fixture.open();
    send(&store, "a").await;
    let first = take(&store, 1).await[0].receipt;
    store.nack(&Q, first, 1_000).await.unwrap();
    assert!(store.ack(&Q, first).await.is_err());
    assert_eq!(take(&store, 1).await, []);
    fixture.advance(1_000);
    let second = take(&store, 1).await;
    assert_eq!(second[0].receive_count, 2);
    store.nack(&Q, second[0].receipt, 0).await.unwrap();
    assert_eq!(take(&store, 1).await.len(), 1, "no delay: visible at once");
}

async fn gives_back_all_that_is_leased(fixture: &Fixture) {
    let store = fixture.open();
    store.nack_all(&Q, |_| 0).await.unwrap();
    send(&store, "twice").await;
    let expired = take(&store, 1).await.remove(0).receipt;
    fixture.advance(LEASE_MS);
    let twice = take(&store, 1).await;
    assert_eq!(twice[0].receive_count, 2);
    let many = |tx: &mut store::Tx<'_>| (0..2_499).try_for_each(|_| tx.enqueue(&Q, NewMessage::new("once")).map(drop));
    store.transact(many).await.unwrap();
    let mut once = Vec::new();
    for _ in 0..3 {
        once.extend(take(&store, 800).await);
    }
    store.enqueue(&Q, NewMessage::new("later").delayed(1_500)).await.unwrap();
    let store = fixture.open_again(store);
    store.nack_all(&Q, |receives| i64::from(receives) * 1_000).await.unwrap();
    let counts = store.queue_counts(&Q).await.unwrap();
    assert_eq!((counts.visible, counts.in_flight, counts.delayed), (99, 0, 2_402));
    for receipt in [expired, twice[0].receipt, once[0].receipt] {
        assert!(store.ack(&Q, receipt).await.is_err(), "nobody holds it");
        assert!(store.extend(&Q, receipt, LEASE_MS).await.is_err());
    }
    assert_eq!(texts(&take(&store, 1_000).await).len(), 99);
    fixture.advance(1_000);
    let mut back = 0;
    while let taken = take(&store, 1_000).await
        && !taken.is_empty()
    {
        assert!(taken.iter().all(|one| one.receive_count == 2), "it counts as handed out");
        back += taken.len();
    }
    assert_eq!(back, 2_400);
    fixture.advance(500);
    assert_eq!(texts(&take(&store, 10).await), ["later"], "what nobody held stays as it was");
    fixture.advance(500);
    let last = take(&store, 10).await;
    assert_eq!((texts(&last), last[0].receive_count), (vec!["twice"], 3), "it was handed out twice, and waited longer");
}

async fn extends_only_running_leases(fixture: &Fixture) {
    let store = fixture.open();
    let id = send(&store, "a").await;
    let receipt = take(&store, 1).await[0].receipt;
    fixture.advance(LEASE_MS - 1);
    store.extend(&Q, receipt, LEASE_MS).await.unwrap();
    fixture.advance(LEASE_MS - 1);
    assert_eq!(take(&store, 1).await, []);
    fixture.advance(1);
    let expired = store.extend(&Q, receipt, LEASE_MS).await;
    assert_eq!(expired, Err(Error::LeaseExpired { queue: "test.queue".into(), id }));
    assert_eq!(take(&store, 1).await.len(), 1);
}

async fn delays_and_counts(fixture: &Fixture) {
    let store = fixture.open();
    assert_eq!(store.queue_counts(&Q).await.unwrap(), QueueCounts::default());
    let sent_at = fixture.now();
    send(&store, "now").await;
    store.enqueue(&Q, NewMessage::new("later").delayed(5_000)).await.unwrap();
    store.enqueue(&Q, NewMessage::new("at").visible_at(sent_at + 10_000)).await.unwrap();
    let counts =
        |visible, in_flight, delayed| QueueCounts { visible, in_flight, delayed, oldest_enqueued_at_ms: Some(sent_at) };
    assert_eq!(store.queue_counts(&Q).await.unwrap(), counts(1, 0, 2));
    let leased = take(&store, 10).await;
    assert_eq!(texts(&leased), ["now"]);
    assert_eq!(store.queue_counts(&Q).await.unwrap(), counts(0, 1, 2));
    fixture.advance(5_000);
    assert_eq!(store.queue_counts(&Q).await.unwrap(), counts(1, 1, 1));
    send(&store, "newer").await;
    store.ack(&Q, leased[0].receipt).await.unwrap();
    assert_eq!(store.queue_counts(&Q).await.unwrap(), counts(2, 0, 1));
    fixture.advance(5_000);
    for message in take(&store, 10).await {
        store.ack(&Q, message.receipt).await.unwrap();
    }
    assert_eq!(store.queue_counts(&Q).await.unwrap(), QueueCounts::default());
}

async fn deduplicates_within_the_window(fixture: &Fixture) {
    let store = fixture.open();
    let send = async |id: &str| store.enqueue(&Q, NewMessage::new("x").dedup(id, 300_000)).await.unwrap();
    let first = send("one").await;
    assert!(!first.duplicate);
    assert_eq!(send("one").await, Enqueued { id: first.id, duplicate: true });
    let leased = take(&store, 1).await;
    store.ack(&Q, leased[0].receipt).await.unwrap();
    assert!(send("one").await.duplicate, "also once the first is done");
    fixture.advance(300_000);
    assert!(!send("one").await.duplicate);
    for n in 0..10 {
        assert!(!send(&format!("many {n}")).await.duplicate);
    }
    assert!(send("one").await.duplicate, "sweeping the old entry spares the new one");
}

async fn a_group_goes_in_order_one_at_a_time(fixture: &Fixture) {
    let store = fixture.open();
    for payload in ["a1", "a2", "a3"] {
        send_group(&store, "a", payload).await;
    }
    let first = take(&store, 1).await;
    assert_eq!(texts(&first), ["a1"]);
    assert_eq!(first[0].group.as_deref(), Some("a"));
    assert_eq!(take(&store, 10).await, [], "the group is out");
    assert_eq!(store.queue_counts(&Q).await.unwrap().visible, 2);
    store.nack(&Q, first[0].receipt, 0).await.unwrap();
    let again = take(&store, 1).await;
    assert_eq!(texts(&again), ["a1"]);
    store.ack(&Q, again[0].receipt).await.unwrap();
    let next = take(&store, 1).await;
    assert_eq!(texts(&next), ["a2"]);
    fixture.advance(LEASE_MS);
    let rest = take(&store, 10).await;
    assert_eq!(texts(&rest), ["a2", "a3"]);
    for message in rest {
        store.ack(&Q, message.receipt).await.unwrap();
    }
    send_group(&store, "a", "a4").await;
    assert_eq!(texts(&take(&store, 1).await), ["a4"]);
}

async fn a_group_is_leased_in_one_call_and_other_groups_meanwhile(fixture: &Fixture) {
    let store = fixture.open();
    for (group, payload) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
        send_group(&store, group, payload).await;
    }
    send(&store, "free").await;
    let first = take(&store, 2).await;
    assert_eq!(texts(&first), ["a1", "a2"]);
    let second = take(&store, 10).await;
    assert_eq!(texts(&second), ["b1", "b2", "free"]);
    store.ack(&Q, first[0].receipt).await.unwrap();
    assert_eq!(take(&store, 10).await, [], "a2 is still out");
    store.ack(&Q, first[1].receipt).await.unwrap();
    assert_eq!(texts(&take(&store, 10).await), ["a3"]);
}

async fn a_group_stays_in_order_when_leases_end_differently(fixture: &Fixture) {
    let store = fixture.open();
    for payload in ["a1", "a2", "a3"] {
        send_group(&store, "a", payload).await;
    }
    let leased = take(&store, 2).await;
    store.extend(&Q, leased[0].receipt, LEASE_MS * 10).await.unwrap();
    fixture.advance(LEASE_MS);
    assert_eq!(take(&store, 10).await, [], "a2's lease ran out, but a1 is still out");
    assert_eq!(take(&store, 10).await, []);
    let ready = tokio::time::timeout(Duration::from_millis(20), store.await_ready(&Q)).await;
    assert!(ready.is_err(), "a blocked message wakes nobody");
    store.ack(&Q, leased[0].receipt).await.unwrap();
    assert_eq!(texts(&take(&store, 10).await), ["a2", "a3"]);
}

async fn moves_to_a_dead_letter_queue_with_the_rest_or_not_at_all(fixture: &Fixture) {
    let store = fixture.open();
    let dead = Queue::named("dead");
    send(&store, "a").await;
    let sent_at = fixture.now();
    fixture.advance(10);
    let receipt = take(&store, 1).await[0].receipt;
    let refused: Result<(), Error> = store
        .transact(move |tx| {
            tx.move_message(&Q, receipt, &Queue::new("dead"))?;
            Err(Error::Closed)
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(store.queue_counts(&dead).await.unwrap().visible, 0);
    store
        .transact(move |tx| {
            tx.move_message(&Q, receipt, &Queue::new("dead"))?;
            tx.put(THINGS, &key("moved"), &thing(1))
        })
        .await
        .unwrap();
    assert_eq!(store.queue_counts(&Q).await.unwrap(), QueueCounts::default());
    let found = store.lease(&dead, 10, LEASE_MS).await.unwrap();
    assert_eq!((texts(&found), found[0].receive_count, found[0].enqueued_at_ms), (vec!["a"], 1, sent_at));
}

async fn waits_for_commit_and_for_time(fixture: &Fixture) {
    let store = fixture.open();
    let wait = || {
        let store = store.clone();
        tokio::spawn(async move { store.await_ready(&Q).await })
    };
    let soon = |waiter| tokio::time::timeout(Duration::from_secs(5), waiter);
    let waiter = wait();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!waiter.is_finished());
    store.enqueue(&Queue::new("another"), NewMessage::new("x")).await.unwrap();
    store.enqueue(&Q, NewMessage::new("later").delayed(30)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(!waiter.is_finished());
    fixture.advance(30); // the waiter sleeps 30 ms of real time, then finds that the clock has moved
    soon(waiter).await.unwrap().unwrap().unwrap();
    soon(wait()).await.unwrap().unwrap().unwrap();
    let receipt = take(&store, 1).await[0].receipt;
    let waiter = wait();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!waiter.is_finished());
    fixture.advance(LEASE_MS);
    store.wake_waiters();
    soon(waiter).await.unwrap().unwrap().unwrap();
    store.ack(&Q, receipt).await.unwrap();
    let waiter = wait();
    tokio::time::sleep(Duration::from_millis(10)).await;
    send(&store, "now").await;
    soon(waiter).await.unwrap().unwrap().unwrap();
}

async fn purges(fixture: &Fixture) {
    let store = fixture.open();
    store
        .transact(|tx| {
            (0..3_000).try_for_each(|n| tx.enqueue(&Q, NewMessage::new("x").group(format!("g{}", n % 7))).map(drop))
        })
        .await
        .unwrap();
    let receipt = take(&store, 1).await[0].receipt;
    store.purge(&Q).await.unwrap();
    assert_eq!(store.queue_counts(&Q).await.unwrap(), QueueCounts::default());
    assert!(store.ack(&Q, receipt).await.is_err());
    send_group(&store, "g1", "fresh").await;
    let fresh = take(&store, 10).await;
    assert_eq!(texts(&fresh), ["fresh"]);
    assert!(fresh[0].receipt.id > receipt.id, "numbers are not used again");
}

async fn queues_are_apart_and_names_are_checked(fixture: &Fixture) {
    let store = fixture.open();
    send(&store, "a").await;
    for other in ["test", "test.queu", "test.queue2"] {
        let other = Queue::named(other);
        assert_eq!(store.lease(&other, 10, LEASE_MS).await.unwrap(), []);
        store.enqueue(&other, NewMessage::new("other")).await.unwrap();
    }
    assert_eq!(texts(&take(&store, 10).await), ["a"]);
    for bad in [String::new(), "a\0b".into(), "x".repeat(600)] {
        assert!(store.enqueue(&Queue::named(bad), NewMessage::new("x")).await.is_err());
    }
    assert!(store.enqueue(&Q, NewMessage::new("x").group("a\0")).await.is_err());
    let large = store.enqueue(&Q, NewMessage::new(vec![0; PAYLOAD_BYTES_MAX + 1])).await;
    assert!(matches!(large, Err(Error::TooLarge { .. })));
}

async fn survives_reopening_with_leases(fixture: &Fixture) {
    let store = fixture.open();
    for payload in ["a", "b"] {
        send(&store, payload).await;
    }
    let leased = take(&store, 1).await;
    drop(store);
    let store = fixture.open();
    assert_eq!(texts(&take(&store, 10).await), ["b"], "the lease holds");
    store.ack(&Q, leased[0].receipt).await.unwrap();
    drop(store);
    let store = fixture.open();
    fixture.advance(LEASE_MS);
    let again = take(&store, 10).await;
    assert_eq!((texts(&again), again[0].receive_count), (vec!["b"], 2));
}

async fn a_long_queue_drains_once(fixture: &Fixture) {
    let store = fixture.open();
    for round in 0..10 {
        store
            .transact(move |tx| {
                (0..200).try_for_each(|n| tx.enqueue(&Q, NewMessage::new(format!("{}", round * 200 + n))).map(drop))
            })
            .await
            .unwrap();
        fixture.advance(1);
    }
    let workers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = Vec::new();
            loop {
                let leased = store.lease(&Q, 7, LEASE_MS).await.unwrap();
                if leased.is_empty() {
                    return done;
                }
                for message in leased {
                    store.ack(&Q, message.receipt).await.unwrap();
                    done.push(String::from_utf8(message.payload).unwrap().parse::<u32>().unwrap());
                }
            }
        })
    });
    let mut done = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        done.extend(worker.await.unwrap());
    }
    done.sort_unstable();
    assert_eq!(done, (0..2_000).collect::<Vec<_>>());
    assert_eq!(store.queue_counts(&Q).await.unwrap(), QueueCounts::default());
}
