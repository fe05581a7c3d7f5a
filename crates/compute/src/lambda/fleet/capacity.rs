//! How many requests may run at a time: of an account in a region, and of a function that has a share of its own.
//!
//! A function's *reservation* is taken out of the account's limit and is the function's alone, at most and at least. Provisioned
//! environments count in it, or, where there is none, are taken out of the account's limit themselves. What is left is the
//! *unreserved* rest, which all other requests share. Counting is exact: a request above a limit is refused, one below is not.
//! The limits are a cache of the store's ([`super::super::concurrency`]); the counts are of this node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::{AccountId, Error, Region};

use super::lock;

/// A function may have so many new environments in [`GROWTH_PERIOD`]: AWS's concurrency scaling rate.
const GROWTH_MAX: u32 = 1_000;
const GROWTH_PERIOD: Duration = Duration::from_secs(10);

/// Requests a second for each unit of a reservation, where somebody waits for the answer: AWS's invocation rate. Events from queues
/// and streams are limited by concurrency alone.
const RATE_PER_RESERVED: f64 = 10.0;

/// No limit of its own: the account's rest is what limits it.
const UNRESERVED: usize = usize::MAX;

/// The capacities of all accounts and functions.
pub(crate) struct Capacities {
    /// Each account's limit in each region.
    limit: usize,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    accounts: HashMap<(AccountId, Region), Arc<Account>>,
    functions: HashMap<(AccountId, Region), HashMap<String, Arc<Function>>>,
}

/// What an account has in a region.
struct Account {
    unreserved_max: AtomicUsize,
    unreserved_running: AtomicUsize,
    unreserved_peak: AtomicUsize,
    running: AtomicUsize,
    peak: AtomicUsize,
}

/// The most requests that ran at a time, since somebody last asked.
#[derive(Debug)]
pub(crate) struct Peaks {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    /// In all.
    pub(crate) running: usize,
    /// Outside of reservations and provisioned environments.
    pub(crate) unreserved: usize,
    /// Of each function by name, where there were any.
    pub(crate) functions: Vec<(String, usize)>,
}

/// What a function has.
pub(crate) struct Function {
    account: Arc<Account>,
    /// Most requests outside of provisioned environments, if the function has a reservation; else [`UNRESERVED`].
    on_demand_max: AtomicUsize,
    on_demand_running: AtomicUsize,
    provisioned_running: AtomicUsize,
    peak: AtomicUsize,
    growth: Mutex<Bucket>,
    /// Requests that came in while there was a reservation.
    rate: Mutex<Bucket>,
}

/// What a function has set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// Its reservation.
    pub(crate) reserved: Option<u32>,
    /// The provisioned environments of all its versions.
    pub(crate) provisioned: u32,
}

impl SetAside {
    /// What is taken out of the account's limit.
    pub(crate) fn total(self) -> u32 {
        self.reserved.unwrap_or(self.provisioned)
    }
}

/// Why a request may not run now: AWS's `Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttle {
    /// The account's unreserved rest is in use.
    Account,
    /// The function's reservation is in use.
    Reservation,
    /// The reservation bears no more requests in this second.
    Rate(Duration),
    /// The function has grown too fast; it may grow again after so long.
    Growth(Duration),
}

impl From<Throttle> for Error {
    fn from(throttle: Throttle) -> Error {
        let (reason, after) = match throttle {
            Throttle::Account => ("ConcurrentInvocationLimitExceeded", Duration::ZERO),
            Throttle::Reservation => ("ReservedFunctionConcurrentInvocationLimitExceeded", Duration::ZERO),
            Throttle::Rate(after) => ("ReservedFunctionInvocationRateLimitExceeded", after),
            Throttle::Growth(after) => ("FunctionInvocationRateLimitExceeded", after),
        };
        let seconds = after.as_secs_f64().ceil().max(1.0) as u64;
        Error::new(429, "TooManyRequestsException", "Rate Exceeded.")
            .with("Reason", reason)
            .with("Type", "User")
            .with_header("Retry-After", seconds.to_string())
    }
}

