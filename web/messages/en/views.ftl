# States, verdicts, failures, numbers: what views are made of.

glyph-unknown = Not known
glyph-waiting = Checking
glyph-up = Works
glyph-hidden = Refuses our testers
glyph-slow = Slow
glyph-partly = Fails for some
glyph-down = Fails

verdict-up = Up
verdict-down = Down
verdict-partial = Partly down
verdict-degraded = Slow
verdict-flaky = Comes and goes
verdict-blocked = Refuses our testers
verdict-unknown = Not known

# Sentences. They say what the diagnosis says in English.
say-up = { $host } is up everywhere we looked
say-down-is = { $host } is down for everyone we asked
say-down-looks = { $host } looks down for everyone we asked
say-flaky = { $host } comes and goes
say-slow = { $host } works but is slow
say-slow-for = { $host } works but is slow for { $who }
say-refuses = We cannot see { $host }: it refuses our testers
say-refuses-some = { $host } refuses { $who }; elsewhere it works
say-stale = Some people still get { $host }’s old address
say-partly-is = { $host } is down for { $who }
say-partly-looks = { $host } looks down for { $who }
say-some = { $host } is down for some people
say-pop = { $host } fails through one CDN site: { $what }
say-only-over = { $host } fails over { $what } only
say-address = { $host } fails at one of its addresses: { $what }
say-no-site = There is no site called { $host }
say-maintenance = { $host } says it is under maintenance
say-reports-only = People report trouble with { $host }, our tests do not show it
say-unknown = We cannot tell
verb-is = is
who-everyone = everyone
who-customers = customers of { $isp }
who-home = people on home lines
who-mobile = people on mobile networks
who-hosting = visitors from data centres
who-people = people
who-in = in { $what }
who-through = through { $what }
who-sent-to = sent to { $what }
who-over = over { $what }
who-resolver = using the resolver { $what }
who-phrase = { $left } { $right }
why-with = { $sentence }. Most see: { $what }.

band-checking = Checking { $host }
band-asking = Asking { $asked ->
        [one] one tester
       *[other] { $asked } testers
    }. The first answers come within a second.
band-finished = { $answered } of { $asked } testers answered · finished in { $took }
band-so-far = { $answered } of { $asked } testers answered so far
band-up-so-far = { $host } looks up so far
band-first-reach = { $answered ->
        [one] The first tester reaches
       *[other] The first { $answered } testers reach
    } it. Still waiting for { $waiting }.

note-query-public = Everything after the ? is sent to the site by every tester: checks are public.
note-query-secret = What stands after the ? looks like a secret, and checks are public: better check the site without it.
note-fragment = What stands after the # never leaves a browser and was left out.
note-respelled = Some characters were unusual; this was read as { $read }.
note-international = { $unicode } is { $ascii } in the DNS.
note-lookalike = { $ascii } is written with letters that look like others: make sure it is the site you mean.

second-up = { $worked } of { $total } testers reached it.
second-up-in = { $worked } of { $total } testers reached it; typical time to the first byte { $time }.
second-down = { $failing } of { $total } testers fail. Most see: { $what }.
second-partial = { $failing } of { $total } testers fail, { $worked } reach it. Those who fail mostly see: { $what }.
second-slow = It answers, but late.
second-slow-in = It answers, but late: typically { $time } to the first byte.
second-flaky = { $failing } of { $total } testers failed, and a second try often works: { $what }.
second-blocked = That is not an outage. { $failing } of { $total } testers get: { $what }. Open it yourself.
second-nobody = No tester could say anything yet; we do not guess.
second-mixed = { $failing } of { $total } testers fail, which is too little or too mixed to say more. We do not guess.
second-few = Only { $total ->
        [one] one tester
       *[other] { $total } testers
    } could say anything; we do not guess.

visitor-just-you = It works for testers like you: it may be only you.
visitor-your-isp = Testers on your provider fail too: it is likely your provider or its route.
visitor-affected = You are among those it fails for: it is not you.
visitor-not-affected = It should work for you.

# The way there.
hop-you = You
hop-dns = DNS
hop-network = Network
hop-front = Front server
hop-origin = Site’s server
hop-resolves = The name has an address
hop-connects = Connects
hop-connects-in = Connects in { $time }
hop-answers = Answers
hop-replies = Replies
hop-untested = Not tested
hop-unreached = Not reached
hop-stuck = { $failing } of { $total }: { $what }
hop-you-only = It may be only you
hop-you-isp = Your provider fails too
hop-you-affected = You are affected
hop-you-fine = Not affected
hop-you-untested = Not tested from here

