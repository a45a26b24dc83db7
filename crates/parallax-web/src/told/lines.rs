//! The shapes of the diagnosis's lines: the message of each, with what stands at its placeables.

/// A message and its placeables.
pub(super) type Shape = (&'static str, &'static [(&'static str, Kind)]);

/// What stands at a placeable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A name, a code, an address: the same in every language.
    Text,
    /// A number with or without decimals.
    Number,
    /// One of these, in words.
    One(&'static [Shape]),
    /// One of these, else a name.
    Perhaps(&'static [Shape]),
}

/// Evidence, what is missing, what speaks for a cause, and the sentence for operators; the narrower shape first.
pub(super) static LINES: &[Shape] = &[
    ("told-reach-one", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-reach", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-elsewhere-reach", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-elsewhere-let-in", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-elsewhere-fast", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-group-slow", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    (
        "told-group-by",
        &[
            ("n", Kind::Number),
            ("all", Kind::One(&OF_TESTERS)),
            ("what", Kind::One(&GETS)),
            ("emitter", Kind::Text),
        ],
    ),
    ("told-group", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS)), ("what", Kind::One(&GETS))]),
    ("told-place", &[("place", Kind::Perhaps(&SCOPE)), ("line", Kind::One(&GROUP))]),
    ("told-same", &[("names", Kind::Perhaps(&NAMES))]),
    ("told-refused", &[("n", Kind::One(&TESTERS))]),
    ("told-reports", &[("n", Kind::One(&VISITORS)), ("works", Kind::Number), ("usual", Kind::Number)]),
    ("told-own-line", &[("n", Kind::One(&TESTERS))]),
    ("told-policy", &[("n", Kind::One(&TESTERS))]),
    ("told-overloaded", &[("n", Kind::One(&TESTERS))]),
    ("told-stale", &[("n", Kind::One(&TESTERS))]),
    ("told-silent", &[("n", Kind::One(&TESTERS))]),
    ("told-nothing-common", &[]),
    ("told-many-outside", &[]),
    ("told-one-network", &[]),
    ("told-part-or-all", &[]),
    (
        "told-same-place",
        &[
            ("who", Kind::One(&FAILS)),
            ("of", Kind::Number),
            ("least", Kind::Number),
            ("failing", Kind::Number),
        ],
    ),
    (
        "told-must-agree",
        &[
            ("who", Kind::One(&FAILS)),
            ("networks", Kind::One(&IN_NETWORKS)),
            ("regions", Kind::One(&IN_REGIONS)),
            ("least", Kind::Number),
            ("in", Kind::Number),
        ],
    ),
    ("told-nobody-told", &[("least", Kind::Number), ("in", Kind::Number)]),
    ("told-only-answered", &[("who", Kind::One(&OF_TESTERS)), ("least", Kind::Number), ("in", Kind::Number)]),
    ("told-only-reach", &[("who", Kind::One(&OF_TESTERS)), ("least", Kind::Number), ("in", Kind::Number)]),
    ("told-stand-in", &[("where", Kind::One(&PLACES)), ("least", Kind::Number)]),
    ("told-chance", &[("who", Kind::One(&FAILS))]),
    ("told-hardly-any", &[]),
    ("told-always-failing", &[]),
    ("told-await", &[]),
    ("told-another-round", &[]),
    ("told-no-answers", &[]),
    ("told-no-testers", &[]),
    (
        "told-unsure",
        &[
            ("first", Kind::One(&CAUSES)),
            ("p", Kind::Number),
            ("second", Kind::One(&CAUSES)),
            ("q", Kind::Number),
        ],
    ),
    ("told-our-sites", &[("n", Kind::Number), ("all", Kind::Number)]),
    ("told-our-lines", &[("n", Kind::Number), ("all", Kind::Number)]),
    ("told-our-gone", &[("n", Kind::Number), ("all", Kind::Number)]),
    ("told-seen-by", &[("scope", Kind::Perhaps(&SCOPE)), ("n", Kind::Number), ("all", Kind::Number)]),
    (
        "told-partly",
        &[("n", Kind::Number), ("all", Kind::Number), ("passed", Kind::Number), ("retried", Kind::Number)],
    ),
    ("told-alike", &[("n", Kind::Number), ("all", Kind::Number)]),
    ("told-slower", &[("n", Kind::Number), ("times", Kind::Number)]),
    ("told-as-fast", &[("n", Kind::Number), ("times", Kind::Number)]),
    ("told-429", &[("n", Kind::Number)]),
    ("told-old-since", &[("n", Kind::Number), ("all", Kind::Number), ("s", Kind::Number)]),
    ("told-old", &[("n", Kind::Number), ("all", Kind::Number)]),
    ("told-serials", &[("first", Kind::Number), ("last", Kind::Number)]),
    ("told-neighbours", &[("share", Kind::Text)]),
    ("told-network-fails", &[("share", Kind::Text)]),
    ("told-changed", &[("what", Kind::One(&CHANGED)), ("s", Kind::Number)]),
    ("told-share", &[("n", Kind::Number), ("all", Kind::Number), ("what", Kind::One(&SHARES))]),
    ("told-agents-reach", &[("n", Kind::Number), ("all", Kind::Number)]),
    ("told-agents-unsure", &[("n", Kind::Number), ("all", Kind::Number), ("healthy", Kind::Number)]),
    (
        "told-agents-elsewhere",
        &[
            ("what", Kind::Perhaps(&WHAT)),
            ("whom", Kind::Perhaps(&WHOM)),
            ("n", Kind::Number),
            ("all", Kind::Number),
            ("fine", Kind::Number),
            ("out", Kind::Number),
        ],
    ),
    (
        "told-agents-for",
        &[
            ("what", Kind::Perhaps(&WHAT)),
            ("whom", Kind::Perhaps(&WHOM)),
            ("n", Kind::Number),
            ("all", Kind::Number),
        ],
    ),
];

/// Headlines that say more than verdict and scopes do.
pub(super) static HEADLINES: &[Shape] = &[
    ("told-nobody-asked", &[]),
    ("told-lines-down", &[]),
    ("told-forbidden", &[("host", Kind::Text)]),
    ("told-few-answered", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-one-is-few", &[]),
    ("told-are-few", &[("n", Kind::Number)]),
    ("told-some-refused", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-some-fail", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    ("told-silent-again", &[("host", Kind::Text)]),
    ("told-own-side", &[("host", Kind::Text)]),
    ("told-none-connected", &[("host", Kind::Text)]),
    ("told-no-answer-yet", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS)), ("host", Kind::Text)]),
    ("told-up-so-far", &[("host", Kind::Text)]),
    ("told-only-you", &[("host", Kind::Text)]),
    ("told-isp", &[("host", Kind::Text), ("isp", Kind::Text)]),
];

