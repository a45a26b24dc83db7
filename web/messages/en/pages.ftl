# The frame.
nav-skip = Skip to content
nav-main = Main
nav-outages = Outages
nav-network = Our network
nav-guide = Error guide
nav-api = API
nav-about = How we measure
nav-status = Our own status
nav-privacy = Privacy
foot-promise = No adverts, no trackers, no cookies, nothing from elsewhere. Your address is neither kept nor shown.
ours-title = We have a problem ourselves.
crumbs = Where you are
copied = Link copied
copy-link = Copy link

# The box.
ask-label = Website address
ask-button = Check it
ask-unread = We could not read what was sent. Type a website’s address, for example example.com.
refused-busy = { $what } is being checked too often; try again in { $seconds } s.
refused-EMPTY = Type a website’s address, for example example.com.
refused-BAD_ENCODING = This cannot be read as text; type a website’s address like example.com.
refused-TOO_LONG = This is too long for a website’s address.
refused-BAD_CHAR = There is a character in it that no website’s address has.
refused-BAD_SYNTAX = This is not the shape of a website’s address; type one like example.com.
refused-SCHEME_NOT_ALLOWED = We test websites only: addresses that begin with http or https.
refused-USERINFO_NOT_ALLOWED = We test no addresses with a user name or password in them; leave those out.
refused-BAD_HOST = This is not a website’s name; type one like example.com.
refused-PRIVATE_NAME = We test public websites only: this name is kept for private networks.
refused-SINGLE_LABEL = A public website’s name has a dot in it, like example.com.
refused-PUBLIC_SUFFIX = This is only the ending of names; type the whole name.
refused-ADDRESS_FORM_NOT_ALLOWED = Write an IP address in its plain form, or the site’s name.
refused-PRIVATE_ADDRESS = We test public websites only: this address is private or reserved. Type a site’s public name.
refused-BLOCKED_ADDRESS = We test public websites only: this name leads to a private or reserved address.
refused-BLOCKED_LOCAL = We test public websites only: this address is in a tester’s own network.
refused-BAD_PORT = The number after the colon is no port.
refused-PORT_NOT_ALLOWED = We test the usual ports of websites only: 80 for http, 443 for https.
refused-SELF_TARGET = We do not test ourselves; our own status has a page of its own.
refused-BLOCKLISTED = This site is not tested here.
refused-OPTED_OUT = We do not test this site because its owner asked for that with a DNS record; type another site.

# What is not there.
missing-page = There is no such page
missing-page-why = The address is mistyped, or what was there is gone.
missing-method = There is nothing to see at this address
missing-method-why = Ask again here.
missing-check = There is no such check
missing-check-why = The link is mistyped, or the check is too old: we keep them for a while only.
missing-incident = There is no such incident
missing-incident-why = The link is mistyped.
missing-agent = There is no such tester
missing-agent-why = It is not among those of the last seven days.
missing-lesson = There is no such page in the guide
missing-lesson-why = The guide’s first page lists what there is.
failed-records = Our records cannot be read just now. Please try again in a minute.

# Home.
home-title = Is it down? Check any website from many networks
home-description = Type a website’s address and see within seconds whether it is down for everyone, for some networks, or only for you, and why.
home-h1 = Is it down for everyone, or just for you?
home-lede = We try the site from many networks while you watch, then say who cannot reach it, why, and what you can do.
home-free = Nothing is installed and no account is needed.
home-now = Outages right now
home-none-yet = No site has been tested yet.
home-more = { $n ->
        [one] One more outage
       *[other] { $n } more outages
    }
home-fine = Up everywhere we looked
home-map = Dotted world map with a mark where our testers are
home-network-more = See the list, and what we cannot see
calm = Nothing we test is down right now: { $n ->
        [one] one site
       *[other] { $n } sites
    }.
for-long = for

# Check.
hops-label = The way from you to the site
matrix-title = Who can reach it
matrix-empty = No tester has been asked yet.
matrix-label = Results by network and region
matrix-caption = Networks by region. Time to the first byte, or the error; ×2 means two testers, 1/3 means one of three fails.
matrix-nobody = no tester
we-tested = we tested
link-stays = A link that stays:
link-this-check = this check
rows-in-order = The results in the order in which they came:
live-here = The verdict will stand here.
live-rows = Results as they come
for-visitors = If you want to visit it
for-owners = If you run it
evidence = Evidence
evidence-json = Evidence as JSON
why-title = What we go by
why-seen = Seen
why-nothing = Nothing beyond the single results below.
why-same = Explains the same results equally well
why-missing = What we could not see
why-likely = Why: likely cause
why-possible = Why: possible cause
why-for = For it
why-against = Against it
why-why = Why
why-nothing-wrong = There is nothing to explain.
why-unknown = We do not know yet, and do not guess.
details-title = Details
timings = Timings
timings-caption = Each phase over every tester that came through it.
dns-summary = DNS answers: { $n ->
        [one] the same everywhere
       *[other] { $n } different ones
    }
