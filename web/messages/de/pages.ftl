# Der Rahmen.
nav-skip = Zum Inhalt
nav-main = Hauptmenü
nav-outages = Störungen
nav-network = Unser Netz
nav-guide = Fehlerkunde
nav-api = API
nav-about = Wie wir messen
nav-status = Unser eigener Zustand
nav-privacy = Datenschutz
foot-promise = Keine Werbung, keine Tracker, keine Cookies, nichts von anderswo. Ihre Adresse wird weder gespeichert noch gezeigt.
ours-title = Wir haben selbst ein Problem.
crumbs = Wo Sie sind
copied = Link kopiert
copy-link = Link kopieren

# Das Feld.
ask-label = Adresse der Website
ask-button = Prüfen
ask-unread = Das konnten wir nicht lesen. Geben Sie die Adresse einer Website ein, zum Beispiel example.com.
refused-busy = { $what } wird gerade zu oft geprüft; versuchen Sie es in { $seconds } s wieder.
refused-EMPTY = Geben Sie die Adresse einer Website ein, zum Beispiel example.com.
refused-BAD_ENCODING = Das ist nicht als Text lesbar; geben Sie eine Adresse wie example.com ein.
refused-TOO_LONG = Das ist zu lang für die Adresse einer Website.
refused-BAD_CHAR = Darin ist ein Zeichen, das keine Adresse einer Website hat.
refused-BAD_SYNTAX = Das hat nicht die Form einer Adresse; geben Sie eine wie example.com ein.
refused-SCHEME_NOT_ALLOWED = Wir prüfen nur Websites: Adressen, die mit http oder https beginnen.
refused-USERINFO_NOT_ALLOWED = Adressen mit Benutzername oder Passwort prüfen wir nicht; lassen Sie beides weg.
refused-BAD_HOST = Das ist kein Name einer Website; geben Sie einen wie example.com ein.
refused-PRIVATE_NAME = Wir prüfen nur öffentliche Websites: Dieser Name ist privaten Netzen vorbehalten.
refused-SINGLE_LABEL = Der Name einer öffentlichen Website hat einen Punkt, wie example.com.
refused-PUBLIC_SUFFIX = Das ist nur die Endung von Namen; geben Sie den ganzen Namen ein.
refused-ADDRESS_FORM_NOT_ALLOWED = Schreiben Sie eine IP-Adresse in ihrer einfachen Form oder den Namen der Website.
refused-PRIVATE_ADDRESS = Wir prüfen nur öffentliche Websites: Diese Adresse ist privat oder reserviert. Geben Sie den öffentlichen Namen ein.
refused-BLOCKED_ADDRESS = Wir prüfen nur öffentliche Websites: Dieser Name führt zu einer privaten oder reservierten Adresse.
refused-BLOCKED_LOCAL = Wir prüfen nur öffentliche Websites: Diese Adresse liegt im eigenen Netz eines Prüfers.
refused-BAD_PORT = Die Zahl nach dem Doppelpunkt ist kein Port.
refused-PORT_NOT_ALLOWED = Wir prüfen nur die üblichen Ports von Websites: 80 für http, 443 für https.
refused-SELF_TARGET = Uns selbst prüfen wir nicht; unser Zustand hat eine eigene Seite.
refused-BLOCKLISTED = Diese Website wird hier nicht geprüft.
refused-OPTED_OUT = Diese Website prüfen wir nicht, weil ihr Inhaber darum gebeten hat, mit einem Eintrag im DNS; geben Sie eine andere ein.

# Was es nicht gibt.
missing-page = Diese Seite gibt es nicht
missing-page-why = Die Adresse ist vertippt, oder was dort war, ist weg.
missing-method = Unter dieser Adresse gibt es nichts zu sehen
missing-method-why = Fragen Sie hier noch einmal.
missing-check = Diese Prüfung gibt es nicht
missing-check-why = Der Link ist vertippt, oder die Prüfung ist zu alt: Wir heben sie nur eine Zeit lang auf.
missing-incident = Diesen Vorfall gibt es nicht
missing-incident-why = Der Link ist vertippt.
missing-agent = Diesen Prüfer gibt es nicht
missing-agent-why = Er ist nicht unter denen der letzten sieben Tage.
missing-lesson = Diese Seite gibt es in der Fehlerkunde nicht
missing-lesson-why = Die erste Seite der Fehlerkunde zählt auf, was es gibt.
failed-records = Unsere Aufzeichnungen sind gerade nicht lesbar. Bitte versuchen Sie es in einer Minute wieder.