/// What a group of testers sees.
static GROUP: [Shape; 3] = [
    ("told-group-slow", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS))]),
    (
        "told-group-by",
        &[
            ("n", Kind::Number),
            ("all", Kind::One(&OF_TESTERS)),
            ("what", Kind::One(&GETS)),
            ("emitter", Kind::Text),
        ],
    ),
    ("told-group", &[("n", Kind::Number), ("all", Kind::One(&OF_TESTERS)), ("what", Kind::One(&GETS))]),
];

/// What testers get; a status last, because it is any text.
static GETS: [Shape; 20] = [
    ("told-gets-no-name", &[]),
    ("told-gets-dns-timeout", &[]),
    ("told-gets-no-lookup", &[]),
    ("told-gets-refused", &[]),
    ("told-gets-no-answer", &[]),
    ("told-gets-no-route", &[]),
    ("told-gets-expired", &[]),
    ("told-gets-other-name", &[]),
    ("told-gets-cut", &[]),
    ("told-gets-no-line", &[]),
    ("told-gets-untrusted", &[]),
    ("told-gets-quic", &[]),
    ("told-gets-timeout", &[]),
    ("told-gets-circles", &[]),
    ("told-gets-broken", &[]),
    ("told-gets-challenge", &[]),
    ("told-gets-legal", &[]),
    ("told-gets-block-page", &[]),
    ("told-gets-not-looked", &[]),
    ("told-gets-status", &[("status", Kind::Text)]),
];