impl Capacities {
    /// Nothing is set aside yet.
    pub(crate) fn new(limit: u32) -> Capacities {
        Capacities { limit: limit as usize, known: Mutex::default() }
    }

    /// What functions of an account have set aside, by name; the others have nothing.
    pub(crate) fn set(&self, account: AccountId, region: &Region, set_aside: &HashMap<String, SetAside>) {
        let mut known = lock(&self.known);
        let place = (account, region.clone());
        let of_account = known.account(&place, self.limit);
        let total: usize = set_aside.values().map(|function| function.total() as usize).sum();
        of_account.unreserved_max.store(self.limit.saturating_sub(total), Ordering::SeqCst);
        for name in set_aside.keys() {
            known.function(&place, name, &of_account);
        }
        for (name, function) in known.functions.entry(place).or_default() {
            let SetAside { reserved, provisioned } = set_aside.get(name).copied().unwrap_or_default();
            let max = reserved.map_or(UNRESERVED, |reserved| reserved.saturating_sub(provisioned) as usize);
            function.on_demand_max.store(max, Ordering::SeqCst);
        }
    }

    /// A function's capacity.
    pub(crate) fn function(&self, account: AccountId, region: &Region, name: &str) -> Arc<Function> {
        let mut known = lock(&self.known);
        let place = (account, region.clone());
        let of_account = known.account(&place, self.limit);
        known.function(&place, name, &of_account)
    }

    /// Requests that run, all functions together.
    pub(crate) fn running(&self) -> usize {
        let known = lock(&self.known);
        known.functions.values().flat_map(HashMap::values).map(|function| function.running()).sum()
    }

    /// The peaks of all accounts in whose functions anything ran.
    pub(crate) fn peaks(&self) -> Vec<Peaks> {
        let known = lock(&self.known);
        let of_account = known.accounts.iter().filter_map(|((account, region), counts)| {
            let running = lower(&counts.peak, counts.running.load(Ordering::SeqCst));
            let unreserved = lower(&counts.unreserved_peak, counts.unreserved_running.load(Ordering::SeqCst));
            let functions = known.functions.get(&(*account, region.clone()))?.iter();
            let functions = functions.map(|(name, function)| (name, lower(&function.peak, function.running())));
            let functions = functions.filter(|(_, peak)| *peak > 0).map(|(name, peak)| (name.clone(), peak)).collect();
            (running > 0).then(|| Peaks { account: *account, region: region.clone(), running, unreserved, functions })
        });
        of_account.collect()
    }

    /// Forgets functions that nobody asks about and that have nothing set aside.
    pub(crate) fn forget_idle(&self) {
        for functions in lock(&self.known).functions.values_mut() {
            functions.retain(|_, function| Arc::strong_count(function) > 1 || function.is_limited());
        }
    }
}

impl Known {
    fn account(&mut self, place: &(AccountId, Region), limit: usize) -> Arc<Account> {
        let new = || {
            Arc::new(Account {
                unreserved_max: AtomicUsize::new(limit),
                unreserved_running: AtomicUsize::new(0),
                unreserved_peak: AtomicUsize::new(0),
                running: AtomicUsize::new(0),
                peak: AtomicUsize::new(0),
            })
        };
        self.accounts.entry(place.clone()).or_insert_with(new).clone()
    }

    fn function(&mut self, place: &(AccountId, Region), name: &str, account: &Arc<Account>) -> Arc<Function> {
        let functions = self.functions.entry(place.clone()).or_default();
        if let Some(known) = functions.get(name) {
            return known.clone();
        }
        let function = Arc::new(Function {
            account: account.clone(),
            on_demand_max: AtomicUsize::new(UNRESERVED),
            on_demand_running: AtomicUsize::new(0),
            provisioned_running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            growth: Mutex::new(Bucket::full(f64::from(GROWTH_MAX))),
            rate: Mutex::new(Bucket::full(f64::INFINITY)),
        });
        functions.insert(name.to_owned(), function.clone());
        function
    }
}