# Startseite.
home-title = Ist sie gestört? Jede Website aus vielen Netzen prüfen
home-description = Adresse eingeben und in Sekunden sehen, ob eine Website für alle, für manche Netze oder nur für Sie gestört ist, und warum.
home-h1 = Ist sie für alle gestört oder nur für Sie?
home-lede = Wir probieren die Website aus vielen Netzen, während Sie zusehen, und sagen dann, wer sie nicht erreicht, warum, und was Sie tun können.
home-free = Nichts wird installiert, kein Konto ist nötig.
home-now = Störungen gerade jetzt
home-none-yet = Noch keine Website wurde geprüft.
home-more = { $n ->
        [one] Eine weitere Störung
       *[other] { $n } weitere Störungen
    }
home-fine = Überall erreichbar, wo wir nachgesehen haben
home-map = Gepunktete Weltkarte mit einem Zeichen, wo unsere Prüfer stehen
home-network-more = Zur Liste, und was wir nicht sehen
calm = Nichts, was wir prüfen, ist gerade gestört: { $n ->
        [one] eine Website
       *[other] { $n } Websites
    }.
for-long = seit

# Prüfung.
hops-label = Der Weg von Ihnen zur Website
matrix-title = Wer sie erreicht
matrix-empty = Noch kein Prüfer wurde gefragt.
matrix-label = Ergebnisse nach Netz und Region
matrix-caption = Netze nach Region. Zeit bis zum ersten Byte oder der Fehler; ×2 heißt zwei Prüfer, 1/3 heißt, einer von dreien scheitert.
matrix-nobody = kein Prüfer
we-tested = geprüft wurde
link-stays = Ein Link, der bleibt:
link-this-check = diese Prüfung
rows-in-order = Die Ergebnisse in der Reihenfolge, in der sie kamen:
live-here = Hier wird das Urteil stehen.
live-rows = Ergebnisse, wie sie kommen
for-visitors = Wenn Sie die Website besuchen wollen
for-owners = Wenn Sie sie betreiben
evidence = Belege
evidence-json = Belege als JSON
why-title = Worauf wir uns stützen
why-seen = Gesehen
why-nothing = Nichts außer den Einzelergebnissen unten.
why-same = Erklärt dieselben Ergebnisse ebenso gut
why-missing = Was wir nicht sehen konnten
why-likely = Warum: wahrscheinliche Ursache
why-possible = Warum: mögliche Ursache
why-for = Dafür spricht
why-against = Dagegen spricht
why-why = Warum
why-nothing-wrong = Es gibt nichts zu erklären.
why-unknown = Wir wissen es noch nicht und raten nicht.
details-title = Einzelheiten
timings = Zeiten
timings-caption = Jede Phase über alle Prüfer, die durch sie kamen.
dns-summary = DNS-Antworten: { $n ->
        [one] überall dieselbe
       *[other] { $n } verschiedene
    }
dns-label = DNS-Antworten
dns-caption = Welche Adressen die DNS-Dienste der Prüfer nannten.
certificate-summary = Zertifikat: { $n ->
        [one] überall dasselbe
       *[other] { $n } verschiedene
    }
certificate-label = Zertifikate
certificate-caption = Was den Prüfern gezeigt wurde.
seen-summary = Gesehene Protokolle, Adressen und Server
seen-label = Was unterwegs gesehen wurde
seen-caption = Wie viele Prüfer jedem begegneten und wie viele davon scheitern.
rows-summary = Ergebnis jedes Prüfers ({ $n })
rows-label = Ergebnis jedes Prüfers
rows-caption = Ärger zuerst.
and-more = und { $n } weitere
th-network = Netz
th-phase = Phase
th-typical = Üblich
th-drawn = Maßstäblich gezeichnet
th-slowest = Am langsamsten
th-testers = Prüfer
th-addresses = Adressen
th-fail = Scheitern
th-resolvers = DNS-Dienste
th-runs-out = Läuft ab in
th-for = Für
th-signed = Unterschrieben von
th-ends = Endet
th-tls = TLS
th-what = Was
th-value = Wert
th-tester = Prüfer
th-result = Ergebnis
th-took = Dauer
th-way = Weg
th-from = Ab (UTC)
th-problems = Probleme
th-tests = Tests
th-day = Tag
th-place = Ort
th-region = Region
th-line = Anschluss
th-ip = IP
th-heard = Zuletzt gehört
th-version = Version
th-site = Website
th-age = Alter
th-neighbours = Selbes Netz
th-code = Code
th-speaks = Wer spricht
th-says = Was er sagt
th-cause = Übliche Ursache

