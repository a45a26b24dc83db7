-- From which network a report came, so that probes can be sent there; NULL where the address's network is not known.
ALTER TABLE reports ADD COLUMN asn INTEGER;