impl Function {
    /// Lets one request in that has no provisioned environment. `awaited`: somebody waits for its answer.
    pub(crate) fn admit(self: &Arc<Self>, awaited: bool) -> Result<Permit, Throttle> {
        let max = self.on_demand_max.load(Ordering::SeqCst);
        let share = if max == UNRESERVED { Share::Account } else { Share::Reservation };
        match share {
            Share::Account => {
                let account = &self.account;
                let limit = account.unreserved_max.load(Ordering::SeqCst);
                take(&account.unreserved_running, limit).ok_or(Throttle::Account)?;
                raise(&account.unreserved_peak, &account.unreserved_running);
                self.on_demand_running.fetch_add(1, Ordering::SeqCst);
            }
            _ => {
                take(&self.on_demand_running, max).ok_or(Throttle::Reservation)?;
                if awaited && let Err(after) = lock(&self.rate).take(Instant::now(), RATE_PER_RESERVED * max as f64) {
                    self.on_demand_running.fetch_sub(1, Ordering::SeqCst);
                    return Err(Throttle::Rate(after));
                }
            }
        }
        Ok(self.permit(share))
    }

    /// Lets one request in that has a provisioned environment: that is its permission.
    pub(crate) fn admit_provisioned(self: &Arc<Self>) -> Permit {
        self.provisioned_running.fetch_add(1, Ordering::SeqCst);
        self.permit(Share::Provisioned)
    }

    fn permit(self: &Arc<Self>, share: Share) -> Permit {
        self.account.running.fetch_add(1, Ordering::SeqCst);
        raise(&self.account.peak, &self.account.running);
        self.peak.fetch_max(self.running(), Ordering::SeqCst);
        Permit { function: self.clone(), share }
    }

    /// Requests that run, in environments of either kind.
    fn running(&self) -> usize {
        self.on_demand_running.load(Ordering::SeqCst) + self.provisioned_running.load(Ordering::SeqCst)
    }

    /// Allows one new environment.
    pub(crate) fn grow(&self) -> Result<(), Throttle> {
        let growth = f64::from(GROWTH_MAX) / GROWTH_PERIOD.as_secs_f64();
        lock(&self.growth).take_of(Instant::now(), f64::from(GROWTH_MAX), growth).map_err(Throttle::Growth)
    }

    /// Takes back what [`Function::grow`] allowed: it was not needed.
    pub(crate) fn ungrow(&self) {
        lock(&self.growth).give_back(f64::from(GROWTH_MAX));
    }

    fn is_limited(&self) -> bool {
        self.on_demand_max.load(Ordering::SeqCst) != UNRESERVED
    }
}

/// Counts one more, unless that would be more than `max`.
fn take(running: &AtomicUsize, max: usize) -> Option<()> {
    let more = |running| (running < max).then_some(running + 1);
    running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok().map(|_| ())
}

/// The peak is at least what there is.
fn raise(peak: &AtomicUsize, running: &AtomicUsize) {
    peak.fetch_max(running.load(Ordering::SeqCst), Ordering::SeqCst);
}

/// The peak so far; the next begins with what there is.
fn lower(peak: &AtomicUsize, running: usize) -> usize {
    peak.swap(running, Ordering::SeqCst).max(running)
}

/// Permission for one request; dropping it ends it.
pub(crate) struct Permit {
    function: Arc<Function>,
    share: Share,
}