# Nur Sie.
you-title = Ist es bei Ihnen anders?
you-explain = Ihr eigener Browser kann die Website und im selben Moment uns probieren. Nur wenn Sie den Knopf drücken, und nichts davon wird gespeichert.
you-button = Aus meinem Browser prüfen
you-busy = Ihr Browser probiert es …
you-noscript = Ohne JavaScript kann Ihr Browser diesen Test nicht machen. Öffnen Sie die Website in einem anderen Tab und sagen Sie uns, was Sie sehen.
you-report = Sagen Sie es uns, auf der Seite der Website
you-word = Ihr Browser
you-works = Ihr Browser erreicht { $host }
you-own-line = Ihre eigene Leitung versagte im selben Moment: Über { $host } sagt das nichts
you-barred = Ihr Browser darf { $host } von hier aus nicht prüfen
you-everyone = Es liegt nicht an Ihnen: { $host } scheitert auch bei den meisten Prüfern
you-your-isp = { $host } scheitert auch bei Prüfern Ihres Anbieters: Wahrscheinlich liegt es an ihm oder seinem Weg
you-just-you = { $host } geht bei Prüfern Ihres Anbieters: Es liegt vielleicht nur an Ihnen
you-nobody-near = { $host } geht anderswo; ob es an Ihnen oder Ihrem Anbieter liegt, können wir nicht sagen
you-browser-image = Ihr Browser hat ein Bild der Website gezeichnet, Seiten kommen also an.
you-browser-ok = Ihr Browser bekam eine Antwort. Ob es eine Fehlerseite war, darf das Skript einer fremden Seite nicht sehen.
you-browser-error = Ihr Browser bekam keine Antwort von der Website: abgelehnt, gekappt oder nicht gefunden.
you-browser-timeout = Ihr Browser wartete zehn Sekunden vergeblich auf die Website.
you-browser-barred = Ihr Browser durfte es nicht probieren: Die Website führt anderswohin oder hat keine sichere Adresse.
you-beacon-failed = Auch uns erreichte er in diesem Moment nicht.
you-from-both = Sie kommen von { $isp }, in { $country }.
you-from-isp = Sie kommen von { $isp }.
you-from-country = Sie kommen aus { $country }.
you-from-unknown = Ihr Netz ist hier unbekannt: Es gibt keine Adresstabelle, oder Ihre Adresse steht nicht darin.
you-near = Prüfer bei Ihrem Anbieter: { $works } von { $total } erreichen sie.
you-near-nobody = Bei Ihrem Anbieter haben wir keinen Messpunkt und können Sie nicht von ihm unterscheiden.
you-near-unknown = Ohne Ihr Netz zu kennen, können wir Sie nicht mit Prüfern darin vergleichen.
you-others = Besucher von { $isp }, die in den letzten 24 Stunden ein Problem meldeten: { $n }.
you-world = Alle Prüfer dieser Prüfung: { $works } von { $total } erreichen sie.
you-kept = Ihre Adresse und dieses Ergebnis werden nicht gespeichert.
you-unread = Dieses Ergebnis war nicht lesbar
you-unread-why = Gehen Sie zur Prüfung zurück und drücken Sie den Knopf noch einmal.
do-order = In dieser Reihenfolge, bis etwas hilft:
back-to-check = Zurück zur Prüfung