dns-label = DNS answers
dns-caption = Which addresses the testers’ resolvers gave.
certificate-summary = Certificate: { $n ->
        [one] the same everywhere
       *[other] { $n } different ones
    }
certificate-label = Certificates
certificate-caption = What the testers were shown.
seen-summary = Protocols, addresses and servers seen
seen-label = What was seen on the way
seen-caption = How many testers met each, and how many of those fail.
rows-summary = Every tester’s result ({ $n })
rows-label = Every tester’s result
rows-caption = Trouble first.
and-more = and { $n } more
th-network = Network
th-phase = Phase
th-typical = Typical
th-drawn = Drawn to scale
th-slowest = Slowest
th-testers = Testers
th-addresses = Addresses
th-fail = Fail
th-resolvers = Resolvers
th-runs-out = Runs out in
th-for = For
th-signed = Signed by
th-ends = Ends
th-tls = TLS
th-what = What
th-value = Value
th-tester = Tester
th-result = Result
th-took = Took
th-way = Way
th-from = From (UTC)
th-problems = Problems
th-tests = Tests
th-day = Day
th-place = Place
th-region = Region
th-line = Line
th-ip = IP
th-heard = Last heard
th-version = Version
th-site = Site
th-age = Age
th-neighbours = Same network
th-code = Code
th-speaks = Who speaks
th-says = What it says
th-cause = Usual cause

# Only you.
you-title = Is it different for you?
you-explain = Your own browser can try the site and, at the same moment, ourselves. Only when you press the button, and nothing of it is kept.
you-button = Test it from my browser
you-busy = Your browser tries it …
you-noscript = Without JavaScript your browser cannot run this test. Open the site in another tab, then tell us what you see.
you-report = Tell us, on the site’s page
you-word = Your browser
you-works = Your browser reaches { $host }
you-own-line = Your own line failed at the same moment: this says nothing about { $host }
you-barred = Your browser may not test { $host } from here
you-everyone = It is not you: { $host } fails for most testers too
you-your-isp = { $host } fails for testers on your provider too: it is likely your provider or its route
you-just-you = { $host } works for testers on your provider: it may be only you
you-nobody-near = { $host } works elsewhere; whether it is you or your provider we cannot tell
you-browser-image = Your browser drew a picture of the site, so pages reach you.
you-browser-ok = Your browser got an answer. Whether it was an error page, a script of another site may not see.
you-browser-error = Your browser got no answer from the site: it was refused, cut off, or not found.
you-browser-timeout = Your browser waited ten seconds for the site in vain.
you-browser-barred = Your browser was not allowed to try: the site leads elsewhere, or it has no secure address.
you-beacon-failed = It did not reach us either at that moment.
you-from-both = You come from { $isp }, in { $country }.
you-from-isp = You come from { $isp }.
you-from-country = You come from { $country }.
you-from-unknown = Your network is not known here: no table of addresses is set up, or yours is not in it.
you-near = Testers on your provider: { $works } of { $total } reach it.
you-near-nobody = We have no vantage point on your provider, so we cannot tell you from it.
you-near-unknown = Without knowing your network we cannot compare you with testers on it.
you-others = Visitors from { $isp } who reported a problem in the last 24 hours: { $n }.
you-world = All testers of this check: { $works } of { $total } reach it.
you-kept = Your address and this result are not kept.
you-unread = That result could not be read
you-unread-why = Go back to the check and press the button again.
do-order = In this order, until something helps:
back-to-check = Back to the check

# Site.
site-title = is { $host } down? Now and last 24 hours
since = Since
measured = measured { $age } ago
every = tested every { $every }
on-demand = tested when somebody asks
this-incident = this incident
report-label = Test and report
test-again = Test it again now
works-for-me = It works for me
fails-for-me = It fails for me
what-do-you-see = What do you see?
send-report = Send the report
report-once = Counted once per network and half hour. Your address is not kept.
report-counted = Thank you: your report counts.
report-seen = Thank you. It was not counted: your network has reported this site in the last half hour already, or too many reports came at once.
report-unread = That report could not be read
report-unread-why = Go back and choose one of the answers.
category-cannot-be-found = The site can’t be found
category-too-slow = It takes too long
category-error-page = An error page with a number (502, 503 …)
category-not-secure = A “not secure” warning
category-loads-broken = It loads, but broken or blank
category-log-in = Only logging in fails
category-app-only = Only the app fails
category-payment = Only paying fails
category-other = Something else
disagree-people = People report problems, our testers reach it: what fails may lie behind the first page, or with one provider.
disagree-testers = Our testers see it fail, and nobody has reported a problem: people may not notice it.
reports-title = Reports from people, last 24 hours
reports-none-now = Nobody has reported anything in the last 15 minutes.
reports-now = Last 15 minutes: { $problems ->
        [one] one problem
       *[other] { $problems } problems
    }, { $works } “works for me”. Usual for this hour: { $usual }.