/// Out of what a request may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Account,
    Reservation,
    Provisioned,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.function.account.running.fetch_sub(1, Ordering::SeqCst);
        match self.share {
            Share::Provisioned => self.function.provisioned_running.fetch_sub(1, Ordering::SeqCst),
            Share::Reservation => self.function.on_demand_running.fetch_sub(1, Ordering::SeqCst),
            Share::Account => {
                self.function.account.unreserved_running.fetch_sub(1, Ordering::SeqCst);
                self.function.on_demand_running.fetch_sub(1, Ordering::SeqCst)
            }
        };
    }
}

/// A bucket that fills by itself.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(left: f64) -> Bucket {
        Bucket { left, at: Instant::now() }
    }

    /// Takes one of so many a second, of which a second's worth may be saved up.
    fn take(&mut self, now: Instant, per_second: f64) -> Result<(), Duration> {
        self.take_of(now, per_second, per_second)
    }

    /// Takes one; else tells when there will be one.
    fn take_of(&mut self, now: Instant, max: f64, per_second: f64) -> Result<(), Duration> {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left, self.at) = ((self.left + since * per_second).min(max), now);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / per_second));
        }
        self.left -= 1.0;
        Ok(())
    }

    fn give_back(&mut self, max: f64) {
        self.left = (self.left + 1.0).min(max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacities(limit: u32, set_aside: &[(&str, Option<u32>, u32)]) -> Capacities {
        let capacities = Capacities::new(limit);
        let entry = |(name, reserved, provisioned): &(&str, Option<u32>, u32)| {
            ((*name).to_owned(), SetAside { reserved: *reserved, provisioned: *provisioned })
        };
        capacities.set(AccountId::DEFAULT, &Region::default(), &set_aside.iter().map(entry).collect());
        capacities
    }

    fn function(capacities: &Capacities, name: &str) -> Arc<Function> {
        capacities.function(AccountId::DEFAULT, &Region::default(), name)
    }

    /// Lets in as many as may run.
    fn fill(function: &Arc<Function>) -> (Vec<Permit>, Throttle) {
        let mut permits = Vec::new();
        loop {
            match function.admit(false) {
                Ok(permit) => permits.push(permit),
                Err(why) => return (permits, why),
            }
        }
    }

    #[test]
    fn functions_without_a_reservation_share_the_rest() {
        let capacities = capacities(10, &[("reserved", Some(3), 0), ("provisioned", None, 2)]);
        let (one, two) = (function(&capacities, "one"), function(&capacities, "provisioned"));
        let first = one.admit(false).unwrap();
        let (permits, why) = fill(&two);
        assert_eq!((permits.len(), why), (4, Throttle::Account), "10 - 3 - 2 - 1");
        assert_eq!(one.admit(false).err(), Some(Throttle::Account));
        drop(first);
        assert!(two.admit(false).is_ok(), "who ends makes room for another");
        let _beyond = two.admit_provisioned();
        assert_eq!(fill(&function(&capacities, "reserved")).0.len(), 3, "it is not touched by what others do");
    }

    #[test]
    fn a_reservation_is_a_limit_and_zero_lets_nobody_in() {
        let capacities = capacities(100, &[("two", Some(2), 0), ("none", Some(0), 0), ("some", Some(5), 3)]);
        let (permits, why) = fill(&function(&capacities, "two"));
        assert_eq!((permits.len(), why), (2, Throttle::Reservation));
        assert_eq!(function(&capacities, "none").admit(false).err(), Some(Throttle::Reservation));
        assert_eq!(fill(&function(&capacities, "some")).0.len(), 2, "three of five are provisioned");
    }

    #[test]
    fn a_limit_that_changes_counts_for_those_who_come_and_ends_nobody() {
        let capacities = capacities(100, &[]);
        let f = function(&capacities, "f");
        let before = [f.admit(false).unwrap(), f.admit(false).unwrap()];
        let (account, region) = (AccountId::DEFAULT, Region::default());
        let two = SetAside { reserved: Some(2), provisioned: 0 };
        capacities.set(account, &region, &HashMap::from([("f".to_owned(), two)]));
        assert_eq!(f.admit(false).err(), Some(Throttle::Reservation), "who runs already counts");
        drop(before);
        assert_eq!(fill(&f).0.len(), 2);
        capacities.set(account, &region, &HashMap::new());
        assert_eq!(fill(&f).0.len(), 100, "and every permit went back to where it was taken from");
    }

    #[test]
    fn many_at_once_are_counted_exactly() {
        let capacities = capacities(1_000, &[("f", Some(50), 0)]);
        let f = function(&capacities, "f");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..2_000 {
                        if let Ok(permit) = f.admit(false) {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 50);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(permit);
                        }
                    }
                });
            }
        });
        assert_eq!(fill(&f).0.len(), 50, "none was lost");
    }

    #[test]
    fn growth_is_a_thousand_at_once_and_a_hundred_a_second() {
        let start = Instant::now();
        let mut growth = Bucket { left: 1_000.0, at: start };
        let mut grow =
            |at: Duration| (0..2_000).take_while(|_| growth.take_of(start + at, 1_000.0, 100.0).is_ok()).count();
        assert_eq!(grow(Duration::ZERO), 1_000);
        assert_eq!(grow(Duration::from_secs(1)), 100);
        assert_eq!(grow(Duration::from_secs(60)), 1_000, "no more than that is saved up");
        let wait = growth.take_of(start + Duration::from_secs(60), 1_000.0, 100.0).unwrap_err();
        assert!(wait <= Duration::from_millis(10), "{wait:?}");
    }

    #[test]
    fn a_reservation_bears_ten_requests_a_second_for_each_of_its_units() {
        let capacities = capacities(100, &[("two", Some(2), 0)]);
        let (two, free) = (function(&capacities, "two"), function(&capacities, "free"));
        let came = (0..100).map(|_| two.admit(true)).take_while(Result::is_ok).count();
        assert!((20..30).contains(&came), "{came}: more than twenty only if this took a while");
        let start = lock(&two.rate).at;
        assert!(matches!(two.admit(true), Err(Throttle::Rate(after)) if after <= Duration::from_millis(50)));
        assert!((0..100).all(|_| two.admit(false).is_ok()), "events are not counted");
        assert!((0..100).all(|_| free.admit(true).is_ok()), "nor is who has no reservation");
        assert!(lock(&two.rate).take(start + Duration::from_secs(1), 20.0).is_ok());
        drop(capacities);
    }

    #[test]
    fn peaks_are_told_once() {
        let capacities = capacities(100, &[("reserved", Some(5), 0)]);
        let (f, reserved) = (function(&capacities, "f"), function(&capacities, "reserved"));
        assert!(capacities.peaks().is_empty(), "nothing has run");
        let held = f.admit(false).unwrap();
        drop((f.admit(false).unwrap(), reserved.admit(false).unwrap(), f.admit_provisioned()));
        let Peaks { running, unreserved, mut functions, .. } = capacities.peaks().remove(0);
        functions.sort();
        assert_eq!((running, unreserved), (4, 2));
        assert_eq!(functions, [("f".to_owned(), 3), ("reserved".to_owned(), 1)]);
        let Peaks { running, unreserved, functions, .. } = capacities.peaks().remove(0);
        assert_eq!((running, unreserved, functions), (1, 1, vec![("f".to_owned(), 1)]), "what runs still");
        drop(held);
        assert_eq!(capacities.peaks().len(), 1, "it ran until now");
        assert!(capacities.peaks().is_empty());
    }

    #[test]
    fn functions_that_nobody_asks_about_are_forgotten() {
        let capacities = capacities(100, &[("limited", Some(1), 0)]);
        let held = function(&capacities, "held");
        function(&capacities, "idle");
        capacities.forget_idle();
        let mut names: Vec<String> =
            lock(&capacities.known).functions.values().flat_map(|f| f.keys().cloned()).collect();
        names.sort();
        assert_eq!(names, ["held", "limited"]);
        drop(held);
    }
}