# Website.
site-title = Ist { $host } gestört? Jetzt und in den letzten 24 Stunden
since = Seit
measured = gemessen vor { $age }
every = geprüft alle { $every }
on-demand = geprüft, wenn jemand fragt
this-incident = dieser Vorfall
report-label = Prüfen und melden
test-again = Jetzt noch einmal prüfen
works-for-me = Bei mir geht es
fails-for-me = Bei mir geht es nicht
what-do-you-see = Was sehen Sie?
send-report = Meldung senden
report-once = Zählt einmal je Netz und halbe Stunde. Ihre Adresse wird nicht gespeichert.
report-counted = Danke: Ihre Meldung zählt.
report-seen = Danke. Sie wurde nicht gezählt: Aus Ihrem Netz kam in der letzten halben Stunde schon eine Meldung, oder es kamen zu viele auf einmal.
report-unread = Diese Meldung war nicht lesbar
report-unread-why = Gehen Sie zurück und wählen Sie eine der Antworten.
category-cannot-be-found = Die Website wird nicht gefunden
category-too-slow = Es dauert zu lange
category-error-page = Eine Fehlerseite mit Nummer (502, 503 …)
category-not-secure = Eine Warnung „nicht sicher“
category-loads-broken = Sie lädt, aber kaputt oder leer
category-log-in = Nur das Anmelden scheitert
category-app-only = Nur die App scheitert
category-payment = Nur das Bezahlen scheitert
category-other = Etwas anderes
disagree-people = Menschen melden Probleme, unsere Prüfer erreichen sie: Der Fehler liegt vielleicht hinter der ersten Seite oder bei einem Anbieter.
disagree-testers = Unsere Prüfer sehen sie scheitern, und niemand hat ein Problem gemeldet: Vielleicht bemerkt es niemand.
reports-title = Meldungen von Menschen, letzte 24 Stunden
reports-none-now = In den letzten 15 Minuten hat niemand etwas gemeldet.
reports-now = Letzte 15 Minuten: { $problems ->
        [one] ein Problem
       *[other] { $problems } Probleme
    }, { $works }-mal „bei mir geht es“. Üblich zu dieser Stunde: { $usual }.
reports-none = In den letzten 24 Stunden wurde kein Problem gemeldet.
chart-top = { $n } in einer Viertelstunde
chart-label = Gemeldete Probleme je Viertelstunde der letzten 24 Stunden: insgesamt { $n }
chart-caption = Gefärbte Balken liegen über dem Üblichen dieser Stunde (schattiertes Band: { $usual } je Viertelstunde). Meldungen ändern nie, was unsere Tests sagen.
chart-table = Meldungen je Viertelstunde
as-table = Dasselbe als Tabelle
axis-24 = vor 24 h
axis-12 = vor 12 h
axis-now = jetzt
axis-90 = vor 90 Tagen
axis-45 = vor 45 Tagen
axis-today = heute
shares-categories = Was sie sehen
shares-networks = Wo sie sind
shares-interval = Anteil der Meldungen, deren Netz bekannt ist. In Klammern: wo der wahre Anteil in 19 von 20 Fällen liegt.
where-title = Wo sie geht
where-map = Gepunktete Weltkarte mit dem letzten Ergebnis jedes Prüfers; die Tabelle darunter sagt dasselbe in Worten
where-map-check = Gepunktete Weltkarte mit dem Ergebnis jedes Prüfers; die Tabelle darüber sagt dasselbe in Worten
take-title = Zum Mitnehmen
take-text = Ein Abzeichen, ein Kasten für die eigene Seite, ein Feed und ein Kalender der Vorfälle dieser Website, und ihr Zustand, wie Statusseiten ihn melden.
take-badge = Abzeichen
take-embed = Kasten zum Einbetten
take-feed = Atom-Feed
take-calendar = Kalender
take-summary = Zusammenfassung als JSON
day-title = Tests der letzten 24 Stunden
day-none = Für die letzten 24 Stunden sind keine Tests verzeichnet.
strip-caption = Höher und dunkler heißt mehr Ärger; eine dünne graue Linie heißt keine Tests, nie „gut“.
strip-entries = Viertelstunden mit Fehlern
history-link = Die letzten 90 Tage
incidents-title = Vorfälle
incidents-none = Keine verzeichnet.
related-title = Gestört hinter demselben Server oder CDN
page-json = Diese Seite als JSON
history-json = Verlauf als JSON
opted-out-word = Nicht geprüft
opted-out-title = { $host } prüfen wir nicht
opted-out-why = Ihr Inhaber hat uns gebeten, diese Website nicht zu prüfen. Darum können wir nicht sagen, ob sie erreichbar ist, und zeigen nichts von dem, was wir vorher sahen.
opted-out-more = Wie Inhaber das sagen
unknown-title = Über { $host } wissen wir noch nichts
unknown-why = Niemand hat gefragt, also wurde nichts geprüft. Ein Druck, und unsere Prüfer probieren es, während Sie zusehen.

