"""Starts real servers (Postfix, Dovecot, Mailreeve) in a private folder on free loopback ports, for tests, benchmarks and
the demo. Standard library only; runs with Debian's /usr/bin/python3."""
