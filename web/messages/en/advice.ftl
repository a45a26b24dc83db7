# What to do. Lines for visitors begin with "do-" and "only-", lines for owners with "own-".

do-up = If it fails for you all the same, it may be only you. Try these in order and stop at the first that helps:
do-unknown = Try again in a minute. What is missing is listed below.
do-blocked = This is not an outage. Open it yourself, and tell us what you get.
do-slow = Give it time; do not press twice when paying.
do-flaky = Retry after a minute.
do-down = It is not you. Waiting is all that helps: reloading, restarting the router or another browser change nothing.
do-some = If it fails for you: wait, or use another route (mobile data, another network).
do-pop = Wait, or leave through another place: the failing part is one site of the CDN.
do-isp = That provider or its route is the likely spot. Try mobile data of another provider, and tell yours.
do-family = If it hangs, turn IPv6 off for a test, or use another network.
do-protocol = Another browser may do.
do-address = Retry: your browser may be given another address.
do-resolver = Another DNS resolver gives another answer; yours catches up when its copy runs out.
do-region = If you are there: wait, or use another route (mobile data, another network).
do-contact = If it is urgent, ask the site through a channel that is not the site: its app, its social media, its telephone.
do-nxdomain = Check the spelling; if it worked yesterday, wait.
do-servfail = Wait; do not switch DNS checks off.
do-wait = Wait: nothing on your side can mend it.
do-filter = Another network may do; it can be a filter in your country or office.
do-network = Another network may do.
do-expired = Do not click past the warning, never with passwords. Check your own clock.
do-certificate = Do not click past the warning, never with passwords.
do-later = Retry later.
do-minute = Retry in a minute.
do-503 = Wait ten minutes; do not reload again and again, that makes an overload worse.
do-504 = Retry later. A payment may still have gone through: check before you repeat it.
do-429 = Wait 15 minutes: the site asks to be left alone for a while.
do-loop = Clear the site’s cookies once.
do-dns-wait = The old DNS answer runs out in { $left } at the latest. Flushing your DNS cache or another resolver is quicker.
do-vpn-helps = Measured: { $works ->
        [one] one tester outside reaches it
       *[other] { $works } testers outside reach it
    }, so a VPN or another connection that leaves elsewhere should help { $who }.
do-vpn-useless = Measured: a VPN would not help. It fails from { $networks ->
        [one] the one network
       *[other] all { $networks } networks
    } we asked from.

only-reload = Reload without the cache: Ctrl + F5, on a Mac Cmd + Shift + R.
only-browser = Try another browser or a private window, without extensions.
only-vpn-off = Turn VPN, proxy and ad blocker off for a test. If you use none, a VPN tells whether it is your route.
only-mobile = Try mobile data instead of your home line.
only-router = Restart the router, and wait two minutes.
only-dns = Flush the DNS cache, or try another DNS resolver.
only-tell = Tell us what you see: the buttons on the site’s page are there for that.

own-up = Nothing to do. Recent trouble is on the site’s page.
own-unknown = We make no guess about your site. The single results below may still help.
own-blocked-allow = To be measured, let our User-Agent through the bot check.
own-blocked-rules = If only some places are refused, look at rule hits by country and network: is it meant?
own-slow = Look at the slow phase in the timings below: it says where to begin.
own-flaky = Look for one bad backend behind the balancer, a restart loop, or a limit reached at peaks.
own-down = Everybody fails the same way: look at the shared parts first (origin, DNS, certificate, account).
own-some = Compare what the failing testers share: PoP, transit, DNS answer, firewall rule.
own-pop = Open a ticket with the CDN, naming its site (PoP); steer traffic away from it if you can.
own-isp = Check blocks of that network’s addresses and the routes between it and you; send it a traceroute.
own-family = Fix that family’s listener, firewall and route, or withdraw its DNS records meanwhile.
own-protocol = Test that protocol’s listener by itself: UDP 443 and Alt-Svc for HTTP/3, ALPN for HTTP/2.
own-address = Take the failing address out of the DNS answer until it works.
own-resolver = Keep the old address answering until every copy ran out; compare the answers below.
own-region = Compare what those places share: PoP, transit, DNS answer, firewall rule.
own-nxdomain = In this order: expiry and holds at the registrar; name servers at the parent; is the zone published?
own-servfail = DS at the parent against DNSKEY; expired signatures; a half-done key roll; name servers that answer at all.
own-dns-timeout = Name servers on UDP and TCP 53, the delegation, a flood against them.
own-refused = The machine is there and nothing listens: service crashed or bound to localhost; port; last deploy.
own-reset = A firewall that cuts connections; limits on connections per address.
own-connect = In this order: is the host up; does it listen; security group and firewall; the route to its prefix.
own-tls-reset = Something cuts the line as soon as the name is spoken: a filter if it is one country or provider, else WAF or TLS stack.
own-expired = Renew the certificate; find out why the renewal failed; reload every edge.
own-certificate = SNI and virtual hosts, names in the certificate, intermediate certificates, TLS versions.
own-quic = UDP 443, Alt-Svc and the edge’s HTTP/3.
own-500 = The program crashed on our request: its error log at that time, the last release.
own-502 = In this order: backend crashed or restarting; wrong port or protocol; headers too large; resets in the proxy’s log.
own-503 = Maintenance flag, empty pool, health checks all red; else overload: CPU, database pool, queue.
own-504 = In this order: a slow query or dependency; the way from front server to origin; a proxy timeout below the app’s.
own-52x = The CDN’s edge is fine and the origin is not: is it up, does it let the CDN’s addresses in, is its certificate good?
own-429 = Limits keyed on addresses that many people share.
own-loop = http and https redirecting to each other at CDN and origin; rules for www.
own-cut = Resets and timeouts in the proxy’s log; a worker that dies in the middle of an answer.
own-cause-overload = Shed load, cache, limit rates or scale; look for what changed in the traffic.
own-cause-network = Upstream’s status, a routing change at that time, failover.
own-cause-firewall = Rules by country and network, DDoS filters; the last hop that answers a traceroute.
own-cause-misconfiguration = Undo the last change, then look.
own-cause-dns-change = Keep the old server answering until every copy ran out. Next time lower the TTL a day before.
own-cause-cdn-edge = The CDN’s status page; the request ids of the failing answers.
own-cause-origin-crash = Restart what is gone, then read why it went.
own-cause-maintenance = Say so with 503 and Retry-After until it is over.
