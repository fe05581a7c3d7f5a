//! The queue face of a transaction: enqueue, lease, acknowledge, give back, extend, move to another queue.
//!
//! `queue.rs` says how a queue lies in the keys. The invariants kept here: a message has a due entry exactly if its header
//! says `due`, at the header's visibility time; of a group, the head always has one, others only while leased or once
//! handed out; `Totals` counts headers.

use std::{collections::HashSet, ops::ControlFlow};

use crate::{
    Enqueued, Error, LEASE_BATCH_MAX, Leased, MessageId, NewMessage, Queue, QueueCounts, Receipt, Record, Result,
    Table, Tx,
    queue::{Due, GroupHead, Header, Sent, Totals},
    scan::{RawRange, successor_of_prefix},
};

/// Only for the error texts and the version prefix of queue records; they do not lie in tables.
const TOTALS: Table<Totals> = Table::new("queue.totals");
const HEADERS: Table<Header> = Table::new("queue.headers");
const HEADS: Table<GroupHead> = Table::new("queue.heads");
const SENT: Table<Sent> = Table::new("queue.sent");

/// Numbers that are looked up one by one before a scan looks for a queue's first message: where a queue moves they follow each
/// other, and a look-up costs a small part of a scan.
const IDS_LOOKED_UP: u64 = 4;

/// Expired deduplication ids removed per enqueued message: more than one, so that they never pile up.
const DEDUP_SWEEP: usize = 2;

