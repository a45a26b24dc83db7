# Was zu tun ist. Zeilen für Besucher beginnen mit „do-“ und „only-“, Zeilen für Betreiber mit „own-“.

do-up = Wenn sie bei Ihnen trotzdem nicht geht, liegt es vielleicht nur an Ihnen. Der Reihe nach, bis etwas hilft:
do-unknown = Versuchen Sie es in einer Minute wieder. Was fehlt, steht weiter unten.
do-blocked = Das ist kein Ausfall. Öffnen Sie die Seite selbst und sagen Sie uns, was Sie sehen.
do-slow = Geben Sie ihr Zeit; drücken Sie beim Bezahlen nicht zweimal.
do-flaky = Versuchen Sie es nach einer Minute noch einmal.
do-down = Es liegt nicht an Ihnen. Nur Warten hilft: neu laden, Router neu starten oder ein anderer Browser ändern nichts.
do-some = Wenn es bei Ihnen nicht geht: warten oder einen anderen Weg nehmen (Mobilfunk, anderes Netz).
do-pop = Warten oder an anderer Stelle hinausgehen: Gestört ist ein einzelner Standort des CDN.
do-isp = Wahrscheinlich liegt es an diesem Anbieter oder seinem Weg. Probieren Sie den Mobilfunk eines anderen und sagen Sie es Ihrem.
do-family = Wenn es hängt, schalten Sie IPv6 probeweise ab oder nehmen Sie ein anderes Netz.
do-protocol = Ein anderer Browser kann helfen.
do-address = Noch einmal versuchen: Ihr Browser bekommt vielleicht eine andere Adresse.
do-resolver = Ein anderer DNS-Dienst gibt eine andere Antwort; Ihrer zieht nach, wenn seine Kopie abläuft.
do-region = Wenn Sie dort sind: warten oder einen anderen Weg nehmen (Mobilfunk, anderes Netz).
do-contact = Wenn es eilt, fragen Sie auf einem Weg, der nicht die Seite ist: App, soziale Medien, Telefon.
do-nxdomain = Prüfen Sie die Schreibweise; wenn es gestern ging, warten Sie.
do-servfail = Warten; schalten Sie DNS-Prüfungen nicht ab.
do-wait = Warten: Auf Ihrer Seite lässt sich nichts richten.
do-filter = Ein anderes Netz kann helfen; es kann ein Filter in Ihrem Land oder Büro sein.
do-network = Ein anderes Netz kann helfen.
do-expired = Klicken Sie die Warnung nicht weg, niemals mit Passwörtern. Prüfen Sie Ihre eigene Uhr.
do-certificate = Klicken Sie die Warnung nicht weg, niemals mit Passwörtern.
do-later = Später noch einmal versuchen.
do-minute = In einer Minute noch einmal versuchen.
do-503 = Zehn Minuten warten; nicht immer wieder neu laden, das macht eine Überlast schlimmer.
do-504 = Später noch einmal versuchen. Eine Zahlung kann trotzdem durchgegangen sein: erst nachsehen, dann wiederholen.
do-429 = 15 Minuten warten: Die Seite bittet um eine Pause.
do-loop = Löschen Sie einmal die Cookies der Seite.
do-dns-wait = Die alte DNS-Antwort läuft spätestens in { $left } ab. Schneller geht es, den DNS-Cache zu leeren oder einen anderen DNS-Dienst zu nehmen.
do-vpn-helps = Gemessen: { $works ->
        [one] ein Prüfer außerhalb erreicht sie
       *[other] { $works } Prüfer außerhalb erreichen sie
    }; ein VPN oder ein anderer Anschluss, der woanders hinausgeht, sollte helfen. Betroffen: { $who }.
do-vpn-useless = Gemessen: Ein VPN hilft nicht. Sie scheitert aus { $networks ->
        [one] dem einen Netz
       *[other] allen { $networks } Netzen
    }, aus denen wir gefragt haben.

only-reload = Ohne Cache neu laden: Strg + F5, auf dem Mac Cmd + Umschalt + R.
only-browser = Einen anderen Browser oder ein privates Fenster ohne Erweiterungen probieren.
only-vpn-off = VPN, Proxy und Werbeblocker probeweise ausschalten. Wenn Sie keines nutzen, zeigt ein VPN, ob es an Ihrem Weg liegt.
only-mobile = Mobilfunk statt des Anschlusses zu Hause probieren.
only-router = Router neu starten und zwei Minuten warten.
only-dns = DNS-Cache leeren oder einen anderen DNS-Dienst probieren.
only-tell = Sagen Sie uns, was Sie sehen: Dafür sind die Knöpfe auf der Seite der Website da.