# Verlauf.
history-title = { $host }: die letzten 90 Tage
history-description = Tests und Vorfälle von { $host } in den letzten 90 Tagen, Tag für Tag.
history-none = Keine Tests sind verzeichnet; Vorfälle bleiben für immer.
history-worked = { $worked } von { $total } Tests gelangen, an { $days ->
        [one] einem Tag
       *[other] { $days } Tagen
    } mit Tests.
history-label = Neunzig Tage: Ärger an { $trouble }, Tests an { $known }
history-kept = Tests bleiben minutengenau 30 Tage und stundengenau 400, Vorfälle für immer.
follow-title = Einem Netz oder einer Region folgen
follow-text = Jedes und jede hat einen Atom-Feed: ein Eintrag, sobald sich ändert, was wir dort über eine Website sagen.
follow-all = Alle Störungen
map-europe = Europa
history-days = Tage mit Ärger
history-no-days = Keine, von denen wir wissen.
day-incident = ein Vorfall von { $lasted }
day-both = { $failing } von { $total } Tests scheiterten; ein Vorfall von { $lasted }

# Vorfall.
incident-over = Vorbei
incident-lasts = Dauert an
incident-going = bisher { $lasted }
incident-in-all = insgesamt { $lasted }
incident-peak = im schlimmsten Moment scheiterten { $failing } von { $total } Prüfern
incident-began = Er begann zwischen { $earliest } und { $latest } UTC.
incident-who = Wen es traf
incident-timeline = Was wir sagten, Neuestes zuerst
step-count = { $failing } von { $total } Prüfern scheitern
incident-how = Wie wir entschieden haben
incident-how-text = Ein Vorfall beginnt, wenn Prüfer in mehreren Netzen übereinstimmen, und endet, wenn sie eine Weile ohne Fehler waren. Ein Prüfer, dessen eigene Leitung nicht geht, bleibt außen vor.
incident-json = Dieser Vorfall als JSON

# Störungen.
outages-title = Störungen jetzt und früher
outages-description = Websites, die jetzt für alle oder für manche gestört sind, und frühere Vorfälle.
outages-now = Gerade jetzt
outages-json = Störungen als JSON
outages-over = Vorbei

# Netz.
network-title = Von wo wir schauen
network-description = Unsere Prüfer: wo sie stehen, in welchen Netzen, und was wir nicht sehen.
network-map = Gepunktete Weltkarte mit einem Zeichen, wo unsere Prüfer stehen; die Tabelle darunter sagt dasselbe in Worten
network-nobody = Noch ist kein Prüfer verbunden, jede Antwort ist also „wir können es nicht sagen“.
network-count = { $online } von { $testers } Prüfern verbunden, in { $networks ->
        [one] einem Netz
       *[other] { $networks } Netzen
    } und { $countries ->
        [one] einem Land
       *[other] { $countries } Ländern
    }.
network-silent = { $lost } von { $of } Prüfern von { $isp } verstummten auf einmal, um { $since }. Das ist keine Störung einer Website.
network-gaps = Was wir nicht sehen
network-no-gaps = Auf jedem bewohnten Kontinent steht ein Prüfer an einem Anschluss zu Hause oder im Mobilfunk. Das ist trotzdem ein kleiner Teil des Internets: Ein Urteil spricht für die Netze dieser Liste.
network-may = Ein Prüfer öffnet dieselbe Startseite wie jeder Besucher. Er sendet keine Cookies, meldet sich nirgends an, liest höchstens 64 KiB und sagt im User-Agent, wer er ist. Orte zeigen wir höchstens auf die Stadt genau.
network-all = Jeder Prüfer der letzten sieben Tage
gap-continents = Kein Prüfer ist verbunden in: { $where }.
gap-home = Kein Prüfer schaut von Anschlüssen zu Hause: Wir sehen, was Server sehen, nicht, was Menschen sehen.
gap-mobile = Kein Prüfer schaut aus Mobilfunknetzen: Wir sehen, was Server sehen, nicht, was Menschen sehen.
gap-ipv6 = Kein Prüfer hat IPv6: Was nur über IPv6 scheitert, bleibt ungesehen.
gap-unplaced = Das Netz von { $n ->
        [one] einem Prüfer ist unbekannt, er kann
       *[other] { $n } Prüfern ist unbekannt, sie können
    } einen Anbieter nicht vom anderen unterscheiden.