reports-none = No problem was reported in the last 24 hours.
chart-top = { $n } in a quarter of an hour
chart-label = Problem reports in quarter hours of the last 24 hours: { $n } in all
chart-caption = Inked bars are above what is usual for this hour (the shaded band: { $usual } in a quarter of an hour). Reports never change what our tests say.
chart-table = Reports in quarter hours
as-table = The same as a table
axis-24 = 24 h ago
axis-12 = 12 h ago
axis-now = now
axis-90 = 90 days ago
axis-45 = 45 days ago
axis-today = today
shares-categories = What they see
shares-networks = Where they are
shares-interval = Share of the reports whose network is known. In brackets: where the true share lies, 19 times of 20.
where-title = Where it works
where-map = Dotted world map with each tester’s last result; the table below says the same in words
where-map-check = Dotted world map with each tester’s result; the table above says the same in words
take-title = Take it elsewhere
take-text = A badge, a small box for your own page, a feed and a calendar of this site’s incidents, and its state as status pages tell it.
take-badge = Badge
take-embed = Box to embed
take-feed = Atom feed
take-calendar = Calendar
take-summary = Summary as JSON
day-title = Tests of the last 24 hours
day-none = No tests are on record for the last 24 hours.
strip-caption = Taller and darker is more trouble; a thin grey line means no tests, never “fine”.
strip-entries = Quarter hours with failures
history-link = The last 90 days
incidents-title = Incidents
incidents-none = None on record.
related-title = In trouble behind the same server or CDN
page-json = This page as JSON
history-json = History as JSON
opted-out-word = Not tested
opted-out-title = We do not test { $host }
opted-out-why = Its owner asked us not to test it. So we cannot say whether it is up, and show nothing of what we saw before.
opted-out-more = How an owner says so
unknown-title = We know nothing about { $host } yet
unknown-why = Nobody has asked, so nothing was tested. One press and our testers try it while you watch.

# History.
history-title = { $host }: the last 90 days
history-description = Tests and incidents of { $host } in the last 90 days, day by day.
history-none = No tests are on record; incidents are kept for ever.
history-worked = { $worked } of { $total } tests worked, on { $days ->
        [one] one day
       *[other] { $days } days
    } with tests.
history-label = Ninety days: trouble on { $trouble }, tests on { $known }
history-kept = Tests are kept by the minute for 30 days and by the hour for 400, incidents for ever.
follow-title = Follow a network or a region
follow-text = Each has an Atom feed: one entry whenever what we say of a site there changes.
follow-all = All outages
map-europe = Europe
history-days = Days with trouble
history-no-days = None that we know of.
day-incident = an incident of { $lasted }
day-both = { $failing } of { $total } tests failed; an incident of { $lasted }

# Incident.
incident-over = Over
incident-lasts = Still going
incident-going = { $lasted } so far
incident-in-all = { $lasted } in all
incident-peak = at its worst { $failing } of { $total } testers failed
incident-began = It began between { $earliest } and { $latest } UTC.
incident-who = Who was hit
incident-timeline = What we said, newest first
step-count = { $failing } of { $total } testers fail
incident-how = How we decided
incident-how-text = An incident is opened when testers on several networks agree, and closed when they have been clean for a while. A tester whose own line does not work is left out.
incident-json = This incident as JSON

# Outages.
outages-title = Outages now and before
outages-description = Sites that are down now for everybody or for some, and past incidents.
outages-now = Right now
outages-json = Outages as JSON
outages-over = Over

# Network.
network-title = Where we look from
network-description = Our testers: where they stand, on which networks, and what we cannot see.
network-map = Dotted world map with a mark where our testers are; the table below says the same in words
network-nobody = No tester is connected yet, so every answer is “we cannot tell”.
network-count = { $online } of { $testers } testers online, in { $networks ->
        [one] one network
       *[other] { $networks } networks
    } and { $countries ->
        [one] one country
       *[other] { $countries } countries
    }.