impl Tx<'_> {
    /// Adds a message. With the rest of the transaction: both or neither.
    pub fn enqueue(&mut self, queue: &Queue, message: NewMessage) -> Result<Enqueued> {
        queue.check()?;
        message.check()?;
        if let Some(first) = self.sent_lately(queue, &message)? {
            return Ok(Enqueued { id: first, duplicate: true });
        }
        let now_ms = self.now_ms();
        let header = Header {
            enqueued_at_ms: now_ms,
            visible_at_ms: message.visible_at_ms.unwrap_or(now_ms).saturating_add(message.delay_ms),
            receive_count: 0,
            epoch: 0,
            leased: false,
            due: false,
            first_leased_at_ms: None,
            group: message.group,
        };
        let id = self.add_message(queue, header, message.payload)?;
        if let Some((dedup, window_ms)) = &message.dedup {
            self.remember_sent(queue, dedup, Sent { id, until_ms: now_ms.saturating_add(*window_ms) })?;
        }
        Ok(Enqueued { id, duplicate: false })
    }

    /// Hands out up to `messages_max` visible messages, oldest visibility first, and hides them for `lease_ms`.
    pub fn lease(&mut self, queue: &Queue, messages_max: usize, lease_ms: i64) -> Result<Vec<Leased>> {
        queue.check()?;
        let messages_max = messages_max.min(LEASE_BATCH_MAX);
        let mut totals = self.totals(queue)?;
        let mut leased = Vec::new();
        let mut groups = HashSet::new();
        while leased.len() < messages_max {
            let due = self.due_until_now(queue, totals.first_due, messages_max - leased.len())?;
            let Some(first) = due.first() else { break };
            totals.first_due = *first;
            for entry in due {
                if leased.len() < messages_max {
                    self.lease_at(queue, entry, lease_ms, messages_max, &mut groups, &mut leased)?;
                }
            }
        }
        if !leased.is_empty() {
            self.put_record(queue.totals_key(), TOTALS, &totals)?;
        }
        Ok(leased)
    }

    /// Removes a leased message: it is done.
    pub fn ack(&mut self, queue: &Queue, receipt: Receipt) -> Result<()> {
        let header = self.held(queue, receipt)?;
        self.remove_message(queue, receipt.id, &header)
    }

    /// Gives a leased message back, visible after `delay_ms`. The receipt is stale afterwards.
    pub fn nack(&mut self, queue: &Queue, receipt: Receipt, delay_ms: i64) -> Result<()> {
        let mut header = self.held(queue, receipt)?;
        header.epoch += 1;
        header.leased = false;
        let visible_at_ms = self.now_ms().saturating_add(delay_ms.max(0));
        self.set_due(queue, receipt.id, header, visible_at_ms)
    }

    /// Makes a lease end `lease_ms` from now; the receipt stays good. Refused once the lease has run out.
    pub fn extend(&mut self, queue: &Queue, receipt: Receipt, lease_ms: i64) -> Result<()> {
        let header = self.held(queue, receipt)?;
        if header.visible_at_ms <= self.now_ms() {
            return Err(Error::LeaseExpired { queue: queue.name().to_owned(), id: receipt.id });
        }
        let visible_at_ms = self.now_ms().saturating_add(lease_ms.max(0));
        self.set_due(queue, receipt.id, header, visible_at_ms)
    }

    /// Gives back what is leased, at most so many messages of it, each to be visible after the delay that its receive count
    /// gets. True once nothing is leased. Leases that have run out are nobody's already.
    pub(crate) fn nack_some(
        &mut self,
        queue: &Queue,
        messages_max: usize,
        delay_ms: &impl Fn(u32) -> i64,
    ) -> Result<bool> {
        queue.check()?;
        let leased = self.leased(queue, messages_max)?;
        let done = leased.len() < messages_max;
        for id in leased {
            if let Some(header) = self.header(queue, id)? {
                let delay_ms = delay_ms(header.receive_count);
                self.nack(queue, Receipt { id, epoch: header.epoch }, delay_ms)?;
            }
        }
        Ok(done)
    }

    /// The first messages whose leases run, by when they end.
    pub(crate) fn leased(&self, queue: &Queue, messages_max: usize) -> Result<Vec<MessageId>> {
        let mut leased = Vec::new();
        self.scan_raw(&self.hidden_range(queue)?, &mut |key, state| {
            leased.extend(Due::of_key(queue, key).filter(|_| state == LEASED).map(|due| due.id));
            if leased.len() < messages_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(leased)
    }

    /// Moves a leased message to another queue (a dead-letter queue), where it is visible at once, keeps its group and the
    /// time it was first enqueued, and counts receives from zero.
    pub fn move_message(&mut self, from: &Queue, receipt: Receipt, to: &Queue) -> Result<MessageId> {
        to.check()?;
        let header = self.held(from, receipt)?;
        let payload = self.payload(from, receipt.id)?;
        self.remove_message(from, receipt.id, &header)?;
        let fresh = Header {
            visible_at_ms: self.now_ms(),
            receive_count: 0,
            epoch: 0,
            leased: false,
            due: false,
            first_leased_at_ms: None,
            ..header
        };
        self.add_message(to, fresh, payload)
    }

    /// Counts a queue's messages. Costs a scan of those not visible now.
    pub fn queue_counts(&self, queue: &Queue) -> Result<QueueCounts> {
        let totals = self.totals(queue)?;
        let mut counts = QueueCounts::default();
        self.scan_raw(&self.hidden_range(queue)?, &mut |_, state| {
            if state == LEASED {
                counts.in_flight += 1
            } else {
                counts.delayed += 1
            }
            ControlFlow::Continue(())
        })?;
        counts.visible = totals.messages.saturating_sub(counts.in_flight + counts.delayed);
        if let Some((_, oldest)) = self.first_message(queue, totals.first_id)? {
            counts.oldest_enqueued_at_ms = Some(oldest.enqueued_at_ms);
        }
        Ok(counts)
    }

    /// Whether a message could be leased now.
    pub(crate) fn has_visible(&self, queue: &Queue) -> Result<bool> {
        Ok(!self.due_until_now(queue, self.totals(queue)?.first_due, 1)?.is_empty())
    }

    /// When the next message becomes (or became) visible; `None` if nothing is in sight.
    pub fn next_visible_at_ms(&self, queue: &Queue) -> Result<Option<i64>> {
        let range = self.due_range(queue, self.totals(queue)?.first_due);
        let first = self.keys_raw(&range, 1)?;
        Ok(first.first().and_then(|key| Due::of_key(queue, key)).map(|due| due.at_ms))
    }

    /// Removes up to `keys_max` stored keys of a queue, messages and all; true once nothing is left.
    pub(crate) fn purge_some(&mut self, queue: &Queue, keys_max: usize) -> Result<bool> {
        queue.check()?;
        let keys = self.keys_raw(&RawRange::under(queue.whole()), keys_max)?;
        let done = keys.len() < keys_max;
        // Ids go on, so that an old receipt can never fit a new message.
        let totals = Totals { next_id: self.totals(queue)?.next_id, ..Totals::default() };
        keys.into_iter().try_for_each(|key| self.delete_raw(key))?;
        self.put_record(queue.totals_key(), TOTALS, &totals)?;
        Ok(done)
    }

    /// Leases the message of a due entry and, if it heads a group, those behind it. The entry is gone afterwards.
    fn lease_at(
        &mut self,
        queue: &Queue,
        entry: Due,
        lease_ms: i64,
        messages_max: usize,
        groups: &mut HashSet<String>,
        leased: &mut Vec<Leased>,
    ) -> Result<()> {
        let Some(header) = self.header(queue, entry.id)? else {
            return self.delete_raw(queue.due_key(entry));
        };
        if header.visible_at_ms != entry.at_ms {
            return self.delete_raw(queue.due_key(entry)); // taken already in this call, in its group's turn
        }
        let Some(group) = header.group.clone() else {
            leased.push(self.hand_out(queue, entry.id, header, lease_ms)?);
            return Ok(());
        };
        if groups.contains(&group) || self.group_head(queue, &group)? != Some(entry.id) {
            // An earlier one of its group is out: it gets its turn, and a due entry again, when that one is done.
            self.delete_raw(queue.due_key(entry))?;
            return self.put_header(queue, entry.id, &Header { due: false, leased: false, ..header });
        }
        let mut next = Some((entry.id, header));
        while let Some((id, header)) = next.take() {
            if leased.len() == messages_max || header.visible_at_ms > self.now_ms() {
                break;
            }
            leased.push(self.hand_out(queue, id, header, lease_ms)?);
            groups.insert(group.clone());
            next = self.group_member_after(queue, &group, id)?;
        }
        Ok(())
    }

    fn hand_out(&mut self, queue: &Queue, id: MessageId, mut header: Header, lease_ms: i64) -> Result<Leased> {
        let now_ms = self.now_ms();
        header.receive_count += 1;
        header.epoch += 1;
        header.leased = true;
        let first_leased_at_ms = *header.first_leased_at_ms.get_or_insert(now_ms);
        // A lease of no length still moves the message on, or one call would hand it out twice.
        let lease_until_ms = now_ms.saturating_add(lease_ms.max(1));
        let leased = Leased {
            receipt: Receipt { id, epoch: header.epoch },
            payload: self.payload(queue, id)?,
            group: header.group.clone(),
            receive_count: header.receive_count,
            enqueued_at_ms: header.enqueued_at_ms,
            first_leased_at_ms,
            lease_until_ms,
        };
        self.set_due_unhinted(queue, id, header, lease_until_ms)?;
        Ok(leased)
    }

    fn add_message(&mut self, queue: &Queue, mut header: Header, payload: Vec<u8>) -> Result<MessageId> {
        let mut totals = self.totals(queue)?;
        let id = MessageId(totals.next_id);
        totals.next_id += 1;
        totals.messages += 1;
        header.due = match header.group.clone() {
            None => true,
            Some(group) => {
                let first = self.group_head(queue, &group)?.is_none();
                self.put_raw(queue.group_member_key(&group, id), Vec::new())?;
                if first {
                    self.put_record(queue.group_head_key(&group), HEADS, &GroupHead { id })?;
                }
                first
            }
        };
        if header.due {
            let due = Due { at_ms: header.visible_at_ms, id };
            totals.first_due = totals.first_due.min(due);
            self.put_raw(queue.due_key(due), WAITING.to_vec())?;
        }
        self.put_header(queue, id, &header)?;
        self.put_raw(queue.payload_key(id), payload)?;
        self.put_record(queue.totals_key(), TOTALS, &totals)?;
        Ok(id)
    }

    fn remove_message(&mut self, queue: &Queue, id: MessageId, header: &Header) -> Result<()> {
        if header.due {
            self.delete_raw(queue.due_key(Due { at_ms: header.visible_at_ms, id }))?;
        }
        self.delete_raw(queue.header_key(id))?;
        self.delete_raw(queue.payload_key(id))?;
        let mut totals = self.totals(queue)?;
        totals.messages = totals.messages.saturating_sub(1);
        totals.first_id = self.first_id(queue, &totals)?;
        self.put_record(queue.totals_key(), TOTALS, &totals)?;
        match &header.group {
            Some(group) => self.leave_group(queue, group, id),
            None => Ok(()),
        }
    }

    fn leave_group(&mut self, queue: &Queue, group: &str, id: MessageId) -> Result<()> {
        self.delete_raw(queue.group_member_key(group, id))?;
        let head = self.get_record(&queue.group_head_key(group), HEADS)?;
        if head.is_some_and(|head| head.id != id) {
            return Ok(());
        }
        match self.group_member_after(queue, group, id)? {
            None => self.delete_raw(queue.group_head_key(group)),
            Some((next, header)) => {
                self.put_record(queue.group_head_key(group), HEADS, &GroupHead { id: next })?;
                if header.due { Ok(()) } else { self.set_due(queue, next, header.clone(), header.visible_at_ms) }
            }
        }
    }

    /// Sets when a message is visible, and keeps the hint below it.
    fn set_due(&mut self, queue: &Queue, id: MessageId, header: Header, at_ms: i64) -> Result<()> {
        self.set_due_unhinted(queue, id, header, at_ms)?;
        let mut totals = self.totals(queue)?;
        let due = Due { at_ms, id };
        if due < totals.first_due {
            totals.first_due = due;
            self.put_record(queue.totals_key(), TOTALS, &totals)?;
        }
        Ok(())
    }

    fn set_due_unhinted(&mut self, queue: &Queue, id: MessageId, mut header: Header, at_ms: i64) -> Result<()> {
        if header.due {
            self.delete_raw(queue.due_key(Due { at_ms: header.visible_at_ms, id }))?;
        }
        header.due = true;
        header.visible_at_ms = at_ms;
        let state = if header.leased { LEASED } else { WAITING };
        self.put_raw(queue.due_key(Due { at_ms, id }), state.to_vec())?;
        self.put_header(queue, id, &header)
    }

    fn sent_lately(&mut self, queue: &Queue, message: &NewMessage) -> Result<Option<MessageId>> {
        let Some((dedup, _)) = &message.dedup else {
            return Ok(None);
        };
        let sent = self.get_record(&queue.dedup_key(dedup), SENT)?;
        Ok(sent.filter(|sent| sent.until_ms > self.now_ms()).map(|sent| sent.id))
    }

    fn remember_sent(&mut self, queue: &Queue, dedup: &str, sent: Sent) -> Result<()> {
        let start = queue.dedup_expiries();
        let end = queue.dedup_expiry_key(self.now_ms(), "");
        let expired = RawRange { start: start.clone(), end, reverse: false };
        for key in self.keys_raw(&expired, DEDUP_SWEEP)? {
            let old = String::from_utf8_lossy(&key[start.len() + size_of::<i64>()..]).into_owned();
            let old_key = queue.dedup_key(&old);
            if self.get_record(&old_key, SENT)?.is_some_and(|old| old.until_ms <= self.now_ms()) {
                self.delete_raw(old_key)?; // unless it was sent again since
            }
            self.delete_raw(key)?;
        }
        self.put_raw(queue.dedup_expiry_key(sent.until_ms, dedup), Vec::new())?;
        self.put_record(queue.dedup_key(dedup), SENT, &sent)
    }

    /// The header of a message whose present lease this receipt is.
    fn held(&self, queue: &Queue, receipt: Receipt) -> Result<Header> {
        let header = self.header(queue, receipt.id)?;
        header
            .filter(|header| header.epoch == receipt.epoch && header.receive_count > 0)
            .ok_or_else(|| Error::StaleReceipt { queue: queue.name().to_owned(), id: receipt.id })
    }

    fn due_range(&self, queue: &Queue, first: Due) -> RawRange {
        RawRange { start: queue.due_key(first), end: successor_of_prefix(queue.due_space()), reverse: false }
    }

    /// What is not visible now: leased, or delayed.
    fn hidden_range(&self, queue: &Queue) -> Result<RawRange> {
        let later = Due { at_ms: self.now_ms().saturating_add(1), id: MessageId(0) };
        Ok(self.due_range(queue, later.max(self.totals(queue)?.first_due)))
    }

    fn due_until_now(&self, queue: &Queue, first: Due, limit: usize) -> Result<Vec<Due>> {
        let end = Due { at_ms: self.now_ms().saturating_add(1), id: MessageId(0) };
        let range = RawRange { end: queue.due_key(end), ..self.due_range(queue, first) };
        Ok(self.keys_raw(&range, limit)?.iter().filter_map(|key| Due::of_key(queue, key)).collect())
    }

    /// The number of the first message from the hint on; the next one to be given if there is none.
    fn first_id(&self, queue: &Queue, totals: &Totals) -> Result<MessageId> {
        let (from, end) = (totals.first_id.0, totals.next_id);
        let next = from.saturating_add(IDS_LOOKED_UP).min(end);
        for id in (from..next).map(MessageId) {
            if self.get_raw(&queue.header_key(id))?.is_some() {
                return Ok(id);
            }
        }
        let found = if next < end { self.first_message(queue, MessageId(next))? } else { None };
        Ok(found.map_or(MessageId(end), |(first, _)| first))
    }

    fn first_message(&self, queue: &Queue, from: MessageId) -> Result<Option<(MessageId, Header)>> {
        let range =
            RawRange { start: queue.header_key(from), end: successor_of_prefix(queue.headers()), reverse: false };
        self.first_id_of(&range)?.map_or(Ok(None), |id| Ok(self.header(queue, id)?.map(|header| (id, header))))
    }

    fn group_member_after(&self, queue: &Queue, group: &str, id: MessageId) -> Result<Option<(MessageId, Header)>> {
        let start = queue.group_member_key(group, MessageId(id.0 + 1));
        let range = RawRange { start, end: successor_of_prefix(queue.group_members(group)), reverse: false };
        self.first_id_of(&range)?.map_or(Ok(None), |id| Ok(self.header(queue, id)?.map(|header| (id, header))))
    }

    /// The number at the end of the first key of a range.
    fn first_id_of(&self, range: &RawRange) -> Result<Option<MessageId>> {
        let keys = self.keys_raw(range, 1)?;
        Ok(keys.first().and_then(|key| key.last_chunk::<8>()).map(|id| MessageId(u64::from_be_bytes(*id))))
    }

    fn group_head(&self, queue: &Queue, group: &str) -> Result<Option<MessageId>> {
        let head = self.get_record(&queue.group_head_key(group), HEADS)?.map(|head| head.id);
        // A purge that was cut short may have left a head without its message.
        match head {
            Some(id) if self.header(queue, id)?.is_some() => Ok(head),
            _ => Ok(None),
        }
    }

    fn totals(&self, queue: &Queue) -> Result<Totals> {
        Ok(self.get_record(&queue.totals_key(), TOTALS)?.unwrap_or_default())
    }

    fn header(&self, queue: &Queue, id: MessageId) -> Result<Option<Header>> {
        self.get_record(&queue.header_key(id), HEADERS)
    }

    fn put_header(&mut self, queue: &Queue, id: MessageId, header: &Header) -> Result<()> {
        self.put_record(queue.header_key(id), HEADERS, header)
    }

    fn payload(&self, queue: &Queue, id: MessageId) -> Result<Vec<u8>> {
        Ok(self.get_raw(&queue.payload_key(id))?.unwrap_or_default().into())
    }

    fn get_record<R: Record>(&self, key: &[u8], kind: Table<R>) -> Result<Option<R>> {
        self.get_raw(key)?.map(|stored| kind.decode(&stored)).transpose()
    }

    fn put_record<R: Record>(&mut self, key: Vec<u8>, kind: Table<R>, record: &R) -> Result<()> {
        self.put_raw(key, kind.encode(record)?)
    }
}

/// Values of due entries: what [`Tx::queue_counts`] tells apart.
const LEASED: &[u8] = b"l";
const WAITING: &[u8] = b"w";