# Failures, for a cell (at most eleven letters) and for a line.
cell-no-answer = no answer
cell-dns-nxdomain = no name
cell-dns-nodata = no name
cell-dns-servfail = DNS
cell-dns-refused = DNS
cell-dns-timeout = DNS
cell-dns-bogus = DNS
cell-dns-loop = DNS
cell-connect-refused = refused
cell-connect-timeout = timeout
cell-connect-unreachable = no route
cell-connect-reset = cut off
cell-tls-expired = bad cert
cell-tls-not-yet-valid = bad cert
cell-tls-name-mismatch = bad cert
cell-tls-untrusted = bad cert
cell-tls-self-signed = bad cert
cell-tls-revoked = bad cert
cell-tls-handshake = TLS
cell-tls-timeout = timeout
cell-tls-reset = cut off
cell-quic-timeout = timeout
cell-quic-handshake = QUIC
cell-quic-closed = QUIC
cell-http-timeout = timeout
cell-http-reset = cut off
cell-http-protocol = garbled
cell-http-too-large = garbled
cell-http-redirect-loop = redirect
cell-http-redirect-blocked = redirect
cell-blocked-address = blocked
cell-blocked-challenge = bot check
cell-blocked-block-page = blocked
cell-blocked-legal = blocked
cell-agent-offline = no test
cell-agent-policy = no test
cell-agent-overloaded = no test
fail-none = works
fail-status = HTTP status { $code }
fail-status-cdn = { $code } { $reason } (from the CDN)
fail-dns-nxdomain = the name is not in the DNS
fail-dns-nodata = the name has no address
fail-dns-servfail = the name lookup failed
fail-dns-refused = the name lookup was refused
fail-dns-timeout = the name lookup got no answer
fail-dns-bogus = the name’s signature does not check out
fail-dns-loop = the name leads in circles
fail-connect-refused = the machine is there, but no web server listens
fail-connect-timeout = nothing answers at the address
fail-connect-unreachable = there is no route to the address
fail-connect-reset = the connection was cut at once
fail-tls-expired = the certificate ran out
fail-tls-not-yet-valid = the certificate is not valid yet
fail-tls-name-mismatch = the certificate is for another name
fail-tls-untrusted = the certificate is not trusted
fail-tls-self-signed = the certificate signed itself
fail-tls-revoked = the certificate was withdrawn
fail-tls-handshake = no secure line could be agreed on
fail-tls-timeout = the secure line was not set up in time
fail-tls-reset = the line was cut as soon as the name was spoken
fail-quic-timeout = no answer over HTTP/3
fail-quic-handshake = no answer over HTTP/3
fail-quic-closed = no answer over HTTP/3
fail-http-timeout = connected, then no answer in time
fail-http-reset = the answer was cut off
fail-http-protocol = an answer that is not HTTP
fail-http-too-large = headers beyond every limit
fail-http-redirect-loop = a redirect in circles
fail-http-redirect-blocked = a redirect to where we may not go
fail-blocked-address = the address may not be tested
fail-blocked-challenge = a bot check
fail-blocked-block-page = a block page
fail-blocked-legal = a page that says it is closed for legal reasons
fail-agent-offline = the tester’s own line was down
fail-agent-policy = the tester may not test this address
fail-agent-overloaded = the tester had no time

# What extra probes said.
clue-count = { $n } of { $total } testers: { $what }.
clue-static-ok = a path that needs no application was answered, so the machine and its front server work
clue-static-fails = even a path that needs no application failed
clue-address-current = the address they used is the one the site’s own name servers give
clue-address-old = the address they used is an old one: the site’s own name servers give another
clue-family-ok = the other IP family answered
clue-family-fails = the other IP family did not answer either
clue-without-h3-ok = it answered without HTTP/3
clue-without-h3-fails = it did not answer without HTTP/3 either
clue-port-open = the host’s other port (80 or 443) could be reached
clue-port-closed = the host’s other port (80 or 443) could not be reached either
clue-other-address = another address of the name answered
clue-serial-one = The zone’s own servers give the serial number { $serial }.
clue-serials = The zone’s own servers give different serial numbers, from { $first } to { $last }: a change is on its way.
clue-h3 = { $n } of { $total } testers were told that the site speaks HTTP/3.

# Causes.
cause-overload = overload: more work than the site can do
cause-network = the network: loss or routing between people and the site
cause-firewall = a firewall or filter that refuses some
cause-misconfiguration = a wrong setting, usually after a change
cause-dns-change = the name moved, and some still have the old answer
cause-tls = the certificate or the secure line itself
cause-cdn-edge = the CDN’s edge
cause-origin-crash = the program behind the front server is gone
cause-maintenance = maintenance: closed for work, and it says so

# Seen on the way.
seen-protocol = Protocol
seen-family = IP family
seen-address = Address
seen-emitter = Answer written by
seen-pop = CDN site (PoP)
seen-resolver = Resolver
seen-h3 = HTTP/3 announced by
h3-alt-svc = Alt-Svc header
h3-https-record = HTTPS record
resolver-isp = the provider’s own
phase-dns = Name lookup
phase-connect = Connection
phase-tls = Secure line (TLS)
phase-first-byte = First byte
phase-body = Page read

# Places, lines, moments.
place-elsewhere = Elsewhere
place-unknown = place not known
network-unknown = Network not known
line-home = home line
line-mobile = mobile
line-hosting = data centre
line-unknown = not known
continent-africa = Africa
continent-antarctica = Antarctica
continent-asia = Asia
continent-europe = Europe
continent-north-america = North America
continent-oceania = Oceania
continent-south-america = South America
day = { $day } { $month }
month-1 = Jan
month-2 = Feb
month-3 = Mar
month-4 = Apr
month-5 = May
month-6 = Jun
month-7 = Jul
month-8 = Aug
month-9 = Sep
month-10 = Oct
month-11 = Nov
month-12 = Dec
span-days = { $days ->
        [one] 1 day
       *[other] { $days } days
    }
tests-failed = { $failing } of { $total } tests failed