network-silent = { $lost } of { $of } testers of { $isp } fell silent at once, at { $since }. That is no outage of any site.
network-gaps = What we cannot see
network-no-gaps = Every inhabited continent has a tester on a home line or mobile network. That is still a small part of the Internet: a verdict speaks for the networks listed here.
network-may = A tester opens the same front page any visitor can. It sends no cookies, logs in nowhere, reads at most 64 KiB, and says who it is in its User-Agent. Places are shown to the city at best.
network-all = Every tester of the last seven days
gap-continents = No tester is online in: { $where }.
gap-home = No tester looks from home lines: we see what servers see, not what people see.
gap-mobile = No tester looks from mobile networks: we see what servers see, not what people see.
gap-ipv6 = No tester has IPv6: what fails over IPv6 only stays unseen.
gap-unplaced = The network of { $n ->
        [one] one tester is not known, so it
       *[other] { $n } testers is not known, so they
    } cannot tell one provider from another.
gap-quiet = { $n ->
        [one] One tester of the last seven days is
       *[other] { $n } testers of the last seven days are
    } not online now.
online = online
ago = { $time } ago
agent-title = Tester in { $place }, { $network }
agent-online = It is online.
agent-quiet = It is not online; it was heard { $time } ago.
agent-saw = What it saw last
agent-saw-nothing = Nothing yet.
agent-works = { $works } of { $total } sites work for it.
agent-alone = At { $n ->
        [one] one site
       *[other] { $n } sites
    } it stands alone against its neighbours.
agent-agrees = It nowhere stands alone against its neighbours.
agent-no-neighbour = no neighbour
agent-same = { $same } of { $total } say the same

# Guide.
guide-title = Error guide
guide-lede = What errors mean, what visitors can do, and where who runs the site should look.
learn-hops = Where it breaks
learn-fault = Is it my fault?
learn-visitor = What you can do
learn-owner = If you run the site, in this order
learn-side = 502, 503, 504 and 52x side by side
learn-how = How we tell
learn-more = More in the guide
side-502-who = front server or CDN
side-502-says = The machine behind me gave a broken answer, or none.
side-502-cause = crash, restart, wrong port
side-503-who = front server or the site itself
side-503-says = I will not serve you now.
side-503-cause = overload, maintenance
side-504-who = front server or CDN
side-504-says = The machine behind me did not answer in time.
side-504-cause = slow query, broken way to the origin
side-52x-who = Cloudflare’s edge
side-52x-says = The site’s own server gave an empty answer, refused, timed out, or has a bad certificate.
side-52x-cause = origin down, firewall against the CDN

# About.
about-title = How we measure, and what we cannot know
about-description = How Parallax decides who can reach a site and why, and where its limits are.
about-lede = From one place nobody can tell a site that is down from a line that is broken. From many places, one can.
about-happens = What happens when you ask
about-step-1 = We read what you typed as a public website’s address. Private and reserved addresses are refused.
about-step-2 = A set of testers is picked, spread over regions and networks. They get the address at once.
about-step-3 = Each opens the front page as a browser would begin to: name lookup, connection, secure line, request, first bytes. A failure is tried once more on a new connection, and the tester makes sure that its own line works.
about-step-4 = Results are weighed as they come. We look for the smallest group that explains who fails: one provider, one region, one CDN site, one address, IPv6 alone.
about-step-5 = You see every single result, not only the sum.
about-joined = Identical checks asked for at the same time are one check, so that a site in trouble is not burdened more.
about-words = What the words mean
word-is = is
word-is-means = Many testers agree, and little else would explain what they saw.
word-looks = looks
word-looks-means = It is likely, but what they saw could have another reason more than one time in ten.
word-one = one tester says
word-one-means = A single result. It is shown, and nothing is concluded from it.
word-cannot = we cannot tell
word-cannot-means = Too few testers answered, or they contradict each other. We say what is missing instead of guessing.
word-refuses = refuses our testers
word-refuses-means = A bot check or a block page. That is not an outage.
about-limits = Limits
limit-front-page = We open the front page only. Log-in, payment or the app can be broken while it works. Reports from people are there for that.
limit-networks = A verdict speaks for the networks our testers are in.
limit-cdn = A CDN may treat our testers otherwise than people.
limit-cause = A cause is a judgement on evidence, shown with what speaks against it. Only the site’s owner knows.
limit-reports = Reports are counted beside the tests. They never make a site “down” by themselves.
limit-browser = The test of your own browser sees whether an answer came, not what it said.
limit-once-a-minute = One site is checked at most once a minute, whoever asks, by at most 40 testers. A site we watch gets about 32 more visits a minute at most, however many testers there are.
about-owners = For owners of sites
owners-visit = Our testers come as a browser would, read at most 64 KiB of the page and keep no part of it, only a fingerprint. Unless their operator changed it, their User-Agent begins with “parallax/”; where more than one tester comes, it is one check or the watch over one site, within the limits above.
owners-out = If you do not want your site to be tested, publish this record in your domain’s DNS, with your domain in the place of example.com:
owners-record = The DNS record
owners-form = In a provider’s form: type TXT, name { $name }, content { $text } without quotation marks. It has to be exactly this text; no other record at that name is taken for it.
owners-below = The record counts for the domain and for every name below it. For one name only, put it under that one, such as www.
owners-when = Within five minutes new tests are refused, every tester is told to leave the site, and its page says that its owner asked for that. Take the record away, and tests are possible again as soon. A test of another site that leads on to yours may still reach it.
owners-cached = We ask your domain’s own name servers. Where they do not answer us, and before a first test, which somebody waits for, we ask other name servers, whose answer may be as old as your domain’s settings allow.
about-open = You and your data
about-open-text = No account, no cookies, no trackers, nothing loaded from elsewhere. Checks are public to whoever has their link; links cannot be guessed.
about-made-with = Made with
about-fonts = Type: Atkinson Hyperlegible Next and Mono, under the
about-fonts-licence = SIL Open Font License
about-map = The map’s land was made from Natural Earth data (public domain).