own-up = Nichts zu tun. Frühere Störungen stehen auf der Seite der Website.
own-unknown = Wir raten nicht. Die Einzelergebnisse unten können trotzdem helfen.
own-blocked-allow = Um gemessen zu werden, lassen Sie unseren User-Agent durch die Bot-Prüfung.
own-blocked-rules = Wenn nur manche Orte abgewiesen werden, sehen Sie Regeltreffer nach Land und Netz an: Ist das gewollt?
own-slow = Sehen Sie unten bei den Zeiten nach der langsamen Phase: Dort beginnt die Suche.
own-flaky = Suchen Sie ein einzelnes krankes Backend, eine Neustart-Schleife oder eine Grenze, die bei Spitzen erreicht wird.
own-down = Alle scheitern auf dieselbe Weise: zuerst ansehen, was alle teilen (Ursprung, DNS, Zertifikat, Konto).
own-some = Vergleichen Sie, was die scheiternden Prüfer teilen: PoP, Transit, DNS-Antwort, Firewall-Regel.
own-pop = Beim CDN melden und den Standort (PoP) nennen; Verkehr davon weglenken, wenn das geht.
own-isp = Prüfen Sie Sperren gegen Adressen dieses Netzes und die Wege zwischen ihm und Ihnen; schicken Sie ihm ein Traceroute.
own-family = Listener, Firewall und Route dieser Familie richten oder ihre DNS-Einträge solange zurückziehen.
own-protocol = Prüfen Sie den Listener dieses Protokolls für sich: UDP 443 und Alt-Svc für HTTP/3, ALPN für HTTP/2.
own-address = Nehmen Sie die scheiternde Adresse aus der DNS-Antwort, bis sie wieder geht.
own-resolver = Lassen Sie die alte Adresse antworten, bis alle Kopien abgelaufen sind; vergleichen Sie unten die Antworten.
own-region = Vergleichen Sie, was diese Orte teilen: PoP, Transit, DNS-Antwort, Firewall-Regel.
own-nxdomain = In dieser Reihenfolge: Ablauf und Sperren beim Registrar; Nameserver bei der übergeordneten Zone; ist die Zone veröffentlicht?
own-servfail = DS der übergeordneten Zone gegen DNSKEY; abgelaufene Signaturen; halber Schlüsselwechsel; antworten die Nameserver überhaupt?
own-dns-timeout = Nameserver auf UDP und TCP 53, die Delegation, eine Flut gegen sie.
own-refused = Die Maschine ist da, und nichts hört zu: Dienst abgestürzt oder nur an localhost; Port; letztes Deployment.
own-reset = Eine Firewall, die Verbindungen kappt; Grenzen für Verbindungen je Adresse.
own-connect = In dieser Reihenfolge: läuft der Host; hört er zu; Security Group und Firewall; die Route zu seinem Präfix.
own-tls-reset = Etwas kappt die Leitung, sobald der Name fällt: ein Filter, wenn es ein Land oder Anbieter ist, sonst WAF oder TLS-Stack.
own-expired = Zertifikat erneuern; herausfinden, warum die Erneuerung scheiterte; jeden Edge neu laden.
own-certificate = SNI und virtuelle Hosts, Namen im Zertifikat, Zwischenzertifikate, TLS-Versionen.
own-quic = UDP 443, Alt-Svc und HTTP/3 am Edge.
own-500 = Das Programm ist an unserer Anfrage gescheitert: sein Fehlerlog zu dieser Zeit, das letzte Release.
own-502 = In dieser Reihenfolge: Backend abgestürzt oder im Neustart; falscher Port oder falsches Protokoll; zu große Header; Resets im Log des Proxys.
own-503 = Wartungsschalter, leerer Pool, alle Health-Checks rot; sonst Überlast: CPU, Datenbank-Pool, Warteschlange.
own-504 = In dieser Reihenfolge: langsame Abfrage oder Abhängigkeit; der Weg vom Front-Server zum Ursprung; ein Proxy-Timeout unter dem der Anwendung.
own-52x = Der Edge des CDN ist gesund, der Ursprung nicht: Läuft er, lässt er die Adressen des CDN herein, ist sein Zertifikat gut?
own-429 = Grenzen, die an Adressen hängen, die sich viele Menschen teilen.
own-loop = http und https, die bei CDN und Ursprung aufeinander umleiten; Regeln für www.
own-cut = Resets und Zeitüberschreitungen im Log des Proxys; ein Worker, der mitten in der Antwort stirbt.
own-cause-overload = Last abwerfen, cachen, Raten begrenzen oder skalieren; nachsehen, was sich am Verkehr geändert hat.
own-cause-network = Status des Upstreams, eine Routing-Änderung zu dieser Zeit, Ausweichweg.
own-cause-firewall = Regeln nach Land und Netz, DDoS-Filter; der letzte Hop, der einem Traceroute antwortet.
own-cause-misconfiguration = Die letzte Änderung zurücknehmen, dann suchen.
own-cause-dns-change = Den alten Server antworten lassen, bis alle Kopien abgelaufen sind. Beim nächsten Mal die TTL einen Tag vorher senken.
own-cause-cdn-edge = Statusseite des CDN; die Request-IDs der scheiternden Antworten.
own-cause-origin-crash = Neu starten, was fehlt, dann lesen, warum es ging.
own-cause-maintenance = Mit 503 und Retry-After ansagen, bis es vorbei ist.
