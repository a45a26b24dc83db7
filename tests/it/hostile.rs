//! Hostile servers, all at once: each probe ends as it should, in time, and takes little memory.
//!
//! The servers and what is expected of a probe are data of `parallax-lab`; the deadline and the memory are the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, ensure};
use parallax_lab::hostile::{Behaviour, Forge, HostileServer, Speaks, behaviours};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::outside;

mod corpus;
mod visitor;

use visitor::{Cost, Orders, Seen, Visit};

/// Where the servers are. All else of loopback is forbidden to the prober, so that it can be led astray.
const AT: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);
/// What the prober may probe.
const ALLOWED: &str = "127.66.0.0/16";
/// Visits at once.
const CROWD: usize = 500;
/// Slow visits at once by one process.
const GROUP: usize = 4;
/// A visit that takes so long is slow, in ms.
const SLOW_MS: u64 = 4_500;
/// Longest visit, in ms: the deadline of a whole probe and what it takes to notice.
const LONGEST_MS: u64 = 20_500;
/// Most memory one visit may cost, in KiB.
const MAX_GROWTH_KIB: u64 = 2_048;
/// What may cost more: the resolver library holds each of 4,000 addresses several times while it reads them (4.7 MiB measured).
const HEAVIER: &[(&str, u64)] = &[("dns-4000-addresses", 6_144)];
/// Most processor time a certificate may cost, in µs; the libraries of a debug build are not optimised.
const MAX_CERTIFICATE_US: u64 = if cfg!(debug_assertions) { 3_000_000 } else { 1_000_000 };

/// The servers, running.
struct Gallery {
    shown: Vec<(Behaviour, HostileServer)>,
    forge: Forge,
    dir: tempfile::TempDir,
}

impl Gallery {
    async fn open() -> anyhow::Result<Self> {
        let mut forge = Forge::new()?;
        let mut shown = Vec::new();
        for behaviour in behaviours() {
            if let Some(bits) = behaviour.rsa_needed() {
                let Some(openssl) = outside::find("openssl") else {
                    println!("skipped: {} needs openssl to make a key", behaviour.name);
                    continue;
                };
                forge.give_rsa(bits, &rsa_key(&openssl, bits).await?)?;
            }
            let server = HostileServer::start(AT, &behaviour, &forge).await.context(behaviour.name)?;
            shown.push((behaviour, server));
        }
        Ok(Self { shown, forge, dir: tempfile::tempdir()? })
    }

    /// Orders to visit some of them, by their place.
    fn orders(&self, name: &str, places: &[usize]) -> anyhow::Result<Orders> {
        let mut orders = Orders {
            allowed: ALLOWED.to_owned(),
            root: self.forge.root().to_vec(),
            resolve: Vec::new(),
            zones: Vec::new(),
            warm_up: Vec::new(),
            visits: Vec::new(),
            at_once: false,
            account: self.dir.path().join(name),
        };
        let rules = |orders: &mut Orders, (behaviour, server): &(Behaviour, HostileServer)| {
            let host = behaviour.host();
            match server.resolver() {
                Some(resolver) => orders.zones.push(format!("{host}={resolver}")),
                None => orders.resolve.push(format!("{host}:{}:{AT}", server.address().port())),
            }
        };
        for name in ["http-1-0", "cert-sound", "h2-fine", "h3-fine", "dns-5-aliases"] {
            let ordinary = self.shown.iter().find(|(behaviour, _)| behaviour.name == name).context(name)?;
            rules(&mut orders, ordinary);
            orders.warm_up.push(visit(ordinary));
        }
        for &place in places {
            rules(&mut orders, &self.shown[place]);
            orders.visits.push(visit(&self.shown[place]));
        }
        Ok(orders)
    }
}

fn visit((behaviour, server): &(Behaviour, HostileServer)) -> Visit {
    Visit { url: server.url().to_owned(), protocol: behaviour.protocol }
}

async fn rsa_key(openssl: &Path, bits: usize) -> anyhow::Result<Vec<u8>> {
    let wanted = format!("rsa_keygen_bits:{bits}");
    let made = Command::new(openssl)
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &wanted])
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(made.stdout)
}

/// What is wrong with how a visit ended; empty when nothing is.
fn complaints(behaviour: &Behaviour, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    if !behaviour.ends.contains(&seen.outcome.as_str()) {
        wrong.push(format!("ended in {}, expected {:?}", seen.outcome, behaviour.ends));
    }
    if seen.took_ms > LONGEST_MS {
        wrong.push(format!("took {} ms", seen.took_ms));
    }
    if let Some(reads) = behaviour.reads {
        let length_fits = |length| reads.length.is_none_or(|wanted| wanted == length);
        let fits =
            seen.body.is_some_and(|(length, truncated)| length_fits(length) && truncated == reads.truncated);
        if !fits {
            wrong.push(format!("read {:?}, expected {reads:?}", seen.body));
        }
    }
    for text in &seen.texts {
        if text.chars().any(char::is_control) || text.len() > 2_048 {
            wrong.push(format!("carries the text {text:?}"));
        }
    }
    wrong.into_iter().map(|wrong| format!("{}: {wrong} ({:?})", behaviour.name, seen.detail)).collect()
}