# Privacy.
privacy-title = Privacy
privacy-lede = What is kept of you: nothing that leads back to you.
privacy-visit = When you look
privacy-visit-text = Pages are sent and forgotten. Your address is not written down; there are no cookies and no account.
privacy-check = When you check a site
privacy-check-text = The site’s name, the testers’ results and the verdict are kept under a link that cannot be guessed. Your address picks testers near you and goes no further.
privacy-report = When you report
privacy-report-text = Category, site, time and, where a table of addresses is set up, the number of your network. A keyed hash of your network’s prefix (its /24 or /48) keeps one person from counting twice; the key is in memory only, another one every day, and the old one is gone: then nobody can tell whose the hash was, we included.
privacy-you = When your browser tests
privacy-you-text = Your browser asks the site itself, as if you opened it: the site sees your visit. What it found is sent here, answered, and forgotten.
privacy-elsewhere = Others
privacy-elsewhere-text = Nothing on these pages comes from elsewhere, and nothing about you is passed on. The name of a site is: our testers look it up and open it, ask a public resolver when a name cannot be found, and open well-known pages to see whether their own line works.
privacy-kept = How long
privacy-kept-text = Single results and the pages of checks for 7 days, results by the minute for 30 days and by the hour for 400, incidents for ever: none of these holds anything about visitors. Reports for 60 days.

# Our own status.
status-lede = How we are ourselves, as of now. When too many of our testers are out of reach, we stop judging others.
status-fine = We can judge sites now.
status-testers = Testers
status-sites = Sites
status-sites-text = { $sites } known, { $watched } watched without anybody asking, { $unknown } without a verdict
status-newest = Newest finding
status-slowest = Oldest of the watched
status-open = Open incidents
status-room = Room
status-room-text = { $agents } of { $limit } testers, { $cells } of { $most } pairs of tester and site.
status-refused-testers = For want of memory, testers were turned away { $count } times since the start; they keep their results and try again.
status-held-back = Testers sent faster than they may: { $count } times since the start, one was read later; nothing is lost.
status-refused-results = For want of memory, results came { $count } times that count in the history only.
status-version = Version
status-now = This page is of
status-note = This page is made by the same program it speaks of. When that is down, this page is too.

# API.
api-lede = What the pages show, programs can read: as JSON, and as events while a check runs. No key is needed. The descriptions are in English.
api-openapi = The same as an OpenAPI file
api-calls = Calls
api-start = Quick start
api-commands = Commands
api-required = required
api-answer = Answer
api-errors = Errors
api-errors-text = Errors have a code for programs and a sentence for people. 404: there is no such thing. 422: the site may not be tested, and the sentence says why. 429: too often; Retry-After says when to come back.
api-limits = Limits
api-limit-checks = One site is tested at most once a minute, whoever asks: asking again joins the same check.
api-limit-rate = One address may start 30 checks a minute, send 60 reports an hour and read 1200 times a minute. RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset say in every answer what is left.
api-limit-streams = One address may hold six event streams.
api-limit-body = A request’s body may be 8 KiB long.
api-grpc = The same is offered over gRPC on this port, with reflection.
