# Zustände, Urteile, Fehler, Zahlen: woraus die Ansichten bestehen.

glyph-unknown = Unbekannt
glyph-waiting = Wird geprüft
glyph-up = Geht
glyph-hidden = Weist unsere Prüfer ab
glyph-slow = Langsam
glyph-partly = Scheitert bei manchen
glyph-down = Scheitert

verdict-up = Erreichbar
verdict-down = Gestört
verdict-partial = Teilweise gestört
verdict-degraded = Langsam
verdict-flaky = Kommt und geht
verdict-blocked = Weist unsere Prüfer ab
verdict-unknown = Unbekannt

# Sätze. Sie sagen, was die Diagnose auf Englisch sagt.
say-up = { $host } ist überall erreichbar, wo wir nachgesehen haben
say-down-is = { $host } ist für alle gestört, die wir gefragt haben
say-down-looks = { $host } scheint für alle gestört, die wir gefragt haben
say-flaky = { $host } kommt und geht
say-slow = { $host } geht, ist aber langsam
say-slow-for = { $host } geht, ist aber langsam für { $who }
say-refuses = Wir können { $host } nicht sehen: Unsere Prüfer werden abgewiesen
say-refuses-some = { $host } weist ab: { $who }; anderswo geht es
say-stale = Manche bekommen noch die alte Adresse von { $host }
say-partly-is = { $host } ist gestört für { $who }
say-partly-looks = { $host } scheint gestört für { $who }
say-some = { $host } ist für manche gestört
say-pop = { $host } scheitert über einen CDN-Standort: { $what }
say-only-over = { $host } scheitert nur über { $what }
say-address = { $host } scheitert an einer der eigenen Adressen: { $what }
say-no-site = Eine Website namens { $host } gibt es nicht
say-maintenance = { $host } wird nach eigener Auskunft gewartet
say-reports-only = Menschen melden Ärger mit { $host }, unsere Tests zeigen ihn nicht
say-unknown = Wir können es nicht sagen
verb-is = ist
who-everyone = alle
who-customers = Kunden von { $isp }
who-home = Menschen an Anschlüssen zu Hause
who-mobile = Menschen in Mobilfunknetzen
who-hosting = Zugriffe aus Rechenzentren
who-people = Menschen
who-in = in { $what }
who-through = über { $what }
who-sent-to = mit Ziel { $what }
who-over = über { $what }
who-resolver = mit dem DNS-Dienst { $what }
who-phrase = { $left } { $right }
why-with = { $sentence }. Die meisten sehen: { $what }.

band-checking = { $host } wird geprüft
band-asking = { $asked ->
        [one] Ein Prüfer wird
       *[other] { $asked } Prüfer werden
    } gefragt. Die ersten Antworten kommen in einer Sekunde.
band-finished = { $answered } von { $asked } Prüfern haben geantwortet · fertig nach { $took }
band-so-far = { $answered } von { $asked } Prüfern haben bisher geantwortet
band-up-so-far = { $host } scheint bisher erreichbar
band-first-reach = { $answered ->
        [one] Der erste Prüfer erreicht
       *[other] Die ersten { $answered } Prüfer erreichen
    } sie. Es fehlen noch { $waiting }.

note-query-public = Alles nach dem ? schickt jeder Prüfer an die Website: Prüfungen sind öffentlich.
note-query-secret = Was nach dem ? steht, sieht nach einem Geheimnis aus, und Prüfungen sind öffentlich: Prüfen Sie die Website besser ohne.
note-fragment = Was nach dem # steht, verlässt einen Browser nie und wurde weggelassen.
note-respelled = Einige Zeichen waren ungewöhnlich; gelesen wurde { $read }.
note-international = { $unicode } heißt im DNS { $ascii }.
note-lookalike = { $ascii } ist mit Buchstaben geschrieben, die anderen gleichen: Vergewissern Sie sich, dass es die gemeinte Website ist.

second-up = { $worked } von { $total } Prüfern haben sie erreicht.
second-up-in = { $worked } von { $total } Prüfern haben sie erreicht; übliche Zeit bis zum ersten Byte: { $time }.
second-down = { $failing } von { $total } Prüfern scheitern. Die meisten sehen: { $what }.
second-partial = { $failing } von { $total } Prüfern scheitern, { $worked } erreichen sie. Wer scheitert, sieht meist: { $what }.
second-slow = Sie antwortet, aber spät.
second-slow-in = Sie antwortet, aber spät: meist { $time } bis zum ersten Byte.
second-flaky = { $failing } von { $total } Prüfern scheiterten, und ein zweiter Versuch hilft oft: { $what }.
second-blocked = Das ist kein Ausfall. { $failing } von { $total } Prüfern bekommen: { $what }. Öffnen Sie sie selbst.
second-nobody = Noch konnte kein Prüfer etwas sagen; wir raten nicht.
second-mixed = { $failing } von { $total } Prüfern scheitern; das ist zu wenig oder zu gemischt, um mehr zu sagen. Wir raten nicht.
second-few = { $total ->
        [one] Nur ein Prüfer konnte
       *[other] Nur { $total } Prüfer konnten
    } etwas sagen; wir raten nicht.