gap-quiet = { $n ->
        [one] Ein Prüfer der letzten sieben Tage ist
       *[other] { $n } Prüfer der letzten sieben Tage sind
    } jetzt nicht verbunden.
online = verbunden
ago = vor { $time }
agent-title = Prüfer in { $place }, { $network }
agent-online = Er ist verbunden.
agent-quiet = Er ist nicht verbunden; gehört wurde er vor { $time }.
agent-saw = Was er zuletzt sah
agent-saw-nothing = Noch nichts.
agent-works = { $works } von { $total } Websites gehen bei ihm.
agent-alone = Bei { $n ->
        [one] einer Website
       *[other] { $n } Websites
    } steht er allein gegen seine Nachbarn.
agent-agrees = Nirgends steht er allein gegen seine Nachbarn.
agent-no-neighbour = kein Nachbar
agent-same = { $same } von { $total } sagen dasselbe

# Fehlerkunde.
guide-title = Fehlerkunde
guide-lede = Was Fehler bedeuten, was Besucher tun können und wo Betreiber suchen sollten.
learn-hops = Wo es bricht
learn-fault = Liegt es an mir?
learn-visitor = Was Sie tun können
learn-owner = Wenn Sie die Website betreiben, in dieser Reihenfolge
learn-side = 502, 503, 504 und 52x nebeneinander
learn-how = Woran wir es erkennen
learn-more = Mehr in der Fehlerkunde
side-502-who = Front-Server oder CDN
side-502-says = Die Maschine hinter mir gab eine kaputte Antwort oder keine.
side-502-cause = Absturz, Neustart, falscher Port
side-503-who = Front-Server oder die Website selbst
side-503-says = Ich bediene Sie jetzt nicht.
side-503-cause = Überlast, Wartung
side-504-who = Front-Server oder CDN
side-504-says = Die Maschine hinter mir antwortete nicht rechtzeitig.
side-504-cause = langsame Abfrage, gestörter Weg zum Ursprung
side-52x-who = der Edge von Cloudflare
side-52x-says = Der Server der Website gab eine leere Antwort, lehnte ab, ließ warten oder hat ein schlechtes Zertifikat.
side-52x-cause = Ursprung aus, Firewall gegen das CDN

