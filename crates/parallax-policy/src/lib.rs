//! What may be probed: the one place where something a person typed becomes a [`Target`](parallax_model::Target), and the one
//! place where an address becomes something a probe may connect to.
//!
//! Page, aggregator and agent all call this crate, so they give the same answer to the same input:
//!
//! 1. [`Policy::parse_target`] reads what a visitor typed: raw bytes, scheme, user name, host, port, path, in this order.
//! 2. [`Policy::check_target`] judges a canonical target again: a redirect's, or one that came over the wire.
//! 3. [`Policy::vet`] judges the addresses a name resolved to. Only it makes a [`VettedAddr`], and a probe connects to
//!    nothing else.
//!
//! Each refusal is one sentence for the person who typed, a reason and a machine code ([`Refusal`]).
//!
//! An agent shares one [`LivePolicy`] with its prober and puts a tighter [`Policy`] in its place when its network changes.
//!
//! Labels are counted as they go into the DNS (RFC 5890, 2.3.2.1), not in UTF-8: forty times `à` before `.com` is a label of 44
//! octets and accepted, as browsers do, although 80 octets were typed.
//!
//! This crate does not resolve, connect, count or remember: budgets are the aggregator's, and an agent finds out by itself
//! what its own network is and says so with [`Policy::refusing_ranges`].

#![forbid(unsafe_code)]

mod address;
mod answer;
mod host;
mod live;
mod lookalike;
mod nat64;
mod note;
mod opt_out;
mod policy;
mod raw;
mod refusal;
mod registry;
mod target;
mod vet;

pub use address::embedded_v4;
pub use answer::{TargetAnswer, answer};
pub use host::registrable_domain;
pub use live::LivePolicy;
pub use nat64::{NAT64_NAME, nat64_prefixes};
pub use note::Note;
pub use opt_out::{MAX_OPT_OUT_DOMAINS, OPT_OUT_LABEL, OPT_OUT_TEXT, opt_out_domains, says_opt_out};
pub use policy::{NameList, Policy};
pub use raw::MAX_INPUT_BYTES;
pub use refusal::{Code, Reason, Refusal};
pub use target::ParsedTarget;
pub use vet::{MAX_ANSWERS, VettedAddr, VettedNameServer};