/// What failing results have in common.
static SHARES: [Shape; 29] = [
    ("told-share-pages", &[]),
    ("told-share-cdn-pages", &[]),
    ("told-share-hosting", &[]),
    ("told-share-family", &[]),
    ("told-share-older-http", &[]),
    ("told-share-address", &[]),
    ("told-share-503-after", &[]),
    ("told-share-503", &[]),
    ("told-share-waited", &[]),
    ("told-share-502-fast", &[]),
    ("told-share-502", &[]),
    ("told-share-522", &[]),
    ("told-share-525", &[]),
    ("told-share-500", &[]),
    ("told-share-refused", &[]),
    ("told-share-policy", &[]),
    ("told-share-cut", &[]),
    ("told-share-filter", &[]),
    ("told-share-tls", &[]),
    ("told-share-certificate", &[]),
    ("told-share-wrong-page", &[]),
    ("told-share-maintenance", &[]),
    ("told-share-static-ok", &[]),
    ("told-share-static-fails", &[]),
    ("told-share-port", &[]),
    ("told-share-no-name", &[]),
    ("told-share-timeout", &[]),
    ("told-share-timeout-alive", &[]),
    ("told-share-no-way", &[]),
];

/// What changed.
static CHANGED: [Shape; 4] = [
    ("told-changed-dns", &[]),
    ("told-changed-certificate", &[]),
    ("told-changed-software", &[]),
    ("told-changed-cdn", &[]),
];

/// How many testers fail.
static FAILS: [Shape; 6] = [
    ("told-fails-one", &[]),
    ("told-fails", &[("n", Kind::Number)]),
    ("told-refused-one", &[]),
    ("told-refused-some", &[("n", Kind::Number)]),
    ("told-slow-one", &[]),
    ("told-slow-some", &[("n", Kind::Number)]),
];

/// How many testers.
static TESTERS: [Shape; 2] = [("told-tester", &[]), ("told-testers", &[("n", Kind::Number)])];

/// Of how many testers.
static OF_TESTERS: [Shape; 2] = [("told-of-tester", &[]), ("told-of-testers", &[("n", Kind::Number)])];

/// How many visitors.
static VISITORS: [Shape; 2] = [("told-visitor", &[]), ("told-visitors", &[("n", Kind::Number)])];

/// In how many networks.
static IN_NETWORKS: [Shape; 2] = [("told-in-network", &[]), ("told-in-networks", &[("n", Kind::Number)])];

/// In how many regions.
static IN_REGIONS: [Shape; 2] = [("told-in-region", &[]), ("told-in-regions", &[("n", Kind::Number)])];

/// In how many of either.
static PLACES: [Shape; 4] = [
    ("told-in-network", &[]),
    ("told-in-networks", &[("n", Kind::Number)]),
    ("told-in-region", &[]),
    ("told-in-regions", &[("n", Kind::Number)]),
];

/// One attribute of a scope; networks, protocols and places are names.
static ONE: [Shape; 7] = [
    ("told-everyone", &[]),
    ("told-scope-home", &[]),
    ("told-scope-mobile", &[]),
    ("told-scope-hosting", &[]),
    ("told-scope-unknown", &[]),
    ("told-scope-address", &[("address", Kind::Text)]),
    ("told-scope-resolver", &[("resolver", Kind::Text)]),
];