visitor-just-you = Bei Prüfern wie Ihnen geht es: Es liegt vielleicht nur an Ihnen.
visitor-your-isp = Auch Prüfer bei Ihrem Anbieter scheitern: Wahrscheinlich liegt es an ihm oder seinem Weg.
visitor-affected = Sie gehören zu denen, bei denen es nicht geht: Es liegt nicht an Ihnen.
visitor-not-affected = Bei Ihnen sollte es gehen.

# Der Weg dorthin.
hop-you = Sie
hop-dns = DNS
hop-network = Netz
hop-front = Front-Server
hop-origin = Server der Seite
hop-resolves = Der Name hat eine Adresse
hop-connects = Verbindet
hop-connects-in = Verbindet in { $time }
hop-answers = Antwortet
hop-replies = Liefert
hop-untested = Nicht geprüft
hop-unreached = Nicht erreicht
hop-stuck = { $failing } von { $total }: { $what }
hop-you-only = Vielleicht nur Sie
hop-you-isp = Auch Ihr Anbieter scheitert
hop-you-affected = Sie sind betroffen
hop-you-fine = Nicht betroffen
hop-you-untested = Von hier nicht geprüft

# Fehler, für eine Zelle (höchstens elf Buchstaben) und für eine Zeile.
cell-no-answer = keine Antw.
cell-dns-nxdomain = kein Name
cell-dns-nodata = kein Name
cell-dns-servfail = DNS
cell-dns-refused = DNS
cell-dns-timeout = DNS
cell-dns-bogus = DNS
cell-dns-loop = DNS
cell-connect-refused = abgelehnt
cell-connect-timeout = Zeit um
cell-connect-unreachable = kein Weg
cell-connect-reset = gekappt
cell-tls-expired = Zertifikat
cell-tls-not-yet-valid = Zertifikat
cell-tls-name-mismatch = Zertifikat
cell-tls-untrusted = Zertifikat
cell-tls-self-signed = Zertifikat
cell-tls-revoked = Zertifikat
cell-tls-handshake = TLS
cell-tls-timeout = Zeit um
cell-tls-reset = gekappt
cell-quic-timeout = Zeit um
cell-quic-handshake = QUIC
cell-quic-closed = QUIC
cell-http-timeout = Zeit um
cell-http-reset = gekappt
cell-http-protocol = unlesbar
cell-http-too-large = unlesbar
cell-http-redirect-loop = Umleitung
cell-http-redirect-blocked = Umleitung
cell-blocked-address = gesperrt
cell-blocked-challenge = Bot-Prüfung
cell-blocked-block-page = gesperrt
cell-blocked-legal = gesperrt
cell-agent-offline = kein Test
cell-agent-policy = kein Test
cell-agent-overloaded = kein Test
fail-none = geht
fail-status = HTTP-Status { $code }
fail-status-cdn = { $code } { $reason } (vom CDN)
fail-dns-nxdomain = der Name steht nicht im DNS
fail-dns-nodata = der Name hat keine Adresse
fail-dns-servfail = die Namensauflösung scheiterte
fail-dns-refused = die Namensauflösung wurde verweigert
fail-dns-timeout = die Namensauflösung bekam keine Antwort
fail-dns-bogus = die Signatur des Namens stimmt nicht
fail-dns-loop = der Name führt im Kreis
fail-connect-refused = die Maschine ist da, aber kein Webserver hört zu
fail-connect-timeout = unter der Adresse antwortet nichts
fail-connect-unreachable = es führt kein Weg zur Adresse
fail-connect-reset = die Verbindung wurde sofort gekappt
fail-tls-expired = das Zertifikat ist abgelaufen
fail-tls-not-yet-valid = das Zertifikat gilt noch nicht
fail-tls-name-mismatch = das Zertifikat gehört zu einem anderen Namen
fail-tls-untrusted = dem Zertifikat ist nicht zu trauen
fail-tls-self-signed = das Zertifikat hat sich selbst unterschrieben
fail-tls-revoked = das Zertifikat wurde zurückgezogen
fail-tls-handshake = keine sichere Leitung kam zustande
fail-tls-timeout = die sichere Leitung stand nicht rechtzeitig
fail-tls-reset = die Leitung wurde gekappt, sobald der Name fiel
fail-quic-timeout = keine Antwort über HTTP/3
fail-quic-handshake = keine Antwort über HTTP/3
fail-quic-closed = keine Antwort über HTTP/3
fail-http-timeout = verbunden, dann keine rechtzeitige Antwort
fail-http-reset = die Antwort wurde gekappt
fail-http-protocol = eine Antwort, die kein HTTP ist
fail-http-too-large = Header über jede Grenze hinaus
fail-http-redirect-loop = eine Umleitung im Kreis
fail-http-redirect-blocked = eine Umleitung dorthin, wohin wir nicht dürfen
fail-blocked-address = die Adresse darf nicht geprüft werden
fail-blocked-challenge = eine Bot-Prüfung
fail-blocked-block-page = eine Sperrseite
fail-blocked-legal = eine Seite, die aus rechtlichen Gründen gesperrt ist
fail-agent-offline = die eigene Leitung des Prüfers war gestört
fail-agent-policy = der Prüfer darf diese Adresse nicht prüfen
fail-agent-overloaded = der Prüfer hatte keine Zeit