/// Says how many servers there are, and what each came to.
fn show(gallery: &Gallery, each: &BTreeMap<usize, Seen>) {
    let mut spoken: BTreeMap<Speaks, usize> = BTreeMap::new();
    for (behaviour, _) in &gallery.shown {
        *spoken.entry(behaviour.speaks).or_default() += 1;
    }
    println!("{} behaviours: {spoken:?}", gallery.shown.len());
    for (place, seen) in each {
        let (Some(cost), (behaviour, _)) = (seen.cost, &gallery.shown[*place]) else { continue };
        println!(
            "{:<40} {:<22} {:>6} ms {:>7} µs cpu {:>6} KiB  {}",
            behaviour.name,
            seen.outcome,
            seen.took_ms,
            cost.cpu_us,
            cost.grown_kib,
            seen.detail.as_deref().unwrap_or_default()
        );
    }
}

/// Makes [`CROWD`] visits at once, spread over the servers. Answers what is wrong, and which servers take their time.
async fn visit_at_once(gallery: &Gallery) -> anyhow::Result<(Vec<String>, BTreeSet<usize>)> {
    let places: Vec<usize> = (0..CROWD).map(|at| at * gallery.shown.len() / CROWD).collect();
    let orders = Orders { at_once: true, ..gallery.orders("crowd", &places)? };
    let account = visitor::send(&orders).await?;
    let mut wrong = Vec::new();
    let mut slow = BTreeSet::new();
    for (place, seen) in places.into_iter().zip(&account.seen) {
        let late = seen.outcome.ends_with("-timeout");
        let (behaviour, _) = &gallery.shown[place];
        // In a crowd the machine may be the slow one; what each server comes to is asked when it is visited alone.
        wrong.extend(complaints(behaviour, seen).into_iter().filter(|_| !late || seen.took_ms > LONGEST_MS));
        if seen.took_ms >= SLOW_MS {
            slow.insert(place);
        }
    }
    let longest = account.seen.iter().map(|seen| seen.took_ms).max().unwrap_or_default();
    let each = account.grown_kib / u64::try_from(CROWD)?;
    let cpu = account.cost.cpu_us / 1_000;
    println!("{CROWD} visits at once: {each} KiB each, longest {longest} ms, {cpu} ms of processor time");
    if each >= MAX_GROWTH_KIB {
        wrong.push(format!("{CROWD} visits at once: {each} KiB each"));
    }
    Ok((wrong, slow))
}

/// Visits every server by a process that visits few: the quick ones one after the other, the slow ones [`GROUP`] at a time. What
/// a group costs bounds what each of it costs.
async fn visit_apart(gallery: &Gallery, slow: &BTreeSet<usize>) -> anyhow::Result<BTreeMap<usize, Seen>> {
    let mut quick: Vec<usize> = (0..gallery.shown.len()).filter(|place| !slow.contains(place)).collect();
    // Memory that was given back late must not be put down to the next visit.
    quick.sort_by_key(|place| HEAVIER.iter().any(|(name, _)| *name == gallery.shown[*place].0.name));
    let slow: Vec<usize> = slow.iter().copied().collect();
    let groups = slow.chunks(GROUP).map(|group| (group.to_vec(), true));
    let mut visitors = JoinSet::new();
    for (at, (places, at_once)) in groups.chain([(quick, false)]).enumerate() {
        let orders = Orders { at_once, ..gallery.orders(&format!("apart-{at}"), &places)? };
        visitors.spawn(async move { anyhow::Ok((places, visitor::send(&orders).await?)) });
    }
    let mut each = BTreeMap::new();
    while let Some(done) = visitors.join_next().await {
        let (places, account) = done??;
        let seen =
            account.seen.into_iter().map(|seen| Seen { cost: seen.cost.or(Some(account.cost)), ..seen });
        each.extend(places.into_iter().zip(seen));
    }
    Ok(each)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_servers_cost_neither_time_nor_memory() -> anyhow::Result<()> {
    let gallery = Gallery::open().await?;
    let (mut wrong, slow) = visit_at_once(&gallery).await?;
    let each = visit_apart(&gallery, &slow).await?;
    show(&gallery, &each);
    for (place, seen) in &each {
        let (behaviour, server) = &gallery.shown[*place];
        wrong.extend(complaints(behaviour, seen));
        let Some(Cost { grown_kib, cpu_us }) = seen.cost else { continue };
        let allowed = HEAVIER.iter().find(|(name, _)| *name == behaviour.name);
        if grown_kib >= allowed.map_or(MAX_GROWTH_KIB, |(_, kib)| *kib) {
            wrong.push(format!("{}: grew by {grown_kib} KiB", behaviour.name));
        }
        if behaviour.speaks == Speaks::Tls && cpu_us > MAX_CERTIFICATE_US {
            wrong.push(format!("{}: took {cpu_us} µs of processor time", behaviour.name));
        }
        if server.strayed() > 0 {
            wrong.push(format!("{}: led {} connections astray", behaviour.name, server.strayed()));
        }
    }
    wrong.sort_unstable();
    wrong.dedup();
    ensure!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