/// Who is in a scope.
static WHO: [Shape; 8] = [
    ("told-scope-with", &[("left", Kind::Perhaps(&ONE)), ("right", Kind::Perhaps(&WHO))]),
    ("told-everyone", &[]),
    ("told-scope-home", &[]),
    ("told-scope-mobile", &[]),
    ("told-scope-hosting", &[]),
    ("told-scope-unknown", &[]),
    ("told-scope-address", &[("address", Kind::Text)]),
    ("told-scope-resolver", &[("resolver", Kind::Text)]),
];

/// A scope.
static SCOPE: [Shape; 9] = [
    ("told-scope-in", &[("who", Kind::Perhaps(&WHO)), ("places", Kind::Text)]),
    ("told-scope-with", &[("left", Kind::Perhaps(&ONE)), ("right", Kind::Perhaps(&WHO))]),
    ("told-everyone", &[]),
    ("told-scope-home", &[]),
    ("told-scope-mobile", &[]),
    ("told-scope-hosting", &[]),
    ("told-scope-unknown", &[]),
    ("told-scope-address", &[("address", Kind::Text)]),
    ("told-scope-resolver", &[("resolver", Kind::Text)]),
];

/// Scopes.
static WHOM: [Shape; 10] = [
    ("told-and", &[("left", Kind::Perhaps(&SCOPE)), ("right", Kind::Perhaps(&WHOM))]),
    ("told-scope-in", &[("who", Kind::Perhaps(&WHO)), ("places", Kind::Text)]),
    ("told-scope-with", &[("left", Kind::Perhaps(&ONE)), ("right", Kind::Perhaps(&WHO))]),
    ("told-everyone", &[]),
    ("told-scope-home", &[]),
    ("told-scope-mobile", &[]),
    ("told-scope-hosting", &[]),
    ("told-scope-unknown", &[]),
    ("told-scope-address", &[("address", Kind::Text)]),
    ("told-scope-resolver", &[("resolver", Kind::Text)]),
];

/// Scopes with the same testers.
static NAMES: [Shape; 10] = [
    ("told-and-of", &[("left", Kind::Perhaps(&SCOPE)), ("right", Kind::Perhaps(&NAMES))]),
    ("told-scope-in", &[("who", Kind::Perhaps(&WHO)), ("places", Kind::Text)]),
    ("told-scope-with", &[("left", Kind::Perhaps(&ONE)), ("right", Kind::Perhaps(&WHO))]),
    ("told-everyone", &[]),
    ("told-scope-home", &[]),
    ("told-scope-mobile", &[]),
    ("told-scope-hosting", &[]),
    ("told-scope-unknown", &[]),
    ("told-scope-address", &[("address", Kind::Text)]),
    ("told-scope-resolver", &[("resolver", Kind::Text)]),
];

/// What operators are told of.
static WHAT: [Shape; 2] =
    [("told-what-slow", &[]), ("told-what-from", &[("code", Kind::Text), ("emitter", Kind::Text)])];

/// Causes in a word or two.
static CAUSES: [Shape; 9] = [
    ("told-cause-overload", &[]),
    ("told-cause-network", &[]),
    ("told-cause-firewall", &[]),
    ("told-cause-misconfiguration", &[]),
    ("told-cause-dns-change", &[]),
    ("told-cause-tls", &[]),
    ("told-cause-cdn-edge", &[]),
    ("told-cause-origin-crash", &[]),
    ("told-cause-maintenance", &[]),
];

/// Every shape, each message once or more.
pub(super) fn shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    let mut waiting: Vec<&'static [Shape]> = vec![LINES, HEADLINES];
    while let Some(shapes) = waiting.pop() {
        for shape in shapes {
            if all.iter().any(|known: &Shape| known.0 == shape.0) {
                continue;
            }
            all.push(*shape);
            waiting.extend(shape.1.iter().filter_map(|(_, kind)| match kind {
                Kind::One(shapes) | Kind::Perhaps(shapes) => Some(*shapes),
                Kind::Text | Kind::Number => None,
            }));
        }
    }
    all
}