# Was zusätzliche Proben sagten.
clue-count = { $n } von { $total } Prüfern: { $what }.
clue-static-ok = ein Pfad ohne Anwendung wurde beantwortet, Maschine und Front-Server gehen also
clue-static-fails = selbst ein Pfad ohne Anwendung scheiterte
clue-address-current = die benutzte Adresse ist die, die die Nameserver der Seite selbst nennen
clue-address-old = die benutzte Adresse ist alt: Die Nameserver der Seite nennen eine andere
clue-family-ok = die andere IP-Familie antwortete
clue-family-fails = auch die andere IP-Familie antwortete nicht
clue-without-h3-ok = ohne HTTP/3 kam eine Antwort
clue-without-h3-fails = auch ohne HTTP/3 kam keine Antwort
clue-port-open = der andere Port des Hosts (80 oder 443) war erreichbar
clue-port-closed = auch der andere Port des Hosts (80 oder 443) war nicht erreichbar
clue-other-address = eine andere Adresse des Namens antwortete
clue-serial-one = Die Nameserver der Zone nennen die Seriennummer { $serial }.
clue-serials = Die Nameserver der Zone nennen verschiedene Seriennummern, von { $first } bis { $last }: Eine Änderung ist unterwegs.
clue-h3 = { $n } von { $total } Prüfern wurde gesagt, dass die Seite HTTP/3 spricht.

# Ursachen.
cause-overload = Überlast: mehr Arbeit, als die Seite leisten kann
cause-network = das Netz: Verluste oder Routing zwischen Menschen und Seite
cause-firewall = eine Firewall oder ein Filter, der manche abweist
cause-misconfiguration = eine falsche Einstellung, meist nach einer Änderung
cause-dns-change = der Name ist umgezogen, und manche haben noch die alte Antwort
cause-tls = das Zertifikat oder die sichere Leitung selbst
cause-cdn-edge = der Edge des CDN
cause-origin-crash = das Programm hinter dem Front-Server ist weg
cause-maintenance = Wartung: wegen Arbeiten geschlossen, und so steht es da

# Unterwegs gesehen.
seen-protocol = Protokoll
seen-family = IP-Familie
seen-address = Adresse
seen-emitter = Antwort geschrieben von
seen-pop = CDN-Standort (PoP)
seen-resolver = DNS-Dienst
seen-h3 = HTTP/3 angekündigt durch
h3-alt-svc = Alt-Svc-Header
h3-https-record = HTTPS-Eintrag
resolver-isp = der des Anbieters
phase-dns = Namensauflösung
phase-connect = Verbindung
phase-tls = Sichere Leitung (TLS)
phase-first-byte = Erstes Byte
phase-body = Seite gelesen

# Orte, Leitungen, Zeitpunkte.
place-elsewhere = Anderswo
place-unknown = Ort unbekannt
network-unknown = Netz unbekannt
line-home = Anschluss zu Hause
line-mobile = Mobilfunk
line-hosting = Rechenzentrum
line-unknown = unbekannt
continent-africa = Afrika
continent-antarctica = Antarktis
continent-asia = Asien
continent-europe = Europa
continent-north-america = Nordamerika
continent-oceania = Ozeanien
continent-south-america = Südamerika
day = { $day }. { $month }
month-1 = Jan.
month-2 = Feb.
month-3 = März
month-4 = Apr.
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = Aug.
month-9 = Sep.
month-10 = Okt.
month-11 = Nov.
month-12 = Dez.
span-days = { $days ->
        [one] 1 Tag
       *[other] { $days } Tage
    }
tests-failed = { $failing } von { $total } Tests scheiterten