# Über uns.
about-title = Wie wir messen und was wir nicht wissen können
about-description = Wie Parallax entscheidet, wer eine Website erreicht und warum, und wo die Grenzen liegen.
about-lede = Von einem Ort aus kann niemand eine gestörte Website von einer kaputten Leitung unterscheiden. Von vielen Orten aus geht es.
about-happens = Was geschieht, wenn Sie fragen
about-step-1 = Wir lesen Ihre Eingabe als Adresse einer öffentlichen Website. Private und reservierte Adressen werden abgelehnt.
about-step-2 = Prüfer werden ausgewählt, verteilt über Regionen und Netze. Sie bekommen die Adresse sofort.
about-step-3 = Jeder öffnet die Startseite, wie ein Browser begänne: Namensauflösung, Verbindung, sichere Leitung, Anfrage, erste Bytes. Ein Fehler wird einmal auf neuer Verbindung wiederholt, und der Prüfer vergewissert sich, dass seine eigene Leitung geht.
about-step-4 = Ergebnisse werden gewogen, wie sie kommen. Wir suchen die kleinste Gruppe, die erklärt, wer scheitert: ein Anbieter, eine Region, ein CDN-Standort, eine Adresse, nur IPv6.
about-step-5 = Sie sehen jedes einzelne Ergebnis, nicht nur die Summe.
about-joined = Gleiche Prüfungen zur selben Zeit sind eine Prüfung, damit eine angeschlagene Website nicht noch mehr zu tun bekommt.
about-words = Was die Wörter bedeuten
word-is = ist
word-is-means = Viele Prüfer stimmen überein, und kaum etwas anderes erklärte, was sie sahen.
word-looks = scheint
word-looks-means = Wahrscheinlich, aber in mehr als einem von zehn Fällen könnte es einen anderen Grund haben.
word-one = ein Prüfer sagt
word-one-means = Ein einzelnes Ergebnis. Es wird gezeigt, und nichts wird daraus geschlossen.
word-cannot = wir können es nicht sagen
word-cannot-means = Zu wenige Prüfer antworteten, oder sie widersprechen sich. Wir sagen, was fehlt, statt zu raten.
word-refuses = weist unsere Prüfer ab
word-refuses-means = Eine Bot-Prüfung oder Sperrseite. Das ist kein Ausfall.
about-limits = Grenzen
limit-front-page = Wir öffnen nur die Startseite. Anmelden, Bezahlen oder die App können kaputt sein, während sie geht. Dafür gibt es Meldungen von Menschen.
limit-networks = Ein Urteil spricht für die Netze, in denen unsere Prüfer stehen.
limit-cdn = Ein CDN behandelt unsere Prüfer vielleicht anders als Menschen.
limit-cause = Eine Ursache ist ein Urteil nach Belegen, gezeigt mit dem, was dagegen spricht. Wissen kann es nur der Betreiber.
limit-reports = Meldungen werden neben den Tests gezählt. Allein machen sie eine Website nie „gestört“.
limit-browser = Der Test Ihres eigenen Browsers sieht, ob eine Antwort kam, nicht, was darin stand.
limit-once-a-minute = Eine Website wird höchstens einmal je Minute geprüft, wer auch fragt, von höchstens 40 Prüfern. Eine beobachtete bekommt dazu höchstens etwa 32 Besuche je Minute, wie viele Prüfer es auch gibt.
about-owners = Für Inhaber von Websites
owners-visit = Unsere Prüfer kommen, wie ein Browser käme, lesen höchstens 64 KiB der Seite und behalten keinen Teil davon, nur einen Fingerabdruck. Wenn ihr Betreiber es nicht ändert, beginnt ihr User-Agent mit „parallax/“; kommen mehrere, so ist es eine Prüfung oder die Beobachtung einer Website, innerhalb der Grenzen oben.
owners-out = Wenn Sie nicht möchten, dass Ihre Website geprüft wird, veröffentlichen Sie diesen Eintrag im DNS Ihrer Domain, mit Ihrer Domain an der Stelle von example.com:
owners-record = Der Eintrag im DNS
owners-form = Im Formular eines Anbieters: Typ TXT, Name { $name }, Inhalt { $text } ohne Anführungszeichen. Es muss genau dieser Text sein; kein anderer Eintrag unter diesem Namen wird dafür gehalten.
owners-below = Der Eintrag gilt für die Domain und jeden Namen darunter. Soll er nur für einen Namen gelten, setzen Sie ihn unter diesen, etwa www.
owners-when = Innerhalb von fünf Minuten werden neue Prüfungen abgelehnt, jeder Prüfer lässt die Website in Ruhe, und ihre Seite sagt, dass ihr Inhaber darum gebeten hat. Nehmen Sie den Eintrag weg, sind Prüfungen ebenso schnell wieder möglich. Die Prüfung einer anderen Website, die zu Ihrer weiterleitet, kann sie weiterhin erreichen.
owners-cached = Wir fragen die Nameserver Ihrer Domain selbst. Wo sie uns nicht antworten, und vor einer ersten Prüfung, auf die jemand wartet, fragen wir andere Nameserver, deren Antwort so alt sein darf, wie Ihre Domain es einstellt.
about-open = Sie und Ihre Daten
about-open-text = Kein Konto, keine Cookies, keine Tracker, nichts von anderswo. Prüfungen sind öffentlich für alle, die ihren Link haben; Links sind nicht zu erraten.
about-made-with = Gemacht mit
about-fonts = Schrift: Atkinson Hyperlegible Next und Mono, unter der
about-fonts-licence = SIL Open Font License
about-map = Das Land der Karte stammt aus Natural Earth (gemeinfrei).

# Datenschutz.
privacy-title = Datenschutz
privacy-lede = Was von Ihnen bleibt: nichts, das zu Ihnen zurückführt.
privacy-visit = Wenn Sie schauen
privacy-visit-text = Seiten werden gesendet und vergessen. Ihre Adresse wird nicht aufgeschrieben; es gibt keine Cookies und kein Konto.
privacy-check = Wenn Sie eine Website prüfen
privacy-check-text = Der Name der Website, die Ergebnisse der Prüfer und das Urteil bleiben unter einem Link, der nicht zu erraten ist. Ihre Adresse wählt Prüfer in Ihrer Nähe und geht nicht weiter.
privacy-report = Wenn Sie melden
privacy-report-text = Art, Website, Zeit und, wo es eine Adresstabelle gibt, die Nummer Ihres Netzes. Ein Hash mit Schlüssel über das Präfix Ihres Netzes (/24 oder /48) verhindert, dass jemand doppelt zählt; der Schlüssel liegt nur im Speicher, jeden Tag ein anderer, und der alte ist weg: Dann kann niemand mehr sagen, von wem der Hash war, auch wir nicht.
privacy-you = Wenn Ihr Browser prüft
privacy-you-text = Ihr Browser fragt die Website selbst, als hätten Sie sie geöffnet: Sie sieht Ihren Besuch. Was er fand, wird hierher gesendet, beantwortet und vergessen.
privacy-elsewhere = Andere
privacy-elsewhere-text = Nichts auf diesen Seiten kommt von anderswo, und nichts über Sie wird weitergegeben. Der Name einer Website schon: Unsere Prüfer schlagen ihn nach und öffnen sie, fragen einen öffentlichen DNS-Dienst, wenn ein Name nicht zu finden ist, und öffnen bekannte Seiten, um zu sehen, ob ihr eigener Anschluss geht.
privacy-kept = Wie lange
privacy-kept-text = Einzelergebnisse und die Seiten von Prüfungen 7 Tage, Ergebnisse minutengenau 30 Tage und stundengenau 400, Vorfälle für immer: Nichts davon enthält etwas über Besucher. Meldungen 60 Tage.

# Unser eigener Zustand.
status-lede = Wie es uns selbst gerade geht. Wenn zu viele unserer Prüfer fehlen, urteilen wir nicht über andere.
status-fine = Wir können Websites jetzt beurteilen.
status-testers = Prüfer
status-sites = Websites
status-sites-text = { $sites } bekannt, { $watched } ohne Nachfrage beobachtet, { $unknown } ohne Urteil
status-newest = Neuester Befund
status-slowest = Ältester der Beobachteten
status-open = Offene Vorfälle
status-room = Platz
status-room-text = { $agents } von { $limit } Prüfern, { $cells } von { $most } Paaren aus Prüfer und Website.
status-refused-testers = Mangels Speicher wurden Prüfer seit dem Start { $count }-mal abgewiesen; sie behalten ihre Ergebnisse und versuchen es wieder.
status-held-back = Prüfer sandten schneller, als sie dürfen: { $count }-mal seit dem Start wurde einer später gelesen; verloren geht nichts.
status-refused-results = Mangels Speicher kamen { $count }-mal Ergebnisse, die nur im Verlauf zählen.
status-version = Version
status-now = Diese Seite ist von
status-note = Diese Seite macht dasselbe Programm, von dem sie spricht. Ist es gestört, fehlt auch sie.

# API.
api-lede = Was die Seiten zeigen, können Programme lesen: als JSON und als Ereignisse, während eine Prüfung läuft. Kein Schlüssel ist nötig. Die Beschreibungen sind auf Englisch.
api-openapi = Dasselbe als OpenAPI-Datei
api-calls = Aufrufe
api-start = Schneller Anfang
api-commands = Befehle
api-required = nötig
api-answer = Antwort
api-errors = Fehler
api-errors-text = Fehler haben einen Code für Programme und einen Satz für Menschen. 404: Das gibt es nicht. 422: Die Website darf nicht geprüft werden, und der Satz sagt, warum. 429: zu oft; Retry-After sagt, wann Sie wiederkommen können.
api-limits = Grenzen
api-limit-checks = Eine Website wird höchstens einmal je Minute geprüft, wer auch fragt: Wer noch einmal fragt, bekommt dieselbe Prüfung.
api-limit-rate = Eine Adresse darf je Minute 30 Prüfungen beginnen, je Stunde 60 Meldungen senden und je Minute 1200-mal lesen. RateLimit-Limit, RateLimit-Remaining und RateLimit-Reset sagen in jeder Antwort, was übrig ist.
api-limit-streams = Eine Adresse darf sechs Ereignisströme halten.
api-limit-body = Der Rumpf einer Anfrage darf 8 KiB lang sein.
api-grpc = Dasselbe gibt es auf diesem Port über gRPC, mit Reflection.
